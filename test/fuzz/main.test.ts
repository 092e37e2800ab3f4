/**
 * The command: what it prints, what it exits with, how a failure is repeated, and that a hanging parser is ended.
 *
 * @module-tag slow
 */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));

function fuzz(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, ["--import", "tsx", "fuzz/main.ts", ...args], { cwd: root, encoding: "utf8" });
}

it("runs every target, each a share of the time, and names the seed", () => {
  const { status, stdout } = fuzz("--minutes", "0.01", "--seed", "5");
  const lines = stdout.trim().split("\n");
  expect([status, lines[0]]).toEqual([0, "Seed 5"]);
  expect(lines.slice(1).map((line) => line.replace(/\d+/g, "N"))).toEqual(
    [
      ["frames-server", "frames-client", "request", "response", "header-fields"],
      ["deflate-parameters", "deflate-stream", "short-messages", "close-payload", "cluster", "resume"],
    ]
      .flat()
      .map((name) => `✓ ${name.padEnd(18)} N runs, N a second, N kinds of outcome`),
  );
});

it("repeats one input, and says what came of it", () => {
  const { status, stdout } = fuzz("--target", "close-payload", "--input", '03ed "why"');
  expect([status, stdout]).toEqual([0, "✓ close-payload: close-code-invalid\n"]);
});

it.each([
  [["--target", "nothing"], "there is no target nothing, but frames-server, "],
  [["--seed", "x"], "--seed x is no number"],
  [["--input", "00"], "--input needs a --target"],
])("refuses %j", (args, why) => {
  const { status, stderr } = fuzz(...args);
  expect(status).toBe(2);
  expect(stderr).toContain(`Cannot fuzz: ${why}`);
});

it("an input that is never done with is told and ends the process", () => {
  const hanging = `
    const { Worker } = require("node:worker_threads");
    const shared = new SharedArrayBuffer(12);
    new Int32Array(shared, 0, 2).set([1, 2]);
    new Uint8Array(shared, 8).set([0x81, 0x05]);
    new Worker("./fuzz/watchdog.mjs", { workerData: { shared, most: 1 } }).once("online", () => { for (;;); });`;
  const { signal, stdout } = spawnSync(process.execPath, ["-e", hanging.replaceAll("\n", " ")], {
    cwd: root,
    encoding: "utf8",
    timeout: 60_000,
    killSignal: "SIGTERM",
  });
  expect([signal, stdout]).toEqual(["SIGKILL", "✗ An input takes longer than 1 seconds:\n  81 05\n"]);
});
