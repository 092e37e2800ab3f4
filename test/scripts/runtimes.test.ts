/**
 * Tests on other runtimes: which Node is taken, that it is said when there is none, that workers run on no other, and that
 * what is skipped is in the table and there is nothing else in it.
 *
 * @module-tag slow
 */
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { lackOf, lacks } from "../../scripts/runtimes.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const script = "scripts/installed-node.mjs";
const newest = /newestNode = "(.+)"/.exec(readFileSync(join(root, script), "utf8"))![1]!;

describe("the installed Node", () => {
  let clone: string;

  beforeAll(() => {
    clone = realpathSync(mkdtempSync(join(tmpdir(), "newest-")));
    mkdirSync(join(clone, "scripts"));
    cpSync(join(root, script), join(clone, script));
  });

  afterAll(() => rmSync(clone, { recursive: true }));

  test("is the newest for each number that it begins with, and is not installed again", () => {
    const program = programOf(newest);
    mkdirSync(dirname(program), { recursive: true });
    writeFileSync(program, "");
    const [major, minor] = newest.split(".");
    for (const version of [newest, `${major}.${minor}`, `${major}`]) {
      expect(install(version)).toEqual({ status: 0, stdout: `${program}\n`, stderr: "" });
    }
  });

  test("is another one for any other number, and where npm has none, that is a failure which says so", () => {
    for (const version of [newest.slice(0, 1), `${newest}1`]) {
      const { status, stdout, stderr } = install(version);
      expect(status).toBe(1);
      expect(stdout).toBe(`Installing node@${version} …\n`);
      expect(stderr).toContain(`Cannot install Node ${version}: "npm install node@${version} `);
      expect(existsSync(programOf(version))).toBe(false);
    }
  });

  function programOf(version: string): string {
    return join(clone, `.cache/node-${version}/node_modules/node/bin/node`);
  }

  /** Installs with an npm that reaches nothing and has nothing in store. */
  function install(version: string): { status: number | null; stdout: string; stderr: string } {
    const code = `import { installedNode } from "./${script}"; console.log(installedNode("${version}"));`;
    const env = { ...process.env, npm_config_offline: "true", npm_config_cache: join(clone, "npm") };
    const args = ["--input-type=module", "--eval", code];
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: clone, env, encoding: "utf8" });
    return { status, stdout, stderr };
  }
});

describe("a worker", () => {
  test("runs its tests when its runtime is the one that is wanted", () => {
    const { status, output } = runOneFile(process.versions.node);
    expect(output).toMatch(/Tests +\d+ passed/);
    expect(status).toBe(0);
  });

  test("fails them all on any other", () => {
    const { status, output } = runOneFile("1.2.3");
    expect(output).toContain(`Cannot test on Node 1.2.3: this is ${process.versions.node}`);
    expect(output).toMatch(/Tests +no tests/);
    expect(status).toBe(1);
  });

  function runOneFile(version: string): { status: number | null; output: string } {
    const file = "test/connection/event-loop/deferred.test.ts";
    const args = ["node_modules/vitest/vitest.mjs", "run", "--config=scripts/runtime-config.ts", file];
    const env = { ...process.env, WANTED_RUNTIME: `node ${version}`, NO_COLOR: "1" };
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: root, env, encoding: "utf8" });
    return { status, output: stdout + stderr };
  }
});

describe("the table of what runtimes cannot do", () => {
  test("names files that there are, and words of titles in them", () => {
    const entries = lacks.flatMap(({ tests }) => tests);
    expect(new Set(entries).size).toBeGreaterThan(20);
    for (const entry of entries) expect(existsSync(join(root, "test", entry.split(" > ")[0]!)), entry).toBe(true);
  });

  test("gives the reason of a test by its file, its title and its runtime", () => {
    const file = "test/server/listening/proxy-protocol.test.ts";
    expect(lackOf("bun", file, "any title")?.what).toContain("proxyProtocol");
    expect(lackOf("deno", file, "any title")).toBe(undefined);
    expect(lackOf("bun", "test/server/listening/other.test.ts", "any title")).toBe(undefined);
    const words = "what a connection keeps connections whose contexts had to go carry on from their windows [B03]";
    expect(lackOf("deno", "test/connection/compression/message-deflate.test.ts", words)?.runtimes).toEqual(["deno"]);
    expect(lackOf("deno", "test/connection/compression/message-deflate.test.ts", "another")).toBe(undefined);
  });

  test("says nothing about Node, which has it all", () => {
    expect(lacks.filter(({ runtimes }) => runtimes.includes("node"))).toEqual([]);
  });
});
