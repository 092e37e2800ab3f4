/** Ends without a closing handshake, or in the middle of one, in both roles, over TCP. */
import { afterEach, beforeEach, describe, expect, type MockInstance, test, vi } from "vitest";
import { type Connection, coreOf } from "../../../src/connection/connection.ts";
import type { ConnectionHandlers } from "../../../src/connection/handlers/handlers.ts";
import type { MessageData } from "../../../src/connection/options/delivery-options.ts";
import type { Role } from "../../../src/protocol/frames/frame.ts";
import { connectionOver, connectionPair, until } from "../../support/connection-pair.ts";
import { HeldDuplex, nextTurn } from "../../support/held-duplex.ts";
import { closeFrame, closeStatus } from "../../support/raw-peer.ts";
import { frameFrom, peerOf } from "../../support/wire.ts";

type Handlers = ConnectionHandlers<Connection>;

/** The bytes of what the peer of `role` sends. */
const fromPeer = (role: Role, ...frames: Parameters<typeof frameFrom>[1][]): Buffer =>
  Buffer.concat(frames.map((frame) => frameFrom(peerOf(role), frame)));

let stderr: MockInstance<typeof console.error>;

beforeEach(() => {
  stderr = vi.spyOn(console, "error").mockImplementation(() => {});
});

afterEach(() => {
  vi.useRealTimers();
  stderr.mockRestore();
});

