/** `connect` and `Connection` of pages, over a WebSocket that does what the test says. */
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type ConnectOptions, connect } from "../../src/browser/connect.ts";
import type { Connection } from "../../src/browser/connection.ts";
import { HandshakeError } from "../../src/browser/handshake-error.ts";
import { FakeSocket, settled } from "../reconnecting/turned-clock.ts";

let made: FakeSocket[];

beforeEach(() => {
  made = [];
  vi.stubGlobal(
    "WebSocket",
    class extends FakeSocket {
      constructor(url: string, protocols: string[]) {
        super(url, protocols);
        if (protocols.includes("a b")) throw new SyntaxError("no token");
        made.push(this);
      }
    },
  );
});

afterEach(() => {
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

/** A connection that is open. */
async function opened(options: ConnectOptions = {}): Promise<{ connection: Connection; socket: FakeSocket }> {
  const connecting = connect("ws://server/", options);
  const socket = made.at(-1)!;
  socket.open("chat");
  return { connection: await connecting, socket };
}

describe("connect", () => {
  test("resolves when the socket is open, with what was agreed", async () => {
    const { connection, socket } = await opened({ subprotocols: ["chat", "other"] });
    expect([socket.url, socket.protocols, socket.binaryType]).toEqual([
      "ws://server/",
      ["chat", "other"],
      "arraybuffer",
    ]);
    const { subprotocol, extensions, readyState, bufferedAmount } = connection;
    expect({ subprotocol, extensions, readyState, bufferedAmount }).toEqual({
      ...{ subprotocol: "chat", extensions: "", readyState: 1, bufferedAmount: 0 },
    });
  });

  test("http and https stand for ws and wss", async () => {
    void connect("https://server/a");
    void connect(new URL("http://server/b"));
    expect(made.map(({ url }) => url)).toEqual(["wss://server/a", "ws://server/b"]);
  });

  test.each(["", "mailto:x", "ws://server/#a", "ws://:secret@"])("rejects for the URL %j", async (url) => {
    const error = await connect(url).catch((reason: HandshakeError) => reason);
    expect(error).toBeInstanceOf(HandshakeError);
    expect(error).toMatchObject({ name: "HandshakeError", rule: "invalid-url" });
    expect(String(error)).not.toContain("secret");
    expect(made).toHaveLength(0);
  });

  test("rejects when the server cannot be reached, or refuses", async () => {
    const connecting = connect("ws://server/");
    made[0]!.end();
    await expect(connecting).rejects.toMatchObject({ rule: "connection-failed" });
  });

  test("rejects with what the class throws", async () => {
    await expect(connect("ws://server/", { subprotocols: ["a b"] })).rejects.toThrow("no token");
  });

  test("rejects after 10 s, or the time of the option, and leaves the socket", async () => {
    for (const [options, time] of [
      [{}, 10_000],
      [{ handshakeTimeout: 50 }, 50],
    ] as const) {
      vi.useFakeTimers();
      const connecting = connect("ws://server/", options);
      const rejected = expect(connecting).rejects.toMatchObject({ rule: "timed-out" });
      await vi.advanceTimersByTimeAsync(time - 1);
      expect(made.at(-1)!.closedWith).toBeUndefined();
      await vi.advanceTimersByTimeAsync(1);
      await rejected;
      expect(made.at(-1)!.closedWith).toEqual([]);
      vi.useRealTimers();
    }
  });

  test("without limit waits on, and leaves no timer when it is open", async () => {
    vi.useFakeTimers();
    const { connection } = await opened();
    expect(vi.getTimerCount()).toBe(0);
    let rejected = false;
    connect("ws://server/", { handshakeTimeout: Number.POSITIVE_INFINITY }).catch(() => {
      rejected = true;
    });
    await vi.advanceTimersByTimeAsync(86_400_000);
    expect([rejected, connection.readyState]).toEqual([false, 1]);
  });

  test("rejects with the signal's reason, before and meanwhile, and not once it is open", async () => {
    const reason = new Error("enough");
    await expect(connect("ws://server/", { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    expect(made).toHaveLength(0);
    const controller = new AbortController();
    const { signal } = controller;
    const { connection, socket } = await opened({ signal });
    const connecting = connect("ws://server/", { signal });
    controller.abort(reason);
    await expect(connecting).rejects.toBe(reason);
    expect([made[1]!.closedWith, socket.closedWith, connection.readyState]).toEqual([[], undefined, 1]);
  });
});

describe("resume", () => {
  const nothing = { attempt() {}, offer: (names: readonly string[]) => [...names], receive: (data: never) => data };

  test("what first throws rejects, and leaves the socket", async () => {
    const reason = new Error("not so");
    const resume = {
      ...nothing,
      first() {
        throw reason;
      },
    };
    await expect(opened({ resume })).rejects.toBe(reason);
    expect(made[0]!.closedWith).toBeDefined();
  });
});

describe("messages", () => {
  test("are iterated in order, those before the loop too, until the connection is over", async () => {
    const { connection, socket } = await opened();
    socket.message("before");
    socket.message(new Uint8Array([1, 2]).buffer);
    const got: unknown[] = [];
    const reading = (async () => {
      for await (const data of connection) got.push(data);
    })();
    await settled();
    socket.message("after");
    socket.message("last");
    socket.end(1000);
    await reading;
    expect(got).toEqual(["before", new Uint8Array([1, 2]), "after", "last"]);
  });

  test("an empty one is one", async () => {
    const { connection, socket } = await opened();
    socket.message("");
    socket.message(new ArrayBuffer(0));
    socket.end(1000);
    const got: unknown[] = [];
    for await (const data of connection) got.push(data);
    expect(got).toEqual(["", new Uint8Array(0)]);
  });

  test("leaving a loop does not close, and another goes on where it ended", async () => {
    const { connection, socket } = await opened();
    for (const data of ["a", "b", "c"]) socket.message(data);
    for await (const data of connection) if (data === "a") break;
    expect(connection.readyState).toBe(1);
    for await (const data of connection) {
      expect(data).toBe("b");
      break;
    }
  });

  test("several loops share them", async () => {
    const { connection, socket } = await opened();
    const got: unknown[] = [];
    const loop = async () => {
      for await (const data of connection) got.push(data);
    };
    const loops = Promise.all([loop(), loop()]);
    await settled();
    for (const data of ["a", "b", "c"]) socket.message(data);
    socket.end(1000);
    await loops;
    expect(got.sort()).toEqual(["a", "b", "c"]);
  });

  test("go to a handler, each when the promise of the one before, and of open, has settled", async () => {
    const told: string[] = [];
    const waiting: (() => void)[] = [];
    const wait = () => new Promise<void>((resolve) => waiting.push(resolve));
    const { connection, socket } = await opened({
      open: () => {
        told.push("open");
        return wait();
      },
      message: (_, data, { text }) => {
        told.push(`${text ? data : "bytes"}`);
        return wait();
      },
      close: (_, { code }) => told.push(`close ${code}`),
    });
    expect(() => connection[Symbol.asyncIterator]()).toThrow("Cannot read: the messages go to the handler");
    socket.message("a");
    socket.message(new ArrayBuffer(1));
    socket.end(1001);
    const steps: string[][] = [];
    for (let step = 0; step < 4; step++) {
      await settled();
      steps.push(told.splice(0));
      waiting.shift()?.();
    }
    expect(steps).toEqual([["open"], ["a"], ["bytes"], ["close 1001"]]);
  });

  test("an exception in a handler closes with 4500, is told once, and no other message is handled", async () => {
    const told: unknown[] = [];
    const error = new Error("broken");
    const { socket } = await opened({
      message: (_, data) => {
        told.push(data);
        throw error;
      },
      error: (_, thrown) => told.push(thrown),
      close: () => told.push("close"),
    });
    socket.message("a");
    socket.message("b");
    await settled();
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(socket.closedWith).toEqual([4500, ""]);
    socket.end(4500);
    await settled();
    expect(told).toEqual(["a", error, "close"]);
  });

  test("without an error handler it is an error of the page", async () => {
    vi.useFakeTimers();
    const error = new Error("broken");
    await opened({ open: () => Promise.reject(error) });
    await expect(vi.advanceTimersByTimeAsync(1)).rejects.toBe(error);
  });
});

describe("sending", () => {
  test("is true below the high-water mark, and false from it on, and when it is not sent", async () => {
    const { connection, socket } = await opened({ outboxHighWaterMark: 10 });
    socket.bufferedAmount = 9;
    expect(connection.send("a")).toBe(true);
    socket.bufferedAmount = 10;
    expect(connection.send(new Uint8Array(1))).toBe(false);
    connection.close();
    expect(connection.send("b")).toBe(false);
    expect(socket.sent).toEqual(["a", new Uint8Array(1)]);
    expect(connection.bufferedAmount).toBe(10);
  });

  test("ready waits until there is room, or the connection is over", async () => {
    vi.useFakeTimers();
    const { connection, socket } = await opened({ outboxHighWaterMark: 10 });
    await connection.ready;
    for (const free of [() => (socket.bufferedAmount = 9), () => (socket.readyState = 3)]) {
      Object.assign(socket, { bufferedAmount: 10, readyState: 1 });
      let ready = false;
      void connection.ready.then(() => {
        ready = true;
      });
      await vi.advanceTimersByTimeAsync(100);
      expect(ready).toBe(false);
      free();
      await vi.advanceTimersByTimeAsync(20);
      expect(ready).toBe(true);
    }
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe("the end", () => {
  test.each([
    ["local", 1000, true],
    ["peer", 1001, false],
    ["transport", 1006, false],
  ] as const)("is reported as %s", async (initiator, code, closes) => {
    const { connection, socket } = await opened();
    if (closes) {
      connection.close();
      connection.close(4000);
      expect(socket.closedWith).toEqual([1000, ""]);
    }
    socket.bufferedAmount = 5;
    socket.end(code, "why");
    const wasClean = code !== 1006;
    expect(await connection.closed).toEqual({ code, reason: "why", wasClean, initiator, bufferedAmount: 5 });
    expect(connection.readyState).toBe(3);
  });

  test("closing after the server's Close has come is not ours", async () => {
    const { connection, socket } = await opened();
    socket.readyState = 2;
    connection.close();
    socket.end(1001);
    expect((await connection.closed).initiator).toBe("peer");
  });
});
