/** `WebSocket`: sending and buffering. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Server, serve, WebSocket } from "../../../src/index.ts";
import { closed, events, next, opened, thrown, turns } from "../../support/websocket-log.ts";

let server: Server;
let echo: string;
/** The messages that the server has received. */
const received: (string | Uint8Array)[] = [];

beforeAll(async () => {
  server = await serve({
    port: 0,
    host: "127.0.0.1",
    // The server shares its process with the clients, which may not read while it receives much.
    limits: { maxOutboxSize: 64 * 1024 * 1024 },
    routes: {
      "/echo": {
        message: (connection, data) => {
          received.push(data);
          connection.send(data);
        },
      },
    },
  });
  echo = `ws://127.0.0.1:${server.port}/echo`;
});

afterAll(() => server.close());

describe("send", () => {
  test("throws an InvalidStateError before open, once its argument is converted [WHATWG-3.1-7]", async () => {
    const ws = new WebSocket(echo);
    expect(thrown(() => ws.send("x"))).toBe("InvalidStateError");
    expect(thrown(() => ws.send(Symbol("s") as never))).toBe("TypeError");
    expect(thrown(() => (ws.send as () => void)())).toBe("TypeError");
    await closed(ws);
  });

  test("sends every kind of data, and other values as strings [WHATWG-3.1-7]", async () => {
    const ws = await opened(echo);
    ws.binaryType = "arraybuffer";
    const bytes = new Uint8Array([1, 2, 3, 4, 5]);
    const sent: [data: unknown, received: string | number[]][] = [
      ["text", "text"],
      ["", ""],
      ["\ud800é\u{1f600}", "\ufffdé\u{1f600}"],
      [bytes.buffer, [1, 2, 3, 4, 5]],
      [bytes.subarray(1, 3), [2, 3]],
      [new DataView(bytes.buffer, 3, 1), [4]],
      [new Uint16Array([258]), [2, 1]],
      [new ArrayBuffer(0), []],
      [new Blob(["bl", "ob"]), [98, 108, 111, 98]],
      [null, "null"],
      [undefined, "undefined"],
      [1.5, "1.5"],
      [10n, "10"],
      [[1, [2]], "1,2"],
      [{}, "[object Object]"],
      [{ toString: () => "own" }, "own"],
      [Object.create(Blob.prototype), "[object Blob]"],
      [Object.create(Blob.prototype, { size: { value: 5 }, toString: { value: () => "own" } }), "own"],
      [new File(["fi", "le"], "name"), [102, 105, 108, 101]],
      [new (class extends Blob {})(["own"]), [111, 119, 110]],
    ];
    let sum = 0;
    for (const [data, back] of sent) {
      ws.send(data as string);
      sum += typeof back === "string" ? Buffer.byteLength(back) : back.length;
      expect(ws.bufferedAmount).toBe(sum);
    }
    for (const [, expected] of sent) {
      const { data } = await next(ws, "message");
      expect(typeof data === "string" ? data : [...new Uint8Array(data)]).toEqual(expected);
    }
    expect(ws.bufferedAmount).toBe(0);
    await closed(ws);
  });

  test("refuses memory that is shared or that can be resized [WHATWG-3.1-7]", async () => {
    const ws = await opened(echo);
    const resizable = new (ArrayBuffer as unknown as new (n: number, o: object) => ArrayBuffer)(8, {
      maxByteLength: 16,
    });
    const shared = new SharedArrayBuffer(8);
    for (const data of [resizable, new Uint8Array(resizable), new Uint8Array(shared), new DataView(shared)]) {
      expect(thrown(() => ws.send(data))).toBe("TypeError");
    }
    ws.send(shared as never);
    expect((await next(ws, "message")).data).toBe("[object SharedArrayBuffer]");
    await closed(ws);
  });

  test("copies its data [D10 D12 WHATWG-3.1-7]", async () => {
    const ws = await opened(echo);
    ws.binaryType = "arraybuffer";
    for (const size of [10, 5000, 200_000]) {
      const bytes = new Uint8Array(size).fill(1);
      ws.send(bytes);
      bytes.fill(9);
      const back = Buffer.from((await next(ws, "message")).data);
      expect(back.equals(Buffer.alloc(size, 1))).toBe(true);
    }
    await closed(ws);
  });

  test("sends Blobs in their order among other messages", async () => {
    const ws = await opened(echo);
    ws.binaryType = "arraybuffer";
    ws.send("1");
    ws.send(new Blob(["2".repeat(100_000)]));
    ws.send("3");
    ws.send(new Blob(["4"]));
    ws.send(new Uint8Array([53]));
    expect(ws.bufferedAmount).toBe(100_004);
    const back: string[] = [];
    for (let i = 0; i < 5; i++) {
      const { data } = await next(ws, "message");
      back.push(typeof data === "string" ? data : Buffer.from(data).toString());
    }
    expect(back).toEqual(["1", "2".repeat(100_000), "3", "4", "5"]);
    await closed(ws);
  });
});

