/** `WebSocketStream` against servers that behave in every way: opening, reading, writing, closing, aborting. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { HandshakeError, WebSocketError, type WebSocketOpenInfo, WebSocketStream } from "../../../src/index.ts";
import { acceptance, type RawServer, rawServer } from "../../support/raw-server.ts";
import { scriptedServer } from "../../support/scripted-server.ts";
import { byteByByte, thrown } from "../../support/websocket-log.ts";
import { buildFrame, readFrames } from "../../support/wire.ts";

let server: RawServer;
let base: string;

beforeAll(async () => {
  server = await scriptedServer();
  base = `ws://127.0.0.1:${server.port}`;
});

afterAll(() => server.close());

const Any = WebSocketStream as unknown as new (...args: unknown[]) => WebSocketStream;

/** The outcome of a promise: "ok" with its value, or the kind of error with its close code. */
function outcome(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    (value) => `ok ${JSON.stringify(value)}`,
    (error) => [error.constructor.name, error.name, error.closeCode].filter((part) => part != null).join(" "),
  );
}

const rejection = (promise: Promise<unknown>) =>
  promise.then(
    () => undefined,
    (error: unknown) => error,
  );

async function opened(path: string, options = {}): Promise<WebSocketOpenInfo & { wss: WebSocketStream }> {
  const wss = new WebSocketStream(path.startsWith("/") ? base + path : path, options);
  return { wss, ...(await wss.opened) };
}

async function readAll(readable: ReadableStream): Promise<string[]> {
  const all: string[] = [];
  for await (const data of readable) all.push(typeof data === "string" ? data : `bytes ${Buffer.from(data)}`);
  return all;
}

describe("the constructor [WHATWG-WSS-1]", () => {
  test.each<[name: string, args: unknown[]]>([
    ["TypeError", []],
    ["TypeError", ["ws://127.0.0.1/", true]],
    ["TypeError", ["ws://127.0.0.1/", { protocols: "hi" }]],
    ["TypeError", ["ws://127.0.0.1/", { protocols: null }]],
    ["TypeError", ["ws://127.0.0.1/", { signal: null }]],
    ["TypeError", ["ws://127.0.0.1/", { signal: {} }]],
    ["TypeError", ["ws://127.0.0.1/", { limits: { nonsense: 1 } }]],
    ["SyntaxError", ["invalid:"]],
    ["SyntaxError", ["ws://127.0.0.1/#x"]],
    ["SyntaxError", ["ws://127.0.0.1/", { protocols: ["a", "A"] }]],
    ["SyntaxError", ["ws://127.0.0.1/", { protocols: ["a b"] }]],
  ])("throws a %s for %j", (name, args) => {
    expect(thrown(() => new Any(...args))).toBe(name);
  });

  test.each([[undefined], [null], [{}], [{ protocols: undefined, signal: undefined }]])("takes %j", async (options) => {
    const wss = new Any(`${base.replace("ws:", "http:")}/echo?a b`, options);
    expect(wss.url).toBe(`${base}/echo?a%20b`);
    await wss.opened;
    wss.close();
    await wss.closed;
  });

  test("offers protocols, and opens with the server's choice", async () => {
    const { wss, protocol, extensions, readable, writable } = await opened("/first-protocol", {
      protocols: new Set(["alpha", "beta"]),
    });
    expect([protocol, extensions]).toEqual(["alpha", ""]);
    expect(readable).toBeInstanceOf(ReadableStream);
    expect(writable).toBeInstanceOf(WritableStream);
    wss.close();
    await wss.closed;
  });
});

