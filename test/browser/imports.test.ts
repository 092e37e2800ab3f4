/** What pages load: it touches nothing of its runtime, since pages are rendered on servers too, and names what is for Node. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import * as page from "../../src/browser/index.ts";
import * as net from "../../src/browser/safety-net.ts";
import * as openline from "../../src/index.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** What becomes of each module that is loaded where there is nothing but the language. */
function loaded(paths: readonly string[]): string[] {
  const script = join(root, "test/support/bare-context.mjs");
  const args = ["--experimental-vm-modules", "--no-warnings", script, ...paths];
  return execFileSync(process.execPath, args, { cwd: root, encoding: "utf8" }).trim().split("\n");
}

test("every module of the browser's entry loads where there is no global at all", () => {
  const paths = ["browser", "reconnecting", "typed"].flatMap((folder) =>
    readdirSync(join(root, "src", folder), { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(".ts"))
      .map((name) => join("dist", folder, name.replace(".ts", ".js"))),
  );
  expect(paths).toContain("dist/browser/index.js");
  expect(paths).toContain("dist/browser/safety-net.js");
  expect(paths).toContain("dist/browser/json.js");
  expect(loaded(paths)).toEqual(paths.map((path) => `${path} ok`));
});

test("control: a class that extends EventTarget does not, nor what looks for a window", () => {
  const folder = mkdtempSync(join(tmpdir(), "imports-"));
  try {
    const paths = ["class.js", "window.js"].map((name) => join(folder, name));
    writeFileSync(paths[0]!, "export class A extends EventTarget {}");
    writeFileSync(paths[1]!, "export const place = globalThis.window;");
    expect(loaded(paths)).toEqual([`${paths[0]} EventTarget was touched`, `${paths[1]} window was touched`]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

describe("the entries", () => {
  test("the one for browsers has what pages use, under the names of the one for Node", () => {
    const names = ["CloseCode", "HandshakeError", "ReconnectError", "ReconnectingWebSocket", "connect", "reconnecting"];
    expect(Object.keys(page).sort()).toEqual(names);
    for (const name of names) expect(openline).toHaveProperty(name);
  });

  test("under openline a bundler for browsers finds every name, and those for Node say what to import", () => {
    expect(Object.keys(net).sort()).toEqual(Object.keys(openline).sort());
    for (const [name, value] of Object.entries(net)) {
      const ofPages = Object.entries(page).find(([own]) => own === name);
      if (ofPages) expect(value).toBe(ofPages[1]);
      else {
        const call = value as unknown as new () => unknown;
        expect(() => new call()).toThrow(`Cannot use ${name} in a page or worker`);
        expect(() => (value as () => unknown)()).toThrow('From "openline/browser", import connect');
      }
    }
  });
});
