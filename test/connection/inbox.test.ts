import { describe, expect, test } from "vitest";
import { Inbox } from "../../src/connection/inbox.ts";
import type { CloseEvent, MessageEvent } from "../../src/protocol/endpoint-events.ts";

const message = (data: string | Uint8Array): MessageEvent => ({
  type: "message",
  text: typeof data === "string",
  data,
});
const close: CloseEvent = { type: "close", code: 1000, reason: "" };

describe("Inbox", () => {
  test("gives events back in order and counts what they hold", () => {
    const inbox = new Inbox();
    expect(inbox.empty).toBe(true);
    expect(inbox.size).toBe(0);
    const events = [message("abc"), message(new Uint8Array(5)), close];
    let last = 0;
    for (const event of events) {
      inbox.push(event);
      expect(inbox.size).toBeGreaterThanOrEqual(last);
      last = inbox.size;
    }
    expect(inbox.size).toBeGreaterThanOrEqual(8);
    expect(events.map(() => inbox.shift())).toEqual(events);
    expect(inbox.empty).toBe(true);
    expect(inbox.size).toBe(0);
  });

  test("A07: messages without content have a size too, so that no number of them fits in for ever", () => {
    const inbox = new Inbox();
    for (let i = 0; i < 10_000; i++) inbox.push(message(""));
    expect(inbox.size).toBeGreaterThanOrEqual(64 * 1024);
    inbox.clear();
    expect(inbox.size).toBe(0);
    expect(inbox.empty).toBe(true);
  });

  test("iterators are served first come first served, and told of the end", async () => {
    const inbox = new Inbox();
    expect(inbox.iterated).toBe(false);
    const results = [inbox.ask(), inbox.ask(), inbox.ask()];
    expect(inbox.iterated).toBe(true);
    expect(inbox.awaited).toBe(true);
    inbox.give(message("a"));
    inbox.give(message("b"));
    inbox.end();
    expect(await Promise.all(results)).toEqual([
      { done: false, value: "a" },
      { done: false, value: "b" },
      { done: true, value: undefined },
    ]);
    expect(inbox.awaited).toBe(false);
    expect(inbox.iterated).toBe(true);
  });

  test("an end without iterators is nothing", () => {
    const inbox = new Inbox();
    inbox.end();
    expect(inbox.iterated).toBe(false);
  });
});
