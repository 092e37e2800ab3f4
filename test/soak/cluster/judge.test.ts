/** The judge of a cluster's soak: what is right passes, and each thing that can be wrong is found. */
import { beforeEach, expect, test } from "vitest";
import { type Account, Judge } from "../../../soak/cluster/judge.ts";
import type { News } from "../../../soak/cluster/news.ts";

let judge: Judge;
let ada: Account;
let grace: Account;

beforeEach(() => {
  judge = new Judge();
  ada = judge.account(1, "Ada");
  grace = judge.account(1, "Grace");
});

const news = (number: number, publisher = "p"): News => ({ publisher, number, at: 0 });

/** Hears messages, each at the offset of its number in the epoch. */
function hears(account: Account, epoch: string, ...numbers: readonly number[]): void {
  for (const number of numbers) account.heard(`${epoch}:${number}`, news(number));
}

/** Begins now, behind this offset. */
function begins(account: Account, epoch = "a", offset = 0): void {
  account.begin(undefined);
  account.subscribed(`${epoch}:${offset}`, 0, undefined);
}

function errors(): readonly string[] {
  judge.conclude();
  return judge.counts.firstErrors;
}

test("two that heard everything, one of them over two connections, pass", () => {
  begins(ada);
  begins(grace);
  hears(ada, "a", 1, 2, 3, 4, 5);
  hears(grace, "a", 1, 2);
  grace.end();
  grace.begin(grace.since);
  hears(grace, "a", 3, 4, 5);
  grace.subscribed("a:5", 3, true);
  judge.stored(1, "a:5", news(5));
  expect(errors()).toEqual([]);
  expect(judge.counts).toMatchObject({ heard: 10, stored: 1, recovered: 1, notRecovered: 0, missing: 0, again: 0 });
});

test("a gap that its fault explains passes, and what the broker lost behind it", () => {
  judge.fault("stale");
  const from = Date.now();
  begins(ada);
  begins(grace);
  hears(ada, "a", 1, 2, 3);
  hears(grace, "a", 1);
  judge.loss({ from, to: Date.now() });
  // Grace's node did not see the fork, and has what was stored behind it.
  hears(grace, "a", 4);
  ada.gap("fork", "a:3");
  hears(ada, "a", 4);
  for (const account of [ada, grace]) {
    account.gap("epoch", "b:5");
    hears(account, "b", 6);
  }
  expect(errors()).toEqual([]);
  expect(judge.counts).toMatchObject({ missing: 2, gaps: { "stale fork": 1, "stale epoch": 2 } });
});

test("what was lost and stored again passes for one that came back, behind a gap", () => {
  judge.fault("lost");
  const from = Date.now();
  begins(ada);
  begins(grace);
  ada.end();
  ada.begin(ada.since);
  hears(ada, "a", 1);
  ada.subscribed("a:1", 1, true);
  judge.loss({ from, to: Date.now() });
  for (const account of [ada, grace]) account.gap("epoch", "b:0");
  ada.heard("b:1", news(1));
  grace.heard("b:1", news(1));
  expect(errors()).toEqual([]);
  expect(judge.counts).toMatchObject({ again: 1 });
});

test("what was lost and stored again may be left out for one that had it", () => {
  judge.fault("stale");
  const from = Date.now();
  begins(ada);
  begins(grace);
  hears(ada, "a", 1);
  judge.loss({ from, to: Date.now() });
  for (const account of [ada, grace]) account.gap("epoch", "b:0");
  hears(grace, "b", 1, 2);
  hears(ada, "b", 2);
  expect(errors()).toEqual([]);
});

test("what was stored in the place of what was lost is missing, gap or not", () => {
  judge.fault("stale");
  const from = Date.now();
  begins(ada);
  hears(ada, "a", 1, 3);
  const to = Date.now();
  judge.loss({ from, to });
  judge.stored(1, "a:2", { ...news(2), at: to + 1 });
  ada.gap("fork", "a:3");
  expect(errors()).toEqual(["Ada missed p/2 of a, and was not told"]);
});

test.each<[string, () => void, string]>([
  ["a message is missing", () => hears(ada, "a", 1, 3), "Ada missed p/2 of a, and was not told"],
  ["the last message is missing", () => hears(ada, "a", 1, 2), "Ada missed p/3 of a, and was not told"],
  ["the first message is missing", () => hears(ada, "a", 2, 3), "Ada missed p/1 of a, and was not told"],
  ["a message comes twice", () => hears(ada, "a", 1, 2, 2, 3), "Ada heard p/2 at 2, behind 2"],
  ["messages change places", () => hears(ada, "a", 2, 1, 3), "Ada heard p/1 at 1, behind 2"],
  [
    "two messages have one position",
    () => {
      hears(ada, "a", 1);
      ada.heard("a:2", news(7));
      hears(ada, "a", 3);
    },
    "p/2 and p/7 are both at a:2",
  ],
  [
    "a log begins without a word",
    () => {
      hears(ada, "a", 1, 2, 3);
      ada.heard("b:4", news(4));
    },
    "Ada was not told that b is another log",
  ],
  [
    "a gap has no fault",
    () => {
      hears(ada, "a", 1, 2, 3);
      ada.gap("trimmed", "a:3");
    },
    "Ada was told of a gap, trimmed, in peace",
  ],
  [
    "a message is missing after coming back",
    () => {
      hears(ada, "a", 1);
      ada.end();
      ada.begin(ada.since);
      hears(ada, "a", 3);
      ada.subscribed("a:3", 1, true);
    },
    "Ada missed p/2 of a, and was not told",
  ],
  [
    "who came back is told a number that is not so",
    () => {
      hears(ada, "a", 1);
      ada.end();
      ada.begin(ada.since);
      hears(ada, "a", 2, 3);
      ada.subscribed("a:3", 3, true);
    },
    "Ada got 2 messages again, not 3",
  ],
  [
    "who came back whole is told otherwise",
    () => {
      hears(ada, "a", 1, 2, 3);
      ada.end();
      ada.begin(ada.since);
      ada.subscribed("a:3", 0, false);
    },
    "Ada was told recovered: false, and of no gap",
  ],
  [
    "what was stored reaches nobody",
    () => {
      hears(ada, "a", 1, 2, 3);
      judge.stored(1, "a:4", news(4));
    },
    "Ada missed p/4 of a, and was not told",
  ],
  [
    "what was refused is heard",
    () => {
      hears(ada, "a", 1, 2, 3);
      judge.refused(1, news(2));
    },
    "p/2 was refused and is stored",
  ],
  [
    "a message is stored twice",
    () => {
      hears(ada, "a", 1, 2, 3);
      ada.heard("a:4", news(3));
    },
    "p/3 is stored twice",
  ],
  [
    "a publisher's messages are stored in another order",
    () => {
      hears(ada, "a", 1, 2, 3);
      ada.heard("a:4", news(0));
    },
    "Ada heard p 0 too late",
  ],
])("%s: found", (_, happens, error) => {
  begins(ada);
  begins(grace);
  hears(grace, "a", 1, 2, 3);
  happens();
  expect(errors()).toContain(error);
});
