/** What an application and topics send, in both roles, over TCP and over streams that are held. */
import { afterEach, beforeEach, describe, expect, type MockInstance, test, vi } from "vitest";
import { type Connection, coreOf } from "../../../src/connection/connection.ts";
import { PreparedMessage } from "../../../src/connection/sending/prepared-message.ts";
import type { Role } from "../../../src/protocol/frames/frame.ts";
import { connectionOver, connectionPair, until } from "../../support/connection-pair.ts";
import { HeldDuplex, nextTurn } from "../../support/held-duplex.ts";
import { closeStatus } from "../../support/raw-peer.ts";
import { frameFrom, peerOf, readFrames } from "../../support/wire.ts";

const numbered = (count: number): string[] => Array.from({ length: count }, (_, index) => `message ${index}`);

/** The bytes of what the peer of `role` sends. */
const fromPeer = (role: Role, ...frames: Parameters<typeof frameFrom>[1][]): Buffer =>
  Buffer.concat(frames.map((frame) => frameFrom(peerOf(role), frame)));

const texts = (messages: readonly string[]) => messages.map((payload) => ({ opcode: 1, payload }));

let stderr: MockInstance<typeof console.error>;

beforeEach(() => {
  stderr = vi.spyOn(console, "error").mockImplementation(() => {});
});

afterEach(() => {
  vi.useRealTimers();
  stderr.mockRestore();
});

