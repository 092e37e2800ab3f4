/** Both sides of a connection, as users of `ws` know them: each test also with `ws` itself, which is the control. */

import { AsyncLocalStorage } from "node:async_hooks";
import { Buffer } from "node:buffer";
import { once } from "node:events";
import { describe, expect, test, vi } from "vitest";
import type { WebSocket } from "../../src/ws/index.ts";
import { until } from "../support/connection-pair.ts";
import { both, ours } from "./implementations.ts";
import { dial, listen, openPair, type Pair, record, socketOf, urlOf } from "./pairs.ts";

const sides = ["client", "server"] as const;
const otherSide = { client: "server", server: "client" } as const;

/** A whole frame of a client, masked with zeros, or of a server. */
function frame(masked: boolean, first: number, payload: Buffer = Buffer.alloc(0)): Buffer {
  const head = [first, (masked ? 0x80 : 0) | payload.length];
  return Buffer.concat([Buffer.from(masked ? [...head, 0, 0, 0, 0] : head), payload]);
}

async function messages(socket: WebSocket, count: number): Promise<[unknown, boolean][]> {
  const seen: [unknown, boolean][] = [];
  socket.on("message", (data, isBinary) => seen.push([data, isBinary]));
  await until(() => seen.length === count);
  return seen;
}