describe.each([
  ["whole", {}],
  ["byte by byte", { createConnection: byteByByte }],
])("reading, %s [WHATWG-WSS-1]", (_, options) => {
  test("gives messages until the server's Close, then the end", async () => {
    const { wss, readable } = await opened("/burst?messages=4&close&code=4000&reason=x", options);
    expect(await readAll(readable)).toEqual(["0", "bytes 1", "2", "bytes 3"]);
    expect(await wss.closed).toEqual({ closeCode: 4000, reason: "x" });
  });

  test("gives 1005 for a Close without a code", async () => {
    const { wss } = await opened("/close", options);
    expect(await wss.closed).toEqual({ closeCode: 1005, reason: "" });
  });

  test("after a clean end the readable stream is closed and the writable one errored", async () => {
    const { wss, readable, writable } = await opened("/close?code=1000", options);
    await wss.closed;
    expect(await readable.getReader().read()).toEqual({ done: true, value: undefined });
    const writer = writable.getWriter();
    for (const promise of [writer.ready, writer.closed, writer.write("x")]) {
      expect(await outcome(promise)).toBe("DOMException InvalidStateError");
    }
  });

  test.each([["/end"], ["/reset"], ["/bad-frame"], ["/close?code=1005"]])(
    "after %s both streams have the error of closed, with its cause",
    async (path) => {
      // The server does not answer the Close that a bad frame is answered with.
      const { wss, readable, writable } = await opened(path, { ...options, limits: { closeTimeout: 100 } });
      const error = (await rejection(wss.closed)) as WebSocketError;
      expect(error.constructor).toBe(WebSocketError);
      expect([error.name, error.closeCode, error.reason]).toEqual(["WebSocketError", 1006, ""]);
      expect(error.cause).toBeInstanceOf(Error);
      expect(await rejection(readAll(readable))).toBe(error);
      expect(await rejection(writable.getWriter().ready)).toBe(error);
    },
  );
});

test("bytes have memory of their own, which can be transferred [WHATWG-WSS-1]", async () => {
  const { wss, readable, writable } = await opened("/echo");
  const reader = readable.getReader();
  const writer = writable.getWriter();
  for (const bytes of [[1, 2], [3], []]) void writer.write(new Uint8Array(bytes));
  for (const bytes of [[1, 2], [3], []]) {
    const { value } = await reader.read();
    const data = value as Uint8Array<ArrayBuffer>;
    expect([...data]).toEqual(bytes);
    expect(structuredClone(data.buffer, { transfer: [data.buffer] }).byteLength).toBe(bytes.length);
  }
  wss.close();
  await wss.closed;
});

describe("writing [WHATWG-WSS-1]", () => {
  test("sends bytes as binary, everything else as text", async () => {
    const { wss, readable, writable } = await opened("/echo");
    const writer = writable.getWriter();
    const reader = readable.getReader();
    const chunks: [unknown, string | number[]][] = [
      ["text", "text"],
      [new Uint8Array([1, 2]), [1, 2]],
      [new Uint8Array([1, 2, 3]).buffer, [1, 2, 3]],
      [new DataView(new Uint8Array([1, 2, 3]).buffer, 1, 1), [2]],
      [null, "null"],
      [{}, "[object Object]"],
      ["\ud800", "\ufffd"],
    ];
    for (const [chunk, expected] of chunks) {
      await writer.write(chunk as string);
      const { value } = await reader.read();
      expect(typeof value === "string" ? value : [...value!]).toEqual(expected);
    }
    wss.close();
    await wss.closed;
  });

  test.each([
    ["what has no string", () => ({ toString: () => ({}) })],
    ["a symbol", () => Symbol("s")],
    ["shared memory", () => new Uint8Array(new SharedArrayBuffer(1))],
    [
      "memory that can be resized",
      () => new (ArrayBuffer as unknown as new (n: number, o: object) => ArrayBuffer)(1, { maxByteLength: 2 }),
    ],
  ])("%s is refused with a TypeError, which ends the stream and not the connection", async (_, make) => {
    const { wss, writable } = await opened("/echo");
    const writer = writable.getWriter();
    const error = await rejection(writer.write(make() as string));
    expect(error).toBeInstanceOf(TypeError);
    expect(await rejection(writer.write("x"))).toBe(error);
    wss.close();
    expect(await wss.closed).toEqual({ closeCode: 1005, reason: "" });
  });

  test("a write is done when the server has taken it up to a small rest", async () => {
    const { wss, writable } = await opened("/never-reads");
    const writer = writable.getWriter();
    await writer.write("small");
    let done = false;
    const write = writer.write(new Uint8Array(16 * 1024 * 1024)).then(() => {
      done = true;
    });
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(done).toBe(false);
    for (const socket of server.sockets) socket.resume();
    await write;
    wss.close();
    for (const socket of server.sockets) socket.destroy();
    expect(await outcome(wss.closed)).toBe("WebSocketError WebSocketError 1006");
  });

  test("a write that is pending when the server closes is rejected, and the end is not clean", async () => {
    const { wss, readable, writable } = await opened("/close-when-told?code=4567&reason=bye");
    const writer = writable.getWriter();
    const first = writer.write("Goodbye");
    const second = writer.write(new Uint8Array(8 * 1024 * 1024));
    await first;
    const error = (await rejection(wss.closed)) as WebSocketError;
    expect([error.constructor, error.closeCode, error.reason]).toEqual([WebSocketError, 4567, "bye"]);
    const invalid = (await rejection(second)) as DOMException;
    expect(invalid.name).toBe("InvalidStateError");
    expect(await rejection(writer.write("word"))).toBe(invalid);
    expect(await readAll(readable)).toEqual([]);
  });

  test("a write that begins after the server's Close came is rejected, too", async () => {
    const { wss, writable } = await opened("/never-reads?close&code=4567");
    const write = writable.getWriter().write(new Uint8Array(20 * 1024 * 1024));
    expect(await outcome(wss.closed)).toBe("WebSocketError WebSocketError 4567");
    expect(await outcome(write)).toBe("DOMException InvalidStateError");
  });

  test("a write after close sends nothing", async () => {
    const { wss, writable } = await opened("/late-close?after=50");
    wss.close({ closeCode: 3000 });
    await writable.getWriter().write("late");
    expect(await wss.closed).toEqual({ closeCode: 1000, reason: "" });
  });
});

