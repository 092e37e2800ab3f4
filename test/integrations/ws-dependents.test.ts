/**
 * Packages that depend on `ws`, as they are, with `openline/ws` under its name: what each does for its users is done.
 *
 * Every program runs with `ws` itself first, which shows that it can pass. It ends by itself, so nothing is left open.
 *
 * @module-tag slow
 */
import { execFile } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { beforeAll, describe, expect, test } from "vitest";
import { install } from "../../scripts/packed.ts";
import { type RealPart, realPart } from "../support/real-parts.ts";

const folder = "integrations/ws-dependents";
/** Which programs need what nobody here wrote. */
const parts: Readonly<Record<string, RealPart>> = {
  mqtt: "mosquitto",
  puppeteer: "chromium",
  "webpack-dev-server": "chromium",
};
const programs = readdirSync(join(folder, "programs"))
  .filter((name) => name !== "kit.mjs")
  .map((name) => name.replace(".mjs", ""));

// There is much to install.
beforeAll(() => install(folder), 300_000);

async function run(name: string, WS: string): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, [`programs/${name}.mjs`], {
    cwd: folder,
    env: { ...process.env, WS, CHROMIUM: realPart("chromium"), MOSQUITTO: realPart("mosquitto") },
    timeout: 55_000,
  });
  return stdout.trim();
}

describe.each(programs)("%s", (name) => {
  const part = parts[name];
  const missing = part !== undefined && realPart(part) === undefined;

  test.skipIf(missing)("does what it does with ws itself, the control", async () => {
    expect(await run(name, "itself")).toBe("done with ws");
  });

  test.skipIf(missing)("does it with openline/ws in its place", async () => {
    expect(await run(name, "")).toBe("done with openline/ws");
  });
});