describe("bufferedAmount", () => {
  test("grows at once and never falls within a task [WHATWG-3.1-8]", async () => {
    const ws = await opened(echo);
    ws.send("é".repeat(1000));
    expect(ws.bufferedAmount).toBe(2000);
    for (let i = 0; i < 50; i++) await null;
    expect(ws.bufferedAmount).toBe(2000);
    ws.send(new Uint8Array(50));
    expect(ws.bufferedAmount).toBe(2050);
    await next(ws, "message");
    await turns();
    expect(ws.bufferedAmount).toBe(0);
    await closed(ws);
  });

  test("falls as the bytes leave, and a later send adds exactly its own [WHATWG-3.1-8]", async () => {
    const ws = await opened(echo);
    let back = 0;
    ws.onmessage = () => void back++;
    for (let round = 0; round < 20; round++) {
      const before = ws.bufferedAmount;
      ws.send("x".repeat(100));
      expect(ws.bufferedAmount).toBe(before + 100);
      await turns(round % 3);
    }
    while (back < 20) await turns();
    expect(ws.bufferedAmount).toBe(0);
    await closed(ws);
  });

  test("counts bytes sent while closing and after, and keeps them [WHATWG-3.1-8]", async () => {
    const ws = await opened(echo);
    received.length = 0;
    ws.send("in time");
    ws.close();
    expect(ws.bufferedAmount).toBe(7);
    ws.send("läte");
    expect(ws.bufferedAmount).toBe(12);
    ws.send(new Blob(["four"]));
    ws.send(new ArrayBuffer(3));
    expect(ws.bufferedAmount).toBe(19);
    await next(ws, "close");
    expect(ws.bufferedAmount).toBe(12);
    ws.send("!");
    expect(ws.bufferedAmount).toBe(13);
    expect(received).toEqual(["in time"]);
  });

  test("a send beyond maxOutboxSize, where it is set, ends with error and close [WHATWG-3.1-9]", async () => {
    const ws = await opened(echo, { limits: { maxOutboxSize: 1000 } });
    const lines: string[] = [];
    const done = events(ws, lines);
    const failure = next(ws, "error");
    const unread = Object.assign(new Blob(["x".repeat(1100)]), { arrayBuffer: () => new Promise(() => {}) });
    ws.send(unread as Blob);
    await turns();
    expect(ws.readyState).toBe(1);
    ws.send("x".repeat(100));
    expect([ws.readyState, ws.bufferedAmount]).toEqual([2, 1200]);
    expect((await failure).message).toMatch(/^Cannot send: /);
    expect((await done)[0]).toBe("error 3");
    expect(lines.at(-1)).toMatch(/^close 3 \d+ .*unclean$/);
    expect(lines).toHaveLength(2);
  });

  test("send never refuses without maxOutboxSize", async () => {
    const ws = await opened(echo);
    const chunk = new Uint8Array(1024 * 1024);
    for (let i = 0; i < 24; i++) ws.send(chunk);
    expect(ws.bufferedAmount).toBe(24 * 1024 * 1024);
    for (let i = 0; i < 24; i++) await next(ws, "message");
    await closed(ws);
  });
});
