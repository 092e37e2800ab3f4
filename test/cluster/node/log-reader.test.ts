import { describe, expect, test } from "vitest";
import type { Entry, LogPage } from "../../../src/cluster/broker/entry.ts";
import { LogReader, mostKept, verdictOn } from "../../../src/cluster/node/log-reader.ts";

const entry = (prev: number, offset: number, epoch = "e1"): Entry => ({
  epoch,
  prev,
  offset,
  id: `${epoch}.${offset}`,
  payload: new Uint8Array(),
});
const page = (last: number, entries: readonly Entry[] = [], epoch = "e1"): LogPage => ({ epoch, last, entries });

/** A reader at offset 10, and what it did. */
function readerAt10() {
  const done: (number | string)[] = [];
  const numbers = new Map<string, number>();
  const reader = new LogReader({
    deliver: ({ offset, id }, number) => {
      done.push(number === undefined ? offset : `again ${offset}`);
      numbers.set(id, numbers.size);
    },
    gap: (reason) => void done.push(reason),
    recentNumbers: () => numbers,
  });
  reader.asks();
  reader.page(page(10));
  return { reader, done };
}

test.each([
  ["an epoch that ended", entry(10, 11, "e0"), "drop"],
  ["another epoch", entry(0, 11, "e2"), "fill"],
  ["the position itself", entry(9, 10), "drop"],
  ["an offset before it", entry(3, 4), "drop"],
  ["the next entry", entry(10, 11), "deliver"],
  ["an entry with others before it", entry(12, 13), "fill"],
  ["an entry that passes the position over", entry(8, 13), "fill"],
])("the verdict on %s", (_, given, verdict) => {
  expect(verdictOn(given, { epoch: "e1", offset: 10 }, new Map([["e0", 5]]))).toBe(verdict);
});

describe("a reader", () => {
  test("begins at the log's end, and keeps what comes before it knows that", () => {
    const done: number[] = [];
    const reader = new LogReader({
      deliver: ({ offset }) => void done.push(offset),
      gap: () => expect.unreachable(),
      recentNumbers: () => new Map(),
    });
    reader.take(entry(8, 9));
    expect(reader.asks()).toBeUndefined();
    reader.take(entry(10, 11));
    reader.page(page(10));
    expect(done).toEqual([11]);
    expect(reader.position).toEqual({ epoch: "e1", offset: 11 });
    expect(reader.wants).toBeUndefined();
  });

  test("fills what was missed, page by page, then delivers what was kept", () => {
    const { reader, done } = readerAt10();
    reader.take(entry(13, 14));
    expect(reader.wants).toBe("page");
    expect(reader.asks()).toEqual({ epoch: "e1", offset: 10 });
    reader.page(page(14, [entry(10, 12), entry(12, 13)]));
    expect(reader.wants).toBe("page");
    reader.asks();
    reader.take(entry(14, 15));
    reader.page(page(14, [entry(13, 14)]));
    expect(done).toEqual([12, 13, 14, 15]);
    expect(reader.wants).toBeUndefined();
  });

  test("says a gap where the oldest entries are gone, with some left and with none", () => {
    const { reader, done } = readerAt10();
    reader.missed();
    reader.asks();
    reader.page(page(21, [entry(20, 21)]));
    reader.missed();
    reader.asks();
    reader.page(page(30));
    expect(done).toEqual(["trimmed", 21, "trimmed"]);
    expect(reader.position?.offset).toBe(30);
  });

  test("reads another epoch from its start, whatever its first entry says", () => {
    const { reader, done } = readerAt10();
    reader.take(entry(4, 5, "e2"));
    reader.asks();
    reader.page(page(5, [entry(4, 5, "e2")], "e2"));
    reader.take(entry(10, 11));
    expect(done).toEqual(["epoch", 5]);
    expect(reader.wants).toBeUndefined();
  });

  test("delivers what a forked log has, then wants its end", () => {
    const { reader, done } = readerAt10();
    reader.missed();
    reader.asks();
    reader.page(page(13, [entry(8, 12), entry(12, 13)]));
    expect(done).toEqual(["fork", 12, 13]);
    expect(reader.wants).toBe("end");
    reader.epochEnded();
    reader.asks();
    reader.page(page(0, [], "e2"));
    expect(done.at(-1)).toBe("epoch");
    expect(reader.wants).toBeUndefined();
  });

  test("takes an entry for lost that came before the page and is not in its log", () => {
    const { reader, done } = readerAt10();
    reader.take(entry(14, 15));
    reader.asks();
    reader.page(page(10));
    expect(done).toEqual(["fork"]);
    expect(reader.wants).toBe("end");
  });

  test("does not read again what it had of an epoch that ended and is back, and ends it once more", () => {
    const { reader, done } = readerAt10();
    reader.missed();
    reader.asks();
    reader.page(page(0, [], "e2"));
    reader.missed();
    reader.asks();
    reader.page(page(12, [entry(0, 9), entry(9, 12)]));
    expect(done).toEqual(["epoch", "epoch", 12]);
    expect(reader.wants).toBe("end");
  });

  test("names what was delivered before a gap and comes once more", () => {
    const { reader, done } = readerAt10();
    reader.take(entry(10, 11));
    reader.missed();
    reader.asks();
    reader.page(page(7, [{ ...entry(0, 7, "e2"), id: "e1.11" }], "e2"));
    expect(done).toEqual([11, "epoch", "again 7"]);
  });

  test("a check that differs asks for a page, one that agrees does not", () => {
    const { reader } = readerAt10();
    reader.checked({ epoch: "e1", offset: 10 });
    expect(reader.wants).toBeUndefined();
    reader.checked({ epoch: "e1", offset: 9 });
    expect(reader.wants).toBe("page");
  });

  test("keeps so many and no more, and asks again for the rest", () => {
    const { reader, done } = readerAt10();
    reader.missed();
    reader.asks();
    for (let offset = 11; offset < 12 + mostKept; offset++) reader.take(entry(offset - 1, offset));
    expect(reader.kept).toBe(mostKept);
    reader.page(page(10));
    expect(reader.wants).toBe("page");
    reader.asks();
    reader.page(page(11 + mostKept, [entry(10, 11)]));
    expect(reader.wants).toBe("page");
    expect(done).toEqual([11]);
  });
});
