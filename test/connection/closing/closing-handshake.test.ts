/** The closing handshake as each side begins it, in both roles, over TCP. */
import { afterEach, beforeEach, describe, expect, type MockInstance, test, vi } from "vitest";
import { coreOf } from "../../../src/connection/connection.ts";
import type { MessageData } from "../../../src/connection/options/delivery-options.ts";
import type { Role } from "../../../src/protocol/frames/frame.ts";
import { connectionPair, gate, until } from "../../support/connection-pair.ts";
import { nextTurn } from "../../support/held-duplex.ts";
import { closeFrame, closeStatus } from "../../support/raw-peer.ts";

const numbered = (count: number): string[] => Array.from({ length: count }, (_, index) => `message ${index}`);

const texts = (messages: readonly string[]) => messages.map((payload) => ({ opcode: 1, payload }));

let stderr: MockInstance<typeof console.error>;

beforeEach(() => {
  stderr = vi.spyOn(console, "error").mockImplementation(() => {});
});

afterEach(() => {
  vi.useRealTimers();
  stderr.mockRestore();
});

describe.each<Role>(["client", "server"])("a connection as %s", (role) => {
  test("we begin, the peer answers, the server ends the stream [R6455-5.5.1-4, R6455-7.1.4-1, G5, G28, G80]", async () => {
    const { peer, connection } = await connectionPair(role);
    connection.close(4001, "enough");
    expect(connection.readyState).toBe(2);
    expect(closeStatus(await peer.nextFrame())).toEqual({ code: 4001, reason: "enough" });
    peer.close(4001);
    if (role === "client") peer.end();
    else {
      await peer.until(() => false);
      peer.end();
    }
    expect(await connection.closed).toEqual({
      code: 4001,
      reason: "",
      wasClean: true,
      initiator: "local",
      phase: "closing",
      sent: { code: 4001, reason: "enough" },
      received: { code: 4001, reason: "" },
      lastReceivedAgo: 0,
      bufferedAmount: 0,
      unsentMessages: 0,
    });
    expect(connection.readyState).toBe(3);
  });

  test.each(["with the last message", "later"])(
    "a Close that comes %s is echoed at once when the loop over the messages was left [R6455-5.5.1-4]",
    async (when) => {
      // The longest wait for an application never ends.
      vi.useFakeTimers({ toFake: ["setTimeout"] });
      const { peer, connection } = await connectionPair(role);
      peer.text("one", "two");
      if (when !== "later") peer.close(1000);
      let taken = 0;
      for await (const _ of connection) if (++taken === 2) break;
      if (when === "later") peer.close(1000);
      expect(closeStatus(await peer.nextFrame())?.code).toBe(1000);
      peer.end();
      expect((await connection.closed).wasClean).toBe(true);
      for await (const _ of connection) expect.unreachable();
      vi.useRealTimers();
    },
  );

  test("a message that nobody has read when the loop was left holds the echo back, as long as it may", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const { peer, connection } = await connectionPair(role);
    peer.text("one", "two");
    peer.close(1000);
    for await (const _ of connection) break;
    await until(() => coreOf(connection).endpoint.state === "peerClosing");
    await nextTurn();
    expect([coreOf(connection).endpoint.state, peer.received.length]).toEqual(["peerClosing", 0]);
    const rest: MessageData[] = [];
    const loop = (async () => {
      for await (const data of connection) rest.push(data);
    })();
    expect(closeStatus(await peer.nextFrame())?.code).toBe(1000);
    peer.end();
    await loop;
    expect(rest).toEqual(["two"]);
    vi.useRealTimers();
  });

  test("while the echo stands behind a message under way, nothing more is taken that could not leave", async () => {
    const { peer, connection } = await connectionPair(role);
    const { opened, open } = gate();
    const sending = connection.sendFragments(
      (async function* () {
        yield "begun";
        await opened;
        yield " and ended";
      })(),
    );
    await peer.nextFrame();
    peer.close(4000);
    await until(() => coreOf(connection).endpoint.state === "peerClosing");
    expect([connection.readyState, connection.send("lost")]).toEqual([2, false]);
    await expect(connection.sendFragments(["lost"])).rejects.toThrow(
      "Cannot send: the connection is closing or closed",
    );
    await expect(connection.ping()).rejects.toThrow("Cannot ping: the connection is closing or closed");
    connection.close(4001);
    open();
    await sending;
    expect((await peer.nextFrames(2)).map(({ payload }) => payload.toString())).toEqual([" and ended", ""]);
    expect(closeStatus(await peer.nextFrame())?.code).toBe(4000);
    peer.end();
    expect(await connection.closed).toMatchObject({ wasClean: true, initiator: "peer", unsentMessages: 0 });
  });

  test("a client leaves it to the server to end the stream [R6455-7.1.1-2]", async () => {
    const { peer, connection } = await connectionPair(role);
    peer.close(1000);
    expect(closeStatus(await peer.nextFrame())).toEqual({ code: 1000, reason: "" });
    for (let i = 0; i < 5; i++) await nextTurn();
    if (role === "server") await peer.until(() => false);
    expect(peer.ended).toBe(role === "server");
    peer.end();
    expect((await connection.closed).wasClean).toBe(true);
  });

  test("both begin at once, each has the other's code [R6455-7.1.5-1]", async () => {
    const { peer, connection } = await connectionPair(role);
    connection.close(4001);
    peer.close(4002);
    expect(closeStatus(await peer.nextFrame())?.code).toBe(4001);
    peer.end();
    expect(await connection.closed).toMatchObject({ code: 4002, wasClean: true, sent: { code: 4001 } });
  });

  test("a Close without a code is answered without one", async () => {
    const { peer, connection } = await connectionPair(role);
    peer.close();
    expect(closeStatus(await peer.nextFrame())?.code).toBe(1005);
    peer.end();
    expect(await connection.closed).toMatchObject({ code: 1005, wasClean: true, initiator: "peer" });
  });

  test("codes that a Close frame cannot carry are refused, and change nothing [R6455-7.4.2-1, G5]", async () => {
    const { peer, connection } = await connectionPair(role);
    for (const code of [0, 999, 1004, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_536, -1, 1000.5, Number.NaN]) {
      expect(() => connection.close(code)).toThrow(RangeError);
    }
    expect(() => connection.close(1000, "x".repeat(124))).toThrow(RangeError);
    expect(() => connection.close(1000, "é".repeat(62))).toThrow(RangeError);
    expect(() => connection.close(1005, "a reason needs a code")).toThrow(RangeError);
    expect(connection.readyState).toBe(1);
    connection.close(3000, "x".repeat(123));
    expect(closeStatus(await peer.nextFrame())).toEqual({ code: 3000, reason: "x".repeat(123) });
    expect(() => connection.close(999)).toThrow(RangeError);
  });

  test("after close messages still go to the handler, until the peer's Close", async () => {
    const seen: MessageData[] = [];
    const { peer, connection } = await connectionPair(role, { handlers: { message: (_, data) => seen.push(data) } });
    connection.close();
    await peer.nextFrame();
    peer.send({ opcode: 1, payload: "still" }, closeFrame(1000), { opcode: 1, payload: "never" });
    peer.end();
    await connection.closed;
    expect(seen).toEqual(["still"]);
  });

  test("after close without a handler messages are thrown away, however many come", async () => {
    const { peer, connection } = await connectionPair(role, { limits: { inboundHighWaterMark: 100 } });
    connection.close();
    peer.send(...texts(numbered(1000)), closeFrame(1000));
    peer.end();
    expect((await connection.closed).wasClean).toBe(true);
  });

  test("the application may answer the peer's Close with a code of its own [G85]", async () => {
    const { opened, open } = gate();
    const { peer, connection } = await connectionPair(role, { handlers: { message: () => opened } });
    peer.send({ opcode: 1 }, closeFrame(1000));
    await until(() => coreOf(connection).endpoint.state === "peerClosing");
    connection.send("still in time");
    connection.close(4005);
    const [text, close] = await peer.nextFrames(2);
    expect(text!.payload.toString()).toBe("still in time");
    expect(closeStatus(close)?.code).toBe(4005);
    open();
    peer.end();
    expect(await connection.closed).toMatchObject({ code: 1000, sent: { code: 4005 }, wasClean: true });
  });
});
