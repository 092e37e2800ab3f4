/** The packed package, loaded by Node in both ways: one instance, whose limits, timers and classes are one. */
import { execFile } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { beforeAll, describe, expect, test } from "vitest";
import { unpackInto } from "../../scripts/packed.ts";

interface Entry {
  readonly require?: { readonly default: string };
}

const { exports } = JSON.parse(readFileSync("package.json", "utf8")) as { exports: Readonly<Record<string, Entry>> };
/** The name of each entry, and where its CommonJS is. */
const entries = Object.entries(exports).flatMap(([path, { require }]) =>
  require === undefined ? [] : [[path.replace(".", "openline"), require.default] as const],
);
/** Of two namespaces, the second of which may have been made by `import`, the names whose values differ. */
const differing =
  "function differing(a, b) { return Object.keys(b).filter((name) => !/^(default|module.exports)$/.test(name) && a[name] !== b[name]); }";
let folder: string;

beforeAll(() => {
  folder = unpackInto("instances");
}, 300_000);

async function print(name: string, code: string, ...options: string[]): Promise<string> {
  writeFileSync(join(folder, name), code);
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [...options, name], { cwd: folder });
  return `${stderr}${stdout}`.trim();
}

describe.each(entries)("%s", (entry, commonjs) => {
  test("is one instance, whether it is required or imported, without a warning", async () => {
    const required = `const a = require("${entry}"); import("${entry}").then((b) => console.log(differing(a, b)));`;
    const imported = `import * as b from "${entry}"; import { createRequire } from "node:module";
      console.log(differing(createRequire(import.meta.url)("${entry}"), b));`;
    expect(await print("a.cjs", `${required}${differing}`)).toBe("[]");
    expect(await print("b.mjs", `${imported}${differing}`)).toBe("[]");
  });

  test("is there as CommonJS for loaders that cannot require a module", async () => {
    const path = join("node_modules/openline", commonjs);
    const code = `const a = require("./${path}"); import("${entry}").then((b) => console.log(differing(kinds(a), kinds(b))));
      function kinds(a) { return Object.fromEntries(Object.keys(a).map((name) => [name, typeof a[name]])); }`;
    expect(await print("c.cjs", `${code}${differing}`)).toBe("[]");
  });
});

test("what is required of openline/ws is the class, as of ws", async () => {
  const code = `import("openline/ws").then((b) => { const a = require("openline/ws"); console.log(a === b.default, a === b.WebSocket, a.Server === b.WebSocketServer); });`;
  expect(await print("d.cjs", code)).toBe("true true true");
});

test("so it is for a loader that compiles modules to CommonJS, as tsx does", async () => {
  const tsx = createRequire(import.meta.url).resolve("tsx");
  const code = `const a = require("openline/ws"); console.log(typeof a, a === a.WebSocket, typeof a.Server);`;
  expect(await print("e.cjs", code, "--import", pathToFileURL(tsx).href)).toBe("function true function");
});
