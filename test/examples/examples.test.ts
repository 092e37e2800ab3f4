/**
 * What all examples have in common: the command that starts them, their form, and the page that lists them.
 *
 * @module-tag slow
 */
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import { connect } from "openline";
import { afterEach, describe, expect, test } from "vitest";
import { readExamples } from "../../scripts/example.mjs";
import { freePort } from "../support/program.ts";
import { type ExampleProcess, root, startExample, startProcess, stopExamples } from "./example-process.ts";

const { version } = JSON.parse(readFileSync(`${root}package.json`, "utf8"));
const examples = readExamples();
const names = [...examples.keys()];

afterEach(stopExamples);

/** Runs `npm run example -- NAME` without npm. */
function runExample(words: readonly string[], env: Readonly<Record<string, string>> = {}): ExampleProcess {
  return startProcess(process.execPath, ["scripts/example.mjs", ...words], { cwd: root, env });
}

test.each([
  ["auth", "/cookie"],
  ["chat", "/chat/tea"],
  ["command", "/command"],
  ["echo", "/echo"],
  ["filewatch", "/file"],
  ["rooms", "/as/Eve"],
  ["tunnel", "/tunnel"],
  ["upload", "/upload"],
])("%s answers 421 to a page whose name was pointed here", async (name, path) => {
  const port = await startExample(name).port();
  const opening = connect(`ws://localhost:${port}${path}`, {
    headers: { Host: `evil.example:${port}` },
    origin: `http://evil.example:${port}`,
  });
  await expect(opening).rejects.toMatchObject({ status: 421 });
});

describe("npm run example", () => {
  test.each(names)("starts %s, which says where to look or what to do, and ends with 0 on Ctrl-C", async (name) => {
    const example = runExample([name]);
    await example.until(/Ctrl-C ends .*\n/);
    const { code, output } = await example.stop();
    expect(code, output).toBe(0);
  });

  test("without a name lists all of them, and with a wrong one says so besides", async () => {
    const lines = [...examples].map(([name, { description }]) => `  ${name.padEnd(12)}  ${description}\n`);
    const list = await runExample([]).ended;
    expect(list).toEqual({ code: 0, output: `Start an example with: npm run example -- NAME\n\n${lines.join("")}` });
    for (const wrong of ["ecko", "__proto__", ""]) {
      const { code, output } = await runExample([wrong]).ended;
      expect([code, output]).toEqual([1, expect.stringContaining(`There is no example "${wrong}".\n`)]);
      expect(output).toContain(list.output);
    }
  });

  test("passes words on: another script of the example, and arguments", async () => {
    const { code, output } = await runExample(["echo", "client", "ws://localhost:1/"]).ended;
    expect(code).toBe(1);
    expect(output).toContain("Cannot open the connection to ws://localhost:1/");
    expect(output).toMatch(/\nIn this repository, the example's "npm start" is "npm run example -- echo"\.\n$/);
  });

  test.each([
    ["chat", "client", "start, slow"],
    ["echo", "nosuch", "start, client"],
  ])("%s %s, where no such script is, names those that are", async (name, word, scripts) => {
    const { code, output } = await runExample([name, word]).ended;
    expect(code).toBe(1);
    expect(output).toBe(`The example ${name} takes no "${word}" for its start. Its scripts are: ${scripts}\n`);
  });

  test("a relative path is looked for where npm was called", async () => {
    const env = { npm_lifecycle_event: "example", INIT_CWD: `${root}docs/guides` };
    const watch = runExample(["filewatch", "examples.md"], env);
    await watch.until(/Ctrl-C ends/);
    expect((await watch.stop()).code).toBe(0);
    const upload = runExample(["upload"]);
    const port = String(await upload.port());
    const { code, output } = await runExample(["upload", "client", "examples.md"], { ...env, PORT: port }).ended;
    expect([code, output]).toEqual([0, expect.stringContaining("The server has the same")]);
  });

  test("a port that is in use is a sentence that says how to take another", async () => {
    const port = await freePort();
    const taken = createServer().listen(port, "127.0.0.1");
    await once(taken, "listening");
    const { code, output } = await runExample(["echo"], { PORT: String(port) }).ended;
    taken.close();
    expect([code, output]).toEqual([
      1,
      `Cannot start echo: port ${port} on 127.0.0.1 is in use; choose another: PORT=${port + 10} npm run example -- echo\n`,
    ]);
  });

  test.each(["abc", "70000", "-1", ""])("PORT=%s is a sentence, not a stack", async (port) => {
    const { code, output } = await runExample(["echo"], { PORT: port }).ended;
    expect(code).toBe(1);
    expect(output).toBe(`Cannot start an example: PORT is "${port}", and a port is a number up to 65535\n`);
  });

  test("works through npm, and ends when npm alone gets a SIGTERM, of which a shell between them dies", async () => {
    const example = startProcess("npm", ["run", "example", "--", "echo"], { cwd: root, env: {} });
    const url = `http://localhost:${await example.port()}`;
    expect((await fetch(url)).status).toBe(200);
    example.process.kill("SIGTERM");
    // Its pipes are closed when all have ended that write to them.
    await example.ended;
    await expect(fetch(url)).rejects.toThrow("fetch failed");
  });
});

describe.each(names)("the folder of %s", (name) => {
  const folder = `${root}examples/${name}/`;
  const files = spawnSync("git", ["ls-files", "--cached", "--others", "--exclude-standard"], {
    cwd: folder,
    encoding: "utf8",
  })
    .stdout.trim()
    .split("\n");
  const programs = files.filter((file) => file.endsWith(".js"));

  test("has a README, at most 60 lines a file, and programs that TypeScript checks", () => {
    expect(files).toContain("README.md");
    for (const file of files.filter((file) => file !== "dashboard.json")) {
      expect(
        readFileSync(folder + file, "utf8")
          .trimEnd()
          .split("\n").length,
        file,
      ).toBeLessThanOrEqual(60);
    }
    for (const file of programs) expect(readFileSync(folder + file, "utf8"), file).toMatch(/^\/\/ @ts-check\n/);
  });

  test("has a package.json that installs exactly this version, and scripts for files that are there", () => {
    const { private: isPrivate, type, engines, dependencies, devDependencies, scripts } = examples.get(name)!;
    expect({ isPrivate, type, engines }).toEqual({ isPrivate: true, type: "module", engines: { node: ">=20.19" } });
    expect([dependencies, devDependencies]).toEqual([{ openline: version }, undefined]);
    for (const script of Object.values<string>(scripts)) expect(programs).toContain(/^node (\S+)/.exec(script)?.[1]);
  });

  test("imports nothing but openline, Node, and its own files", () => {
    for (const file of programs) {
      for (const [, source] of readFileSync(folder + file, "utf8").matchAll(/(?:from|import) "([^"]+)"/g)) {
        expect(source, file).toMatch(/^(openline(\/[a-z]+)?|node:.*|\.\/[a-z-]+\.js)$/);
      }
    }
  });
});

test("the page of the examples has a line for each, and no other", () => {
  const page = readFileSync(`${root}docs/guides/examples.md`, "utf8");
  const rows = [...page.matchAll(/^\| \[([^\]]+)\]\(\.\.\/\.\.\/examples\/([^)]+)\) \| .+ \|$/gm)];
  const folders = readdirSync(`${root}examples`, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && entry.name !== "node_modules")
    .map((entry) => entry.name);
  expect(rows.map(([, name]) => name).sort()).toEqual(folders.sort());
  expect(rows.map(([, , link]) => link)).toEqual(rows.map(([, name]) => name));
});
