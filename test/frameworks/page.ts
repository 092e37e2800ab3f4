/**
 * The programs of a page under docs/guides/frameworks, as they stand there, run beside the real packages and the packed
 * openline.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { freePort } from "../../scripts/check-docs.ts";
import { unpackInto } from "../../scripts/packed.ts";
import { afterwards } from "../support/serving.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
/** Where the packages of a page are: frameworks that render pages want other versions of Vite. */
export type Packages = "frameworks" | "rendered";

/** The folder of packages. */
export function packagesOf(packages: Packages): string {
  return join(root, "integrations", packages);
}

/** Installs packages, unless they are there, and the packed openline beside them. */
export function install(packages: Packages): void {
  const tools = packagesOf(packages);
  execFileSync(process.execPath, [join(root, "scripts/setup.mjs"), "install", `integrations/${packages}`], {
    cwd: root,
  });
  const packed = join(unpackInto(`packed-for-${packages}`), "node_modules/openline");
  const target = join(tools, "node_modules/openline");
  rmSync(target, { recursive: true, force: true });
  cpSync(packed, target, { recursive: true });
}

/** The files of a page by name: each is a block behind a line with nothing but its name in backticks and a colon. */
export function filesOf(page: string): ReadonlyMap<string, string> {
  const markdown = readFileSync(join(root, "docs/guides/frameworks", `${page}.md`), "utf8");
  const blocks = markdown.matchAll(/^`([\w./-]+)`:\n\n```\w+\n([\s\S]*?)^```$/gm);
  return new Map([...blocks].map(([, name = "", code = ""]) => [name, code]));
}

/** A running program of a page. */
export interface Program {
  readonly port: number;
  /** What it has written to stderr. */
  readonly stderr: () => string;
}

/** Writes the files of a page into a folder of its own, with a free port in place of 9998, and returns both. */
export async function folderOf(
  page: string,
  others: Readonly<Record<string, string>> = {},
  packages: Packages = "frameworks",
) {
  const port = await freePort();
  const folder = join(packagesOf(packages), ".cache", page);
  rmSync(folder, { recursive: true, force: true });
  for (const [name, code] of [...filesOf(page), ...Object.entries(others)]) {
    const file = join(folder, name);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, code.replaceAll("9998", String(port)));
  }
  writeFileSync(join(folder, "package.json"), '{ "private": true, "type": "module" }\n');
  return { folder, port };
}

/** Runs Node with these arguments in a folder until the port answers; it ends with the test. */
export async function run(folder: string, port: number, args: readonly string[], env = {}): Promise<Program> {
  const child = spawn(process.execPath, args, {
    cwd: folder,
    env: { ...process.env, NODE_ENV: "development", ...env },
    stdio: ["ignore", "ignore", "pipe"],
  });
  afterwards(() => end(child));
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  while (!(await answers(port))) {
    if (child.exitCode !== null) throw new Error(`The program ended with ${child.exitCode}: ${stderr}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return { port, stderr: () => stderr };
}

/** Runs a program of a page. */
export async function runPage(page: string, file: string): Promise<Program> {
  const { folder, port } = await folderOf(page);
  return run(folder, port, [file]);
}

async function answers(port: number): Promise<boolean> {
  try {
    await (await fetch(`http://localhost:${port}/`)).arrayBuffer();
    return true;
  } catch {
    return false;
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill("SIGKILL");
  await new Promise((resolve) => child.once("exit", resolve));
}
