/**
 * The command: a short soak from end to end, what it leaves behind, and what it refuses.
 *
 * @module-tag slow
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));

function soak(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, ["--import", "tsx", "soak/main.ts", ...args], { cwd: root, encoding: "utf8" });
}

it("soaks for some seconds, finds nothing wrong, and leaves its report", { timeout: 120_000 }, () => {
  const out = mkdtempSync(join(tmpdir(), "soak-"));
  const { status, stdout, stderr } = soak(
    ...["--minutes", "0.2", "--connections", "60", "--rate", "300", "--churn", "5", "--out", out],
  );
  expect([status, stdout, stderr]).toEqual([0, expect.any(String), ""]);
  expect(stdout).toContain("Asked for 300 messages a second on 60 connections,");
  expect(stdout.match(/^✓ /gm)).toHaveLength(7);
  expect(stdout).not.toContain("✗");
  expect(readdirSync(out).sort()).toEqual(["result.md", "series-dark.svg", "series-light.svg", "series.csv"]);
  const rows = readFileSync(join(out, "series.csv"), "utf8").trimEnd().split("\n");
  expect(rows.length).toBeGreaterThan(3);
  expect(readFileSync(join(out, "result.md"), "utf8")).toContain(
    "`npm run soak -- --minutes 0.2 --connections 60 --rate 300 --churn 5`",
  );
  rmSync(out, { recursive: true });
});

it.each([
  [["--minutes", "0"], "--minutes 0 is no number above 0"],
  [["--rate", "fast"], "--rate fast is no number above 0"],
  [["--cluster", "kafka"], "--cluster is redis or nats, not kafka"],
  [["--cluster", "redis", "--kills", "0"], "--kills 0 is no whole number above 0"],
  [["--cluster", "redis", "--faults", "kept,fire"], "--faults has no fire"],
])("refuses %j", (args, why) => {
  const { status, stderr } = soak(...args);
  expect([status, stderr]).toEqual([2, `Cannot soak: ${why}\n`]);
});
