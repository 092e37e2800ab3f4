/**
 * The same programs in Chromium and in Node with our classes, against the same server: what they log must be the same.
 *
 * Where Chromium departs from the standard, or the standard leaves a choice, there is no scenario; those are tested by
 * their own: it fires no `error` when an open connection is lost, takes the close codes 0 to 999 and subprotocols that
 * differ in case only, refuses `close(undefined, reason)`, and reads bytes as `ArrayBuffer` from a `WebSocketStream`.
 *
 * @module-tag slow
 */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { CloseEvent, WebSocket, WebSocketError, WebSocketStream } from "../../src/index.ts";
import type { RawServer } from "../support/raw-server.ts";
import { describeWith } from "../support/real-parts.ts";
import { scriptedServer } from "../support/scripted-server.ts";
import { type Browser, openChromium, type Tab } from "./tabs.ts";

// From Node 23 on the runtime has a class of its own, which is used, and which makes -1 of the code -1; ours is compared.
vi.hoisted(() => Reflect.deleteProperty(globalThis, "CloseEvent"));

/** What a scenario is given; it must use nothing else but what both runtimes have. */
interface Kit {
  readonly base: string;
  readonly WebSocket: typeof WebSocket;
  readonly WebSocketStream: typeof WebSocketStream;
  readonly WebSocketError: typeof WebSocketError;
  readonly CloseEvent: typeof CloseEvent;
  log(...parts: unknown[]): void;
  /** Logs every event of a socket; resolves at its end. */
  watch(ws: WebSocket): Promise<void>;
  /** The kind of value or error that a promise comes to. */
  outcome(promise: Promise<unknown>): Promise<string>;
  thrown(act: () => unknown): string;
  sleep(ms: number): Promise<void>;
}

type Scenario = (kit: Kit) => Promise<void>;

/** The parts of the kit that are made in each runtime; given as text to the browser. */
function makeTools(lines: string[]): Pick<Kit, "log" | "watch" | "outcome" | "thrown" | "sleep"> {
  const log = (...parts: unknown[]) => void lines.push(parts.map(String).join(" "));
  return {
    log,
    watch: (ws) =>
      new Promise<void>((resolve) => {
        ws.addEventListener("open", () => log("open", ws.readyState));
        ws.addEventListener("message", ({ data }) =>
          log("message", ws.readyState, typeof data === "string" ? data : data.constructor.name),
        );
        ws.addEventListener("error", () => log("error", ws.readyState));
        ws.addEventListener("close", ({ code, reason, wasClean }) => {
          log("close", ws.readyState, code, reason, wasClean);
          resolve();
        });
      }),
    outcome: (promise) =>
      promise.then(
        (value) => `ok ${JSON.stringify(value)}`,
        (error) => `${error.constructor.name} ${error.name} ${error.closeCode} ${error.reason}`,
      ),
    thrown: (act) => {
      try {
        act();
        return "nothing";
      } catch (error) {
        return `${(error as Error).constructor.name} ${(error as Error).name}`;
      }
    },
    sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
  };
}

