/** What pages are built with where a package names `ws` beside the browser's own WebSocket. */
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import * as net from "../../src/ws/in-pages.ts";
import * as whole from "../../src/ws/index.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const words = "ws does not work in the browser. Browser clients must use the native WebSocket object";

/** What a program prints that finds packages as bundlers for browsers do. */
function found(...args: readonly string[]): unknown {
  const all = ["--conditions=browser", ...args];
  return JSON.parse(execFileSync(process.execPath, all, { cwd: root, encoding: "utf8" }));
}

test("has every name of the whole, each a function that says where it works", () => {
  // With the name by which Node requires the whole: builds for older browsers could not have it.
  const names = Object.keys(whole).filter((name) => name !== "module.exports");
  expect(Object.keys(net).sort()).toEqual(names.sort());
  for (const value of Object.values(net) as unknown as (new () => never)[]) {
    expect(() => new value()).toThrow(words);
    expect(() => (value as unknown as () => never)()).toThrow(words);
  }
});

test("is found with the condition of bundlers for browsers, imported or required", () => {
  const imports = 'import * as all from "openline/ws"; console.log(JSON.stringify(Object.keys(all).sort()))';
  expect(found("--input-type=module", "-e", imports)).toEqual(Object.keys(net).sort());
  const requires = 'const all = require("openline/ws"); console.log(JSON.stringify([typeof all, Object.keys(all)]))';
  expect(found("-e", requires)).toEqual(["function", []]);
});

test("loads where there is no global at all", () => {
  const script = join(root, "test/support/bare-context.mjs");
  const args = ["--experimental-vm-modules", "--no-warnings", script, "dist/ws/in-pages.js"];
  expect(execFileSync(process.execPath, args, { cwd: root, encoding: "utf8" })).toBe("dist/ws/in-pages.js ok\n");
});
