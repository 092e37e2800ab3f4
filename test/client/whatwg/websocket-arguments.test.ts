import { describe, expect, test } from "vitest";
import {
  checkProtocols,
  closedCleanly,
  closeStatus,
  mayBeSent,
  openConnection,
  parseUrl,
  reasonOf,
  toConnectOptions,
} from "../../../src/client/whatwg/websocket-arguments.ts";
import type { CloseReport } from "../../../src/connection/closing/close-report.ts";
import { HandshakeError, ProtocolError, WebSocket, WebSocketStream } from "../../../src/index.ts";

const report: CloseReport = {
  code: 1000,
  reason: "",
  wasClean: true,
  initiator: "peer",
  phase: "closing",
  lastReceivedAgo: 0,
  bufferedAmount: 0,
  unsentMessages: 0,
};

test("a program may send 1000 and 3000 to 4999 [WHATWG-3.1-4]", () => {
  const may = [1000, 3000, 3999, 4000, 4999];
  const mayNot = [0, 999, 1001, 1005, 1006, 2999, 5000, 65535];
  expect(may.every(mayBeSent)).toBe(true);
  expect(mayNot.some(mayBeSent)).toBe(false);
  for (const code of may) expect(closeStatus(code, "x")).toEqual({ code, reason: "x" });
  for (const code of mayNot) {
    expect(() => closeStatus(code, "")).toThrow(expect.objectContaining({ name: "InvalidAccessError" }));
  }
  expect(closeStatus(undefined, "")).toEqual({ code: 1005, reason: "" });
  expect(closeStatus(undefined, "why")).toEqual({ code: 1000, reason: "why" });
});

test("parseUrl and checkProtocols throw SyntaxErrors with the cause in words", () => {
  expect(parseUrl("HTTPS://A/b").href).toBe("wss://a/b");
  for (const act of [() => parseUrl("x:y"), () => parseUrl("ws://a#"), () => checkProtocols(["a", "A"])]) {
    expect(act).toThrow(expect.objectContaining({ name: "SyntaxError", message: expect.stringMatching(/^Cannot /) }));
  }
  checkProtocols(["a", "b.c", "x-~!"]);
});

test("keepalive is off and the outbox has no limit unless the options say so", () => {
  const plain = toConnectOptions({});
  expect([plain.keepalive, plain.limits?.maxOutboxSize]).toEqual([false, Number.POSITIVE_INFINITY]);
  // The classes keep the messages that they are given, and tell text by its type.
  const scripted = { borrow: true, text: "bytes" } as object;
  expect(toConnectOptions(scripted)).toMatchObject({ borrow: false, text: "string" });
  const given = toConnectOptions({ keepalive: true, limits: { maxOutboxSize: 5, readBudget: 1 } });
  expect([given.keepalive, given.limits]).toEqual([
    true,
    { maxOutboxSize: 5, maxProcessOutboxSize: Number.POSITIVE_INFINITY, readBudget: 1 },
  ]);
});

test("openConnection refuses a port to which browsers do not connect [WHATWG-2.2-4]", async () => {
  const opener = { entry: openConnection, giveUp: new AbortController().signal };
  const failure = openConnection(new URL("ws://127.0.0.1:25/"), {}, opener).catch((error: unknown) => error);
  expect(await failure).toBeInstanceOf(HandshakeError);
  expect(((await failure) as HandshakeError).rule).toBe("connection-failed");
});

describe("the end", () => {
  test("is clean after the closing handshake, when all was sent", () => {
    expect(closedCleanly(report)).toBe(true);
    expect(closedCleanly({ ...report, wasClean: false })).toBe(false);
    expect(closedCleanly({ ...report, bufferedAmount: 1 })).toBe(false);
  });

  test("has a reason: the broken rule, the error, or that not all was sent", () => {
    const error = new Error("reset");
    const violation = "reserved-opcode";
    expect(reasonOf({ ...report, error, violation })).toEqual(new ProtocolError(violation));
    expect(reasonOf({ ...report, error })).toBe(error);
    expect(reasonOf(report).message).toBe("The connection ended before all was sent");
  });
});

test("options that the classes lack are refused with their replacement", () => {
  for (const name of ["open", "message", "close", "error", "drain"]) {
    expect(() => toConnectOptions({ [name]: () => {} } as object)).toThrow(
      new RegExp(`^Cannot connect: there is no option "${name}" here; `),
    );
  }
  const message = /^Cannot connect: there is no option "subprotocols" here; subprotocols go into protocols/;
  const init = { subprotocols: ["chat"] } as object;
  expect(() => new WebSocket("ws://127.0.0.1:1/", init)).toThrow(message);
  expect(() => new WebSocket("ws://127.0.0.1:1/", [], init)).toThrow(message);
  expect(() => new WebSocketStream("ws://127.0.0.1:1/", init)).toThrow(message);
});
