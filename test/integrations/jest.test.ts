/**
 * The packed package in Jest, with its default settings: a loader of its own, which cannot require a module.
 *
 * @module-tag slow
 */
import { execFile } from "node:child_process";
import { copyFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { beforeAll, describe, expect, test } from "vitest";
import { install, unpackInto } from "../../scripts/packed.ts";
import { serving } from "../support/serving.ts";

interface Report {
  readonly success: boolean;
  readonly numPassedTests: number;
  readonly testResults: readonly { readonly message: string }[];
}

const tools = "integrations/jest";
let folder: string;

beforeAll(() => {
  install(tools);
  folder = unpackInto("jest");
  writeFileSync(join(folder, "package.json"), '{ "private": true }\n');
  for (const name of ["node", "page", "module"]) {
    copyFileSync(join(tools, `${name}.js`), join(folder, name === "module" ? "module.test.mjs" : `${name}.test.js`));
  }
}, 300_000);

/** Runs one file in Jest, as its user would. */
async function run(version: 29 | 30, file: string, args: readonly string[] = [], env: object = {}): Promise<Report> {
  const jest = join(process.cwd(), tools, `node_modules/jest-${version}/bin/jest.js`);
  const { stdout } = await promisify(execFile)(process.execPath, [jest, "--json", file, ...args], {
    cwd: folder,
    env: { ...process.env, ...env },
    timeout: 55_000,
  }).catch((error: { stdout: string }) => error);
  return JSON.parse(stdout) as Report;
}

describe.each([29, 30] as const)("Jest %i", (version) => {
  test("requires every entry, and what they give works", async () => {
    const report = await run(version, "node.test.js");
    expect(report.testResults.map(({ message }) => message).join("")).toBe("");
    expect(report).toMatchObject({ success: true, numPassedTests: 5 });
  });

  test("requires what is for pages in jsdom", async () => {
    const server = await serving({
      port: 0,
      routes: { "/": { origin: "any", message: (connection, data) => void connection.send(data) } },
    });
    const environment = join(process.cwd(), tools, `node_modules/jest-environment-jsdom-${version}`);
    const report = await run(version, "page.test.js", ["--env", environment], {
      ECHO_URL: `ws://127.0.0.1:${server.port}`,
    });
    expect(report.testResults.map(({ message }) => message).join("")).toBe("");
    expect(report).toMatchObject({ success: true, numPassedTests: 2 });
  });

  test("imports every entry where it is asked for modules", async () => {
    const options = { NODE_OPTIONS: "--experimental-vm-modules --no-warnings" };
    const report = await run(version, "module.test.mjs", ["--testMatch", "**/*.test.mjs"], options);
    expect(report.testResults.map(({ message }) => message).join("")).toBe("");
    expect(report).toMatchObject({ success: true, numPassedTests: 1 });
  });
});
