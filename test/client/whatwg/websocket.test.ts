/** `WebSocket` against our server: constructor, states, sending, closing, events. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { connect, type Server, serve, WebSocket } from "../../../src/index.ts";
import { collectGarbage } from "../../support/collect-garbage.ts";
import { type RawServer, rawServer } from "../../support/raw-server.ts";
import { closed, events, next, opened, thrown, turns } from "../../support/websocket-log.ts";

let server: Server;
let echo: string;
/** The messages that the server has received, and the ends of its connections. */
const received: (string | Uint8Array)[] = [];
const ended: [code: number, reason: string][] = [];

beforeAll(async () => {
  server = await serve({
    port: 0,
    host: "127.0.0.1",
    routes: {
      "/echo": {
        message: (connection, data) => {
          received.push(data);
          connection.send(data);
        },
        close: (_, { code, reason }) => void ended.push([code, reason]),
      },
      "/chat": { subprotocols: ["superchat", "chat"], message: (connection, data) => void connection.send(data) },
      "/compressed": { compression: true, message: (connection, data) => void connection.send(data) },
    },
  });
  echo = `ws://127.0.0.1:${server.port}/echo`;
});

afterAll(() => server.close());

const Any = WebSocket as unknown as new (...args: unknown[]) => WebSocket;