const scenarios: Readonly<Record<string, Scenario>> = {
  "WHATWG-4-1 an echo, from the constructor to what is sent after the end": async ({ base, WebSocket, log, watch }) => {
    const ws = new WebSocket(`${base}/echo`);
    log(ws.readyState, ws.binaryType, ws.protocol, ws.extensions, ws.bufferedAmount);
    const done = watch(ws);
    ws.onopen = () => {
      ws.send("a");
      ws.send(new Uint8Array(3));
      ws.send("\ud800é");
      log(ws.bufferedAmount);
    };
    let left = 3;
    ws.onmessage = () => {
      if (--left === 0) ws.close();
      log(ws.readyState);
    };
    await done;
    ws.send("abc");
    ws.send(new ArrayBuffer(4));
    log(ws.bufferedAmount, ws.readyState);
  },
  "WHATWG-4-4 ends": async ({ base, WebSocket, log, watch }) => {
    const paths = ["/close", "/close?code=1000", "/close?code=4000&reason=r%C3%B6bot", "/close-and-end?code=1001"];
    const broken = ["/close?code=1005", "/close?code=1006", "/bad-frame", "/bad-utf8", "/masked"];
    const refused = ["/404", "/redirect", "/200", "/wrong-accept", "/no-upgrade", "/unknown-extension", "/hang-up"];
    for (const path of [...paths, ...broken, ...refused, "/other-protocol"]) {
      log(path);
      await watch(new WebSocket(base + path));
    }
  },
  "WHATWG-4-2 messages and a Close in one chunk, with promises between": async ({ base, WebSocket, log, watch }) => {
    const ws = new WebSocket(`${base}/burst?messages=5&close&code=3000&reason=x`);
    const done = watch(ws);
    for (const type of ["open", "message", "close"] as const) {
      ws.addEventListener(type, async () => {
        for (let i = 0; i < 10; i++) await null;
        log("later", type);
      });
    }
    await done;
    await new Promise((resolve) => setTimeout(resolve, 10));
  },
  "WHATWG-4-2 close in a listener drops what follows": async ({ base, WebSocket, watch }) => {
    const ws = new WebSocket(`${base}/burst?messages=4`);
    ws.onmessage = () => ws.close(3001, "enough");
    await watch(ws);
  },
  "WHATWG-4-4 the server's answers to our Close": async ({ base, WebSocket, log, watch }) => {
    for (const path of ["/echo", "/other-close", "/end-on-close"]) {
      for (const status of [[], [undefined, undefined], [1000], [3000, "x"]]) {
        const ws = new WebSocket(base + path);
        ws.onopen = () => {
          ws.close(...(status as [number, string]));
          log(ws.readyState);
        };
        await watch(ws);
      }
    }
  },
  "WHATWG-3.1-5 close while connecting": async ({ base, WebSocket, log, watch, thrown }) => {
    const ws = new WebSocket(`${base}/slow-handshake?ms=200`);
    const done = watch(ws);
    log(thrown(() => ws.send("x")));
    ws.close();
    log(ws.readyState);
    ws.send("xyz");
    ws.close(4000);
    log(ws.bufferedAmount);
    await done;
  },
  "WHATWG-2.2-3 subprotocols": async ({ base, WebSocket, log, watch }) => {
    const offers: [string, string | string[]][] = [
      ["/echo", ["chat"]],
      ["/empty-protocol", ["chat"]],
      ["/two-protocols", ["chat", "superchat"]],
      ["/other-protocol", ["chat"]],
      ["/first-protocol", ["chat", "superchat"]],
      ["/first-protocol", "one"],
    ];
    for (const [path, protocols] of offers) {
      const ws = new WebSocket(base + path, protocols);
      ws.onopen = () => {
        log(ws.protocol);
        ws.close(1000);
      };
      await watch(ws);
      log(ws.protocol);
    }
  },
  "WHATWG-2.2-4 bad ports": async ({ WebSocket, log }) => {
    const ports = [1, 20, 22, 69, 137, 161, 554, 989, 990, 1719, 1720, 1723, 4190, 5060, 5061, 6566, 6679, 6697, 10080];
    const ends = ports.map(async (port) => {
      const ws = new WebSocket(`ws://127.0.0.1:${port}/`);
      let errors = 0;
      ws.onerror = () => void errors++;
      const { code } = await new Promise<{ code: number }>((resolve) => ws.addEventListener("close", resolve));
      return `${port} ${errors} ${code}`;
    });
    log((await Promise.all(ends)).join(", "));
  },
  "WHATWG-3.1-1 URLs": async ({ WebSocket, log, thrown }) => {
    const wrong = ["ws://127.0.0.1:1/#", "ws://127.0.0.1:1/#a", "ftp://a", "mailto:x", "ws:", "ws://a:99999"];
    const right = [
      "http://127.0.0.1:1/x",
      "HTTPS://127.0.0.1:1",
      "wss://127.0.0.1:443/a b?q=ü\ud800",
      "ws://user:pass@127.0.0.1:1/",
      "ws://127.0.0.1:080/%20",
      "ws:///127.0.0.1:1",
      "ws://[::1]:1/",
    ];
    for (const url of wrong) log(thrown(() => new WebSocket(url)));
    for (const url of right) {
      const ws = new WebSocket(url);
      log(ws.url, ws.readyState);
      ws.close();
    }
  },
  "WHATWG-3.1-2 arguments of the constructor": async ({ base, WebSocket, log, thrown }) => {
    const Any = WebSocket as unknown as new (...args: unknown[]) => WebSocket;
    const iterable = {
      *[Symbol.iterator]() {
        yield "x";
        yield "y";
      },
    };
    // An object that cannot be iterated is the options here, as in Node's own class; Chromium makes a text of it still.
    const given = [null, "", "a b", [""], ["a", "a"], "a,b", ["é"], iterable, [], 123, ["a", undefined]];
    for (const protocols of [...given, Symbol("s"), [Symbol("s")], new String("zz")]) {
      log(thrown(() => new Any(`${base}/echo`, protocols).close()));
    }
    const say = (word: string, value: string) => ({
      toString: () => {
        log(word);
        return value;
      },
    });
    log(thrown(() => new Any(say("url", "bad:"), [say("protocol", "x")])));
    log(thrown(() => new Any()));
    log(thrown(() => new Any(Symbol("s"))));
  },
  "WHATWG-3.1-4 arguments of close": async ({ base, WebSocket, log, watch, thrown }) => {
    const ws = new WebSocket(`${base}/echo`);
    const done = watch(ws);
    await new Promise((resolve) => ws.addEventListener("open", resolve));
    const codes = [
      0,
      999,
      1001,
      1005,
      2999,
      5000,
      66536,
      null,
      Number.NaN,
      "x",
      1n,
      Symbol("s"),
      Number.NEGATIVE_INFINITY,
    ];
    for (const code of codes)
      log(
        thrown(() => ws.close(code as number)),
        ws.readyState,
      );
    log(thrown(() => ws.close(1000, "x".repeat(124))));
    log(thrown(() => ws.close(1000, Symbol("s") as never)));
    ws.close("3000" as never, null as never);
    await done;
    log(thrown(() => ws.close(2)));
    log(thrown(() => ws.close(3000, "é".repeat(62))));
  },
  "WHATWG-3.1-7 arguments of send": async ({ base, WebSocket, log, thrown, sleep }) => {
    const ws = new WebSocket(`${base}/echo`);
    ws.binaryType = "arraybuffer";
    let awaited = 0;
    ws.onmessage = ({ data }) => {
      awaited--;
      log(typeof data === "string" ? data : `bytes ${[...new Uint8Array(data)]}`);
    };
    await new Promise((resolve) => ws.addEventListener("open", resolve));
    const bytes = new Uint8Array([1, 2, 3, 4, 5]);
    const views = [bytes.subarray(1, 3), new DataView(bytes.buffer, 2, 2), new Uint16Array([258]), new ArrayBuffer(0)];
    const others = [null, undefined, 1, {}, [1, 2], { toString: () => "own" }, Symbol("s"), "", () => 1, 1n];
    others.push(Object.create(Blob.prototype), Object.create(Uint8Array.prototype));
    for (const data of [...views, new Blob(["blob"]), ...others]) {
      const outcome = thrown(() => ws.send(data as string));
      if (outcome === "nothing") awaited++;
      log(outcome, ws.bufferedAmount);
    }
    log(thrown(() => (ws.send as () => void)()));
    bytes.fill(9);
    while (awaited > 0 || ws.bufferedAmount > 0) await sleep(10);
    log(ws.bufferedAmount);
    ws.close();
  },
  "WHATWG-3.1-8 bufferedAmount": async ({ base, WebSocket, log }) => {
    const ws = new WebSocket(`${base}/echo`);
    await new Promise((resolve) => ws.addEventListener("open", resolve));
    ws.send("x".repeat(50_000));
    log(ws.bufferedAmount);
    for (let i = 0; i < 10; i++) await null;
    log(ws.bufferedAmount);
    await new Promise((resolve) => ws.addEventListener("message", resolve));
    log(ws.bufferedAmount);
    ws.close();
    ws.send("yy");
    log(ws.bufferedAmount);
    await new Promise((resolve) => ws.addEventListener("close", resolve));
    log(ws.bufferedAmount);
  },
  "WHATWG-3.1-10 binaryType": async ({ base, WebSocket, log, thrown }) => {
    const ws = new WebSocket(`${base}/burst?messages=4`);
    for (const type of ["arraybuffer", "Blob", "blob", null, undefined, "", "arraybuffer "]) {
      (ws as { binaryType: unknown }).binaryType = type;
      log(ws.binaryType);
    }
    log(thrown(() => Object.assign(ws, { binaryType: Symbol("s") })));
    for (let i = 0; i < 4; i++) {
      const { data } = await new Promise<MessageEvent>((resolve) => ws.addEventListener("message", resolve));
      log(typeof data === "string" ? data : data.constructor.name);
      ws.binaryType = "arraybuffer";
    }
    ws.close();
  },
  "WHATWG-3.1-3 the shape of WebSocket": async ({ WebSocket, log, thrown }) => {
    const { prototype } = WebSocket;
    const show = (member: PropertyDescriptor) => {
      const { value, get, set, enumerable, configurable, writable } = member;
      const kind = typeof value === "function" ? `${value.name}/${value.length}` : String(value);
      return [enumerable, configurable, writable, kind, get?.name, set?.name, set?.length].join();
    };
    for (const owner of [prototype, WebSocket]) {
      const all = Object.entries(Object.getOwnPropertyDescriptors(owner)).filter(([name]) => name !== "prototype");
      for (const [name, member] of all.sort(([a], [b]) => (a < b ? -1 : 1))) log(name, show(member));
    }
    log(show(Object.getOwnPropertyDescriptor(prototype, Symbol.toStringTag)!));
    log(Object.getPrototypeOf(WebSocket) === EventTarget, Object.getPrototypeOf(prototype) === EventTarget.prototype);
    for (const { get, set, value } of Object.values(Object.getOwnPropertyDescriptors(prototype))) {
      if (get) log(thrown(() => get.call({})));
      if (set) log(thrown(() => set.call({}, "blob")));
      if (typeof value === "function") log(thrown(() => value.call({}, 999)));
    }
  },
  "WHATWG-6-1 CloseEvent": async ({ CloseEvent, log, thrown }) => {
    const inits = [undefined, null, {}, { code: 65537, reason: "r", wasClean: 1 }, { code: -1 }, { code: 1.9 }];
    for (const init of [...inits, { code: "7" }, { code: Number.NaN }, { bubbles: true, cancelable: true }]) {
      const { type, code, reason, wasClean, bubbles, cancelable } = new CloseEvent("t", init as object);
      log(type, code, reason, wasClean, bubbles, cancelable);
    }
    for (const args of [[], ["a", 1], ["a", { code: 1n }], ["a", { reason: Symbol("s") }]]) {
      log(thrown(() => new CloseEvent(...(args as [string]))));
    }
    log(CloseEvent.length, CloseEvent.name, Object.prototype.toString.call(new CloseEvent("x")));
  },
  "event handler attributes": async ({ base, WebSocket, log }) => {
    const ws = new WebSocket(`${base}/echo`);
    ws.addEventListener("open", () => log("first"));
    ws.onopen = () => log("replaced");
    ws.addEventListener("open", () => log("last"));
    ws.onopen = function (event) {
      log("handler", this === ws, event.target === ws);
    };
    for (const value of [1, "x", undefined, null]) {
      (ws as { onmessage: unknown }).onmessage = value;
      log(ws.onmessage);
    }
    const object = { handleEvent: () => log("never") };
    (ws as { onclose: unknown }).onclose = object;
    log((ws.onclose as unknown) === object);
    await new Promise((resolve) => ws.addEventListener("open", resolve));
    ws.onmessage = () => log("was first");
    ws.addEventListener("message", () => log("listener"));
    ws.onmessage = null;
    ws.onmessage = () => log("now last");
    ws.send("x");
    await new Promise((resolve) => ws.addEventListener("message", resolve));
    ws.close();
    await new Promise((resolve) => ws.addEventListener("close", resolve));
  },
  "WHATWG-WSS-1 the stream's constructor and close": async ({ base, WebSocketStream, log, thrown, outcome }) => {
    const Any = WebSocketStream as unknown as new (...args: unknown[]) => WebSocketStream;
    const given = [true, { protocols: "hi" }, { protocols: ["a b"] }, { signal: null }, { signal: {} }, null, () => 0];
    for (const options of given) log(thrown(() => new Any(`${base}/echo`, options).close()));
    log(thrown(() => new Any()));
    log(thrown(() => new Any("invalid:")));
    for (const info of [undefined, {}, { reason: "r" }, { closeCode: 3000 }, { closeCode: 4999, reason: "r" }]) {
      const wss = new WebSocketStream(`${base}/echo`);
      await wss.opened;
      for (const closeCode of [999, 1001, 2999, 5000]) log(thrown(() => wss.close({ closeCode })));
      log(thrown(() => wss.close({ reason: "x".repeat(124) })));
      log(thrown(() => wss.close(true as never)));
      wss.close(info);
      log(await outcome(wss.closed));
    }
  },
  "WHATWG-WSS-1 the stream's ends": async ({ base, WebSocketStream, log, outcome }) => {
    for (const path of ["/close?code=4000&reason=r", "/close", "/end", "/reset", "/bad-frame"]) {
      const wss = new WebSocketStream(base + path);
      const { readable, writable } = await wss.opened;
      log(path, await outcome(wss.closed));
      log(await outcome(readable.getReader().read()));
      const writer = writable.getWriter();
      log(await outcome(writer.ready), await outcome(writer.closed), await outcome(writer.write("x")));
    }
    for (const path of ["/404", "/hang-up", "/wrong-accept"]) {
      const wss = new WebSocketStream(base + path);
      log(path, await outcome(wss.opened), await outcome(wss.closed));
    }
    const early = new WebSocketStream(`${base}/slow-handshake?ms=200`);
    early.close();
    log(await outcome(early.opened), await outcome(early.closed));
  },
  "WHATWG-WSS-1 the stream's text, and what is left when it closes": async ({ base, WebSocketStream, log, sleep }) => {
    for (const close of [true, false]) {
      const wss = new WebSocketStream(`${base}/burst?messages=1${close ? "&close&code=3000" : ""}`);
      const { readable } = await wss.opened;
      await sleep(100);
      if (!close) wss.close();
      const { closeCode } = await wss.closed;
      for await (const data of readable) log(data);
      log(closeCode);
    }
  },
  "WHATWG-WSS-1 writes after and at the end": async ({ base, WebSocketStream, log, outcome }) => {
    const late = new WebSocketStream(`${base}/late-close?after=100`);
    const { writable } = await late.opened;
    late.close({ closeCode: 3000 });
    const writer = writable.getWriter();
    log(await outcome(writer.write("late")), await outcome(late.closed), await outcome(writer.write("x")));
    const wss = new WebSocketStream(`${base}/close-when-told?code=4567`);
    const open = await wss.opened;
    const big = open.writable.getWriter();
    const told = big.write("Goodbye");
    const rest = big.write(new Uint8Array(8 * 1024 * 1024));
    log(await outcome(told), await outcome(wss.closed), await outcome(rest));
    log(await outcome(open.readable.getReader().read()));
  },
  "WHATWG-WSS-1 giving a stream up": async ({ base, WebSocketStream, WebSocketError, log, outcome }) => {
    const reasons = [
      undefined,
      { closeCode: 3333 },
      new WebSocketError("", { closeCode: 3333 }),
      new WebSocketError("", { reason: "set" }),
      new DOMException("x", "AbortError"),
    ];
    for (const reason of reasons) {
      const one = new WebSocketStream(`${base}/echo`);
      await (await one.opened).readable.cancel(reason);
      const other = new WebSocketStream(`${base}/echo`);
      await (await other.opened).writable.abort(reason);
      log(await outcome(one.closed), await outcome(other.closed));
    }
  },
  "WHATWG-WSS-1 WebSocketError": async ({ WebSocketError, log, thrown }) => {
    const inits = [undefined, null, {}, { closeCode: 3000, reason: "r" }, { reason: "r" }, { closeCode: "3000" }];
    for (const init of inits) {
      const error = new WebSocketError("m", init as object);
      log(error.name, error.message, error.code, error.closeCode, error.reason, error instanceof DOMException);
    }
    for (const init of [5, { closeCode: 999 }, { closeCode: null }, { reason: "x".repeat(124) }]) {
      log(thrown(() => new WebSocketError("m", init as object)));
    }
  },
};

