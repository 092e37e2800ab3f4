import { afterEach, beforeEach, describe, expect, type MockInstance, test, vi } from "vitest";
import { type Connection, coreOf } from "../../src/connection/connection.ts";
import type { ConnectionHandlers } from "../../src/connection/handlers/handlers.ts";
import type { MessageData } from "../../src/connection/options/delivery-options.ts";
import { longestAnswerDelay } from "../../src/connection/options/limits.ts";
import { PreparedMessage } from "../../src/connection/sending/prepared-message.ts";
import type { Role } from "../../src/protocol/frames/frame.ts";
import { connectionOver, connectionPair, gate, until } from "../support/connection-pair.ts";
import { HeldDuplex, nextTurn } from "../support/held-duplex.ts";
import { closeFrame, closeStatus, RawPeer, socketPair } from "../support/raw-peer.ts";
import { frameFrom, ownCopy, peerOf, readFrames } from "../support/wire.ts";

const roles: readonly Role[] = ["client", "server"];
type Handlers = ConnectionHandlers<Connection>;

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

/** What `take` collects of a connection by each of the three ways to receive. */
const ways: [
  way: string,
  receive: (each: (connection: Connection, data: MessageData) => void) => {
    handlers: Handlers;
    started?: (connection: Connection) => void;
  },
][] = [
  ["a handler", (each) => ({ handlers: { message: (connection, data) => each(connection, data) } })],
  [
    "an async handler",
    (each) => ({
      handlers: {
        message: async (connection, data) => {
          await new Promise((resolve) => setImmediate(resolve));
          each(connection, data);
        },
      },
    }),
  ],
  [
    "for await",
    (each) => ({
      handlers: {},
      started: async (connection) => {
        for await (const data of connection) {
          await new Promise((resolve) => setImmediate(resolve));
          each(connection, data);
        }
      },
    }),
  ],
];