describe.each<Role>(["client", "server"])("a connection as %s sends", (role) => {
  test("a string is text, all else binary [R6455-5.6-1, G26, G27, G77]", async () => {
    const { peer, connection } = await connectionPair(role);
    const { buffer } = new Uint8Array([1, 2, 3, 4]);
    const data = [
      "text",
      buffer,
      new DataView(buffer, 1, 2),
      Buffer.from("b"),
      new Blob(["blob"]),
      new PreparedMessage("p"),
    ];
    expect(data.map((each) => connection.send(each))).toEqual(data.map(() => true));
    const frames = await peer.nextFrames(6);
    expect(frames.map(({ opcode, payload }) => [opcode, [...payload]])).toEqual([
      [1, [...Buffer.from("text")]],
      [2, [1, 2, 3, 4]],
      [2, [2, 3]],
      [2, [98]],
      [2, [...Buffer.from("blob")]],
      [1, [112]],
    ]);
    expect(frames.every(({ key }) => (key !== undefined) === (role === "client"))).toBe(true);
  });

  test("all that a chunk causes leaves in one write, all that a turn sends in another [G44]", async () => {
    const socket = new HeldDuplex();
    const connection = connectionOver(socket, role, { handlers: { message: (self, data) => void self.send(data) } });
    coreOf(connection).start();
    socket.push(fromPeer(role, ...texts(numbered(16)), { opcode: 9 }));
    await nextTurn();
    expect(socket.writes).toHaveLength(1);
    for (const text of numbered(10)) connection.send(text);
    void connection.ping();
    expect(socket.writes).toHaveLength(1);
    await nextTurn();
    expect(socket.writes).toHaveLength(2);
    expect(readFrames(socket.written)).toHaveLength(16 + 1 + 10 + 1);
  });

  test("send says when to wait; ready and drain say when to go on", async () => {
    const socket = new HeldDuplex();
    const drained: Connection[] = [];
    const connection = connectionOver(socket, role, {
      limits: { outboxHighWaterMark: 50_000 },
      handlers: { drain: (self) => drained.push(self) },
    });
    coreOf(connection).start();
    socket.pause();
    socket.pace = "stalled";
    await connection.ready;
    expect(connection.send(new Uint8Array(40_000))).toBe(true);
    expect(connection.send(new Uint8Array(40_000))).toBe(false);
    expect(connection.bufferedAmount).toBeGreaterThan(80_000);
    let ready = false;
    const waiting = connection.ready.then(() => {
      ready = true;
    });
    await nextTurn();
    expect([ready, drained.length]).toEqual([false, 0]);
    socket.flow();
    await waiting;
    expect(drained).toEqual([connection]);
    expect(connection.bufferedAmount).toBe(0);
  });

  test("a Blob over the mark makes send return false, and ready resolve", async () => {
    const { peer, connection } = await connectionPair(role, { limits: { outboxHighWaterMark: 1000 } });
    expect(connection.send(new Blob([new Uint8Array(2000)]))).toBe(false);
    expect(connection.bufferedAmount).toBe(2000);
    await connection.ready;
    expect((await peer.nextFrame())?.payload.length).toBe(2000);
  });

  test("ready resolves when the connection ends", async () => {
    const socket = new HeldDuplex();
    const connection = connectionOver(socket, role, { limits: { outboxHighWaterMark: 10 } });
    coreOf(connection).start();
    socket.pace = "stalled";
    connection.send("more than ten bytes");
    const { ready } = connection;
    connection.terminate();
    await ready;
    await connection.ready;
    expect((await connection.closed).bufferedAmount).toBeGreaterThan(10);
  });

  test("who does not read is closed with 1013, what was queued is thrown away [D04]", async () => {
    const socket = new HeldDuplex();
    const connection = connectionOver(socket, role, { limits: { maxOutboxSize: 100_000 } });
    coreOf(connection).start();
    socket.pace = "stalled";
    connection.send(new Uint8Array(20_000));
    await nextTurn();
    let sent = 0;
    while (connection.send(new Uint8Array(1000)) || connection.readyState === 1) {
      sent++;
      await nextTurn();
    }
    expect(sent).toBeGreaterThanOrEqual(75);
    expect(sent).toBeLessThanOrEqual(81);
    expect(connection.bufferedAmount).toBeLessThan(21_000);
    expect(connection.send("more")).toBe(false);
    socket.flow();
    await nextTurn();
    const frames = readFrames(socket.written);
    expect(frames.map(({ opcode }) => opcode)).toEqual([2, 8]);
    expect(closeStatus(frames[1])).toEqual({ code: 1013, reason: "Too much output is waiting" });
    connection.terminate();
    const report = await connection.closed;
    expect(report).toMatchObject({ code: 1006, initiator: "local", sent: { code: 1013 }, unsentMessages: sent });
    expect(report.error?.message).toMatch(
      /^Cannot send: 100\d{3} bytes wait for a peer that does not read: it has taken none for \d+ ms \(maxOutboxSize is 100000\)$/,
    );
  });

  test("the report counts the messages of every kind that waited for the socket, in whole ones [D04]", async () => {
    const socket = new HeldDuplex();
    const connection = connectionOver(socket, role);
    coreOf(connection).start();
    socket.pace = "stalled";
    connection.send(new Uint8Array(20_000));
    await nextTurn();
    connection.send("text");
    connection.send(new Uint8Array(70_000));
    connection.send(new Blob(["waits for its bytes"]));
    void connection.sendFragments(["three ", "fragments, ", "one message"]);
    void connection.ping();
    await until(() => coreOf(connection).endpoint.waitingMessages === 4);
    connection.terminate();
    expect((await connection.closed).unsentMessages).toBe(4);
  });

  test.each(["a compressor", "a Blob"])(
    "the report counts what waits for %s when the connection ends [D04]",
    async (what) => {
      const { connection } = await connectionPair(role, {
        compress: true,
        endpoint: { compression: true },
      });
      if (what === "a Blob") connection.send(new Blob([new Uint8Array(100_000)]), { compress: false });
      else connection.send(new Uint8Array(100_000));
      for (let i = 0; i < 9; i++) connection.send(`behind it ${i}`);
      connection.terminate();
      const report = await connection.closed;
      expect(report.unsentMessages).toBe(10);
      expect(report.bufferedAmount).toBe(100_000 + 9 * "behind it 0".length);
      expect(connection.bufferedAmount).toBe(0);
    },
  );

  test("the cap of the process closes the connection that holds most [D04]", async () => {
    const make = () => {
      const socket = new HeldDuplex();
      const connection = connectionOver(socket, role, { limits: { maxProcessOutboxSize: 100_000 } });
      coreOf(connection).start();
      socket.pace = "stalled";
      return connection;
    };
    const [small, large] = [make(), make()];
    small.send(new Uint8Array(30_000));
    large.send(new Uint8Array(60_000));
    await nextTurn();
    small.send(new Uint8Array(20_000));
    // Its socket holds the most of it, so that it has to go.
    expect((await large.closed).error?.message).toMatch(/does not read: .* \(maxProcessOutboxSize is 100000 for all /);
    expect(small.readyState).toBe(1);
  });

  test("bytes that do not move within the write timeout end the connection [D05, G81, G98]", async () => {
    const { peer, connection } = await connectionPair(role, { limits: { writeTimeout: 100 } });
    peer.socket.pause();
    while (connection.send(new Uint8Array(1_000_000))) await nextTurn();
    const report = await connection.closed;
    expect(report).toMatchObject({ code: 1006, initiator: "transport", phase: "open" });
    expect(report.error?.message).toMatch(/no byte left or arrived for \d+ ms/);
    expect(report.bufferedAmount).toBeGreaterThan(0);
  });

  test("nothing is sent after close or at the end, and nothing thrown [R6455-5.5.1-3, G32]", async () => {
    const { peer, connection } = await connectionPair(role);
    connection.send("before");
    connection.close(4000);
    expect(connection.send("after")).toBe(false);
    connection.pong();
    await expect(connection.ping()).rejects.toThrow("Cannot ping: the connection is closing or closed");
    peer.close(4000);
    peer.end();
    const frames = await peer.allFrames();
    expect(frames.map(({ opcode }) => opcode)).toEqual([1, 8]);
    await connection.closed;
    expect(connection.readyState).toBe(3);
    expect(connection.send("after")).toBe(false);
    expect(connection.send(new Blob(["after"]))).toBe(false);
  });

  test("close stands in line behind a Blob, and nothing gets between", async () => {
    const { peer, connection } = await connectionPair(role);
    connection.send(new Blob(["blob"]));
    connection.send("text");
    connection.close(4001);
    expect(connection.readyState).toBe(2);
    expect(connection.send("late")).toBe(false);
    connection.close(4002);
    const frames = await peer.nextFrames(3);
    expect(frames.map(({ opcode }) => opcode)).toEqual([2, 1, 8]);
    expect(closeStatus(frames[2])?.code).toBe(4001);
  });

  const standing: [what: string, send: (connection: Connection) => void, most: number][] = [
    ["sendFragments", (connection) => void connection.sendFragments([new Uint8Array(500)]), 16],
    ["empty messages", (connection) => void connection.send(""), 1024],
    ["what is published", (connection) => coreOf(connection).sending.sendFrames(Buffer.of(0x81, 0), 1), 1024],
  ];

  test.each(standing)("what stands in line is bounded as all that is sent: %s [D04]", async (what, send, most) => {
    if (what === "what is published" && role === "client") return;
    const socket = new HeldDuplex(100);
    socket.pace = "stalled";
    const limits = { maxOutboxSize: 128 * 1024, outboxHighWaterMark: 1000 };
    const connection = connectionOver(socket, role, { limits });
    coreOf(connection).start();
    let asked = 0;
    let stopped = false;
    const endless = {
      next: () => new Promise<never>(() => {}),
      return: () => {
        stopped = true;
        return Promise.resolve({ done: true as const, value: undefined });
      },
    };
    const cutOff = connection.sendFragments({ [Symbol.asyncIterator]: () => endless });
    for (; connection.readyState === 1 && asked < 5000; asked++) {
      send(connection);
      if (asked % 4 === 3) await nextTurn();
    }
    expect(asked).toBeLessThanOrEqual(most + 4);
    // Nothing of it is held any more, though the peer has not taken the Close.
    await expect(cutOff).rejects.toThrow("Cannot send");
    expect(stopped).toBe(true);
    connection.terminate();
    const report = await connection.closed;
    expect(report.error?.message).toMatch(/^Cannot send: \d+ bytes wait .*maxOutboxSize is 131072/);
    expect(report.unsentMessages).toBe(asked);
    expect(report.sent?.code).toBe(1013);
    await expect(connection.sendFragments(["late"])).rejects.toThrow("closing or closed");
  });

  test.each(["ping", "pong"] as const)(
    "a peer that does not read is sent no more of ours than fits: %s [D04]",
    async (what) => {
      const socket = new HeldDuplex(100);
      socket.pace = "stalled";
      const connection = connectionOver(socket, role, { limits: { maxOutboxSize: 8192, outboxHighWaterMark: 1000 } });
      coreOf(connection).start();
      let last: Promise<number> | undefined;
      let sent = 0;
      for (; connection.readyState === 1 && sent < 1000; sent++) {
        last = connection[what](new Uint8Array(100)) ?? last;
        await nextTurn();
      }
      expect(sent).toBeLessThan(90);
      if (last) await expect(last).rejects.toThrow("maxOutboxSize is 8192");
      connection.terminate();
      expect((await connection.closed).sent?.code).toBe(1013);
    },
  );

  test("a write that fails for memory that is gone names the cause [D22]", async () => {
    const socket = new HeldDuplex(100);
    const connection = connectionOver(socket, role);
    coreOf(connection).start();
    const cause = Object.assign(new Error("write EFAULT"), { code: "EFAULT" });
    socket.destroy(cause);
    const { error } = await connection.closed;
    expect(error).toMatchObject({ message: expect.stringMatching(/^Cannot send: the memory of a message/), cause });
  });

  test("what is sent in fragments in one turn is held against nobody who reads [D04]", async () => {
    const { peer, connection } = await connectionPair(role, { limits: { maxOutboxSize: 64 * 1024 } });
    for (let message = 0; message < 100; message++) void connection.sendFragments([String(message)]);
    const frames = await peer.nextFrames(200);
    expect(frames.filter(({ fin }) => fin)).toHaveLength(100);
    expect(connection.readyState).toBe(1);
  });

  test("a Blob that cannot be read leaves nothing behind it but the Close", async () => {
    const { peer, connection } = await connectionPair(role);
    const blob = Object.assign(new Blob(["gone"]), { arrayBuffer: () => Promise.reject(new Error("unreadable")) });
    connection.send(blob);
    connection.send("behind it");
    connection.close(1000);
    expect(closeStatus(await peer.nextFrame())?.code).toBe(1011);
    peer.close(1011);
    peer.end();
    expect(await connection.closed).toMatchObject({ unsentMessages: 2, error: new Error("unreadable") });
  });

  test("a Blob that cannot be read closes with 1011 and goes to error", async () => {
    const errors: Error[] = [];
    const { peer, connection } = await connectionPair(role, {
      handlers: { error: (_, error) => errors.push(error) },
    });
    const blob = new Blob(["gone"]);
    blob.arrayBuffer = () => Promise.reject(new Error("The file is gone"));
    connection.send(blob);
    expect(closeStatus(await peer.nextFrame())?.code).toBe(1011);
    expect(errors).toEqual([new Error("The file is gone")]);
    expect(connection.bufferedAmount).toBe(0);
  });

  const odd: [string, unknown][] = [
    ["undefined", undefined],
    ["null", null],
    ["a number", 20],
    ["NaN", Number.NaN],
    ["a bigint", 5n],
    ["a boolean", true],
    ["a symbol", Symbol("s")],
    ["a function", () => {}],
    ["an object", { length: 5, byteLength: 5 }],
    ["an array", [1, 2, 3]],
    ["a Date", new Date()],
  ];

  test.each(odd)("%s as data, payload or reason is refused, and nothing of it is sent [D10]", async (_, value) => {
    const socket = new HeldDuplex();
    const connection = connectionOver(socket, role);
    coreOf(connection).start();
    const given = value as never;
    expect(() => connection.send(given)).toThrow(TypeError);
    if (value !== undefined) {
      expect(() => connection.ping(given)).toThrow(TypeError);
      expect(() => connection.pong(given)).toThrow(TypeError);
      expect(() => connection.close(1000, given)).toThrow(TypeError);
      expect(() => connection.close(given)).toThrow();
    }
    expect(() => connection.close(1000, new Float32Array(20) as never)).toThrow(TypeError);
    expect(() => connection.ping("text" as never)).toThrow(TypeError);
    expect(() => connection.ping(new Float32Array(20) as never)).toThrow(TypeError);
    await nextTurn();
    expect(socket.writes).toEqual([]);
    expect(connection.send("still in order")).toBe(true);
    await nextTurn();
    expect(readFrames(socket.written).map(({ payload }) => payload.toString())).toEqual(["still in order"]);
  });

  describe("frames that connections share", () => {
    test("leave at once, behind a Blob on its way, and never after close; a client has none [R6455-5.3-1]", async () => {
      const { peer, connection } = await connectionPair(role);
      const frame = new PreparedMessage("shared").frame;
      if (role === "client") {
        expect(() => coreOf(connection).sending.sendFrames(frame, 1)).toThrow("a client must mask each frame");
        return;
      }
      connection.send(new Blob(["blob"]));
      coreOf(connection).sending.sendFrames(frame, 1);
      connection.send("own");
      expect(await peer.nextTexts(3)).toEqual(["blob", "shared", "own"]);
      connection.close();
      coreOf(connection).sending.sendFrames(frame, 1);
      expect((await peer.nextFrame())?.opcode).toBe(8);
      expect(coreOf(connection).sending.sharedCompression).toBeUndefined();
    });

    test("count for the outbox's limit [D04]", async () => {
      const socket = new HeldDuplex();
      const connection = connectionOver(socket, role, { limits: { maxOutboxSize: 10 } });
      coreOf(connection).start();
      socket.pace = "stalled";
      connection.send("more than ten bytes");
      await nextTurn();
      expect(coreOf(connection).sending.takesFrames()).toBe(false);
      coreOf(connection).sending.sendFrames(new Uint8Array(0), 0);
      expect(connection.readyState).toBe(2);
    });

    test("are compressed for those who can share it", async () => {
      const { connection } = await connectionPair(role, { compress: true });
      expect(coreOf(connection).sending.sharedCompression?.sharedKey).toBeTypeOf("string");
    });
  });
});