describeWith("chromium", "the same in Chromium and here", (executable) => {
  let server: RawServer;
  let page: Server;
  let browser: Browser;
  let tab: Tab;
  let base: string;

  beforeAll(async () => {
    server = await scriptedServer();
    base = `ws://127.0.0.1:${server.port}`;
    page = createServer((_, response) => void response.setHeader("Content-Type", "text/html").end("<!doctype html>"));
    await new Promise<void>((resolve) => page.listen(0, "127.0.0.1", resolve));
    browser = await openChromium(executable);
    tab = await browser.tab();
    await tab.goto(`http://127.0.0.1:${(page.address() as AddressInfo).port}/`);
  });

  afterAll(async () => {
    await browser.close();
    await server.close();
    page.close();
    page.closeAllConnections();
  });

  test.each(Object.entries(scenarios))("%s", async (_, scenario) => {
    const here: string[] = [];
    const classes = { WebSocket, WebSocketStream, WebSocketError, CloseEvent };
    await scenario({ base, ...classes, ...makeTools(here) });
    const there = await tab.read<string[]>(`(async () => {
      const lines = [];
      const classes = { WebSocket, WebSocketStream, WebSocketError, CloseEvent };
      await (${scenario})({ base: ${JSON.stringify(base)}, ...classes, ...(${makeTools})(lines) });
      return lines;
    })()`);
    expect(here.length).toBeGreaterThan(0);
    expect(here).toEqual(there);
  });
});
