/**
 * The first hour, word for word: what docs/guides/getting-started.md says is done in an empty folder, with the package as it is
 * packed in place of the one that npm would fetch.
 *
 * @module-tag slow
 */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, expect, test } from "vitest";
import { freePort } from "../../scripts/check-docs.ts";
import { unpackInto } from "../../scripts/packed.ts";
import { openChromium } from "../browser/tabs.ts";
import { describeWith } from "../support/real-parts.ts";
import { afterwards } from "../support/serving.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const guide = readFileSync(join(root, "docs/guides/getting-started.md"), "utf8");
/** The versions that the repository itself is compiled with, in place of the newest. */
const { devDependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
let tarball: string;

beforeAll(() => {
  const packed = unpackInto("getting-started");
  tarball = join(packed, readdirSync(packed).find((name) => name.endsWith(".tgz"))!);
}, 120_000);

/** The code of a section, by language and place. */
function block(heading: string, language: string, index = 0): string {
  const section = guide.split(/^## /m).find((text) => text.startsWith(`${heading}\n`))!;
  const blocks = [...section.matchAll(new RegExp(`^\`\`\`${language}[^\\n]*\\n([\\s\\S]*?)^\`\`\`$`, "gm"))];
  return blocks[index]![1]!;
}

/** An empty folder, and a port in place of 9998; gone with the test. */
async function emptyFolder() {
  const folder = mkdtempSync(join(tmpdir(), "getting-started-"));
  afterwards(() => rmSync(folder, { recursive: true }));
  return { folder, port: String(await freePort()) };
}

/** Runs the commands of the guide. */
function type(folder: string, commands: string): void {
  const typed = commands
    .replace("install openline", `install "${tarball}"`)
    .replace(/--save-dev typescript @types\/node/, (words) =>
      words.replace(/\S+$|typescript/g, (name) => `${name}@${devDependencies[name]}`),
    )
    .replaceAll("npm install", "npm install --prefer-offline --no-audit --no-fund");
  execFileSync("sh", ["-ec", typed], { cwd: folder, stdio: "pipe" });
}

/** Starts a program that serves, and returns the first line that it prints. */
async function start(folder: string, file: string): Promise<string> {
  const child = spawn(process.execPath, [file], { cwd: folder, stdio: ["ignore", "pipe", "inherit"] });
  afterwards(async () => {
    child.kill("SIGKILL");
    if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
  });
  const [line] = await once(child.stdout.setEncoding("utf8"), "data");
  return line;
}

/** The project of the first section, with the files of the given blocks. */
async function project(files: Readonly<Record<string, string>>) {
  const { folder: parent, port } = await emptyFolder();
  type(parent, block("From an empty folder", "sh"));
  const folder = join(parent, "hello");
  for (const [name, code] of Object.entries(files)) writeFileSync(join(folder, name), code.replaceAll("9998", port));
  return { folder, port };
}

function printed(folder: string, file: string): string {
  return execFileSync(process.execPath, [file], { cwd: folder, encoding: "utf8" });
}

test("a server and a client in JavaScript", async () => {
  const { folder, port } = await project({
    "server.js": block("From an empty folder", "js", 0),
    "client.js": block("From an empty folder", "js", 1),
  });
  expect(await start(folder, "server.js")).toBe(`Serving on port ${port}\n`);
  expect(printed(folder, "client.js")).toBe("hello\n");
}, 120_000);

test("a program in TypeScript, with what tsc --init writes", async () => {
  const { folder } = await project({ "greet.ts": block("TypeScript", "ts") });
  type(folder, block("TypeScript", "sh"));
  execFileSync("npx", ["tsc"], { cwd: folder, stdio: "inherit" });
  expect(printed(folder, "greet.js")).toBe("Hello Ada\n");
}, 180_000);

test("a server in CommonJS", async () => {
  const { folder, port } = await project({ "server.cjs": block("CommonJS", "js") });
  expect(await start(folder, "server.cjs")).toBe(`${port}\n`);
}, 120_000);

describeWith("chromium", "in a browser", (executable) => {
  test("the page shows the echo", async () => {
    const { folder, port } = await project({ "page.js": `${block("A page", "js")}console.log("serving");\n` });
    expect(await start(folder, "page.js")).toBe("serving\n");
    const browser = await openChromium(executable);
    afterwards(() => browser.close());
    const tab = await browser.tab();
    await tab.goto(`http://localhost:${port}/`);
    await tab.until('document.body.textContent.includes("hello from a page")');
    expect(await tab.complaints()).toEqual([]);
  }, 120_000);
});
