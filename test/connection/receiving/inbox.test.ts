import { describe, expect, test } from "vitest";
import { Inbox } from "../../../src/connection/receiving/inbox.ts";
import { Endpoint } from "../../../src/protocol/endpoint/endpoint.ts";
import type { CloseEvent, MessageEvent } from "../../../src/protocol/endpoint/endpoint-events.ts";

const message = (data: string | Uint8Array): MessageEvent => ({
  type: "message",
  text: typeof data === "string",
  data,
});
const close: CloseEvent = { type: "close", code: 1000, reason: "" };

/** An inbox, and what its connection was told in order. */
function make({ handlesMessages = false } = {}) {
  const told: string[] = [];
  const owner = {
    endpoint: new Endpoint({ role: "server" }),
    handlesMessages,
    run: () => void told.push("run"),
    readerLeft: () => void told.push("left"),
    discard: () => void told.push("ignore"),
  };
  return { inbox: new Inbox(owner), told, owner };
}

describe("Inbox", () => {
  test("gives events back in order and counts what they hold", () => {
    const { inbox } = make();
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

  test("messages without content have a size too, so that no number of them fits in for ever [A07]", () => {
    const { inbox } = make();
    for (let i = 0; i < 10_000; i++) inbox.push(message(""));
    expect(inbox.size).toBeGreaterThanOrEqual(64 * 1024);
    inbox.clear();
    expect(inbox.size).toBe(0);
    expect(inbox.empty).toBe(true);
  });

  test("iterators are served first come first served, and told of the end", async () => {
    const { inbox } = make();
    const [one, two] = [inbox.loop(), inbox.loop()];
    expect(inbox.iterated).toBe(false);
    const results = [one.next(), two.next(), one.next()];
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
    const { inbox } = make();
    inbox.end();
    expect(inbox.iterated).toBe(false);
  });

  test("the Close is known when it is all there is", () => {
    const { inbox } = make();
    expect(inbox.atClose).toBe(false);
    inbox.push(message("before"));
    expect(inbox.atClose).toBe(false);
    inbox.push(close);
    expect(inbox.atClose).toBe(false);
    inbox.shift();
    expect(inbox.atClose).toBe(true);
  });

  test("a loop asks with each next, and is gone when it is left unless it waits still", async () => {
    const { inbox, told } = make();
    const [leaver, waiter] = [inbox.loop(), inbox.loop()];
    const waiting = waiter.next();
    expect(told).toEqual(["run"]);
    expect(await leaver.return()).toEqual({ done: true, value: undefined });
    expect(told).toEqual(["run", "left"]);
    expect([inbox.iterated, inbox.awaited]).toEqual([true, true]);
    inbox.give(message("for who stayed"));
    expect(await waiting).toEqual({ done: false, value: "for who stayed" });
    await waiter.return();
    expect([inbox.iterated, inbox.awaited]).toEqual([false, false]);
  });

  test("streams are made once, ask as loops do, and take all there is", async () => {
    const { inbox, told, owner } = make();
    const streams = inbox.streams();
    expect(inbox.streams()).toBe(streams);
    expect(owner.endpoint.streaming).toBe(true);
    expect([inbox.iterated, inbox.awaited]).toEqual([true, false]);
    const iterator = streams[Symbol.asyncIterator]();
    const next = iterator.next();
    expect([told, inbox.awaited]).toEqual([["run"], true]);
    inbox.give(message("whole"));
    expect(await next).toMatchObject({ done: false, value: { text: true } });
    const last = iterator.next();
    inbox.end();
    expect(await last).toEqual({ done: true, value: undefined });
  });

  test("one reader alone reads to the end, and drops the rest when it leaves", async () => {
    const { inbox, told } = make();
    expect(inbox.readToTheEnd).toBe(false);
    const reader = inbox.reader();
    expect(inbox.readToTheEnd).toBe(true);
    const next = reader.next();
    inbox.give(message("first"));
    expect(await next).toEqual({ done: false, value: "first" });
    expect(await reader.return()).toEqual({ done: true, value: undefined });
    expect(told).toEqual(["run", "ignore", "run"]);
  });

  test("messages that go to a handler or another reader are refused", () => {
    const refusal = (ask: () => unknown) => expect(ask).toThrow(/^Cannot (?:iterate|stream messages): /);
    const { inbox: handled } = make({ handlesMessages: true });
    for (const ask of [() => handled.loop(), () => handled.streams(), () => handled.reader()]) refusal(ask);
    const { inbox: read } = make();
    read.reader();
    for (const ask of [() => read.loop(), () => read.streams(), () => read.reader()]) refusal(ask);
    const { inbox: streamed } = make();
    const loop = streamed.loop();
    streamed.streams();
    for (const ask of [() => loop.next(), () => streamed.loop(), () => streamed.reader()]) refusal(ask);
    const { inbox: awaited } = make();
    void awaited.loop().next();
    refusal(() => awaited.streams());
  });
});
