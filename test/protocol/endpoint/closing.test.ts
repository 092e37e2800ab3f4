/**
 * The closing handshake begun by either side, and the failure of a connection, with memory for its Close and without.
 *
 * Each in both roles, each input whole and byte by byte.
 */
import { Buffer } from "node:buffer";
import { afterEach, describe, expect, test, vi } from "vitest";
import { Endpoint } from "../../../src/protocol/endpoint/endpoint.ts";
import {
  closePayload,
  emptyOutputPool,
  exhaustMemory,
  failsWithoutMemory,
  forms,
  receiverOf,
} from "../../support/endpoints.ts";
import { frameFrom, ownCopy, peerOf, takeFrames } from "../../support/wire.ts";

afterEach(() => void vi.restoreAllMocks());

describe.each(forms)("a %s that receives %s", (role, cuts) => {
  const { open, receive, expectFailure } = receiverOf(role, cuts);

  test("the peer begins: its code is reported, and the echo is ours to send [R6455-7.1.5-1 R6455-7.1.6-1 R6455-5.5.1-4]", () => {
    const endpoint = open();
    const events = receive(
      endpoint,
      { opcode: 8, payload: closePayload(4001, "löng") },
      { opcode: 1, payload: "after" },
      { opcode: 9 },
    );
    expect(events).toEqual([{ type: "close", code: 4001, reason: "löng" }]);
    expect(endpoint.state).toBe("peerClosing");
    expect(endpoint.readyState).toBe(2);
    expect(endpoint.closeReceived).toEqual({ code: 4001, reason: "löng" });
    expect(endpoint.sendMessage("last words")).toBe(true);
    endpoint.echoClose();
    endpoint.echoClose();
    expect(endpoint.state).toBe("discarding");
    expect(takeFrames(endpoint)).toMatchObject([
      { opcode: 1, payload: Buffer.from("last words") },
      { opcode: 8, payload: closePayload(4001) },
    ]);
    expect(endpoint.closeSent).toEqual({ code: 4001, reason: "" });
    expect(receive(endpoint, { opcode: 9 })).toEqual([]);
  });

  test("a Close without a code is 1005 and is echoed empty [R6455-7.1.5-1 R6455-7.1.2-1]", () => {
    const endpoint = open();
    expect(receive(endpoint, { opcode: 8 })).toEqual([{ type: "close", code: 1005, reason: "" }]);
    endpoint.echoClose();
    expect(takeFrames(endpoint)).toMatchObject([{ opcode: 8, payload: Buffer.alloc(0) }]);
    expect(endpoint.closeSent).toEqual({ code: 1005, reason: "" });
  });

  test("we begin: messages still come, Pings are answered, until the peer's Close [R6455-5.5.2-2 R6455-5.1-5 R6455-7.3-1]", () => {
    const endpoint = open();
    endpoint.close(1001, "bye");
    expect([endpoint.state, endpoint.readyState]).toEqual(["closing", 2]);
    endpoint.echoClose();
    const events = receive(
      endpoint,
      { opcode: 1, payload: "still" },
      { opcode: 9, payload: "p" },
      { opcode: 8, payload: closePayload(1000) },
      { opcode: 1, payload: "never" },
    );
    expect(events.map(({ type }) => type)).toEqual(["message", "ping", "close"]);
    expect(endpoint.state).toBe("discarding");
    expect(takeFrames(endpoint).map(({ opcode }) => opcode)).toEqual([8, 10]);
    expect(endpoint.closeSent).toEqual({ code: 1001, reason: "bye" });
    expect(endpoint.closeReceived).toEqual({ code: 1000, reason: "" });
  });

  test("a Close that breaks a rule fails the connection [R6455-5.5.1-1 R6455-7.4.1-2]", () => {
    expectFailure("close-payload-too-short", [{ opcode: 8, payload: "x" }]);
    for (const code of [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535]) {
      expectFailure("close-code-invalid", [{ opcode: 8, payload: closePayload(code, "r") }]);
    }
    const reason = Buffer.concat([closePayload(1000), Buffer.from([0xc3])]);
    expectFailure("close-reason-not-utf8", [{ opcode: 8, payload: reason }]);
  });

  test("a failure after our own Close sends no second one [R6455-7.1.7-2]", () => {
    const endpoint = open();
    endpoint.close(1000);
    expect(receive(endpoint, { opcode: 3 })).toEqual([{ type: "failed", violation: "reserved-opcode" }]);
    expect(endpoint.state).toBe("discarding");
    expect(takeFrames(endpoint)).toHaveLength(1);
    expect(endpoint.closeSent?.code).toBe(1000);
  });

  test("a failure that the caller finds after the peer's Close still answers it [R6455-5.5.1-4]", () => {
    const endpoint = open();
    receive(endpoint, { opcode: 8, payload: closePayload(1000) });
    expect(endpoint.fail("message-too-slow")).toEqual({ type: "failed", violation: "message-too-slow" });
    expect(endpoint.state).toBe("discarding");
    expect(takeFrames(endpoint)).toMatchObject([{ opcode: 8 }]);
    expect(endpoint.closeSent?.code).toBe(1008);
  });
});

