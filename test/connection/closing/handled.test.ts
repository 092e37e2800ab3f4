/** What is told when: `closed`, the last message, the `close` handler, and those who wait for it. */
import { AsyncLocalStorage } from "node:async_hooks";
import { Duplex } from "node:stream";
import { describe, expect, test, vi } from "vitest";
import { connect } from "../../../src/client/connect.ts";
import { WebSocket } from "../../../src/client/whatwg/websocket.ts";
import { type Connection, coreOf } from "../../../src/connection/connection.ts";
import type { Role } from "../../../src/protocol/frames/frame.ts";
import { VirtualClock } from "../../../src/testing/virtual-clock.ts";
import { connectionOver, connectionPair, gate, until } from "../../support/connection-pair.ts";
import { closeFrame } from "../../support/raw-peer.ts";
import { serving } from "../../support/serving.ts";
import { frameFrom, peerOf } from "../../support/wire.ts";

const text = (payload: string) => ({ opcode: 1, payload }) as const;

describe.each<Role>(["server", "client"])("%s", (role) => {
  describe("closed", () => {
    test.each<readonly [string, (connection: Connection) => unknown]>([
      ["after close()", (connection) => connection.close()],
      ["after terminate()", (connection) => connection.terminate()],
      ["and closes by await using", (connection) => connection[Symbol.asyncDispose]()],
    ])("resolves for a handler that waits for it %s", async (_, end) => {
      const seen: string[] = [];
      const { peer, connection } = await connectionPair(role, {
        handlers: {
          message: async (self) => {
            const ended = end(self);
            await self.closed;
            await ended;
            seen.push("closed");
          },
          close: () => void seen.push("close handler"),
        },
      });
      peer.send(text("go"));
      await until(() => connection.readyState !== 1);
      if (connection.readyState === 2) peer.send(closeFrame(1000));
      peer.end();
      await coreOf(connection).closing.handled;
      expect(seen).toEqual(["closed", "close handler"]);
    });

    test("resolves while a handler hangs, whose connection is then told of by nobody", async () => {
      const close = vi.fn();
      const { peer, connection } = await connectionPair(role, {
        handlers: { message: () => new Promise(() => {}), close },
      });
      peer.send(text("go"));
      await until(() => coreOf(connection).counters.messagesReceived > 0);
      peer.socket.resetAndDestroy();
      expect((await connection.closed).code).toBe(1006);
      await new Promise((resolve) => setTimeout(resolve, 20));
      expect(close).not.toHaveBeenCalled();
    });
  });

  describe("the close handler", () => {
    test("comes after the last message of a loop was handled", async () => {
      const seen: string[] = [];
      const { peer, connection } = await connectionPair(role, { handlers: { close: () => void seen.push("close") } });
      const loop = (async () => {
        for await (const data of connection) {
          await new Promise((resolve) => setTimeout(resolve, 10));
          seen.push(String(data));
        }
        seen.push("end");
      })();
      peer.send(text("1"), text("2"), text("3"));
      peer.socket.end();
      await connection.closed;
      await Promise.all([loop, coreOf(connection).closing.handled]);
      expect(seen.filter((what) => what !== "end")).toEqual(["1", "2", "3", "close"]);
      expect(seen).toContain("end");
    });

    test("comes after the last part of a message that is read as a stream", async () => {
      const seen: string[] = [];
      const { peer, connection } = await connectionPair(role, { handlers: { close: () => void seen.push("close") } });
      const read = (async () => {
        for await (const message of connection.messages()) {
          for await (const part of message) {
            await new Promise((resolve) => setTimeout(resolve, 10));
            seen.push(String(part));
          }
        }
      })();
      peer.send(text("1"), text("2"));
      peer.end();
      await Promise.all([read, coreOf(connection).closing.handled]);
      expect(seen).toEqual(["1", "2", "close"]);
    });

    test("comes at once after a loop was left, and waits for no reader that has asked for nothing for closeTimeout", async () => {
      const left = await connectionPair(role, { limits: { closeTimeout: 60_000 } });
      const reading = (async () => {
        for await (const _ of left.connection) break;
      })();
      left.peer.send(text("1"), text("2"));
      await reading;
      left.peer.socket.resetAndDestroy();
      await coreOf(left.connection).closing.handled;
      const gone = await connectionPair(role, { limits: { closeTimeout: 30 } });
      const next = gone.connection[Symbol.asyncIterator]().next();
      gone.peer.send(text("1"), text("2"));
      await next;
      gone.peer.socket.resetAndDestroy();
      await coreOf(gone.connection).closing.handled;
    });

    test("comes after a message that was inflated elsewhere while the transport ended", async () => {
      const seen: unknown[] = [];
      const { peer, connection } = await connectionPair(role, {
        compress: true,
        handlers: { message: (_, data) => void seen.push(data.length), close: () => void seen.push("close") },
      });
      const { randomBytes } = await import("node:crypto");
      const { deflateRawSync, constants } = await import("node:zlib");
      const data = randomBytes(400_000);
      const payload = deflateRawSync(data, { finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, -4);
      peer.send({ opcode: 2, rsv: 4, payload });
      await until(() => coreOf(connection).endpoint.inflating);
      coreOf(connection).transportClosed();
      await coreOf(connection).closing.handled;
      expect(seen).toEqual([400_000, "close"]);
    });

    test("is awaited by those who wait until all is handled, also when it fails", async () => {
      const { opened, open } = gate();
      const one = await connectionPair(role, { handlers: { close: () => opened } });
      let handled = false;
      void coreOf(one.connection).closing.handled.then(() => {
        handled = true;
      });
      one.connection.terminate();
      await one.connection.closed;
      await new Promise((resolve) => setImmediate(resolve));
      expect(handled).toBe(false);
      open();
      await coreOf(one.connection).closing.handled;
      const errors: unknown[] = [];
      const other = await connectionPair(role, {
        handlers: { close: () => Promise.reject(new Error("late")), error: (_, error) => errors.push(error.message) },
      });
      other.connection.terminate();
      await coreOf(other.connection).closing.handled;
      expect(errors).toEqual(["late"]);
    });
  });

  test.each<readonly [string, () => unknown]>([
    ["whose constructor throws", () => Object.defineProperty(Promise.resolve(), "constructor", { get: thrower })],
    // biome-ignore lint/suspicious/noThenProperty: it is what is tried
    ["whose then throws", () => Object.assign(Promise.resolve(), { then: thrower })],
    // biome-ignore lint/suspicious/noThenProperty: it is what is tried
    ["whose then calls back twice", () => Object.assign(Promise.resolve(), { then: twice })],
    ["that is rejected with undefined", () => Promise.reject()],
  ])("a handler's promise %s holds up no end [D09]", async (_, make) => {
    const { peer, connection } = await connectionPair(role, { handlers: { message: make, error: () => {} } });
    peer.send(text("1"), text("2"), closeFrame(1000));
    peer.end();
    await connection.closed;
    await coreOf(connection).closing.handled;
  });

  test("a Ping that waits for what it holds up is rejected, and the messages go on", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
    try {
      let handled = 0;
      const failures: string[] = [];
      const { peer, connection } = await connectionPair(role, {
        handlers: {
          message: async (self) => {
            if (++handled === 1) await self.ping().catch((error: Error) => failures.push(error.message));
          },
        },
      });
      peer.send(...Array.from({ length: 3000 }, () => text("x".repeat(100))));
      await until(() => !coreOf(connection).isReading());
      for (let second = 0; second < 60 && failures.length === 0; second++) {
        vi.advanceTimersByTime(1000);
        await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
      }
      expect(failures).toEqual([expect.stringContaining("nothing was read for 20000 ms")]);
      await until(() => handled === 3000);
    } finally {
      vi.useRealTimers();
    }
  });

  test("close() behind a message that never goes on is cut off, and behind one that does waits for it [D01]", async () => {
    const stuck = await connectionPair(role, { limits: { closeTimeout: 50 } });
    void stuck.connection.sendFragments(
      (async function* () {
        yield "a";
        await new Promise(() => {});
      })(),
    );
    stuck.connection.close();
    expect((await stuck.connection.closed).error?.message).toContain("what was sent before it stood still for 50 ms");

    const clock = new VirtualClock();
    const going = await connectionPair(role, { limits: { closeTimeout: 100 }, clock });
    const gates = Array.from({ length: 10 }, gate);
    void going.connection.sendFragments(
      (async function* () {
        for (const { opened } of gates) {
          await opened;
          yield "a";
        }
      })(),
    );
    going.connection.close();
    going.peer.send(closeFrame(1000));
    const opcodes: (number | undefined)[] = [];
    for (const { open } of gates) {
      await clock.advance(60);
      open();
      opcodes.push((await going.peer.nextFrame())?.opcode);
    }
    expect(opcodes).toEqual([1, ...Array(9).fill(0)]);
    // The last fragment, without data, ends the message.
    opcodes.push((await going.peer.nextFrame())?.opcode, (await going.peer.nextFrame())?.opcode);
    expect(opcodes.slice(10)).toEqual([0, 8]);
    going.peer.end();
    expect((await going.connection.closed).wasClean).toBe(true);
  });

  test("a stream that never says that it is closed is given a second", async () => {
    class Silent extends Duplex {
      override _read(): void {}
      override _write(_chunk: unknown, _encoding: unknown, done: () => void): void {
        done();
      }
      override _destroy(): void {}
    }
    const connection = connectionOver(new Silent(), role);
    coreOf(connection).start();
    connection.terminate();
    expect((await connection.closed).initiator).toBe("local");
    await coreOf(connection).closing.handled;
  });

  test.each(["destroy", "end"] as const)("a stream whose %s throws is over, and nobody else", async (method) => {
    const stream = new Duplex({ read: () => {}, write: (_chunk, _encoding, done) => done() });
    const connection = connectionOver(stream, role, { limits: { closeTimeout: 50 } });
    coreOf(connection).start();
    const { [method]: sound } = stream;
    stream[method] = () => {
      stream[method] = sound as never;
      throw new Error(`${method} threw`);
    };
    if (method === "destroy") connection.terminate();
    else connection.close();
    stream.push(frameFrom(peerOf(role), closeFrame(1000)));
    stream.push(null);
    await coreOf(connection).closing.handled;
    expect(connection.readyState).toBe(3);
  });

  test("no handler runs in the async context of another connection", async () => {
    const storage = new AsyncLocalStorage<string>();
    const seen: (string | undefined)[] = [];
    const drain = () => void seen.push(storage.getStore());
    const limits = { outboxHighWaterMark: 1000 };
    const one = await connectionPair(role, { limits, handlers: { drain } });
    const other = await connectionPair(role, { limits, handlers: { drain } });
    storage.run("somebody's", () => one.connection.send("x".repeat(2000)));
    other.connection.send("x".repeat(2000));
    await until(() => seen.length === 2);
    expect(seen).toEqual([undefined, undefined]);
  });
});

