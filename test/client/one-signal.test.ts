/** One AbortSignal for all sockets of a process: it gives each handshake up, and keeps nothing of closed sockets. */
import { getEventListeners, once } from "node:events";
import { connect as netConnect, type Socket } from "node:net";
import { queryObjects } from "node:v8";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import {
  type CookieJar,
  connect,
  type Server,
  serve,
  WebSocket,
  type WebSocketOptions,
  WebSocketStream,
} from "../../src/index.ts";
import { collectGarbage } from "../support/collect-garbage.ts";
import { until } from "../support/connection-pair.ts";
import { leavesNothing } from "../support/leaves-nothing.ts";
import { acceptance, type RawServer, rawServer } from "../support/raw-server.ts";

let server: Server;
let silent: RawServer;
const warnings: Error[] = [];
const note = (warning: Error) => void warnings.push(warning);

leavesNothing();
beforeAll(async () => {
  process.on("warning", note);
  server = await serve({ port: 0, host: "127.0.0.1", routes: { "/": {} } });
  silent = await rawServer((request) => {
    if (request.target === "/half") return "HTTP/1.1 403 No\r\nSet-Cookie: a=b\r\nContent-Length: 9\r\n\r\nhalf";
    return request.target === "/good" ? acceptance(request) : undefined;
  });
});
afterEach(() => {
  for (const socket of silent.sockets) socket.destroy();
  expect(warnings.filter(({ name }) => name === "MaxListenersExceededWarning")).toEqual([]);
});
afterAll(async () => {
  process.off("warning", note);
  await server.close();
  await silent.close();
});

/** The number of weak references after a collection: a signal holds each signal that depends on it by one. */
async function weakReferences(): Promise<number> {
  for (let round = 0; round < 3; round++) {
    collectGarbage();
    await new Promise((resolve) => setImmediate(resolve));
  }
  return queryObjects(WeakRef, { format: "count" });
}

const never = new Promise<never>(() => {});

/** A function whose promise never settles. */
function stopping(reached: () => void): () => Promise<never> {
  return () => {
    reached();
    return never;
  };
}

/** A cookie jar whose methods wait for the given promises. */
function jar(cookies: "" | (() => Promise<never>), setCookie: () => unknown = () => undefined): CookieJar {
  return { getCookieString: () => (cookies === "" ? "" : cookies()), setCookie };
}

/** Connects, and calls back when the server has received the first bytes. */
function arrived(reached: () => void): () => Socket {
  return () => {
    const known = new Set(silent.sockets);
    void until(() => [...silent.sockets].some((socket) => !known.has(socket) && socket.bytesRead > 0)).then(reached);
    return netConnect(silent.port, "127.0.0.1");
  };
}

/** Opens and closes a connection; rejects with the signal's reason when it is given up. */
type Cycle = (url: string, options: WebSocketOptions) => Promise<unknown>;

const ways: Record<string, Cycle> = {
  connect: async (url, options) => {
    const connection = await connect(url, options);
    connection.close();
    return connection.closed;
  },
  WebSocket: async (url, options) => {
    const ws = new WebSocket(url, options);
    let failure: unknown;
    ws.onopen = () => ws.close();
    ws.onerror = ({ error }) => {
      failure = error;
    };
    await once(ws as unknown as EventTarget, "close");
    if (failure !== undefined) throw failure;
  },
  WebSocketStream: async (url, options) => {
    const wss = new WebSocketStream(url, options);
    await wss.opened;
    wss.close();
    return wss.closed;
  },
};

describe.each(Object.entries(ways))("%s", (_, cycle) => {
  it("leaves nothing with the signal, for sockets that opened and for others", async () => {
    const { signal } = new AbortController();
    const url = `ws://127.0.0.1:${server.port}`;
    const some = async () => {
      for (let i = 0; i < 40; i++) await cycle(`${url}/`, { signal });
      for (let i = 0; i < 40; i++) await cycle(`${url}/unknown`, { signal }).catch(() => {});
    };
    await some();
    const before = await weakReferences();
    await some();
    expect((await weakReferences()) - before).toBeLessThan(20);
    expect(getEventListeners(signal, "abort")).toEqual([]);
  });

  it("is given up with many others at once, by one listener", async () => {
    const abort = new AbortController();
    const before = silent.requests.length;
    const options = { signal: abort.signal, serialize: false };
    const pending = Array.from({ length: 40 }, () => cycle(`ws://127.0.0.1:${silent.port}/`, options));
    const settled = Promise.allSettled(pending);
    await until(() => silent.requests.length === before + 40);
    expect(getEventListeners(abort.signal, "abort")).toHaveLength(1);
    abort.abort("enough");
    expect(await settled).toEqual(pending.map(() => ({ status: "rejected", reason: "enough" })));
    expect(getEventListeners(abort.signal, "abort")).toEqual([]);
  });

  it.each<[string, (reached: () => void) => WebSocketOptions, string?]>([
    ["while a proxy is chosen", (reached) => ({ proxy: stopping(reached) })],
    ["while createConnection works", (reached) => ({ createConnection: stopping(reached) })],
    ["before the request, in the cookie jar", (reached) => ({ cookieJar: jar(stopping(reached)) })],
    ["in the cookie jar behind the response", (reached) => ({ cookieJar: jar("", stopping(reached)) }), "/half"],
    ["while a refusal's body comes", (reached) => ({ cookieJar: jar("", () => setImmediate(reached)) }), "/half"],
    ["in its own upgrade", (reached) => ({ upgrade: reached }), "/good"],
    ["while TLS begins", (reached) => ({ createConnection: arrived(reached) }), "wss"],
    ["while the response is awaited", (reached) => ({ createConnection: arrived(reached) })],
    ["while the proxy is awaited", (reached) => ({ proxy: "http://a.test", createConnection: arrived(reached) })],
  ])("rejects with the signal's reason %s, and leaves nothing", async (_, options, target = "/") => {
    const abort = new AbortController();
    const scheme = target === "wss" ? "wss" : "ws";
    const url = `${scheme}://127.0.0.1:${silent.port}${target === "wss" ? "/" : target}`;
    const all = { ...options(() => abort.abort("enough")), signal: abort.signal, serialize: false };
    await expect(cycle(url, all)).rejects.toBe("enough");
    expect(getEventListeners(abort.signal, "abort")).toEqual([]);
  });

  it("rejects with the signal's reason while it waits in the queue", async () => {
    const [first, second] = [new AbortController(), new AbortController()];
    const url = `ws://127.0.0.1:${silent.port}/`;
    const before = silent.requests.length;
    const ahead = cycle(url, { signal: first.signal });
    await until(() => silent.requests.length === before + 1);
    const behind = cycle(url, { signal: second.signal });
    second.abort("enough");
    await expect(behind).rejects.toBe("enough");
    first.abort("first");
    await expect(ahead).rejects.toBe("first");
  });

  it("rejects at once for a signal that has aborted, and connects to nothing", async () => {
    const accepted = silent.accepted;
    const signal = AbortSignal.abort("enough");
    await expect(cycle(`ws://127.0.0.1:${silent.port}/`, { signal })).rejects.toBe("enough");
    expect(silent.accepted).toBe(accepted);
  });
});
