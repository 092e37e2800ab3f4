import { beforeEach, describe, expect, test } from "vitest";
import type { Entry } from "../../../src/cluster/broker/entry.ts";
import { LiveTopic } from "../../../src/cluster/nats/live-topic.ts";
import { Offsets } from "../../../src/cluster/nats/offsets.ts";
import type { SentMessage, StoredMessage } from "../../../src/cluster/nats/stored-message.ts";

const day = 24 * 60 * 60 * 1000;
const nonce = "s1";
const offsets = new Offsets();
let got: Entry[];
let live: LiveTopic;

beforeEach(() => {
  got = [];
  live = new LiveTopic("t", day, (entry) => got.push(entry));
  live.subscribed({ nonce, offsets });
});

function message(sequence: number, before: number, more: Partial<StoredMessage> = {}): SentMessage & StoredMessage {
  const id = `n.${sequence}`;
  const payload = new TextEncoder().encode(id);
  const time = Date.now();
  return {
    sequence,
    before,
    id,
    messageId: id,
    offset: offsets.of(sequence, id),
    subject: "p.s.5.t.m",
    time,
    payload,
    ...more,
  };
}

function mark(sequence: number, text: string): SentMessage & StoredMessage {
  return message(sequence, 0, { subject: "p.s.5.t.e", payload: new TextEncoder().encode(text) });
}

const prevs = () => got.map(({ prev }) => prev);

test("each message names the one before it, which is known when it came over this connection", () => {
  live.read({ nonce, offsets, mark: undefined, newest: message(3, 0) });
  for (const one of [message(5, 3), message(9, 5)]) live.take(one);
  expect(prevs()).toEqual([offsets.of(3, "n.3"), offsets.of(5, "n.5")]);
  live.disconnected();
  live.take(message(10, 9));
  expect(got[2]!.prev).toBe(offsets.behind(9));
});

test("of a message that came while another was missed it is said that something is between", () => {
  live.read({ nonce, offsets, mark: undefined, newest: message(3, 0) });
  live.take(message(9, 6));
  expect(prevs()).toEqual([offsets.behind(6)]);
});

test("the epoch is that of the newest mark; a message behind it has nothing before it", () => {
  live.read({ nonce, offsets, mark: undefined, newest: message(3, 0) });
  live.take(mark(4, "m1"));
  live.take(message(6, 3));
  const epoch = "s1.m1";
  expect(got).toMatchObject([
    { epoch, offset: 0 },
    { epoch, prev: 0, offset: offsets.of(6, "n.6") },
  ]);
});

test("a mark that was made anew changes nothing", () => {
  live.read({ nonce, offsets, mark: { name: "m1", from: 2, sequence: 2, time: 0 }, newest: message(3, 0) });
  live.take(mark(8, "m1 2"));
  live.take(message(9, 3));
  expect(got).toMatchObject([{ epoch: "s1.m1", prev: offsets.of(3, "n.3") }]);
});

test("messages that came before the epoch was known come again when the guess was wrong, and only then", () => {
  live.take(message(5, 3));
  live.read({ nonce, offsets, mark: { name: "m1", from: 2, sequence: 2, time: 0 }, newest: message(5, 3) });
  expect(got.map(({ epoch, id }) => `${epoch} ${id}`)).toEqual(["s1 n.5", "s1.m1 n.5"]);
  live.disconnected();
  live.take(message(6, 5));
  live.read({ nonce, offsets, mark: { name: "m1", from: 2, sequence: 2, time: 0 }, newest: message(6, 5) });
  expect(got).toHaveLength(3);
});

test("two that come the other way round lead to another read, and the one behind them does not", () => {
  live.read({ nonce, offsets, mark: undefined, newest: message(3, 0) });
  for (const one of [message(9, 6), message(6, 3), message(10, 9)]) live.take(one);
  expect(prevs()).toEqual([offsets.behind(6), offsets.behind(3), offsets.of(9, "n.9")]);
});

describe("where nothing is before a message", () => {
  test("and the last one is old enough to have gone, that is the one before it", () => {
    live.read({ nonce, offsets, mark: undefined, newest: message(3, 0, { time: Date.now() - day }) });
    expect(live.oldEnd({ nonce, mark: undefined })).toBe(offsets.of(3, "n.3"));
    live.take(message(9, 0));
    expect(prevs()).toEqual([offsets.of(3, "n.3")]);
  });

  test("and the last one is young, it was lost", () => {
    live.read({ nonce, offsets, mark: undefined, newest: message(3, 0) });
    live.take(message(9, 0));
    expect(prevs()).toEqual([0]);
    expect(live.oldEnd({ nonce, mark: undefined })).toBeUndefined();
  });

  test("an old end stays known when the log is found empty", () => {
    live.read({ nonce, offsets, mark: undefined, newest: message(3, 0, { time: Date.now() - day }) });
    live.disconnected();
    live.read({ nonce, offsets, mark: undefined, newest: undefined });
    live.take(message(9, 0));
    expect(prevs()).toEqual([offsets.of(3, "n.3")]);
  });
});
