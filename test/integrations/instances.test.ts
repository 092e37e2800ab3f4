/** The packed package, loaded by Node in both ways: one instance, whose limits, timers and classes are one. */
import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { beforeAll, describe, expect, test } from "vitest";
import { unpackInto } from "../../scripts/packed.ts";

const entries = ["openline", "openline/browser", "openline/protocol", "openline/testing"];
let folder: string;

beforeAll(() => {
  folder = unpackInto("instances");
});

async function print(name: string, code: string): Promise<string> {
  writeFileSync(join(folder, name), code);
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [name], { cwd: folder });
  return `${stderr}${stdout}`.trim();
}

describe.each(entries)("%s", (entry) => {
  test("is one instance, whether it is required or imported, without a warning", async () => {
    const required = `const a = require("${entry}"); import("${entry}").then((b) => same(a, b));`;
    const imported = `import * as b from "${entry}"; import { createRequire } from "node:module"; same(createRequire(import.meta.url)("${entry}"), b);`;
    const same = "function same(a, b) { console.log(Object.keys(b).every((name) => a[name] === b[name])); }";
    expect(await print("a.cjs", `${required}${same}`)).toBe("true");
    expect(await print("b.mjs", `${imported}${same}`)).toBe("true");
  });

  test("is there as CommonJS for loaders that cannot require a module", async () => {
    const path = join("./node_modules/openline/dist/cjs", entry.replace(/^openline\/?/, ""), "index.js");
    const code = `const a = require("./${path}"); import("${entry}").then((b) => console.log(Object.keys(b).filter((name) => typeof a[name] !== typeof b[name])));`;
    expect(await print("c.cjs", code)).toBe("[]");
  });
});