describe("the constructor", () => {
  test("takes ws, wss, http and https, and has the serialised URL [WHATWG-3.1-1]", () => {
    const urls = [
      ["ws://127.0.0.1:1", "ws://127.0.0.1:1/"],
      ["WSS://LOCALHOST:1/a b?q=ü", "wss://localhost:1/a%20b?q=%C3%BC"],
      ["http://127.0.0.1:1/x", "ws://127.0.0.1:1/x"],
      ["https://127.0.0.1:1/", "wss://127.0.0.1:1/"],
      ["ws://127.0.0.1:80/\ud800", "ws://127.0.0.1/%EF%BF%BD"],
      ["wss://127.0.0.1:443/", "wss://127.0.0.1/"],
      ["ws://[::1]:1/", "ws://[::1]:1/"],
    ] as const;
    for (const [given, url] of urls) {
      const ws = new WebSocket(given);
      expect(ws.url).toBe(url);
      ws.close();
    }
    const ws = new WebSocket(new URL("http://127.0.0.1:1/y"));
    expect(ws.url).toBe("ws://127.0.0.1:1/y");
    ws.close();
  });

  test.each([
    ["ws://127.0.0.1:1/#"],
    ["ws://127.0.0.1:1/#a"],
    ["http://127.0.0.1:1/#"],
    ["ftp://127.0.0.1/"],
    ["mailto:a@b"],
    ["/relative"],
    [""],
    ["ws://foo bar/"],
    ["ws://a:99999/"],
    ["ws:"],
  ])("throws a SyntaxError for %j [WHATWG-3.1-1 R6455-3-2]", (url) => {
    expect(() => new WebSocket(url)).toThrow(DOMException);
    expect(thrown(() => new WebSocket(url))).toBe("SyntaxError");
  });

  test("takes a relative URL where the runtime has a location [WHATWG-3.1-1]", () => {
    const runtime = globalThis as { location?: { href: string } };
    runtime.location = { href: "http://127.0.0.1:1/dir/page?x#y" };
    try {
      const ws = new WebSocket("feed?a");
      expect(ws.url).toBe("ws://127.0.0.1:1/dir/feed?a");
      ws.close();
    } finally {
      delete runtime.location;
    }
  });

  test.each([
    [["a", "a"]],
    [["a", "b", "A"]],
    ["a b"],
    ["a,b"],
    [""],
    [[""]],
    ["é"],
    [["ok", "\n"]],
    [new String("zz")],
    [{ protocols: "a b" }],
    [{ protocols: ["a", "A"] }],
    [{ protocols: {} }],
  ])("throws a SyntaxError for the subprotocols %j [WHATWG-3.1-2]", (protocols) => {
    expect(thrown(() => new Any(echo, protocols))).toBe("SyntaxError");
  });

  test("takes a string, any iterable, or nothing, and offers them in order [WHATWG-3.1-2]", async () => {
    const raw = await rawServer(() => "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
    const given: unknown[] = [
      "one",
      ["b", "a"],
      new Set(["c"]),
      [],
      undefined,
      null,
      5,
      { [Symbol.iterator]: undefined },
      {
        *[Symbol.iterator]() {
          yield "d";
        },
        protocols: "e",
        nonsense: 1,
      },
    ];
    for (const protocols of given) await next(new Any(`ws://127.0.0.1:${raw.port}/`, protocols), "close");
    expect(raw.requests.map((request) => request.values("sec-websocket-protocol"))).toEqual([
      ["one"],
      ["b, a"],
      ["c"],
      [],
      [],
      ["null"],
      ["5"],
      [],
      ["d"],
    ]);
    await raw.close();
  });

  test("converts its arguments in order, then checks them in order", () => {
    const order: string[] = [];
    const say = (word: string, value: string) => ({
      toString: () => {
        order.push(word);
        return value;
      },
    });
    const url = say("url", "bad:");
    const protocol = [say("protocol", "x y")];
    expect(() => new Any(url, protocol)).toThrow(/scheme/);
    expect(order).toEqual(["url", "protocol"]);
    expect(thrown(() => new Any())).toBe("TypeError");
    expect(thrown(() => new Any(Symbol("s")))).toBe("TypeError");
    expect(thrown(() => new Any(echo, [Symbol("s")]))).toBe("TypeError");
    expect(thrown(() => (WebSocket as unknown as (url: string) => void)(echo))).toBe("TypeError");
  });

  test.each([["Stray argument"], [null], [5], [undefined]])(
    "takes the third argument %j for no options",
    async (options) => {
      const ws = new Any(echo, [], options);
      await next(ws, "open");
      await closed(ws);
    },
  );

  test("takes the options as the second argument, too, with protocols among them, as Node's class does", async () => {
    const raw = await rawServer(() => "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
    const url = `ws://127.0.0.1:${raw.port}/`;
    const headers = { "X-A": "b" };
    const forms = [headers, Object.entries(headers), new Headers(headers), new Map(Object.entries(headers))];
    for (const form of forms) {
      await next(new WebSocket(url, { protocols: ["b", "a"], headers: form }), "close");
      await next(new WebSocket(url, { protocols: "one", headers: form, compression: false }), "close");
      await next(new WebSocket(url, ["c"], { headers: form }), "close");
      await next(new WebSocket(url, { headers: form }), "close");
    }
    const offered = raw.requests.map((request) => request.values("sec-websocket-protocol"));
    expect(offered).toEqual(forms.flatMap(() => [["b, a"], ["one"], ["c"], []]));
    expect(raw.requests.map((request) => request.values("x-a"))).toEqual(raw.requests.map(() => ["b"]));
    for (const none of [{}, () => 0, { protocols: undefined }]) await next(new Any(url, none), "close");
    expect(raw.requests.slice(-3).flatMap((request) => request.values("sec-websocket-protocol"))).toEqual([]);
    await raw.close();
  });

  test("throws for options as the second argument that cannot be, or that are given twice", () => {
    expect(thrown(() => new Any(echo, { handshakeTimeout: -1 }))).toBe("RangeError");
    expect(thrown(() => new Any(echo, { dispatcher: {} }))).toBe("TypeError");
    expect(thrown(() => new Any(echo, { headers: { "X-A": "b" } }, { origin: "http://a" }))).toBe("TypeError");
    expect(thrown(() => new Any(echo, [], { protocols: ["a"] }))).toBe("TypeError");
    expect(thrown(() => new Any(echo, { signal: {} }))).toBe("TypeError");
  });

  test("throws the exception of a getter of the options, and opens nothing", async () => {
    const raw = await rawServer(() => undefined);
    const url = `ws://127.0.0.1:${raw.port}/`;
    for (const name of ["protocols", "headers", "signal", "limits", "handshakeTimeout", "proxy"]) {
      const options = Object.defineProperty({}, name, {
        enumerable: true,
        get: () => {
          throw new EvalError(name);
        },
      });
      expect(thrown(() => new Any(url, options))).toBe("EvalError");
      expect(thrown(() => new Any(url, [], options))).toBe("EvalError");
      await expect(connect(url, options)).rejects.toThrow(name === "protocols" ? TypeError : EvalError);
    }
    expect(raw.accepted).toBe(0);
    await raw.close();
  });

  test("throws for options that cannot be", () => {
    expect(thrown(() => new Any(echo, [], { handshakeTimeout: -1 }))).toBe("RangeError");
    expect(thrown(() => new Any(echo, [], { limits: { nonsense: 1 } }))).toBe("TypeError");
  });

  test("begins with empty fields, and connects after it has returned [WHATWG-3.1-2 WHATWG-3.1-3]", async () => {
    const ws = new WebSocket(`ws://127.0.0.1:${server.port}/chat`, ["chat", "superchat"]);
    expect([ws.readyState, ws.protocol, ws.extensions, ws.bufferedAmount, ws.binaryType]).toEqual([
      0,
      "",
      "",
      0,
      "blob",
    ]);
    await next(ws, "open");
    expect([ws.readyState, ws.protocol]).toEqual([1, "chat"]);
    await closed(ws);
    expect([ws.readyState, ws.protocol]).toEqual([3, "chat"]);
  });

  test("offers permessage-deflate [WHATWG-2.2-2]", async () => {
    const ws = await opened(`ws://127.0.0.1:${server.port}/compressed`);
    expect(ws.extensions).toMatch(/^permessage-deflate/);
    ws.send("long ".repeat(200));
    expect(ws.bufferedAmount).toBe(1000);
    expect((await next(ws, "message")).data).toBe("long ".repeat(200));
    expect(ws.bufferedAmount).toBe(0);
    await closed(ws);
    const plain = await opened(`ws://127.0.0.1:${server.port}/compressed`, { compression: false });
    expect(plain.extensions).toBe("");
    await closed(plain);
  });
});

describe("events", () => {
  test("open is fired when the connection is open [WHATWG-4-1]", async () => {
    const lines: string[] = [];
    const ws = new WebSocket(echo);
    const done = events(ws, lines);
    ws.onopen = (event) => {
      lines.push(`${event.constructor.name} ${event.target === ws} ${ws.extensions === ""}`);
      ws.close(3000);
    };
    expect(await done).toEqual(["open 1", "Event true true", "close 3 3000  clean"]);
  });

  test("each message is a task, so promises of a listener settle before the next event [WHATWG-4-2]", async () => {
    const ws = await opened(echo);
    const said: string[] = [];
    ws.onmessage = async ({ data }) => {
      said.push(data);
      for (let i = 0; i < 20; i++) await null;
      said.push(`${data} later`);
      process.nextTick(() => void said.push(`${data} tick`));
    };
    for (const text of ["a", "b", "c"]) ws.send(text);
    while (said.length < 9) await turns();
    expect(said).toEqual(["a", "a later", "a tick", "b", "b later", "b tick", "c", "c later", "c tick"]);
    await closed(ws);
  });

  test("a message has data and the serialised origin, and is a MessageEvent [WHATWG-4-2]", async () => {
    const ws = await opened(`${echo}?query`);
    ws.send("text");
    const event = await next(ws, "message");
    expect(event).toBeInstanceOf(MessageEvent);
    expect([event.data, event.origin, event.lastEventId, event.source]).toEqual([
      "text",
      `ws://127.0.0.1:${server.port}`,
      "",
      null,
    ]);
    expect([event.bubbles, event.cancelable]).toEqual([false, false]);
    await closed(ws);
  });

  test("a message is dropped unless the state is OPEN when its task comes [WHATWG-4-2]", async () => {
    const ws = await opened(echo);
    const lines: string[] = [];
    const done = events(ws, lines);
    ws.onmessage = () => ws.close(3001, "enough");
    ws.send("first");
    ws.send("second");
    expect(await done).toEqual(["message 1 first", "close 3 3001  clean"]);
  });

  test("binary data is a Blob or an ArrayBuffer, by the binaryType at its delivery [WHATWG-3.1-10]", async () => {
    const ws = await opened(echo);
    ws.onmessage = () => {
      ws.binaryType = "arraybuffer";
    };
    ws.send(new Uint8Array([1, 2]));
    ws.send(new Uint8Array([3]));
    const blob = (await next(ws, "message")).data;
    const buffer = (await next(ws, "message")).data;
    expect(blob).toBeInstanceOf(Blob);
    expect([blob.type, new Uint8Array(await blob.arrayBuffer())]).toEqual(["", new Uint8Array([1, 2])]);
    expect(buffer).toEqual(new Uint8Array([3]).buffer);
    await closed(ws);
  });

  test("an ArrayBuffer holds the message alone, also an empty one [WHATWG-3.1-10]", async () => {
    const ws = await opened(echo);
    ws.binaryType = "arraybuffer";
    const sizes = [0, 1, 5000, 100_000];
    for (const size of sizes) ws.send(new Uint8Array(size).fill(7));
    for (const size of sizes) {
      const { data } = await next(ws, "message");
      expect(data).toBeInstanceOf(ArrayBuffer);
      expect(data).toEqual(new Uint8Array(size).fill(7).buffer);
    }
    await closed(ws);
  });

  test("other values of binaryType are ignored [WHATWG-3.1-10]", async () => {
    const ws = new WebSocket(echo);
    const set = (value: unknown) => {
      (ws as { binaryType: unknown }).binaryType = value;
      return ws.binaryType;
    };
    expect(["arraybuffer", "Blob", "", null, undefined, "nodebuffer"].map(set)).toEqual(Array(6).fill("arraybuffer"));
    expect(set({ toString: () => "blob" })).toBe("blob");
    expect(thrown(() => set(Symbol("s")))).toBe("TypeError");
    await closed(ws);
  });

  test("handler attributes are called in their order, with the socket as `this`", async () => {
    const ws = new WebSocket(echo);
    const said: string[] = [];
    ws.addEventListener("open", () => said.push("before"));
    ws.onopen = () => said.push("replaced");
    ws.addEventListener("open", () => said.push("after"));
    ws.onopen = function () {
      said.push(`handler ${this === ws}`);
    };
    await next(ws, "open");
    expect(said).toEqual(["before", "handler true", "after"]);
    for (const name of ["onopen", "onmessage", "onerror", "onclose"] as const) {
      const handler = () => {};
      ws[name] = handler;
      expect(ws[name]).toBe(handler);
      ws[name] = null;
      expect(ws[name]).toBe(null);
    }
    await closed(ws);
  });

  test("pings are answered and never seen [WHATWG-5-1]", async () => {
    let answered = false;
    const pinging = await serve({
      port: 0,
      host: "127.0.0.1",
      routes: {
        "/": {
          open: async (connection) => {
            await connection.ping();
            answered = true;
            connection.close(1000, "done");
          },
        },
      },
    });
    const ws = new WebSocket(`ws://127.0.0.1:${pinging.port}/`);
    expect(await events(ws)).toEqual(["open 1", "close 3 1000 done clean"]);
    expect(answered).toBe(true);
    await pinging.close();
  });
});

test("a socket with a listener alone lives on, and a closed one is released [WHATWG-7-1]", async () => {
  let heard = "";
  const over: WeakRef<WebSocket>[] = [];
  await (async () => {
    const alive = await opened(echo);
    alive.onmessage = ({ data }) => {
      heard = data;
      alive.close();
    };
    setTimeout(() => void alive.send("alive"), 50);
    const ws = await opened(echo);
    over.push(new WeakRef(ws));
    await closed(ws);
  })();
  while (over[0]!.deref() !== undefined) {
    await new Promise((resolve) => setTimeout(resolve, 10));
    collectGarbage();
  }
  while (heard === "") await turns();
  expect(heard).toBe("alive");
});

test("opening handshakes with one host wait in the queue of connect [R6455-4.1-2]", async () => {
  let pending = 0;
  let most = 0;
  const raw: RawServer = await rawServer((_, socket) => {
    most = Math.max(most, ++pending);
    setTimeout(() => {
      pending--;
      socket.end("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
    }, 10);
    return undefined;
  });
  const url = `ws://127.0.0.1:${raw.port}/`;
  const all = [1, 2, 3].map(() => next(new WebSocket(url), "close"));
  await Promise.all([...all, connect(url).catch(() => {})]);
  expect(most).toBe(1);
  await raw.close();
});
