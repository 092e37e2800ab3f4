import { beforeEach, describe, expect, test } from "vitest";
import { Offsets } from "../../../src/cluster/nats/offsets.ts";

const day = 24 * 60 * 60 * 1000;
const noon = Date.UTC(2026, 10, 30, 12);
let offsets: Offsets;

beforeEach(() => {
  offsets = new Offsets();
});

/** A server starts: its mark, behind those that there were, gets this number. */
function start(server: string, sequence: number, time: number, made: Offsets = offsets): void {
  made.learn({ sequence, time, data: new TextEncoder().encode(made.markFor(server, 1, "nonce")) });
}

test("an offset tells the number, and apart what two messages with one number are", () => {
  const all = Array.from({ length: 4000 }, (_, index) => offsets.of(7, `node.${index.toString(36)}`));
  expect(new Set(all.map((offset) => offsets.sequenceOf(offset)))).toEqual(new Set([7]));
  expect(new Set(all).size).toBe(127);
  for (const offset of all) expect(offset < offsets.behind(7) && offset > offsets.behind(6)).toBe(true);
});

test("offsets grow with the numbers, tell them, and are safe integers, through starts of the server", () => {
  for (const [server, from, time] of [
    ["one", 1, noon],
    ["two", 5, noon + 1000],
    ["half", 6, noon + 1001],
    ["three", 9, noon + day],
    ["four", 12, Date.UTC(2100)],
  ] as const) {
    start(server, from, time);
  }
  for (let sequence = 1; sequence < 20; sequence++) {
    const offset = offsets.of(sequence, "id");
    expect(offset).toSatisfy(Number.isSafeInteger);
    expect(offsets.sequenceOf(offset)).toBe(sequence);
    expect(offsets.behind(sequence) > offset && offsets.behind(sequence) < offsets.of(sequence + 1, "id")).toBe(true);
  }
});

describe("behind a start of the server", () => {
  test("a number that is given again has an offset behind all that were lost", () => {
    start("one", 1, noon);
    const lost = offsets.of(1_000_000, "lost");
    start("two", 11, noon + 63_000);
    expect(offsets.of(12, "stored")).toBeGreaterThan(lost);
    // It is looked for where it would have to be: before the mark there is nothing of it.
    expect(offsets.sequenceOf(lost)).toBe(11);
  });

  test("also where what was lost had a start of its own", () => {
    start("one", 1, noon);
    const other = new Offsets();
    start("one", 1, noon, other);
    start("lost", 20, noon + day, other);
    const lost = other.of(21, "lost");
    start("two", 11, noon + day + 1000);
    expect(offsets.of(12, "stored")).toBeGreaterThan(lost);
    expect(offsets.sequenceOf(lost)).toBe(11);
  });

  test("offsets go on growing though the clock has gone back", () => {
    start("one", 1, noon);
    start("two", 11, noon - day);
    expect(offsets.of(12, "a")).toBeGreaterThan(offsets.of(10, "a"));
    expect(offsets.sequenceOf(offsets.of(12, "a"))).toBe(12);
  });
});

test("control: without a start of the server the number that is given again lies before what was lost", () => {
  start("one", 1, noon);
  const lost = offsets.of(20, "lost");
  expect(offsets.of(12, "stored")).toBeLessThan(lost);
});

test("a mark says what the one before it said, and leaves out starts without messages", () => {
  start("one", 1, noon);
  start("two", 11, noon + 1000);
  const before = offsets.starts;
  // Made anew: no start is added.
  start("two", 15, noon + day);
  expect(offsets.starts).toEqual(before);
  const linesOf = (server: string, oldest: number) => offsets.markFor(server, oldest, "another").split("\n");
  expect(linesOf("two", 10)).toHaveLength(3);
  expect(linesOf("two", 11)).toHaveLength(3);
  expect(linesOf("two", 12)).toHaveLength(2);
  expect(linesOf("three", 12)).toHaveLength(3);
  // The stream is the same through all of them.
  expect([offsets.nonce, linesOf("three", 12)[0]]).toEqual(["nonce", "nonce"]);
});