describe.each(both)("a WebSocket of %s", (_, exports) => {
  test("has the states as statics and as properties, which nothing can change", () => {
    const { WebSocket } = exports;
    const numbers = { CONNECTING: 0, OPEN: 1, CLOSING: 2, CLOSED: 3 };
    for (const [name, value] of Object.entries(numbers)) {
      const descriptor = { configurable: false, enumerable: true, value, writable: false };
      expect(Object.getOwnPropertyDescriptor(WebSocket, name)).toEqual(descriptor);
      expect(Object.getOwnPropertyDescriptor(WebSocket.prototype, name)).toEqual(descriptor);
    }
  });

  test.each(["client", "server"])("ends a client's side with the Closes, whoever began: the %s", async (first) => {
    const { client, server } = await openPair(exports);
    const socket = socketOf(server);
    // The server's end is held back, so that the client's cannot follow it.
    const end = vi.spyOn(socket, "end").mockReturnValue(socket);
    const ended = once(socket, "end");
    (first === "client" ? client : server).close(1000);
    await ended;
    expect(client.readyState).toBe(2);
    end.mockRestore();
    socket.end();
    await until(() => client.readyState === 3 && server.readyState === 3);
  });

  test("refuses to send before it is open, whatever is sent", async () => {
    const listener = await listen(exports);
    const client = dial(exports, urlOf(listener));
    for (const send of [() => client.send("x"), () => client.ping(), () => client.pong("x", () => {})]) {
      expect(send).toThrow(new Error("WebSocket is not open: readyState 0 (CONNECTING)"));
    }
    expect([client.readyState, client.bufferedAmount, client.extensions, client.protocol]).toEqual([0, 0, "", ""]);
    await once(client, "open");
    expect(client.url).toBe(urlOf(listener));
  });

  describe.each(sides)("as %s", (side) => {
    const openOne = async (...options: Parameters<typeof openPair> extends [unknown, ...infer Rest] ? Rest : never) => {
      const pair: Pair = await openPair(exports, ...options);
      return { self: pair[side], peer: pair[otherSide[side]] };
    };

    test.each([false, true])("sends what it takes, compressed: %s", async (compressed) => {
      const { self, peer } = await openOne({ perMessageDeflate: compressed }, { perMessageDeflate: compressed });
      expect(self.extensions).toBe(compressed ? "permessage-deflate" : "");
      const received = messages(peer, 11);
      const floats = new Float32Array([0, 1.5, 2.5, 3]);
      self.send("zwölf");
      self.send(7);
      self.send(Buffer.from("bytes"));
      self.send(Buffer.from("text"), { binary: false });
      self.send("binary", { binary: true });
      self.send(floats.subarray(1, 3));
      self.send(floats.buffer, { compress: true });
      self.send(new DataView(floats.buffer, 0, 4), { compress: false });
      self.send(new Blob(["blob"]));
      self.send(undefined);
      self.send(Buffer.alloc(200_000, "x"));
      expect((await received).map(([data, isBinary]) => [String(data).slice(0, 9), isBinary])).toEqual([
        ["zwölf", false],
        ["7", false],
        ["bytes", true],
        ["text", false],
        ["binary", true],
        [Buffer.from(floats.buffer, 4, 8).toString(), true],
        [Buffer.from(floats.buffer).toString().slice(0, 9), true],
        [Buffer.alloc(4).toString(), true],
        ["blob", true],
        ["", true],
        ["xxxxxxxxx", true],
      ]);
    });

    test("bytes are text where `binary` is there and false in any way", async () => {
      const { self, peer } = await openOne();
      const received = messages(peer, 4);
      self.send(Buffer.from("one"), { binary: undefined });
      self.send(Buffer.from("two"), { binary: null as never });
      self.send(Buffer.from("three"), {});
      self.send("four", { binary: 1 as never });
      expect((await received).map(([data, isBinary]) => [String(data), isBinary])).toEqual([
        ["one", false],
        ["two", false],
        ["three", true],
        ["four", true],
      ]);
    });

    test("hands out Buffers that stay as they are", async () => {
      const { self, peer } = await openOne();
      const received = messages(self, 300);
      for (let count = 0; count < 300; count++) peer.send(Buffer.alloc(count * 10, count));
      for (const [count, [data]] of (await received).entries()) {
        expect(Buffer.isBuffer(data)).toBe(true);
        expect((data as Buffer).equals(Buffer.alloc(count * 10, count))).toBe(true);
      }
    });

    test("gives binary messages in the form that is asked for, and text as a Buffer", async () => {
      const { self, peer } = await openOne();
      const forms = ["nodebuffer", "arraybuffer", "fragments", "blob"] as const;
      for (const form of forms) {
        self.binaryType = form;
        self.binaryType = "nothing" as never;
        expect(self.binaryType).toBe(form);
        const received = messages(self, 2);
        peer.send(Buffer.from("abc"));
        peer.send("text");
        const [[data], [text]] = (await received) as [[unknown, boolean], [unknown, boolean]];
        self.removeAllListeners("message");
        expect(text).toEqual(Buffer.from("text"));
        if (form === "nodebuffer") expect(data).toEqual(Buffer.from("abc"));
        if (form === "arraybuffer") expect(Buffer.from(data as ArrayBuffer)).toEqual(Buffer.from("abc"));
        if (form === "fragments") expect(data).toEqual([Buffer.from("abc")]);
        if (form === "blob") expect(await (data as Blob).text()).toBe("abc");
      }
    });

    test("joins the fragments of several calls to one message", async () => {
      const { self, peer } = await openOne();
      const received = messages(peer, 2);
      self.send("frag", { fin: false });
      self.send(Buffer.from("men"), { fin: false, binary: true });
      self.ping();
      self.send("ted");
      self.send("whole");
      expect(await received).toEqual([
        [Buffer.from("fragmented"), false],
        [Buffer.from("whole"), false],
      ]);
    });

    test("calls back in order when what was sent has left", async () => {
      const { self } = await openOne();
      const told: unknown[] = [];
      self.send("a", (error) => told.push("a", error ?? undefined));
      self.ping("b", undefined, (error) => told.push("b", error ?? undefined));
      self.pong(() => told.push("c"));
      expect(told).toEqual([]);
      await new Promise<void>((resolve) => self.send(Buffer.alloc(3_000_000), {}, () => resolve()));
      expect(told).toEqual(["a", undefined, "b", undefined, "c"]);
    });

    test("Pings and Pongs have payloads of any form, and a Ping is answered with its own", async () => {
      const { self, peer } = await openOne();
      const seen = record(peer, ["ping", "pong"]);
      const answers = record(self, ["pong"]);
      self.ping("text");
      self.ping(0);
      self.pong(Buffer.from("bytes"));
      self.ping();
      await until(() => seen.length === 4 && answers.length === 3);
      expect(seen).toEqual([
        ["ping", "text"],
        ["ping", "0"],
        ["pong", "bytes"],
        ["ping", ""],
      ]);
      expect(answers).toEqual([
        ["pong", "text"],
        ["pong", "0"],
        ["pong", ""],
      ]);
      const tooLong = new RangeError("The data size must not be greater than 125 bytes");
      expect(() => self.ping(Buffer.alloc(126))).toThrow(tooLong);
      expect(() => self.pong("x".repeat(126))).toThrow(tooLong);
    });

    test("an empty message is of no fragments", async () => {
      const { self, peer } = await openOne();
      self.binaryType = "fragments";
      const received = messages(self, 1);
      peer.send(Buffer.alloc(0));
      expect(await received).toEqual([[[], true]]);
    });

    test("a Ping and a Pong stay behind what is sent before, also while that is compressed or read", async () => {
      const { self, peer } = await openOne({ perMessageDeflate: true }, { perMessageDeflate: true });
      const seen = record(peer, ["message", "ping", "pong"]) as [string, string, boolean?][];
      const payload = Buffer.from("two");
      const told: string[] = [];
      self.send("1".repeat(100_000), () => told.push("one"));
      self.ping(payload, undefined, () => told.push("two"));
      // Those of `ws` are read only when they are sent.
      if (exports === ours) payload.fill("x");
      self.send(new Blob(["three"]), () => told.push("three"));
      self.pong("four", undefined, () => told.push("four"));
      self.send("five", () => told.push("five"));
      await until(() => seen.length === 5 && told.length === 5);
      expect(seen.map(([name, value]) => [name, value.slice(0, 5)])).toEqual([
        ["message", "11111"],
        ["ping", "two"],
        ["message", "three"],
        ["pong", "four"],
        ["message", "five"],
      ]);
      expect(told).toEqual(["one", "two", "three", "four", "five"]);
    });

    test("answers Pings by a method `pong` that was put in the place of its own", async () => {
      const { self, peer } = await openOne();
      const asked: unknown[] = [];
      self.pong = (data?: unknown, mask?: unknown, callback?: unknown) => {
        asked.push([String(data), mask, typeof callback]);
        self.send(`no Pong for ${data}`);
      };
      const seen = record(self, ["ping"]);
      const answers = record(peer, ["pong", "message"]);
      peer.ping("p");
      await until(() => answers.length > 0);
      expect([seen, asked]).toEqual([[["ping", "p"]], [["p", side === "client", "function"]]]);
      Reflect.deleteProperty(self, "pong");
      peer.ping("q");
      await until(() => answers.length > 1);
      (self as unknown as { _autoPong: boolean })._autoPong = false;
      peer.ping("r");
      await until(() => seen.length === 3);
      self.send("after");
      await until(() => answers.length > 2);
      expect(answers).toEqual([
        ["message", "no Pong for p", false],
        ["pong", "q"],
        ["message", "after", false],
      ]);
    });

    test("answers no Ping where `autoPong` is off", async () => {
      const { self, peer } = await openOne({ autoPong: side !== "server" }, { autoPong: side !== "client" });
      const seen = record(self, ["ping"]);
      const answers = record(peer, ["pong", "message"]);
      peer.ping("p");
      await until(() => seen.length === 1);
      self.send("after");
      await until(() => answers.length > 0);
      expect(answers).toEqual([["message", "after", false]]);
    });

    test.each([
      [[], [1005, ""]],
      [[1000], [1000, ""]],
      [
        [4321, "bye"],
        [4321, "bye"],
      ],
      [
        [1014, Buffer.from("bytes")],
        [1014, "bytes"],
      ],
      [
        [1000, new Uint8Array([104, 105])],
        [1000, "hi"],
      ],
    ])("closes with %j, and both hear of it", async (given, expected) => {
      const { self, peer } = await openOne();
      const [own, others] = [record(self, ["close", "error"]), record(peer, ["close", "error"])];
      const events: unknown[] = [];
      self.addEventListener("close", ({ code, reason, wasClean }) => events.push([code, reason, wasClean]));
      self.close(...(given as [number, string]));
      expect(self.readyState).toBe(2);
      self.close(1000);
      await until(() => own.length > 0 && others.length > 0);
      expect([own, others, events]).toEqual([
        [["close", ...expected]],
        [["close", ...expected]],
        [[...expected, true]],
      ]);
      expect([self.readyState, peer.readyState]).toEqual([3, 3]);
      self.close();
      self.terminate();
    });

    test("refuses a code or a reason that no Close can have", async () => {
      const { self } = await openOne();
      const badCode = new TypeError("First argument must be a valid error code number");
      for (const code of [1004, 1005, 1006, 1015, 2999, 5000, "1000"]) {
        const other = new exports.WebSocket(urlOf(await listen(exports)));
        await once(other, "open");
        expect(() => other.close(code as number)).toThrow(badCode);
        other.terminate();
      }
      expect(() => self.close(1000, "x".repeat(124))).toThrow(
        new RangeError("The message must not be greater than 123 bytes"),
      );
      expect(() => self.close(1000, new Uint16Array(1) as never)).toThrow(
        new TypeError("Second argument must be a string or a Uint8Array"),
      );
      expect(self.readyState).toBe(1);
    });

    test("what is sent too late counts as buffered, and its callback gets the error", async () => {
      const { self } = await openOne();
      self.close();
      expect(self.bufferedAmount).toBe(0);
      const [error] =
        (await new Promise<[Error]>((resolve) => self.send("hi", (...all) => resolve(all as [Error])))) ?? [];
      expect(error).toEqual(new Error("WebSocket is not open: readyState 2 (CLOSING)"));
      expect(self.bufferedAmount).toBe(2);
      await once(self, "close");
      self.send("hi");
      self.ping();
      expect(self.bufferedAmount).toBe(4);
      const late = await new Promise((resolve) => self.pong(resolve));
      expect(late).toEqual(new Error("WebSocket is not open: readyState 3 (CLOSED)"));
    });

    test("calls back with null, in the async context in which it was sent", async () => {
      const { self } = await openOne();
      const storage = new AsyncLocalStorage<string>();
      const told: unknown[] = [];
      const tell = (...values: unknown[]) => told.push([...values, storage.getStore()]);
      storage.run("first", () => self.send("one", tell as never));
      storage.run("second", () => self.send(Buffer.alloc(300_000), tell as never));
      await until(() => told.length === 2);
      storage.run("third", () => self.ping("", tell as never));
      await until(() => told.length === 3);
      expect(told).toEqual([
        [null, "first"],
        [null, "second"],
        [null, "third"],
      ]);
    });

    test("what has not left when it is over counts as buffered no more", async () => {
      const { self, peer } = await openOne();
      socketOf(peer).pause();
      for (let count = 0; count < 10; count++) self.send(Buffer.alloc(1_000_000));
      expect(self.bufferedAmount).toBeGreaterThan(0);
      self.terminate();
      await once(self, "close");
      expect(self.bufferedAmount).toBe(0);
      self.send("late");
      expect(self.bufferedAmount).toBe(4);
    });

    test.each([Number.NaN, -1, null, "x"])("closes at once where `closeTimeout` is %s", async (closeTimeout) => {
      const { self, peer } = await openOne({ closeTimeout } as never, { closeTimeout } as never);
      socketOf(peer).pause();
      self.close();
      expect(await once(self, "close")).toEqual([1006, Buffer.alloc(0)]);
    });

    test("terminate ends both with 1006, and callbacks of what has not left get an error", async () => {
      const { self, peer } = await openOne();
      const seen = [record(self, ["close", "error"]), record(peer, ["close", "error"])];
      const told: unknown[] = [];
      self.send(new Blob(["x"]), (error) => told.push(error?.message));
      self.terminate();
      expect(self.readyState).toBe(2);
      await until(() => seen.every((one) => one.length > 0));
      expect(seen).toEqual([[["close", 1006, ""]], [["close", 1006, ""]]]);
      expect(told).toEqual(["The socket was closed while the blob was being read"]);
    });

    test("what is sent before terminate in the same turn, Pongs included, leaves all the same", async () => {
      const { self, peer } = await openOne();
      const seen = record(peer, ["message", "ping", "pong", "close"]);
      const told: unknown[] = [];
      self.on("ping", () => {
        self.send("one", (error) => told.push(error ?? "left"));
        self.ping("two");
        self.terminate();
      });
      peer.ping("zero");
      await until(() => peer.readyState === 3);
      expect(seen).toEqual([
        ["pong", "zero"],
        ["message", "one", false],
        ["ping", "two"],
        ["close", 1006, ""],
      ]);
      expect(told).toEqual(["left"]);
    });

    test("pauses its socket, and goes on where it stood", async () => {
      const { self, peer } = await openOne();
      const seen = record(self, ["message"]);
      self.pause();
      expect([self.isPaused, socketOf(self).isPaused()]).toEqual([true, true]);
      self.pause();
      peer.send("one");
      peer.send("two");
      await new Promise((resolve) => setTimeout(resolve, 20));
      expect(seen).toEqual([]);
      self.resume();
      self.pause();
      self.resume();
      expect([self.isPaused, socketOf(self).isPaused()]).toEqual([false, false]);
      await until(() => seen.length === 2);
    });

    const masked = side === "server";
    test.each<[string, Buffer, string, number]>([
      [
        "an opcode",
        frame(masked, 0x85),
        "RangeError: Invalid WebSocket frame: invalid opcode 5 (WS_ERR_INVALID_OPCODE)",
        1002,
      ],
      [
        "RSV1",
        frame(masked, 0xc1),
        "RangeError: Invalid WebSocket frame: RSV1 must be clear (WS_ERR_UNEXPECTED_RSV_1)",
        1002,
      ],
      [
        "RSV2",
        frame(masked, 0xa1),
        "RangeError: Invalid WebSocket frame: RSV2 and RSV3 must be clear (WS_ERR_UNEXPECTED_RSV_2_3)",
        1002,
      ],
      [
        "a continuation",
        frame(masked, 0x80),
        "RangeError: Invalid WebSocket frame: invalid opcode 0 (WS_ERR_INVALID_OPCODE)",
        1002,
      ],
      [
        "a fragmented Ping",
        frame(masked, 0x09),
        "RangeError: Invalid WebSocket frame: FIN must be set (WS_ERR_EXPECTED_FIN)",
        1002,
      ],
      [
        "a Close of one byte",
        frame(masked, 0x88, Buffer.from("x")),
        "RangeError: Invalid WebSocket frame: invalid payload length 1 (WS_ERR_INVALID_CONTROL_PAYLOAD_LENGTH)",
        1002,
      ],
      [
        "a Close with 1005",
        frame(masked, 0x88, Buffer.from([3, 0xed])),
        "RangeError: Invalid WebSocket frame: invalid status code 1005 (WS_ERR_INVALID_CLOSE_CODE)",
        1002,
      ],
      [
        "text",
        frame(masked, 0x81, Buffer.from([0xff])),
        "Error: Invalid WebSocket frame: invalid UTF-8 sequence (WS_ERR_INVALID_UTF8)",
        1007,
      ],
      [
        "a mask",
        frame(!masked, 0x81),
        `RangeError: Invalid WebSocket frame: MASK must be ${masked ? "set (WS_ERR_EXPECTED_MASK" : "clear (WS_ERR_UNEXPECTED_MASK"})`,
        1002,
      ],
      [
        "a message",
        frame(masked, 0x82, Buffer.alloc(101)),
        "RangeError: Max payload size exceeded (WS_ERR_UNSUPPORTED_MESSAGE_LENGTH)",
        1009,
      ],
    ])("fails for %s that breaks a rule, with the error of ws before the end", async (_, bytes, words, code) => {
      const plain = { maxPayload: 100, perMessageDeflate: false };
      const { self, peer } = await openOne(plain, plain);
      const [own, others] = [record(self, ["message", "error", "close"]), record(peer, ["close"])];
      let state: unknown;
      self.on("error", () => {
        state = self.readyState;
      });
      socketOf(peer).write(bytes);
      await until(() => own.length > 1 && others.length > 0);
      expect(own).toEqual([
        ["error", words],
        ["close", 1006, ""],
      ]);
      expect(others).toEqual([["close", code, ""]]);
      expect(state).toBe(2);
    });

    test("lets text pass that is no UTF-8 where it is told to", async () => {
      const trusting = { skipUTF8Validation: true };
      const { self, peer } = await openOne(trusting, trusting);
      const received = messages(self, 1);
      socketOf(peer).write(frame(masked, 0x81, Buffer.from([0xff])));
      expect(await received).toEqual([[Buffer.from([0xff]), false]]);
    });

    test("emits one event a turn where `allowSynchronousEvents` is off", async () => {
      const { self, peer } = await openOne({ allowSynchronousEvents: false }, { allowSynchronousEvents: false });
      const turns: number[] = [];
      let turn = 0;
      const count = () => {
        turn++;
        if (turns.length < 3) setImmediate(count);
      };
      self.on("message", () => {
        if (turns.push(turn) === 1) setImmediate(count);
      });
      socketOf(peer).write(Buffer.concat([1, 2, 3].map(() => frame(masked, 0x82))));
      await until(() => turns.length === 3);
      expect(new Set(turns).size).toBeGreaterThan(1);
    });

    test("its socket is a stream for whoever writes to it or listens to it", async () => {
      const { self, peer } = await openOne();
      const received = messages(self, 3);
      const chunks: Buffer[] = [];
      expect(socketOf(self).remoteAddress).toBe("127.0.0.1");
      peer.send("before");
      await until(() => self.listenerCount("message") === 1);
      socketOf(self).on("data", (chunk) => chunks.push(chunk));
      peer.send("after");
      socketOf(peer).write(frame(masked, 0x81, Buffer.from("raw")));
      expect((await received).map(([data]) => String(data))).toEqual(["before", "after", "raw"]);
      expect(Buffer.concat(chunks).includes("raw")).toBe(true);
      self.send("and back");
      expect(String((await messages(peer, 1))[0]![0])).toBe("and back");
    });

    test("what is written at the end of its socket stands behind what was sent", async () => {
      const { self, peer } = await openOne();
      const seen = record(peer, ["message", "close"]);
      const socket = socketOf(self);
      self.send("sent");
      socket.end(frame(side === "client", 0x81, Buffer.from("written")));
      await once(peer, "close");
      expect(seen).toEqual([
        ["message", "sent", false],
        ["message", "written", false],
        ["close", 1006, ""],
      ]);
    });

    test("a reset is no error of the WebSocket, but its end", async () => {
      const { self, peer } = await openOne();
      const seen = record(self, ["error", "close"]);
      socketOf(peer).resetAndDestroy();
      await once(self, "close");
      expect(seen).toEqual([["close", 1006, ""]]);
    });

    test("an end without a Close is 1006, behind what came before", async () => {
      const { self, peer } = await openOne();
      const seen = record(self, ["message", "error", "close"]);
      peer.send("last", () => socketOf(peer).end());
      await once(self, "close");
      expect(seen).toEqual([
        ["message", "last", false],
        ["close", 1006, ""],
      ]);
    });
  });

  test("listeners of browsers: once, objects, attributes, and no type besides the four", async () => {
    const { client, server } = await openPair(exports);
    const seen: unknown[] = [];
    const listener = {
      handleEvent(event: { readonly type: string; readonly target: unknown; readonly data: unknown }) {
        seen.push([event.type, event.data, event.target === client, this === listener]);
      },
    };
    client.addEventListener("message", listener, { once: true });
    client.addEventListener("message", listener);
    client.onmessage = ({ data }) => seen.push(data);
    client.addEventListener("ping" as never, (() => seen.push("ping")) as never);
    expect(client.listenerCount("message")).toBe(2);
    expect(client.listenerCount("ping")).toBe(0);
    server.send("one");
    await until(() => seen.length === 2);
    client.removeEventListener("message", listener as never);
    expect(seen).toEqual([["message", "one", true, true], "one"]);
    client.onmessage = "nothing" as never;
    expect([client.onmessage, client.onopen, client.listenerCount("message")]).toEqual([null, null, 0]);
    const closed = once(client, "close");
    client.onclose = ({ code, reason, wasClean, type }) => seen.push([type, code, reason, wasClean]);
    server.close(4000, "x");
    await closed;
    expect(seen.at(-1)).toEqual(["close", 4000, "x", true]);
    const error = new Error("own");
    client.onerror = (event) => seen.push([event.type, event.error, event.message]);
    client.emit("error", error);
    expect(seen.at(-1)).toEqual(["error", error, "own"]);
  });

  test("takes a socket whose handshake others did, as either side", async () => {
    const { client, server } = await openPair(exports);
    const [near, far] = [socketOf(client), socketOf(server)];
    expect([near.readable, far.readable]).toEqual([true, true]);
    const made = new exports.WebSocket(null, undefined, {});
    expect([made.readyState, (made as unknown as { _isServer: boolean })._isServer]).toEqual([0, true]);
  });
});

