/**
 * The packed package on other runtimes than Node: the same program on each, every probe of which must come out well.
 *
 * @module-tag slow
 */
import { execFile } from "node:child_process";
import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { beforeAll, expect, test } from "vitest";
import { install, unpackInto } from "../../scripts/packed.ts";

const tools = "integrations/runtimes";
const probes = "probes.mjs";
let folder: string;

beforeAll(() => {
  install(tools);
  folder = unpackInto("runtimes");
  writeFileSync(join(folder, "package.json"), '{ "private": true, "type": "module" }\n');
  copyFileSync(join(tools, probes), join(folder, probes));
}, 300_000);

const inTools = (name: string): string => join(process.cwd(), tools, "node_modules/.bin", name);

test.each([
  ["Node", [process.execPath]],
  ["Bun", [inTools("bun")]],
  ["Deno", [inTools("deno"), "run", "--allow-all", "--no-prompt"]],
] as const)("%s: every probe", async (_, [program, ...args]) => {
  const { stdout } = await promisify(execFile)(program, [...args, probes], { cwd: folder, timeout: 55_000 });
  const outcomes = JSON.parse(stdout.trim().split("\n").at(-1)!) as Record<string, string>;
  expect(Object.entries(outcomes).filter(([, outcome]) => outcome !== "ok")).toEqual([]);
  expect(Object.keys(outcomes).length).toBeGreaterThan(10);
});

test("the page says on which versions", () => {
  const { devDependencies } = JSON.parse(readFileSync(join(tools, "package.json"), "utf8")) as {
    devDependencies: Record<string, string>;
  };
  const page = readFileSync("docs/runtimes.md", "utf8");
  expect(page).toContain(`Bun ${devDependencies.bun}`);
  expect(page).toContain(`Deno ${devDependencies.deno}`);
});