describe.each(roles)("a connection as %s", (role) => {
  describe("receiving", () => {
    test.each(["whole", "bytewise"])("messages reach the handler in order, %s [G72]", async (cuts) => {
      const seen: unknown[] = [];
      const { peer, connection } = await connectionPair(role, {
        handlers: { message: (_, data, { text }) => seen.push([typeof data === "string" ? data : [...data], text]) },
      });
      const bytes = fromPeer(
        role,
        { opcode: 1, payload: "grüße" },
        { opcode: 2, payload: new Uint8Array([1, 2, 255]) },
        { opcode: 1, fin: false, payload: "in " },
        { opcode: 9, payload: "ping" },
        { opcode: 0, payload: "parts" },
        { opcode: 2 },
      );
      if (cuts === "whole") peer.socket.write(bytes);
      else for (const byte of bytes) peer.socket.write(Uint8Array.of(byte));
      await until(() => seen.length === 4);
      expect(seen).toEqual([
        ["grüße", true],
        [[1, 2, 255], false],
        ["in parts", true],
        [[], false],
      ]);
      expect(connection.readyState).toBe(1);
      expect(connection.role).toBe(role);
    });

    test.each(ways)(
      "R6455-7.1.7-3: what was whole before a violation is delivered, nothing after it, by %s",
      async (_, receive) => {
        const seen: MessageData[] = [];
        const { handlers, started } = receive((_connection, data) => void seen.push(data));
        const { peer, connection } = await connectionPair(role, { handlers });
        started?.(connection);
        const frames = [...texts(["one", "two", "three"]), { opcode: 3 }, ...texts(["four"])];
        peer.socket.write(fromPeer(role, ...frames));
        expect(closeStatus((await peer.allFrames()).at(-1))?.code).toBe(1002);
        peer.end();
        expect(await connection.closed).toMatchObject({ violation: "reserved-opcode", initiator: "local" });
        await until(() => seen.length === 3);
        await nextTurn();
        expect(seen).toEqual(["one", "two", "three"]);
      },
    );

    test("nothing is lost before somebody iterates", async () => {
      const { peer, connection } = await connectionPair(role);
      peer.text("early", "earlier");
      await until(
        () => coreOf(connection).endpoint.unparsedLength === 0 && coreOf(connection).endpoint.state === "open",
      );
      await nextTurn();
      peer.text("late");
      const seen: MessageData[] = [];
      for await (const data of connection) {
        seen.push(data);
        if (seen.length === 3) break;
      }
      expect(seen).toEqual(["early", "earlier", "late"]);
    });

    test("C16: what came with the handshake is delivered first", async () => {
      const seen: MessageData[] = [];
      const socket = new HeldDuplex();
      const connection = connectionOver(socket, role, { handlers: { message: (_, data) => seen.push(data) } });
      const bytes = fromPeer(role, ...texts(["one", "two", "three"]));
      coreOf(connection).start(bytes.subarray(0, 9));
      socket.push(bytes.subarray(9));
      await nextTurn();
      expect(seen).toEqual(["one", "two", "three"]);
    });

    test("an async open is done before the first message", async () => {
      const { opened, open } = gate();
      const seen: unknown[] = [];
      const { peer, connection } = await connectionPair(role, {
        handlers: {
          open: async () => {
            await opened;
            seen.push("open");
          },
          message: (_, data) => seen.push(data),
          ping: () => seen.push("ping"),
        },
      });
      peer.text("a");
      peer.send({ opcode: 9 });
      expect((await peer.nextFrame())?.opcode).toBe(10);
      expect(seen).toEqual(["ping"]);
      open();
      await until(() => seen.length === 3);
      expect(seen).toEqual(["ping", "open", "a"]);
      expect(connection.readyState).toBe(1);
    });

    test("an async open may read all messages itself, up to the peer's Close", async () => {
      const seen: unknown[] = [];
      const { peer, connection } = await connectionPair(role, {
        handlers: {
          open: async (self) => {
            for await (const data of self) {
              seen.push(data);
              if (data === "b") self.send("half");
            }
            seen.push("done");
          },
          close: (_, { code }) => seen.push(code),
        },
      });
      peer.text("a", "b");
      expect(await peer.nextTexts(1)).toEqual(["half"]);
      peer.text("c");
      peer.close(1000);
      expect(closeStatus(await peer.nextFrame())?.code).toBe(1000);
      peer.end();
      await connection.closed;
      await nextTurn();
      expect(seen).toEqual(["a", "b", "c", 1000, "done"]);
    });

    test("D01 a Close that comes while an async open does not read is answered at once", async () => {
      const { opened, open } = gate();
      const seen: unknown[] = [];
      const { peer, connection } = await connectionPair(role, {
        handlers: {
          open: async (self) => {
            for await (const data of self) {
              seen.push(data);
              break;
            }
            await opened;
            seen.push("open");
          },
          close: () => seen.push("close"),
        },
      });
      peer.text("a");
      await until(() => seen.length === 1);
      peer.close(1000);
      expect(closeStatus(await peer.nextFrame())?.code).toBe(1000);
      peer.end();
      await connection.closed;
      open();
      await until(() => seen.length === 3);
      expect(seen).toEqual(["a", "close", "open"]);
    });

    test.each<[string, ConnectionHandlers<Connection>]>([
      ["a handler that has terminated the connection", { message: (self) => self.terminate() }],
      [
        "a handler, while another has thrown",
        {
          ping: () => {
            throw new Error("thrown");
          },
        },
      ],
    ])("D01 the end is told when the peer's Close comes behind %s and is not done", async (_, handlers) => {
      const { opened, open } = gate();
      let closed = 0;
      const { peer, connection } = await connectionPair(role, {
        handlers: {
          ...handlers,
          message: async (self, data, info) => {
            handlers.message?.(self, data, info);
            await opened;
          },
          close: () => void closed++,
          error: () => {},
        },
      });
      peer.send({ opcode: 1, payload: "a" }, { opcode: 9 }, closeFrame(1000));
      peer.end();
      await until(() => connection.readyState === 3);
      open();
      await coreOf(connection).closing.handled;
      expect(closed).toBe(1);
    });

    test("an async open may take them as streams, and what it throws fails the connection", async () => {
      const errors: string[] = [];
      const { peer, connection } = await connectionPair(role, {
        handlers: {
          open: async (self) => {
            for await (const message of self.messages()) {
              let text = "";
              for await (const part of message) text += part;
              if (text === "wrong") throw new Error(text);
              self.send(text);
            }
          },
          error: (_, { message }) => errors.push(message),
        },
      });
      peer.text("right");
      expect(await peer.nextTexts(1)).toEqual(["right"]);
      peer.text("wrong");
      expect(closeStatus(await peer.nextFrame())?.code).toBe(1011);
      peer.close(1011);
      peer.end();
      await connection.closed;
      expect(errors).toEqual(["wrong"]);
    });

    test("an async message handler is awaited before the next message", async () => {
      let atOnce = 0;
      let most = 0;
      const seen: MessageData[] = [];
      const { peer } = await connectionPair(role, {
        handlers: {
          message: async (_, data) => {
            most = Math.max(most, ++atOnce);
            await new Promise((resolve) => setTimeout(resolve, seen.length === 0 ? 5 : 0));
            seen.push(data);
            atOnce--;
          },
        },
      });
      peer.text(...numbered(20));
      await until(() => seen.length === 20);
      expect(seen).toEqual(numbered(20));
      expect(most).toBe(1);
    });

    test.each(ways)(
      "a message and at once a Close, a hundred times over: all are answered, by %s",
      async (_, receive) => {
        const { handlers, started } = receive((connection, data) => connection.send(data));
        const { peer, connection } = await connectionPair(role, { handlers });
        started?.(connection);
        peer.send(...texts(numbered(100)), closeFrame(4000, "done"));
        expect(await peer.nextTexts(100)).toEqual(numbered(100));
        expect(closeStatus(await peer.nextFrame())?.code).toBe(4000);
        peer.end();
        const report = await connection.closed;
        expect(report).toMatchObject({ code: 4000, reason: "done", wasClean: true, initiator: "peer" });
      },
    );

    test("the echo leaves at the latest 2 s after the Close, whatever the handler does", async () => {
      vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
      const { opened, open } = gate();
      const { peer, connection } = await connectionPair(role, { handlers: { message: () => opened } });
      peer.send({ opcode: 1, payload: "a" }, closeFrame(1001));
      await until(() => coreOf(connection).endpoint.state === "peerClosing");
      expect(connection.readyState).toBe(1);
      vi.advanceTimersByTime(1999);
      await nextTurn();
      expect(coreOf(connection).endpoint.state).toBe("peerClosing");
      vi.advanceTimersByTime(1);
      expect(closeStatus(await peer.nextFrame())).toEqual({ code: 1001, reason: "" });
      expect(connection.readyState).toBe(2);
      expect(connection.send("late")).toBe(false);
      peer.end();
      await peer.closed;
      open();
      expect(await connection.closed).toMatchObject({ code: 1001, wasClean: true });
    });

    test("a loop that goes on after the end has the rest, and ends [G91]", async () => {
      const { peer, connection } = await connectionPair(role);
      peer.text("a", "b", "c");
      const seen: MessageData[] = [];
      for await (const data of connection) {
        seen.push(data);
        if (seen.length === 1) {
          peer.reset();
          await connection.closed;
        }
      }
      for await (const data of connection) seen.push(data);
      expect(seen).toEqual(["a", "b", "c"]);
    });

    test("two loops share the messages, a loop can be left and taken up, both end", async () => {
      const { peer, connection } = await connectionPair(role);
      const seen: MessageData[] = [];
      const loop = async () => {
        for await (const data of connection) seen.push(data);
      };
      const loops = [loop(), loop()];
      peer.send(...texts(numbered(10)), closeFrame(1000));
      peer.end();
      await Promise.all(loops);
      expect([...seen].sort()).toEqual(numbered(10).sort());
      expect((await connection.closed).wasClean).toBe(true);
    });

    test("where a message handler is, nobody else can iterate [G90]", async () => {
      const { connection } = await connectionPair(role, { handlers: { message: () => {} } });
      expect(() => connection[Symbol.asyncIterator]()).toThrow(
        "Cannot iterate: the messages go to the message handler",
      );
    });

    test("reading stops at the mark while a handler is behind, and goes on after it; nothing is lost", async () => {
      const { opened, open } = gate();
      const seen: MessageData[] = [];
      const { peer, connection } = await connectionPair(role, {
        limits: { inboundHighWaterMark: 1000 },
        handlers: {
          message: (_, data) => {
            seen.push(data);
            return seen.length === 1 ? opened : undefined;
          },
        },
      });
      peer.text(...numbered(2000));
      await until(() => !coreOf(connection).isReading());
      expect(seen).toHaveLength(1);
      open();
      await until(() => seen.length === 2000);
      expect(seen).toEqual(numbered(2000));
      expect(coreOf(connection).isReading()).toBe(true);
    });

    test("below the mark Pings and the end are seen while a handler is behind [G92]", async () => {
      vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
      const { opened, open } = gate();
      const seen: unknown[] = [];
      const { peer, connection } = await connectionPair(role, {
        handlers: {
          message: async (_, data) => {
            await opened;
            seen.push(data);
          },
          close: () => seen.push("close"),
        },
      });
      peer.send(...texts(["a", "b"]), { opcode: 9, payload: "still there?" });
      expect(await peer.nextFrame()).toMatchObject({ opcode: 10, payload: Buffer.from("still there?") });
      peer.end();
      // An answer has this long to come; another timer is that of keepalive.
      await until(() => vi.getTimerCount() > 1);
      vi.advanceTimersByTime(longestAnswerDelay);
      await peer.closed;
      await until(() => coreOf(connection).endpoint.state === "closed");
      expect(seen).toEqual([]);
      open();
      await until(() => seen.length === 3);
      expect(seen).toEqual(["a", "b", "close"]);
    });

    test("A04: a flood in one chunk lets others have their turn", async () => {
      const seen: number[] = [];
      let turns = 0;
      const socket = new HeldDuplex();
      const connection = connectionOver(socket, role, {
        limits: { readBudget: 0 },
        handlers: { message: () => seen.push(turns) },
      });
      coreOf(connection).start();
      const tick = () => {
        turns++;
        if (seen.length < 1000) setImmediate(tick);
      };
      socket.push(fromPeer(role, ...texts(numbered(1000))));
      setImmediate(tick);
      await until(() => seen.length === 1000);
      expect(turns).toBeGreaterThan(5);
      const perTurn = Math.max(...seen.map((turn) => seen.filter((other) => other === turn).length));
      expect(perTurn).toBeLessThanOrEqual(256);
    });

    test("A07: a flood of fragments, of which no message comes, takes one long read a turn", async () => {
      const fragments = (opcode: number): Buffer =>
        fromPeer(
          role,
          { opcode, fin: false, payload: "x" },
          ...Array(30_000).fill({ opcode: 0, fin: false, payload: "x" }),
        );
      const turnsOf = async (readBudget: number): Promise<number[]> => {
        const seen: number[] = [];
        let turns = 0;
        const socket = new HeldDuplex();
        const connection = connectionOver(socket, role, { limits: { readBudget }, handlers: { message: () => {} } });
        coreOf(connection).start();
        socket.on("data", () => seen.push(turns));
        const tick = () => {
          turns++;
          if (seen.length < 4) setImmediate(tick);
        };
        for (const opcode of [2, 0, 0, 0]) socket.push(fragments(opcode));
        setImmediate(tick);
        await until(() => seen.length === 4);
        expect(coreOf(connection).endpoint.state).toBe("open");
        return seen;
      };
      expect(new Set(await turnsOf(0)).size).toBe(4);
      expect(new Set(await turnsOf(Number.POSITIVE_INFINITY)).size).toBe(1);
    });

    test("A07: empty messages fill the queue as well", async () => {
      const { opened } = gate();
      const { peer, connection } = await connectionPair(role, {
        limits: { inboundHighWaterMark: 10_000 },
        handlers: { message: () => opened },
      });
      peer.text(...Array<string>(5000).fill(""));
      await until(() => !coreOf(connection).isReading());
    });

    test("over reads that are shared, data and unfinished frames stay what they were", async () => {
      const seen: Buffer[] = [];
      const ends = await Promise.all([socketPair(), socketPair()]);
      const peers = ends.map(([near, far]) => {
        const connection = connectionOver(near, role, {
          own: true,
          handlers: { message: (_, data) => seen.push(data as Buffer) },
        });
        coreOf(connection).start();
        expect(near.listenerCount("data")).toBe(0);
        return new RawPeer(far, peerOf(role));
      });
      const payload = (index: number) => Buffer.alloc(200 + index * 40, index);
      for (let index = 0; index < 60; index++) {
        const bytes = fromPeer(role, { opcode: 2, payload: payload(index) });
        const peer = peers[index % 2]!;
        peer.socket.write(bytes.subarray(0, 100 + index));
        await nextTurn();
        peer.socket.write(bytes.subarray(100 + index));
        await until(() => seen.length === index + 1);
      }
      expect(seen.every((data, index) => Buffer.compare(data, payload(index)) === 0)).toBe(true);
      for (const peer of peers) peer.socket.destroy();
    });

    test("a stream that is no socket keeps the memory it gave as it was", async () => {
      const seen: MessageData[] = [];
      const socket = new HeldDuplex();
      const connection = connectionOver(socket, role, { handlers: { message: (_, data) => seen.push(data) } });
      coreOf(connection).start();
      const bytes = ownCopy(fromPeer(role, { opcode: 2, payload: "unmasked elsewhere" }));
      const before = Buffer.from(bytes);
      socket.push(bytes);
      await nextTurn();
      expect(Buffer.from(seen[0] as Uint8Array).toString()).toBe("unmasked elsewhere");
      expect(bytes.equals(before)).toBe(true);
    });
  });

  describe("sending", () => {
    test("R6455-5.6-1: a string is text, all else binary [G26 G27 G77]", async () => {
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

    test("D04: who does not read is closed with 1013, what was queued is thrown away", async () => {
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

    test("D04: the report counts the messages of every kind that waited for the socket, in whole ones", async () => {
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
      "D04: the report counts what waits for %s when the connection ends",
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

    test("D04: the cap of the process closes the connection that holds most", async () => {
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
      expect((await large.closed).error?.message).toMatch(
        /does not read: .* \(maxProcessOutboxSize is 100000 for all /,
      );
      expect(small.readyState).toBe(1);
    });

    test("D05: bytes that do not move within the write timeout end the connection [G81 G98]", async () => {
      const { peer, connection } = await connectionPair(role, { limits: { writeTimeout: 100 } });
      peer.socket.pause();
      while (connection.send(new Uint8Array(1_000_000))) await nextTurn();
      const report = await connection.closed;
      expect(report).toMatchObject({ code: 1006, initiator: "transport", phase: "open" });
      expect(report.error?.message).toMatch(/no byte left or arrived for \d+ ms/);
      expect(report.bufferedAmount).toBeGreaterThan(0);
    });

    test("R6455-5.5.1-3: nothing is sent after close or at the end, and nothing thrown [G32]", async () => {
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

    test.each(standing)("D04: what stands in line is bounded as all that is sent: %s", async (what, send, most) => {
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
      "D04: a peer that does not read is sent no more of ours than fits: %s",
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

    test("D22: a write that fails for memory that is gone names the cause", async () => {
      const socket = new HeldDuplex(100);
      const connection = connectionOver(socket, role);
      coreOf(connection).start();
      const cause = Object.assign(new Error("write EFAULT"), { code: "EFAULT" });
      socket.destroy(cause);
      const { error } = await connection.closed;
      expect(error).toMatchObject({ message: expect.stringMatching(/^Cannot send: the memory of a message/), cause });
    });

    test("D04: what is sent in fragments in one turn is held against nobody who reads", async () => {
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

    test.each(odd)("D10: %s as data, payload or reason is refused, and nothing of it is sent", async (_, value) => {
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
  });

  describe("frames that connections share", () => {
    test("R6455-5.3-1: leave at once, behind a Blob on its way, and never after close; a client has none", async () => {
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

    test("D04: count for the outbox's limit", async () => {
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

  describe("Ping and Pong", () => {
    test("R6455-5.5.2-2, R6455-5.5.3-1: a Ping is answered with its payload, and seen by its handler [G87 G92]", async () => {
      const seen: string[] = [];
      const { peer } = await connectionPair(role, {
        handlers: { ping: (_, payload) => seen.push(Buffer.from(payload).toString()) },
      });
      peer.send({ opcode: 9, payload: "one" }, { opcode: 9 });
      const pongs = await peer.nextFrames(2);
      expect(pongs.map(({ opcode, payload }) => [opcode, payload.toString()])).toEqual([
        [10, "one"],
        [10, ""],
      ]);
      expect(seen).toEqual(["one", ""]);
    });

    test("ping measures the round trip; a Pong settles every earlier one [G29 G80 G89]", async () => {
      const seen: Uint8Array[] = [];
      const { peer, connection } = await connectionPair(role, {
        handlers: { pong: (_, payload) => seen.push(payload) },
      });
      expect(connection.latency).toBeUndefined();
      const roundTrips = [connection.ping(), connection.ping(Buffer.from("mine"))];
      const [, second] = await peer.nextFrames(2);
      expect(second!.payload.toString()).toBe("mine");
      peer.send({ opcode: 10, payload: "mine" }, { opcode: 10, payload: "unasked" });
      const [first, last] = await Promise.all(roundTrips);
      expect(first).toBeGreaterThanOrEqual(last!);
      expect(connection.latency).toBe(last);
      await until(() => seen.length === 2);
      expect(seen.map((payload) => Buffer.from(payload).toString())).toEqual(["mine", "unasked"]);
    });

    test("a Ping that is still out when the connection ends is rejected", async () => {
      const { peer, connection } = await connectionPair(role);
      const roundTrip = connection.ping();
      await peer.nextFrame();
      peer.reset();
      await expect(roundTrip).rejects.toThrow("the connection is closed");
    });

    test("R6455-5.5.1: more than 125 bytes are refused", async () => {
      const { peer, connection } = await connectionPair(role);
      expect(() => connection.ping(new Uint8Array(126))).toThrow(RangeError);
      expect(() => connection.pong(new Uint8Array(126))).toThrow(RangeError);
      connection.pong(new Uint8Array(125));
      expect(await peer.nextFrame()).toMatchObject({ opcode: 10, payload: Buffer.alloc(125) });
    });

    test("A03, R6455-5.5.3-2: a peer that pings and does not read gets the latest Pong alone", async () => {
      const answer = async (pace: "at once" | "stalled") => {
        const socket = new HeldDuplex(100);
        const connection = connectionOver(socket, role);
        coreOf(connection).start();
        socket.pace = pace;
        connection.send(new Uint8Array(200));
        await nextTurn();
        for (let i = 0; i < 1000; i++) {
          socket.push(fromPeer(role, { opcode: 9, payload: Buffer.alloc(125, i) }));
          if (i % 100 === 99) await nextTurn();
        }
        const { bufferedAmount } = connection;
        socket.flow();
        await nextTurn();
        const pongs = readFrames(socket.written).filter(({ opcode }) => opcode === 10);
        return { bufferedAmount, pongs };
      };
      const stalled = await answer("stalled");
      expect(stalled.bufferedAmount).toBeLessThan(400);
      expect(stalled.pongs.map(({ payload }) => payload[0])).toEqual([999 & 255]);
      // The control: who reads gets every one, 127 bytes and more each.
      expect((await answer("at once")).pongs).toHaveLength(1000);
    });
  });

  describe("closing", () => {
    test("R6455-5.5.1-4, R6455-7.1.4-1: we begin, the peer answers, the server ends the stream [G5 G28 G80]", async () => {
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
      "R6455-5.5.1-4: a Close that comes %s is echoed at once when the loop over the messages was left",
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

    test("R6455-7.1.1-2: a client leaves it to the server to end the stream", async () => {
      const { peer, connection } = await connectionPair(role);
      peer.close(1000);
      expect(closeStatus(await peer.nextFrame())).toEqual({ code: 1000, reason: "" });
      for (let i = 0; i < 5; i++) await nextTurn();
      if (role === "server") await peer.until(() => false);
      expect(peer.ended).toBe(role === "server");
      peer.end();
      expect((await connection.closed).wasClean).toBe(true);
    });

    test("R6455-7.1.5-1: both begin at once, each has the other's code", async () => {
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

    test("R6455-7.4.2-1: codes that a Close frame cannot carry are refused, and change nothing [G5]", async () => {
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

    test("R6455-7.1.7-1, R6455-7.1.7-3: a broken rule fails the connection with its code, and nothing more is read", async () => {
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

    test("A09: after a failure no more than 64 KiB are read", async () => {
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

    test("A09: after a failure the socket is gone within a second, though the peer stays", async () => {
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

    test("A02: a message at the limit is let through, and what is whole or gone does not count for the process", async () => {
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

    test("R6455-7.2.1-1: an end without Close is told as such", async () => {
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

    test("D01: a peer that does not answer our Close is cut off after closeTimeout", async () => {
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

    test("D01: a peer that never ends the stream after both Close frames is cut off too, which is still clean", async () => {
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

    test("D02: a silent peer is asked and then given up [G74]", async () => {
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

    test("A11: a message that does not go on fails the connection with 1008", async () => {
      vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
      const { peer, connection } = await connectionPair(role, { limits: { messageIdleTimeout: 2000 } });
      peer.send({ opcode: 1, fin: false, payload: "begun" });
      await until(() => coreOf(connection).endpoint.unfinishedLength > 0);
      await seconds(4);
      expect(closeStatus(await peer.nextFrame())?.code).toBe(1008);
      peer.end();
      expect((await connection.closed).violation).toBe("message-too-slow");
    });

    test("closed and the close handler have the same report, once, after the last message [G36]", async () => {
      const seen: unknown[] = [];
      const { peer, connection } = await connectionPair(role, {
        ended: () => seen.push("ended"),
        handlers: { message: (_, data) => seen.push(data), close: (_, report) => seen.push(report) },
      });
      const early = connection.closed;
      peer.send({ opcode: 1, payload: "last" }, closeFrame(4000));
      peer.end();
      const report = await early;
      expect(seen).toEqual(["last", "ended", report]);
      expect(await connection.closed).toBe(report);
    });

    test("every call is harmless in the close handler and after it", async () => {
      const { peer, connection } = await connectionPair(role, {
        handlers: {
          close: (self) => {
            expect(self.send("late")).toBe(false);
            self.close();
            self.pong();
            self.terminate();
            void self.ping();
          },
        },
      });
      peer.end();
      await connection.closed;
      await nextTurn();
      await connection.ready;
      connection.unref();
      await connection[Symbol.asyncDispose]();
      expect(stderr).not.toHaveBeenCalled();
    });

    test("a Blob that is ready after the end leaves no timer behind", async () => {
      vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
      const { opened, open } = gate();
      const { peer, connection } = await connectionPair(role);
      const blob = new Blob(["late"]);
      blob.arrayBuffer = async () => {
        await opened;
        return new ArrayBuffer(4);
      };
      connection.send(blob);
      connection.close();
      peer.reset();
      await connection.closed;
      open();
      await nextTurn();
      expect(vi.getTimerCount()).toBe(0);
    });

    test("await using closes with 1000 and waits", async () => {
      const { peer, connection } = await connectionPair(role);
      const over = connection[Symbol.asyncDispose]();
      expect(closeStatus(await peer.nextFrame())?.code).toBe(1000);
      peer.close(1000);
      peer.end();
      await over;
      expect(connection.readyState).toBe(3);
    });
  });

  describe("D09: an exception", () => {
    const error = new Error("Thrown by a handler");
    const boom = () => {
      throw error;
    };
    const reject = () => Promise.reject(error);

    const hooks: [hook: keyof Handlers, provoke: (connection: Connection, peer: { send(f: object): void }) => void][] =
      [
        ["open", () => {}],
        ["message", (_, peer) => peer.send({ opcode: 1, payload: "a" })],
        ["ping", (_, peer) => peer.send({ opcode: 9 })],
        ["pong", (_, peer) => peer.send({ opcode: 10 })],
        ["drain", (connection) => connection.send("more than the mark")],
      ];

    test.each(
      hooks.flatMap(([hook, provoke]) => [
        [hook, "thrown", boom, provoke] as const,
        [hook, "rejected", reject, provoke] as const,
      ]),
    )("in %s, %s: closes with 1011, goes to error, and touches nobody else", async (hook, _, fault, provoke) => {
      const errors: unknown[] = [];
      const handlers: Handlers = { [hook]: fault, error: (self, thrown) => errors.push([self, thrown]) };
      const other = await connectionPair(role, { handlers: { message: (self, data) => void self.send(data) } });
      const { peer, connection } = await connectionPair(role, { handlers, limits: { outboxHighWaterMark: 5 } });
      provoke(connection, peer as never);
      let frame = await peer.nextFrame();
      while (frame && frame.opcode !== 8) frame = await peer.nextFrame();
      expect(closeStatus(frame)?.code).toBe(1011);
      peer.close(1011);
      peer.end();
      expect(await connection.closed).toMatchObject({ error, initiator: "local", sent: { code: 1011 } });
      expect(errors).toEqual([[connection, error]]);
      other.peer.text("unharmed");
      expect(await other.peer.nextTexts(1)).toEqual(["unharmed"]);
      expect(stderr).not.toHaveBeenCalled();
    });

    test.each([
      ["thrown", boom],
      ["rejected", reject],
    ])("in close, %s: goes to error, the report stands", async (_, fault) => {
      const errors: unknown[] = [];
      const { peer, connection } = await connectionPair(role, {
        handlers: { close: fault, error: (_self, thrown) => errors.push(thrown) },
      });
      peer.close(1000);
      peer.end();
      expect((await connection.closed).wasClean).toBe(true);
      await until(() => errors.length > 0);
      expect(errors).toEqual([error]);
    });

    test("messages behind it are not delivered, an async handler's queue included", async () => {
      const seen: MessageData[] = [];
      const { peer, connection } = await connectionPair(role, {
        handlers: {
          message: async (_, data) => {
            seen.push(data);
            await nextTurn();
            throw error;
          },
          error: () => {},
        },
      });
      peer.send(...texts(["a", "b", "c"]), closeFrame(1000));
      expect(closeStatus(await peer.nextFrame())?.code).toBe(1011);
      peer.end();
      await connection.closed;
      expect(seen).toEqual(["a"]);
    });

    test("without an error handler it goes to stderr, once for all connections of a route", async () => {
      const handlers: Handlers = { message: boom };
      for (let i = 0; i < 3; i++) {
        const { peer } = await connectionPair(role, { handlers });
        peer.text("a");
        expect(closeStatus(await peer.nextFrame())?.code).toBe(1011);
      }
      expect(stderr.mock.calls).toEqual([["A connection's handler threw; it was closed with 1011:", error]]);
    });

    test.each([
      ["thrown", boom],
      ["rejected", reject],
    ])("in error itself, %s: goes to stderr", async (_, fault) => {
      const { peer, connection } = await connectionPair(role, { handlers: { message: boom, error: fault } });
      peer.text("a");
      peer.end();
      await connection.closed;
      await until(() => stderr.mock.calls.length > 0);
      expect(stderr.mock.calls[0]).toEqual(["A connection's error handler threw:", error]);
    });

    test.each([
      ["a string", "a string"],
      ["undefined", undefined],
      ["a symbol", Symbol("s")],
      ["an object without a prototype", Object.create(null)],
      [
        "an object that throws when it is looked at",
        {
          toString: boom,
          get message() {
            return boom();
          },
        },
      ],
    ])("%s that is thrown becomes an Error, with what was thrown as its cause", async (_, thrown) => {
      const errors: Error[] = [];
      const { peer } = await connectionPair(role, {
        handlers: {
          message: () => {
            throw thrown;
          },
          error: (_self, wrapped) => errors.push(wrapped),
        },
      });
      peer.text("a");
      expect(closeStatus(await peer.nextFrame())?.code).toBe(1011);
      expect(errors[0]).toBeInstanceOf(Error);
      expect(errors[0]!.cause).toBe(thrown);
    });

    test("a thenable that calls back twice, at once or with an exception is taken for what it says first", async () => {
      const seen: MessageData[] = [];
      // biome-ignore lint/suspicious/noThenProperty: it is what is tested
      const thenable = (then: (resolve: () => void) => void) => Object.fromEntries([["then", then]]);
      const odd = [
        thenable((resolve) => {
          resolve();
          resolve();
        }),
        thenable((resolve) => {
          resolve();
          throw error;
        }),
      ];
      const { peer, connection } = await connectionPair(role, {
        handlers: {
          message: (_, data) => {
            seen.push(data);
            return odd[seen.length - 1];
          },
        },
      });
      peer.send(...texts(["a", "b", "c"]), closeFrame(1000));
      peer.end();
      expect((await connection.closed).wasClean).toBe(true);
      expect(seen).toEqual(["a", "b", "c"]);
    });

    test("close with an own code before it is what is sent", async () => {
      const { peer } = await connectionPair(role, {
        handlers: {
          message: (self) => {
            self.close(4009, "first");
            throw error;
          },
          error: () => {},
        },
      });
      peer.text("a");
      expect(closeStatus(await peer.nextFrame())).toEqual({ code: 4009, reason: "first" });
    });
  });

  describe("compression", () => {
    test("R7692-6.2-1: messages are inflated and deflated, small and large, in order", async () => {
      const sent: MessageData[] = [];
      const other = peerOf(role);
      const [near, far] = await socketPair();
      const data = [
        "small",
        new Uint8Array(300_000).map((_, i) => i % 251),
        "",
        "x".repeat(200_000),
        new Uint8Array(3),
      ];
      const echo = connectionOver(near, role, {
        compress: true,
        handlers: { message: (self, each) => void self.send(each) },
      });
      const source = connectionOver(far, other, {
        compress: true,
        handlers: { message: (_, each) => sent.push(each) },
      });
      coreOf(echo).start();
      coreOf(source).start();
      for (const each of data) source.send(each);
      await until(() => sent.length === data.length);
      for (const [index, each] of data.entries()) {
        expect(Buffer.from(sent[index] as string).equals(Buffer.from(each as string))).toBe(true);
      }
      source.close();
      expect(await Promise.all([echo.closed, source.closed])).toMatchObject([{ wasClean: true }, { wasClean: true }]);
    });

    test("compress switches it for what is sent from then on, unless send says another thing [G82]", async () => {
      const { peer, connection } = await connectionPair(role, { compress: true });
      const off = { compress: false };
      expect(connection.compress).toBe(true);
      connection.send(new Blob(["before"]));
      connection.send("before");
      connection.compress = false;
      connection.send("plain");
      connection.send("told to", { compress: true });
      connection.send(new PreparedMessage("plain"), { copy: true });
      connection.compress = true;
      connection.send("again");
      connection.send("told not to", off);
      const frames = await peer.nextFrames(7);
      expect(frames.map(({ rsv }) => rsv)).toEqual([4, 4, 0, 4, 0, 4, 0]);
      connection.compress = false;
      connection.send("alone");
      expect(await peer.nextFrame()).toMatchObject({ rsv: 0, payload: Buffer.from("alone") });
      expect(() => {
        connection.compress = "off" as never;
      }).toThrow(new TypeError('Cannot compress: compress must be a boolean, not "off"'));
      expect(connection.compress).toBe(false);
    });

    test("data that is not DEFLATE fails the connection with 1007, and its Close behind it is not read", async () => {
      const { peer, connection } = await connectionPair(role, { compress: true, handlers: { message: () => {} } });
      peer.send({ opcode: 1, rsv: 4, payload: new Uint8Array(200_000).fill(255) }, closeFrame(1000));
      expect(closeStatus(await peer.nextFrame())?.code).toBe(1007);
      peer.end();
      expect(await connection.closed).toMatchObject({ code: 1006, violation: "invalid-deflate-data" });
    });

    test("a connection that ends while a message is inflated elsewhere delivers it to nobody", async () => {
      const seen: MessageData[] = [];
      const { peer, connection } = await connectionPair(role, {
        compress: true,
        handlers: { message: (_, data) => seen.push(data) },
      });
      const { deflateRawSync } = await import("node:zlib");
      const payload = deflateRawSync(Buffer.from(Array.from({ length: 400_000 }, (_, i) => (i * i) % 251)), {
        level: 0,
      });
      peer.send({ opcode: 2, rsv: 4, payload });
      await until(() => coreOf(connection).endpoint.inflating);
      connection.terminate();
      await connection.closed;
      await new Promise((resolve) => setTimeout(resolve, 50));
      expect(seen).toEqual([]);
    });
  });
});

test.each<[string, unknown, unknown, RegExp]>([
  ["a callback", "x", () => {}, /^Cannot send: there is no callback; `await connection\.ready`/],
  ["a string", "x", "utf8", /^Cannot send: the options must be an object, not "utf8"$/],
  ["null", "x", null, /^Cannot send: the options must be an object, not null$/],
  ["the option binary", "x", { binary: true }, /^Cannot send: there is no option "binary"; a string goes as text/],
  ["a misspelt name", "x", { compres: true }, /there is no option "compres"; did you mean "compress"\?$/],
  ["a value of the wrong type", "x", { copy: 1 }, /^Cannot send: the option "copy" must be a boolean, not 1$/],
  [
    "a promise as data",
    Promise.resolve("x"),
    undefined,
    /^Cannot send: data must be .*, not a promise: await it first$/,
  ],
])("send refuses %s", async (_, data, options, message) => {
  for (const role of roles) {
    const { connection } = await connectionPair(role);
    expect(() => connection.send(data as never, options as never)).toThrow(message);
    expect(connection.send("x", { compress: undefined as never, copy: true })).toBe(true);
  }
});
