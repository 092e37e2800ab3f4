/**
 * The bench's storm on a small scale: real processes, a real kill, every client back on the next server.
 *
 * @module-tag slow
 */
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { type Storm, storm } from "../../../bench/storm/storm.ts";
import { typescriptProgram } from "../../../scripts/typescript-program.ts";

const [server, client] = (["server", "client"] as const).map((name) => {
  const path = fileURLToPath(new URL(`../../../bench/storm/${name}.ts`, import.meta.url));
  return [process.execPath, ...typescriptProgram(path)] as const;
});
const small = { server: server!, client: client!, clients: 200, processes: 3, calm: 0 };

function sum(counts: readonly number[]): number {
  return counts.reduce((total, count) => total + count, 0);
}

function expectAllBack({ clients, most, all, back, begun, lost }: Storm): void {
  expect(most).toBeLessThanOrEqual(all!);
  expect([sum(back), begun - lost]).toEqual([clients, clients]);
}

test("every client is back, and each attempt is counted where it was due", async () => {
  const measured = await storm({ ...small, away: 0, jitter: true });
  expectAllBack(measured);
  expect(sum(measured.due)).toBe(small.clients + sum(Object.values(measured.failed)));
  expect(measured.delay.p99).toBeGreaterThan(0);
});

test("control: without jitter more are due in one moment", async () => {
  const jittered = await storm({ ...small, away: 500, jitter: true });
  const control = await storm({ ...small, away: 500, jitter: false });
  expectAllBack(control);
  expect(Math.max(...control.due)).toBeGreaterThan(Math.max(...jittered.due));
});
