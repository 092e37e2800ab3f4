/**
 * Pings answered at once, and while the transport takes nothing: what is owed then, and when it leaves.
 *
 * Each in both roles, each input whole and byte by byte.
 */
import { Buffer } from "node:buffer";
import { describe, expect, test } from "vitest";
import { forms, receiverOf } from "../../support/endpoints.ts";
import { readFrames, takeBytes, takeFrames } from "../../support/wire.ts";

describe.each(forms)("a %s that receives %s", (role, cuts) => {
  const { open, receive } = receiverOf(role, cuts);

  test("answer a Ping inside a fragmented message at once, with its payload [R6455-5.5.2-2 R6455-5.5.3-1 R6455-5.4-2]", () => {
    const endpoint = open();
    const events = receive(
      endpoint,
      { opcode: 1, payload: "He", fin: false },
      { opcode: 9, payload: "p".repeat(125) },
      { opcode: 10, payload: "unasked" },
      { opcode: 9 },
      { opcode: 0, payload: "llo" },
    );
    expect(events).toEqual([
      { type: "ping", payload: Uint8Array.from(Buffer.from("p".repeat(125))) },
      { type: "pong", payload: Uint8Array.from(Buffer.from("unasked")) },
      { type: "ping", payload: new Uint8Array(0) },
      { type: "message", text: true, data: "Hello" },
    ]);
    expect(takeFrames(endpoint).map(({ opcode, payload }) => [opcode, payload.toString()])).toEqual([
      [10, "p".repeat(125)],
      [10, ""],
    ]);
  });

  test("answer none where that is left to the application", () => {
    const endpoint = open({ answersPings: false });
    expect(receive(endpoint, { opcode: 9, payload: "p" })).toMatchObject([{ type: "ping" }]);
    expect(takeFrames(endpoint)).toEqual([]);
    endpoint.answerPing(Buffer.from("p"));
    endpoint.close(1000);
    endpoint.answerPing(Buffer.from("after our Close"));
    expect(takeFrames(endpoint).map(({ opcode, payload }) => [opcode, payload.toString("latin1")])).toEqual([
      [10, "p"],
      [8, "\u0003\u00e8"],
      [10, "after our Close"],
    ]);
    receive(endpoint, { opcode: 8 });
    endpoint.answerPing(Buffer.from("too late"));
    endpoint.receiveEnd();
    endpoint.answerPing(Buffer.from("too late"));
    expect(endpoint.outputLength).toBe(0);
  });

  test("of those that the application answers, only the latest is kept while the transport is stalled [A03]", () => {
    const endpoint = open({ answersPings: false });
    endpoint.stalled = true;
    for (const payload of ["1", "33", "22"]) endpoint.answerPing(Buffer.from(payload));
    expect(takeFrames(endpoint).map(({ payload }) => payload.toString())).toEqual(["22"]);
  });

  test("keeps only the latest Pong while the transport is stalled [R6455-5.5.3-2 A03]", () => {
    const endpoint = open();
    endpoint.stalled = true;
    const pings = ["1", "33", "22"].map((payload) => ({ opcode: 9, payload }));
    const events = receive(endpoint, ...pings);
    for (const event of events) if (event.type === "ping") event.payload.fill(0);
    expect(endpoint.outputLength).toBe(role === "client" ? 8 : 4);
    const bytes = takeBytes(endpoint);
    expect(bytes).toHaveLength(role === "client" ? 8 : 4);
    expect(readFrames(bytes)).toMatchObject([{ opcode: 10, payload: Buffer.from("22") }]);
    expect(endpoint.outputLength).toBe(0);
    endpoint.stalled = false;
    receive(endpoint, { opcode: 9, payload: "3" }, { opcode: 9, payload: "4" });
    expect(takeFrames(endpoint).map(({ payload }) => payload.toString())).toEqual(["3", "4"]);
  });

  test("a Pong that is owed leaves before our Close, and none after both [R6455-5.5.2-2 R6455-5.5.1-4]", () => {
    const endpoint = open();
    endpoint.stalled = true;
    receive(endpoint, { opcode: 9, payload: "owed" });
    endpoint.close(1000);
    expect(takeFrames(endpoint).map(({ opcode }) => opcode)).toEqual([10, 8]);
    receive(endpoint, { opcode: 9, payload: "after our Close" });
    expect(takeFrames(endpoint).map(({ opcode }) => opcode)).toEqual([10]);
    receive(endpoint, { opcode: 9, payload: "too late" }, { opcode: 8 });
    expect(endpoint.state).toBe("discarding");
    expect(endpoint.outputLength).toBe(0);
    expect(takeFrames(endpoint)).toEqual([]);
  });

  test("a failure and discardOutput forget the Pong that is owed [A03]", () => {
    const endpoint = open();
    endpoint.stalled = true;
    receive(endpoint, { opcode: 9, payload: "owed" });
    endpoint.discardOutput();
    expect(endpoint.outputLength).toBe(0);
    receive(endpoint, { opcode: 9, payload: "owed" }, { opcode: 3 });
    expect(takeFrames(endpoint).map(({ opcode }) => opcode)).toEqual([10, 8]);
    expect(takeFrames(endpoint)).toEqual([]);
  });
});
