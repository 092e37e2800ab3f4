/**
 * Each row is seen to fail: against a server with the fault that the row is about.
 *
 * @module-tag slow
 */
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { peer } from "../../attack/peers.ts";
import { ROWS } from "../../attack/rows/index.ts";
import { type Result, runRows } from "../../attack/run.ts";
import { StartedTarget } from "../../attack/target.ts";
import { typescriptProgram } from "../../scripts/typescript-program.ts";
import { refusesManyFields } from "../support/many-fields.ts";
import type { Fault } from "./careless-server.ts";

const PROGRAM = fileURLToPath(new URL("careless-server.ts", import.meta.url));

async function results(target: StartedTarget, ids: readonly string[]): Promise<Result[]> {
  return await runRows(
    ROWS.filter(({ id }) => ids.includes(id)),
    target,
  );
}

const careless = (fault: Fault): StartedTarget =>
  new StartedTarget(fault, "", [process.execPath, ...typescriptProgram(PROGRAM), fault]);

type Control = readonly [Fault, control: string, reason: RegExp];

const CAUGHT: readonly Control[] = [
  ["reserves what is declared", "A01 control", /memory grows/],
  ["counts messages in 16 bits", "A04 control", /a fresh client .* the process ended with 1: RangeError/],
  ["remembers Pongs", "A05 control", /memory grows/],
  ["keeps a KiB for each byte of an unfinished frame", "A06 control", /memory grows/],
  ["joins again at each fragment", "A08 control", /twice the fragments/],
  ["inflates without limit", "B01 control", /memory grows/],
  ["gives zlib any window", "B02 control", /a fresh client .* the process ended with 1: RangeError/],
  ["ignores RSV1", "B05 control", /RSV1 on a continuation/],
  ["forgets final blocks", "B06 control", /no message comes of data that breaks off/],
  ["stalls at a gap", "C02 control", /within 1000 ms/],
  ["dies of a magic name", "C03 control", /a fresh client .* the process ended with 1: TypeError/],
  ["dies of a reset", "C04 control", /a fresh client .* the process ended/],
  ["takes a body for frames", "C08 control", /taken for frames/],
  ["dies of a Host that is none", "C10 control", /a fresh client .* the process ended with 1: TypeError/],
  ["takes any key and version", "C11 control", /none of them is accepted: key/],
  ["drops the others", "D07 control", /connections lost/],
  ["dies of too many files", "D20 control", /the process ended/],
];

/** Rows that wait for seconds, at once. */
const CAUGHT_SLOWLY: readonly Control[] = [
  ["reserves what is declared", "A11 control", /memory grows/],
  ["drops messages while it inflates", "B07 control", /[1-9]\d* echoes missing/],
  ["loses what is glued", "C16 control", /echoed once/],
  ["keeps sockets", "D16 control", /open files/],
];

async function isCaught(fault: Fault, control: string, reason: RegExp): Promise<Result> {
  const [result] = await results(careless(fault), [control.slice(0, 3)]);
  expect(result).toMatchObject({ verdict: "failed", reasons: expect.arrayContaining([expect.stringMatching(reason)]) });
  return result!;
}

test.each(CAUGHT)("a server that %s fails the %s", { timeout: 300_000 }, async (...control) => {
  await isCaught(...control);
});

test("B02 and C10 note what is accepted, and fail nobody for it; the control accepts everything", async () => {
  const noted = await results(careless("takes any Host and parameter"), ["B02", "C10"]);
  const accepted = [expect.stringMatching(/^none .*is accepted.*: [1-9]\d*$/)];
  expect(noted).toEqual(["B02", "C10"].map((id) => expect.objectContaining({ id, verdict: "held", notes: accepted })));
});

test.concurrent.each(CAUGHT_SLOWLY)("a server that %s fails the %s", { timeout: 60_000 }, async (...control) => {
  await isCaught(...control);
});

test.concurrent("a server that never lets go fails the D01 control, by what it keeps; for how long is a note", {
  timeout: 60_000,
}, async () => {
  const { notes } = await isCaught("never lets go", "D01", /memory grows/);
  expect(notes).toEqual(["Close", "failure"].map((after) => expect.stringMatching(`${after} .*: open after 6.5 s$`)));
});

test.concurrent("control: ws 8.17.0 fails the rows whose defences it lacks: A02, A03, A07, A09, A12, C01, D04", {
  timeout: 300_000,
}, async () => {
  // The defence that C01 asks for is node:http's own in newer runtimes.
  const isGuarded = await refusesManyFields();
  const failed = await results(peer("ws-8.17.0")!, ["A02", "A03", "A07", "A09", "A12", "C01", "D04"]);
  expect(failed.map(({ id, verdict }) => [id, verdict])).toEqual(
    ["A02", "A03", "A07", "A09", "A12", "C01", "D04"].map((id) => [id, id === "C01" && isGuarded ? "held" : "failed"]),
  );
  if (isGuarded) return;
  const crash = failed.find(({ id }) => id === "C01");
  expect(crash?.reasons[0]).toContain("the process ended with 1: TypeError");
});