test("the close event of a WebSocket comes after its last message", async () => {
  const server = await serving({
    routes: {
      "/": {
        open: (connection) => {
          for (let i = 0; i < 5; i++) connection.send(String(i));
          connection.close();
        },
      },
    },
  });
  const socket = new WebSocket(`ws://127.0.0.1:${server.port}/`);
  const seen: unknown[] = [];
  socket.onmessage = ({ data }) => seen.push(data);
  await new Promise((resolve) => {
    socket.onclose = resolve;
  });
  expect(seen).toEqual(["0", "1", "2", "3", "4"]);
});

describe("a server", () => {
  test("two calls of close settle, whatever hangs", async () => {
    const server = await serving({
      limits: { closeTimeout: 50 },
      routes: { "/": { message: () => new Promise(() => {}) } },
    });
    const client = await connect(`ws://127.0.0.1:${server.port}/`);
    client.send("x");
    await until(() => server.metrics().messagesReceived === 1);
    await Promise.all([server.close(), server.close(), server.drain({ over: 0, deadline: 50 })]);
  });

  test("waits in close for handlers whose connections are over, and for close handlers", async () => {
    const seen: string[] = [];
    const { opened, open } = gate();
    const server = await serving({
      routes: {
        "/": {
          message: async (_, data) => {
            await opened;
            seen.push(String(data));
          },
          close: async () => {
            await new Promise((resolve) => setTimeout(resolve, 10));
            seen.push("close");
          },
        },
      },
    });
    const client = await connect(`ws://127.0.0.1:${server.port}/`);
    client.send("1");
    client.send("2");
    await until(() => server.metrics().messagesReceived === 2);
    client.terminate();
    await until(() => server.connections.size === 0);
    const closing = server.close();
    open();
    await closing;
    expect(seen).toEqual(["1", "2", "close"]);
  });

  test("waits for a handler that hangs once, not again in what follows", async () => {
    // Were it waited for again, the test would take a minute.
    const server = await serving({
      limits: { closeTimeout: 60_000 },
      routes: { "/": { message: () => new Promise(() => {}) } },
    });
    const client = await connect(`ws://127.0.0.1:${server.port}/`);
    client.send("x");
    await until(() => server.metrics().messagesReceived === 1);
    await server.drain({ over: 0, deadline: 50 });
    await server.close();
    expect(server.connections.size).toBe(0);
  });

  test("counts a connection as opened before it can be counted as closed, and knows it in its open handler", async () => {
    const sums: number[] = [];
    const sum = () => {
      const { opened, closed, connections } = server.metrics();
      sums.push(opened - connections - Object.values(closed).reduce((all, count) => all + count, 0));
    };
    const known: boolean[] = [];
    const server = await serving({
      routes: {
        "/": {
          open: (connection) => {
            known.push(server.connections.has(connection));
            sum();
            connection.terminate();
            sum();
          },
          close: sum,
        },
      },
    });
    for (let i = 0; i < 3; i++) await (await connect(`ws://127.0.0.1:${server.port}/`)).closed;
    await until(() => sums.length === 9);
    expect(known).toEqual([true, true, true]);
    expect(new Set(sums)).toEqual(new Set([0]));
  });

  test("waits in close for connections that are about to open", async () => {
    const { opened, open } = gate();
    const server = await serving({
      routes: {
        "/": {
          upgrade: async () => {
            await opened;
            return {};
          },
        },
      },
    });
    const connecting = connect(`ws://127.0.0.1:${server.port}/`).then(
      () => "open",
      () => "refused",
    );
    await until(() => server.metrics().pendingHandshakes === 1);
    const closing = server.close();
    open();
    await closing;
    expect(server.connections.size).toBe(0);
    expect(await connecting).toBe("refused");
  });
});

function twice(done: () => void): void {
  done();
  done();
}

function thrower(): never {
  throw new Error("thrown");
}
