/** Each row is seen to fail: against a server with the fault that the row is about. */
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { peer } from "../../attack/peers.ts";
import { ROWS } from "../../attack/rows/index.ts";
import { type Result, runRows } from "../../attack/run.ts";
import { StartedTarget } from "../../attack/target.ts";
import type { Fault } from "./careless-server.ts";

const PROGRAM = fileURLToPath(new URL("careless-server.ts", import.meta.url));

async function results(target: StartedTarget, ids: readonly string[]): Promise<Result[]> {
  return await runRows(
    ROWS.filter(({ id }) => ids.includes(id)),
    target,
  );
}

const careless = (fault: Fault): StartedTarget =>
  new StartedTarget(fault, "", [process.execPath, "--import", "tsx", PROGRAM, fault]);

const CAUGHT: readonly (readonly [Fault, control: string, reason: RegExp])[] = [
  ["reserves what is declared", "A01 control", /memory grows/],
  ["joins again at each fragment", "A08 control", /twice the fragments/],
  ["inflates without limit", "B01 control", /memory grows/],
  ["ignores RSV1", "B05 control", /RSV1 on a continuation/],
  ["forgets final blocks", "B06 control", /no message comes of data that breaks off/],
  ["stalls at a gap", "C02 control", /within 1000 ms/],
  ["dies of a magic name", "C03 control", /a fresh client .* the process ended with 1: TypeError/],
  ["dies of a reset", "C04 control", /a fresh client .* the process ended/],
  ["takes a body for frames", "C08 control", /taken for frames/],
  ["takes any key and version", "C11 control", /none of them is accepted: key/],
  ["loses what is glued", "C16 control", /echoed once/],
  ["drops the others", "D07 control", /connections lost/],
  ["keeps sockets", "D16 control", /open files/],
  ["dies of too many files", "D20 control", /the process ended/],
];

test.each(CAUGHT)("a server that %s fails the %s", { timeout: 60_000 }, async (fault, control, reason) => {
  const [result] = await results(careless(fault), [control.slice(0, 3)]);
  expect(result).toMatchObject({ verdict: "failed", reasons: expect.arrayContaining([expect.stringMatching(reason)]) });
});

test("control: ws 8.17.0 fails the rows whose defences it lacks: A02, A03, A07, A09, C01, D04", {
  timeout: 120_000,
}, async () => {
  const failed = await results(peer("ws-8.17.0")!, ["A02", "A03", "A07", "A09", "C01", "D04"]);
  expect(failed.map(({ id, verdict }) => [id, verdict])).toEqual(
    ["A02", "A03", "A07", "A09", "C01", "D04"].map((id) => [id, "failed"]),
  );
  const crash = failed.find(({ id }) => id === "C01");
  expect(crash?.reasons[0]).toContain("the process ended with 1: TypeError");
});