describe.each(forms)("a %s that receives %s and fails", (role, cuts) => {
  const { open, receive } = receiverOf(role, cuts);

  test("keeps the frame that broke the rule by its header, or by the payload of its Close", () => {
    const byHeader = open();
    expect(byHeader.brokenFrame).toBeUndefined();
    receive(byHeader, { opcode: 5, payload: "12345" });
    expect(byHeader.brokenFrame).toEqual({ firstByte: 0x85, payloadLength: 5 });
    const byPayload = open();
    const payload = closePayload(1005);
    receive(byPayload, { opcode: 8, payload });
    expect(byPayload.brokenFrame).toEqual({ firstByte: 0x88, payloadLength: 2, payload: Uint8Array.from(payload) });
    const byText = open();
    receive(byText, { opcode: 1, payload: Uint8Array.of(0xff) });
    expect([byText.violation, byText.brokenFrame]).toEqual(["text-not-utf8", undefined]);
  });

  test("says with the code alone what was wrong, where it is not to explain it", () => {
    const endpoint = open({ explainsFailures: false });
    receive(endpoint, { opcode: 5 });
    expect(endpoint.closeSent).toEqual({ code: 1002, reason: "" });
    expect(takeFrames(endpoint)).toMatchObject([{ opcode: 8, payload: closePayload(1002) }]);
  });
});

describe.each(["client", "server"] as const)("a %s that closes", (role) => {
  test("close checks code and reason in every state and sends nothing when they are wrong [R6455-7.1.2-1 R6455-7.4.1-2]", () => {
    const endpoint = new Endpoint({ role });
    for (const finish of [() => {}, () => endpoint.close(), () => endpoint.receiveEnd()]) {
      finish();
      const before = endpoint.outputLength;
      expect(() => endpoint.close(1006)).toThrow(RangeError);
      expect(() => endpoint.close(1000, "x".repeat(124))).toThrow(RangeError);
      expect(endpoint.outputLength).toBe(before);
    }
  });

  test("the first rule broken is the one that counts [R6455-7.1.7-1 G94]", () => {
    const endpoint = new Endpoint({ role });
    expect(endpoint.fail("message-too-slow")).toEqual({ type: "failed", violation: "message-too-slow" });
    expect(endpoint.fail("reserved-opcode")).toEqual({ type: "failed", violation: "message-too-slow" });
    expect(endpoint.violation).toBe("message-too-slow");
    expect(takeFrames(endpoint)).toHaveLength(1);
  });

  test("where there is none for a Close either, it ends without one [D23]", () => {
    const endpoint = new Endpoint({ role });
    emptyOutputPool();
    exhaustMemory();
    endpoint.receive(ownCopy(frameFrom(peerOf(role), { opcode: 2, fin: false, payload: "part" })));
    expect(endpoint.nextEvent()).toEqual({ type: "failed", violation: "no-memory" });
    expect([endpoint.state, endpoint.closeSent, endpoint.outputLength]).toEqual(["discarding", undefined, 0]);
  });

  test("without memory for a Close the connection fails, and the next event tells so once [D23]", () => {
    failsWithoutMemory(role, (endpoint) => endpoint.close(1000));
  });

  test("sends an empty Close where no code is given [R6455-7.1.2-1]", () => {
    const endpoint = new Endpoint({ role });
    endpoint.close();
    expect(endpoint.closeSent).toEqual({ code: 1005, reason: "" });
    expect(takeFrames(endpoint)).toMatchObject([{ opcode: 8, payload: Buffer.alloc(0) }]);
    endpoint.close(1000);
    expect([endpoint.closeSent?.code, endpoint.outputLength]).toEqual([1005, 0]);
  });

  test("any other error on the way to a Close is not hidden [D23]", () => {
    const endpoint = new Endpoint({ role });
    emptyOutputPool();
    exhaustMemory(new TypeError("a mistake of ours"));
    expect(() => endpoint.fail("message-too-big")).toThrow("a mistake of ours");
    expect(() => endpoint.close(1000)).toThrow("a mistake of ours");
  });
});
