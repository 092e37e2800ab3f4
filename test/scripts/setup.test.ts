/**
 * The set-up of a fresh clone, on a small package of its own that needs no network: each step runs when it must, once.
 *
 * @module-tag slow
 */
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";

const installing = "Installing the packages of package-lock.json …\n";
const building = "Building src …\n";
let clone: string;

beforeAll(() => {
  clone = realpathSync(mkdtempSync(join(tmpdir(), "setup-")));
  for (const folder of ["src", "part", "scripts"]) mkdirSync(join(clone, folder));
  cpSync(fileURLToPath(new URL("../../scripts/setup.mjs", import.meta.url)), join(clone, "scripts/setup.mjs"));
  writeFileSync(join(clone, "src/index.ts"), "export {};\n");
  writeFileSync(
    join(clone, "build.mjs"),
    'import { cpSync } from "node:fs";\ncpSync("src", "dist", { recursive: true });\n',
  );
  const dependencies = { part: "file:part" };
  const versioned = { name: "clone", version: "1.0.0", dependencies };
  const packages = { "": versioned, "node_modules/part": { resolved: "part", link: true }, part: { version: "1.0.0" } };
  writeJson("part/package.json", { name: "part", version: "1.0.0" });
  writeJson("package.json", { ...versioned, scripts: { build: "node build.mjs" } });
  writeJson("package-lock.json", { name: "clone", version: "1.0.0", lockfileVersion: 3, requires: true, packages });
});

afterAll(() => rmSync(clone, { recursive: true }));

test("installs and builds what is missing, then only what is out of date", () => {
  expect(setUp("install")).toEqual({ status: 0, stdout: installing });
  expect(setUp()).toEqual({ status: 0, stdout: building });
  expect(readFileSync(join(clone, "dist/index.ts"), "utf8")).toBe("export {};\n");
  expect(setUp()).toEqual({ status: 0, stdout: "" });

  touch("src/index.ts");
  expect(setUp()).toEqual({ status: 0, stdout: building });
  rmSync(join(clone, "dist"), { recursive: true });
  expect(setUp()).toEqual({ status: 0, stdout: building });
  rmSync(join(clone, "node_modules"), { recursive: true });
  expect(setUp()).toEqual({ status: 0, stdout: installing });
});

test("fails with the step that failed, and does not take its result for done", () => {
  writeFileSync(join(clone, "build.mjs"), "process.exit(3);\n");
  touch("src/index.ts");
  expect(setUp()).toEqual({ status: 1, stdout: building });
  expect(setUp()).toEqual({ status: 1, stdout: building });
});

function setUp(...args: readonly string[]): { status: number | null; stdout: string } {
  const script = join(clone, "scripts/setup.mjs");
  const { status, stdout } = spawnSync(process.execPath, [script, ...args], { encoding: "utf8" });
  return { status, stdout };
}

/** Makes the file newer than anything built until now, whatever the resolution of the file system's clock. */
function touch(path: string): void {
  const later = new Date(Date.now() + 1);
  utimesSync(join(clone, path), later, later);
}

function writeJson(path: string, value: unknown): void {
  writeFileSync(join(clone, path), JSON.stringify(value));
}
