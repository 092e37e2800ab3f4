/** What an exception in a handler does to its connection, in both roles, over TCP. */
import { afterEach, beforeEach, describe, expect, type MockInstance, test, vi } from "vitest";
import type { Connection } from "../../../src/connection/connection.ts";
import type { ConnectionHandlers } from "../../../src/connection/handlers/handlers.ts";
import type { MessageData } from "../../../src/connection/options/delivery-options.ts";
import type { Role } from "../../../src/protocol/frames/frame.ts";
import { connectionPair, until } from "../../support/connection-pair.ts";
import { nextTurn } from "../../support/held-duplex.ts";
import { closeFrame, closeStatus } from "../../support/raw-peer.ts";

type Handlers = ConnectionHandlers<Connection>;

const texts = (messages: readonly string[]) => messages.map((payload) => ({ opcode: 1, payload }));

let stderr: MockInstance<typeof console.error>;

beforeEach(() => {
  stderr = vi.spyOn(console, "error").mockImplementation(() => {});
});

afterEach(() => {
  vi.useRealTimers();
  stderr.mockRestore();
});

describe.each<Role>(["client", "server"])("an exception in a handler of a %s [D09]", (role) => {
  const error = new Error("Thrown by a handler");
  const boom = () => {
    throw error;
  };
  const reject = () => Promise.reject(error);

  const hooks: [hook: keyof Handlers, provoke: (connection: Connection, peer: { send(f: object): void }) => void][] = [
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