describe("openline/ws alone", () => {
  test.each(sides)("bytes of a reason that are no UTF-8 are sent as U+FFFD by the %s", async (side) => {
    const { [side]: self, [otherSide[side]]: peer } = await openPair(ours);
    // Each of these becomes a character of three bytes.
    expect(() => self.close(1000, Buffer.alloc(42, 0xff))).toThrow(
      new RangeError("The message must not be greater than 123 bytes"),
    );
    const closed = once(peer, "close");
    self.close(1000, Buffer.of(0x61, 0xff, 0x62));
    expect(await closed).toEqual([1000, Buffer.from("a\ufffdb")]);
  });

  test.each(sides)("an exception in a listener of the %s is uncaught, and the connection goes on", async (side) => {
    const { [side]: self, [otherSide[side]]: peer } = await openPair(ours);
    const uncaught: unknown[] = [];
    const others = process.listeners("uncaughtException");
    process.removeAllListeners("uncaughtException");
    process.on("uncaughtException", (error) => uncaught.push(error));
    try {
      self.once("message", () => {
        throw new Error("a listener's own");
      });
      peer.send("one");
      await until(() => uncaught.length === 1);
      const received = messages(self, 1);
      peer.send("two");
      await received;
      expect(uncaught).toEqual([new Error("a listener's own")]);
      expect(self.readyState).toBe(1);
    } finally {
      process.removeAllListeners("uncaughtException");
      for (const listener of others) process.on("uncaughtException", listener);
    }
  });

  test("a Blob that cannot be read ends the connection with its error, once", async () => {
    const { client } = await openPair(ours);
    const unreadable = new Blob(["x"]);
    unreadable.arrayBuffer = () => Promise.reject(new Error("gone"));
    const seen = record(client, ["error", "close"]);
    client.send(unreadable);
    await until(() => client.readyState === 3);
    expect(seen[0]).toEqual(["error", "Error: gone (undefined)"]);
    expect(seen).toHaveLength(2);
  });

  test("frames that are made already are joined once for all who get them", async () => {
    const { listener, server, client } = await openPair(ours);
    const other = dial(ours, urlOf(listener));
    const [[second]] = (await Promise.all([once(listener, "connection"), once(other, "open")])) as [
      [WebSocket],
      unknown,
    ];
    const list = ours.Sender.frame(Buffer.from("for all"), {
      fin: true,
      opcode: 1,
      mask: false,
      readOnly: false,
      rsv1: false,
    });
    const concat = vi.spyOn(Buffer, "concat");
    const received = [messages(client, 1), messages(other, 1)];
    const told: unknown[] = [];
    for (const socket of [server, second]) {
      (socket as unknown as { _sender: { sendFrame(list: unknown, callback: () => void): void } })._sender.sendFrame(
        list,
        () => told.push(true),
      );
    }
    expect((await Promise.all(received)).map(([message]) => String(message?.[0]))).toEqual(["for all", "for all"]);
    await until(() => told.length === 2);
    expect(concat.mock.calls.filter(([pieces]) => (pieces as unknown) !== undefined).length).toBeLessThan(3);
    concat.mockRestore();
  });
});