test("the server cannot send on while the stream is not read [WHATWG-WSS-1]", async () => {
  const { wss, readable } = await opened("/flood?size=1000000&count=24");
  await new Promise((resolve) => setTimeout(resolve, 600));
  const reader = readable.getReader();
  expect((await reader.read()).value).toBe("");
  for (let i = 0; i < 24; i++) expect((await reader.read()).value).toHaveLength(1_000_000);
  expect(Number((await reader.read()).value)).toBeGreaterThan(500);
  wss.close();
  await wss.closed;
});

describe("close [WHATWG-WSS-1]", () => {
  test.each([
    [undefined, 1005, ""],
    [{}, 1005, ""],
    [{ reason: "" }, 1005, ""],
    [{ reason: "non-empty" }, 1000, "non-empty"],
    [{ closeCode: 1000 }, 1000, ""],
    [{ closeCode: 3456, reason: "pizza" }, 3456, "pizza"],
  ])("%j is %s %j", async (info, closeCode, reason) => {
    const { wss } = await opened("/echo");
    wss.close(info);
    wss.close({ closeCode: 4999 });
    expect(await wss.closed).toEqual({ closeCode, reason });
  });

  test("throws for codes, reasons and arguments that cannot be", async () => {
    const { wss } = await opened("/echo");
    const refusals: [string, unknown][] = [
      ["TypeError", true],
      ["TypeError", { closeCode: 65536 }],
      ["SyntaxError", { reason: ".".repeat(124) }],
      ["InvalidAccessError", { closeCode: null }],
      ...[999, 1001, 2999, 5000].map((closeCode): [string, unknown] => ["InvalidAccessError", { closeCode }]),
    ];
    for (const [name, info] of refusals) expect(thrown(() => wss.close(info as object))).toBe(name);
    wss.close();
    for (const [name, info] of refusals) expect(thrown(() => wss.close(info as object))).toBe(name);
    await wss.closed;
  });

  test("gives a handshake up", async () => {
    const wss = new WebSocketStream(`${base}/slow-handshake?ms=2000`);
    wss.close({ closeCode: 3000 });
    expect(await outcome(wss.opened)).toBe("WebSocketError WebSocketError");
    expect(await outcome(wss.closed)).toBe("WebSocketError WebSocketError 1006");
    wss.close();
  });

  test("drops messages that are read after it", async () => {
    const { wss, readable } = await opened("/burst?messages=5");
    await new Promise((resolve) => setTimeout(resolve, 50));
    wss.close();
    await wss.closed;
    expect(await readAll(readable)).toEqual(["0"]);
  });

  test("messages before an end without a Close are read, and replies are written", async () => {
    const questions = Array.from({ length: 20 }, (_, index) => `question ${index}`);
    let received = Buffer.alloc(0);
    const ending = await rawServer((request, socket) => {
      socket.on("data", (chunk: Buffer) => {
        received = Buffer.concat([received, chunk]);
      });
      const frames = questions.map((payload) => buildFrame({ opcode: 1, payload }));
      socket.end(Buffer.concat([Buffer.from(acceptance(request)), ...frames]));
      return undefined;
    });
    const { wss, readable, writable } = await opened(`ws://127.0.0.1:${ending.port}/`);
    const writer = writable.getWriter();
    const read: unknown[] = [];
    const looping = (async () => {
      for await (const data of readable) {
        read.push(data);
        await new Promise((resolve) => setTimeout(resolve, 1));
        writer.write(data).catch(() => {});
      }
    })();
    const error = await rejection(looping);
    expect(await rejection(wss.closed)).toBe(error);
    expect((error as WebSocketError).closeCode).toBe(1006);
    expect(read).toEqual(questions);
    // The stream asks for the next message before it is read, so the last question has come as far as its end.
    const answers = readFrames(received).map(({ payload }) => payload.toString());
    expect(answers).toEqual(questions.slice(0, 19));
    await ending.close();
  });

  test("an end without a Close is not clean", async () => {
    const { wss, readable, writable } = await opened("/end-on-close");
    const writer = writable.getWriter();
    const error = await rejection(writer.close());
    expect((error as WebSocketError).closeCode).toBe(1006);
    expect(await rejection(wss.closed)).toBe(error);
    expect(await rejection(writer.closed)).toBe(error);
    expect(await rejection(readAll(readable))).toBe(error);
  });

  test("closing the writer is done with the closing handshake", async () => {
    const { wss, writable, readable } = await opened("/late-close?after=100");
    const began = performance.now();
    await writable.getWriter().close();
    expect(performance.now() - began).toBeGreaterThan(90);
    expect(await wss.closed).toEqual({ closeCode: 1000, reason: "" });
    expect(await readAll(readable)).toEqual([]);
  });

  test.each([["readable"], ["writable"]] as const)("giving up the %s stream closes", async (stream) => {
    const reasons: [unknown, number, string][] = [
      [undefined, 1005, ""],
      [{ closeCode: 3333, reason: "obsolete" }, 1005, ""],
      [new DOMException("yes", "DataCloneError"), 1005, ""],
      [new WebSocketError("", { closeCode: 3333 }), 3333, ""],
      [new WebSocketError("", { closeCode: 3456, reason: "set" }), 3456, "set"],
      [new WebSocketError("", { reason: "specified" }), 1000, "specified"],
    ];
    for (const [reason, closeCode, text] of reasons) {
      const open = await opened("/echo");
      if (stream === "readable") await open.readable.cancel(reason);
      else await open.writable.abort(reason);
      expect(await open.wss.closed).toEqual({ closeCode, reason: text });
    }
  });

  test("an error of one connection closes another without its code, which must not be sent", async () => {
    const { wss } = await opened("/end");
    const lost = await rejection(wss.closed);
    const other = await opened("/echo");
    await other.readable.cancel(lost);
    expect(await other.wss.closed).toEqual({ closeCode: 1005, reason: "" });
  });
});