describe.each<Role>(["client", "server"])("a connection as %s", (role) => {
  test("a broken rule fails the connection with its code, and nothing more is read [R6455-7.1.7-1, R6455-7.1.7-3]", async () => {
    const seen: MessageData[] = [];
    const { peer, connection } = await connectionPair(role, { handlers: { message: (_, data) => seen.push(data) } });
    peer.send({ opcode: 1, payload: "good" }, { opcode: 3 }, { opcode: 1, payload: "late" }, closeFrame(1000));
    expect(closeStatus(await peer.nextFrame())?.code).toBe(1002);
    await peer.until(() => false);
    peer.end();
    expect(await connection.closed).toMatchObject({
      code: 1006,
      wasClean: false,
      initiator: "local",
      violation: "reserved-opcode",
      sent: { code: 1002 },
    });
    expect(seen).toEqual(["good"]);
  });

  test("after a failure no more than 64 KiB are read [A09]", async () => {
    const socket = new HeldDuplex();
    const connection = connectionOver(socket, role);
    coreOf(connection).start();
    socket.push(fromPeer(role, { opcode: 3 }));
    for (let i = 0; i < 4; i++) {
      await nextTurn();
      socket.push(Buffer.alloc(16 * 1024));
    }
    await nextTurn();
    expect(socket.destroyed).toBe(false);
    socket.push(Buffer.alloc(1));
    await nextTurn();
    expect(socket.destroyed).toBe(true);
    expect(await connection.closed).toMatchObject({ violation: "reserved-opcode" });
  });

  test("after a failure the socket is gone within a second, though the peer stays [A09]", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const { peer, connection } = await connectionPair(role);
    peer.send({ opcode: 3 });
    await peer.until(() => false);
    expect(connection.readyState).toBe(2);
    vi.advanceTimersByTime(999);
    await nextTurn();
    expect(connection.readyState).toBe(2);
    vi.advanceTimersByTime(1);
    expect((await connection.closed).violation).toBe("reserved-opcode");
  });

  test.each([
    ["A01", "maxMessageSize", 10, [{ opcode: 2, payload: new Uint8Array(11) }], 1009, "message-too-big"],
    [
      "A02",
      "maxMessageSize",
      10,
      [
        { opcode: 2, fin: false, payload: new Uint8Array(6) },
        { opcode: 0, payload: new Uint8Array(5) },
      ],
      1009,
      "message-too-big",
    ],
    [
      "A07",
      "maxEmptyFragments",
      2,
      [{ opcode: 2, fin: false }, ...Array(3).fill({ opcode: 0, fin: false })],
      1008,
      "too-many-empty-fragments",
    ],
    [
      "A02",
      "maxProcessAssemblySize",
      100,
      [{ opcode: 2, fin: false, payload: new Uint8Array(101) }],
      1013,
      "too-much-unfinished",
    ],
  ] as const)("%s: beyond %s the connection fails [G33 G75]", async (_, limit, value, frames, code, violation) => {
    const { peer, connection } = await connectionPair(role, { limits: { [limit]: value } });
    peer.send(...frames);
    expect(closeStatus(await peer.nextFrame())?.code).toBe(code);
    await peer.until(() => false);
    peer.end();
    expect((await connection.closed).violation).toBe(violation);
  });

  test("a message at the limit is let through, and what is whole or gone does not count for the process [A02]", async () => {
    const seen: MessageData[] = [];
    const limits = { maxMessageSize: 100, maxProcessAssemblySize: 150 };
    const handlers: Handlers = { message: (_, data) => seen.push(data) };
    const first = await connectionPair(role, { limits, handlers });
    first.peer.send({ opcode: 2, fin: false, payload: new Uint8Array(90) });
    first.peer.send({ opcode: 0, payload: new Uint8Array(10) });
    await until(() => seen.length === 1);
    const gone = await connectionPair(role, { limits, handlers });
    gone.peer.send({ opcode: 2, fin: false, payload: new Uint8Array(100) });
    await until(() => coreOf(gone.connection).endpoint.unfinishedLength === 100);
    gone.peer.reset();
    await gone.connection.closed;
    first.peer.send({ opcode: 2, fin: false, payload: new Uint8Array(90) });
    first.peer.send({ opcode: 0, payload: new Uint8Array(10) });
    await until(() => seen.length === 2);
    expect(first.connection.readyState).toBe(1);
  });

  test("terminate ends it at once; nothing more is delivered or sent [G70]", async () => {
    const seen: MessageData[] = [];
    const after: unknown[] = [];
    const { peer, connection } = await connectionPair(role, {
      handlers: {
        message: (self, data) => {
          seen.push(data);
          self.send("lost");
          self.terminate();
          after.push(self.readyState, self.send("too late"));
        },
      },
    });
    peer.text("a", "b", "c");
    expect(await connection.closed).toMatchObject({
      code: 1006,
      wasClean: false,
      initiator: "local",
      phase: "open",
    });
    await peer.until(() => false);
    expect(peer.received).toHaveLength(0);
    expect(seen).toEqual(["a"]);
    expect(after).toEqual([2, false]);
  });

  test("terminate in open", async () => {
    const closed: number[] = [];
    const { connection } = await connectionPair(role, {
      handlers: { open: (self) => self.terminate(), close: (_, { code }) => closed.push(code) },
    });
    await connection.closed;
    expect(connection.readyState).toBe(3);
    await nextTurn();
    expect(closed).toEqual([1006]);
  });

  test("a reset is told with its error", async () => {
    let pinged = false;
    const { peer, connection } = await connectionPair(role, {
      handlers: {
        ping: () => {
          pinged = true;
        },
      },
    });
    peer.send({ opcode: 9 });
    await until(() => pinged);
    peer.reset();
    const report = await connection.closed;
    expect(report).toMatchObject({ code: 1006, wasClean: false, initiator: "transport", phase: "open" });
    expect((report.error as NodeJS.ErrnoException).code).toBe("ECONNRESET");
  });

  test("an end without Close is told as such [R6455-7.2.1-1]", async () => {
    const { peer, connection } = await connectionPair(role);
    peer.end();
    const report = await connection.closed;
    expect(report).toMatchObject({ code: 1006, initiator: "transport", phase: "open" });
    expect(report.error?.message).toBe("The peer ended the stream without a Close frame");
    await peer.closed;
  });

  test("an end inside a frame is an end without Close", async () => {
    const { peer, connection } = await connectionPair(role);
    peer.socket.end(fromPeer(role, { opcode: 1, payload: "cut off" }).subarray(0, 5));
    expect(await connection.closed).toMatchObject({ code: 1006, initiator: "transport" });
  });

  test("a peer that does not answer our Close is cut off after closeTimeout [D01]", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const { peer, connection } = await connectionPair(role);
    connection.close(1001);
    await peer.nextFrame();
    vi.advanceTimersByTime(4999);
    await nextTurn();
    expect(connection.readyState).toBe(2);
    vi.advanceTimersByTime(1);
    const report = await connection.closed;
    expect(report).toMatchObject({ code: 1006, wasClean: false, initiator: "local", phase: "closing" });
    expect(report.error?.message).toBe("The closing handshake was cut off: the peer took more than 5000 ms");
    expect(vi.getTimerCount()).toBe(0);
  });

  test("a peer that never ends the stream after both Close frames is cut off too, which is still clean [D01]", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const { peer, connection } = await connectionPair(role, { limits: { closeTimeout: 300 } });
    peer.close(1000);
    await peer.nextFrame();
    await until(() => coreOf(connection).endpoint.state === "discarding");
    vi.advanceTimersByTime(300);
    expect(await connection.closed).toMatchObject({ code: 1000, wasClean: true });
    expect(vi.getTimerCount()).toBe(0);
  });

  /** Lets the timer wheel turn; each turn comes after what the sockets have. */
  async function seconds(count: number): Promise<void> {
    for (let second = 0; second < count; second++) {
      vi.advanceTimersByTime(1000);
      await nextTurn();
    }
  }

  test("a silent peer is asked and then given up [D02, G74]", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const { peer, connection } = await connectionPair(role, { keepalive: { interval: 2000, timeout: 3000 } });
    await seconds(2);
    const ping = await peer.nextFrame();
    expect(ping?.opcode).toBe(9);
    peer.send({ opcode: 10, payload: ping!.payload });
    await until(() => connection.latency !== undefined);
    await seconds(4);
    expect((await peer.nextFrame())?.opcode).toBe(9);
    await seconds(3);
    const report = await connection.closed;
    expect(report).toMatchObject({ code: 1006, initiator: "transport", phase: "open" });
    expect(report.error?.message).toMatch(/^The connection was given up: the peer was silent/);
    expect(report.lastReceivedAgo).toBeGreaterThanOrEqual(5000);
  });

  test("a message that does not go on fails the connection with 1008 [A11, G74]", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const { peer, connection } = await connectionPair(role, { limits: { messageIdleTimeout: 2000 } });
    peer.send({ opcode: 1, fin: false, payload: "begun" });
    await until(() => coreOf(connection).endpoint.unfinishedLength > 0);
    await seconds(4);
    expect(closeStatus(await peer.nextFrame())?.code).toBe(1008);
    peer.end();
    expect((await connection.closed).violation).toBe("message-too-slow");
  });
});
