/** Messages on their way to a handler or a reader, in both roles, over TCP. */
import { afterEach, beforeEach, describe, expect, type MockInstance, test, vi } from "vitest";
import { type Connection, coreOf } from "../../../src/connection/connection.ts";
import type { ConnectionHandlers } from "../../../src/connection/handlers/handlers.ts";
import type { MessageData } from "../../../src/connection/options/delivery-options.ts";
import type { Role } from "../../../src/protocol/frames/frame.ts";
import { connectionOver, connectionPair, gate, until } from "../../support/connection-pair.ts";
import { HeldDuplex, nextTurn } from "../../support/held-duplex.ts";
import { closeFrame, closeStatus } from "../../support/raw-peer.ts";
import { frameFrom, peerOf } from "../../support/wire.ts";

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

describe.each<Role>(["client", "server"])("a connection as %s delivers", (role) => {
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
    "what was whole before a violation is delivered, nothing after it, by %s [R6455-7.1.7-3]",
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
    await until(() => coreOf(connection).endpoint.unparsedLength === 0 && coreOf(connection).endpoint.state === "open");
    await nextTurn();
    peer.text("late");
    const seen: MessageData[] = [];
    for await (const data of connection) {
      seen.push(data);
      if (seen.length === 3) break;
    }
    expect(seen).toEqual(["early", "earlier", "late"]);
  });

  test("what came with the handshake is delivered first [C16]", async () => {
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

  test("a Close that comes while an async open does not read is answered at once [D01]", async () => {
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
  ])("the end is told when the peer's Close comes behind %s and is not done [D01]", async (_, handlers) => {
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
    expect(() => connection[Symbol.asyncIterator]()).toThrow("Cannot iterate: the messages go to the message handler");
  });
});
