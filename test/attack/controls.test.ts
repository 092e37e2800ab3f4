/** Each row is seen to fail: against a server with the fault that the row is about. */
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
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

const CAUGHT: readonly (readonly [Fault, id: string, reason: RegExp])[] = [
  ["reserves what is declared", "A01", /memory grows/],
  ["joins again at each fragment", "A08", /twice the fragments/],
  ["inflates without limit", "B01", /memory grows/],
  ["ignores RSV1", "B05", /RSV1 on a continuation/],
  ["forgets final blocks", "B06", /no message comes of data that breaks off/],
  ["stalls at a gap", "C02", /within 1000 ms/],
  ["dies of a magic name", "C03", /a fresh client .* the process ended with 1: TypeError/],
  ["dies of a reset", "C04", /a fresh client .* the process ended/],
  ["takes a body for frames", "C08", /taken for frames/],
  ["takes any key and version", "C11", /none of them is accepted: key/],
  ["loses what is glued", "C16", /echoed once/],
  ["drops the others", "D07", /connections lost/],
  ["keeps sockets", "D16", /open files/],
  ["dies of too many files", "D20", /the process ended/],
];

describe("a server that", () => {
  test.each(CAUGHT)("%s fails %s", { timeout: 60_000 }, async (fault, id, reason) => {
    const [result] = await results(careless(fault), [id]);
    expect(result).toMatchObject({
      verdict: "failed",
      reasons: expect.arrayContaining([expect.stringMatching(reason)]),
    });
  });
});

test("ws 8.17.0 fails the rows whose defences it lacks: A03, A07, A09, C01, D04", { timeout: 120_000 }, async () => {
  const failed = await results(peer("ws-8.17.0")!, ["A03", "A07", "A09", "C01", "D04"]);
  expect(failed.map(({ id, verdict }) => [id, verdict])).toEqual(
    ["A03", "A07", "A09", "C01", "D04"].map((id) => [id, "failed"]),
  );
  const crash = failed.find(({ id }) => id === "C01");
  expect(crash?.reasons[0]).toContain("the process ended with 1: TypeError");
});