describe("failures and aborts [WHATWG-WSS-1]", () => {
  test.each([["/404"], ["/hang-up"], ["/wrong-accept"], ["/redirect"]])("%s", async (path) => {
    const wss = new WebSocketStream(base + path);
    expect(await outcome(wss.opened)).toBe("WebSocketError WebSocketError");
    expect(await outcome(wss.closed)).toBe("WebSocketError WebSocketError 1006");
    expect(((await rejection(wss.opened)) as WebSocketError).cause).toBeInstanceOf(HandshakeError);
  });

  test("fails when offered protocols are not answered, and for bad ports", async () => {
    const unanswered = new WebSocketStream(`${base}/echo`, { protocols: ["chat"] });
    expect(await outcome(unanswered.opened)).toBe("WebSocketError WebSocketError");
    const port = new WebSocketStream("ws://127.0.0.1:22/");
    expect(await outcome(port.closed)).toBe("WebSocketError WebSocketError 1006");
  });

  test("a signal that has aborted prevents the connection", async () => {
    const accepted = server.accepted;
    const wss = new WebSocketStream(`${base}/echo`, { signal: AbortSignal.abort() });
    expect(await outcome(wss.opened)).toBe("DOMException AbortError");
    expect(await rejection(wss.closed)).toBe(await rejection(wss.opened));
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(server.accepted).toBe(accepted);
  });

  test("a signal gives a handshake up with its reason, and leaves an open connection alone", async () => {
    const controller = new AbortController();
    const wss = new WebSocketStream(`${base}/slow-handshake?ms=2000`, { signal: controller.signal });
    await new Promise((resolve) => setTimeout(resolve, 0));
    controller.abort("why");
    expect([await rejection(wss.opened), await rejection(wss.closed)]).toEqual(["why", "why"]);

    const late = new AbortController();
    const { wss: open, readable, writable } = await opened("/echo", { signal: late.signal });
    late.abort();
    void writable.getWriter().write("connected");
    expect((await readable.getReader().read()).value).toBe("connected");
    open.close();
    expect((await open.closed).closeCode).toBe(1005);
  });
});
