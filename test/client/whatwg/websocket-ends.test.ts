/** `WebSocket` against servers that behave in every way, right and wrong: its end, and its events about it. */
import { once } from "node:events";
import { createServer } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { HandshakeError, ProtocolError, WebSocket, type WebSocketOptions } from "../../../src/index.ts";
import { type Certificates, makeCertificates } from "../../support/certificates.ts";
import { acceptance, type RawServer, rawServer } from "../../support/raw-server.ts";
import { scriptedServer } from "../../support/scripted-server.ts";
import { byteByByte, events, next } from "../../support/websocket-log.ts";
import { buildFrame, readFrames } from "../../support/wire.ts";

let server: RawServer;
let base: string;
const options: [cut: string, options: WebSocketOptions][] = [
  ["whole", {}],
  ["byte by byte", { createConnection: byteByByte }],
];

beforeAll(async () => {
  server = await scriptedServer();
  base = `ws://127.0.0.1:${server.port}`;
});

afterAll(() => server.close());

/** The events of a connection until its end, and the `error` of its error event. */
async function run(path: string, given: WebSocketOptions = {}, act?: (ws: WebSocket) => void) {
  const ws = new WebSocket(path.startsWith("/") ? base + path : path, [], given);
  let error: unknown;
  ws.onerror = (event) => {
    error = event.error;
    expect([event.type, event.bubbles, event.message]).toEqual(["error", false, (event.error as Error).message]);
  };
  act?.(ws);
  return { lines: await events(ws), error };
}

const failed = ["error 3", "close 3 1006  unclean"];

describe.each(options)("%s", (_, given) => {
  test.each([
    ["/close", "1005 "],
    ["/close?code=1000", "1000 "],
    ["/close?code=1001&reason=going", "1001 going"],
    ["/close?code=4000&reason=r%C3%B6bot", "4000 röbot"],
    ["/close-and-end?code=3000&reason=x", "3000 x"],
    ["/close?code=1011&reason=%EF%BB%BFbom", "1011 \ufeffbom"],
  ])("the server closes: %s [WHATWG-4-3 WHATWG-4-4]", async (path, status) => {
    const { lines, error } = await run(path, given);
    expect(lines).toEqual(["open 1", `close 3 ${status} clean`]);
    expect(error).toBe(undefined);
  });

  test("messages before the server's Close are delivered, and may be answered [WHATWG-4-3]", async () => {
    const states: number[] = [];
    const { lines } = await run("/burst?messages=4&close&code=3000", given, (ws) => {
      ws.onmessage = () => {
        ws.send("reply");
        states.push(ws.readyState);
      };
    });
    const [open, ...rest] = lines;
    expect(open).toBe("open 1");
    expect(rest).toEqual(["message 1 0", "message 1 Blob", "message 1 2", "message 1 Blob", "close 3 3000  clean"]);
    expect(states).toEqual([1, 1, 1, 1]);
  });

  test("the state is CLOSING between the server's Close and the end [WHATWG-4-3]", async () => {
    const states = new Set<number>();
    const { lines } = await run("/close-when-told?code=1000", given, (ws) => {
      const look = setInterval(() => states.add(ws.readyState));
      ws.onopen = () => ws.send("close, please");
      ws.onclose = () => clearInterval(look);
    });
    expect(lines.at(-1)).toBe("close 3 1000  clean");
    expect([...states].sort()).not.toContain(3);
  });

  test("the server answers our Close with a code of its own [WHATWG-4-4]", async () => {
    const { lines } = await run("/other-close", given, (ws) => {
      ws.onopen = () => ws.close(3000, "ours");
    });
    expect(lines).toEqual(["open 2", "close 3 4222 remote clean"]);
  });

  test("an end of the server in place of its Close is unclean, and not an error [WHATWG-4-4]", async () => {
    const { lines, error } = await run("/end-on-close", given, (ws) => {
      ws.onopen = () => ws.close(3000, "ours");
    });
    expect(lines).toEqual(["open 2", "close 3 1006  unclean"]);
    expect(error).toBe(undefined);
  });

  test.each([
    ["/end", /without a Close frame/],
    ["/reset", /ECONNRESET|without a Close frame|reset/i],
  ])("the transport is lost: %s [WHATWG-4-5]", async (path, message) => {
    const { lines, error } = await run(path, given);
    expect(lines).toEqual(["open 1", ...failed]);
    expect((error as Error).message).toMatch(message);
  });

  test.each([
    ["/bad-frame", "reserved-opcode", ["open 1", "message 1 before", ...failed]],
    ["/bad-utf8", "text-not-utf8", ["open 1", ...failed]],
    ["/masked", "masked-frame", ["open 1", ...failed]],
    ["/close?code=1005", "close-code-invalid", ["open 1", ...failed]],
    ["/close?code=999", "close-code-invalid", ["open 1", ...failed]],
  ])("the server breaks a rule: %s [WHATWG-4-4 WHATWG-4-5]", async (path, violation, expected) => {
    const { lines, error } = await run(path, given);
    expect(lines).toEqual(expected);
    expect(error).toBeInstanceOf(ProtocolError);
    expect((error as ProtocolError).violation).toBe(violation);
  });

  test.each([
    ["/404", "status-not-101"],
    ["/200", "status-not-101"],
    ["/redirect", "status-not-101"],
    ["/wrong-accept", "wrong-accept"],
    ["/no-upgrade", "wrong-response-upgrade"],
    ["/unknown-extension", "unexpected-extension"],
    ["/other-protocol", "unexpected-subprotocol"],
    ["/hang-up", "ended-early"],
  ])("the handshake fails: %s [WHATWG-2.2-1 WHATWG-2.2-3 WHATWG-4-5]", async (path, rule) => {
    const { lines, error } = await run(path, given);
    expect(lines).toEqual(failed);
    expect(error).toBeInstanceOf(HandshakeError);
    expect((error as HandshakeError).rule).toBe(rule);
  });

  test.each([
    ["/echo", ["chat"], "missing-response-subprotocol"],
    ["/empty-protocol", ["chat"], undefined],
    ["/two-protocols", ["chat", "superchat"], "duplicate-response-subprotocol"],
    ["/other-protocol", ["chat"], "unexpected-subprotocol"],
  ])("with subprotocols offered, %s fails [WHATWG-2.2-3]", async (path, protocols, rule) => {
    const ws = new WebSocket(base + path, protocols, given);
    const error = next(ws, "error");
    expect(await events(ws)).toEqual(failed);
    expect(ws.protocol).toBe("");
    const { error: cause } = await error;
    expect(cause).toBeInstanceOf(HandshakeError);
    if (rule) expect((cause as HandshakeError).rule).toBe(rule);
  });
});

test("an offered subprotocol that the server chooses is the connection's [WHATWG-2.2-3]", async () => {
  const ws = new WebSocket(`${base}/first-protocol`, ["superchat", "chat"]);
  await next(ws, "open");
  expect(ws.protocol).toBe("superchat");
  const end = next(ws, "close");
  ws.close();
  await end;
});

test("a redirect is not followed [WHATWG-2.2-1]", async () => {
  const before = server.requests.length;
  await run("/redirect");
  expect(server.requests.slice(before).map((request) => request.target)).toEqual(["/redirect"]);
});

test("the request has no Origin, no Cookie and no Referer, and the fields of the options [WHATWG-2.2-1]", async () => {
  await run("/404", { headers: { "X-Token": "secret" } });
  const request = server.requests.at(-1)!;
  expect(["origin", "cookie", "referer"].flatMap((name) => request.values(name))).toEqual([]);
  expect(request.values("x-token")).toEqual(["secret"]);
});

test("where the runtime has a location, its origin is the request's, unless the options say another", async () => {
  const runtime = globalThis as { location?: { href: string; origin: string } };
  runtime.location = { href: "http://page.test/x", origin: "http://page.test" };
  try {
    await run("/404");
    expect(server.requests.at(-1)!.values("origin")).toEqual(["http://page.test"]);
    await run("/404", { origin: "http://other.test" });
    expect(server.requests.at(-1)!.values("origin")).toEqual(["http://other.test"]);
  } finally {
    delete runtime.location;
  }
});

test("the error of a refused handshake has the status, the header fields and the beginning of the body", async () => {
  const { error } = await run("/404");
  const refused = error as HandshakeError;
  expect(refused.status).toBe(404);
  expect(refused.headers).toEqual(expect.arrayContaining(["X-Why", "lost"]));
  expect(Buffer.from(refused.body).toString()).toBe("gone");
});

test("all failures look alike except for the error that Node adds to the event [WHATWG-4-5]", async () => {
  const certificates: Certificates = makeCertificates();
  const secure = await rawServer((request) => acceptance(request), { tls: certificates.selfSigned });
  const unused = createServer().listen(0, "127.0.0.1");
  await once(unused, "listening");
  const { port } = unused.address() as { port: number };
  unused.close();
  await once(unused, "close");
  const silent = `wss://127.0.0.1:${server.port}/echo`;
  const urls = [
    `ws://127.0.0.1:${port}/`,
    "ws://name.invalid/",
    `wss://127.0.0.1:${secure.port}/`,
    silent,
    `${base}/404`,
    `${base}/wrong-accept`,
    `${base}/hang-up`,
    "ws://127.0.0.1:22/",
  ];
  const rules: string[] = [];
  for (const url of urls) {
    // A server that speaks no TLS waits for more, and only the time ends that.
    const { lines, error } = await run(url, url === silent ? { handshakeTimeout: 200 } : {});
    expect(lines).toEqual(failed);
    rules.push((error as HandshakeError).rule);
  }
  expect(new Set(rules).size).toBeGreaterThan(4);
  await secure.close();
  certificates.remove();
});

test("wss goes over TLS, with the authorities that the options name [WHATWG-2.2-1]", async () => {
  const certificates = makeCertificates();
  const secure = await rawServer(
    (request) => Buffer.concat([Buffer.from(acceptance(request)), buildFrame({ opcode: 1, payload: request.target })]),
    { tls: certificates.server },
  );
  const ws = new WebSocket(`https://localhost:${secure.port}/secret`, [], { tls: { ca: certificates.ca } });
  const { data, origin } = await next(ws, "message");
  expect([ws.url, data, origin]).toEqual([
    `wss://localhost:${secure.port}/secret`,
    "/secret",
    `wss://localhost:${secure.port}`,
  ]);
  const end = next(ws, "close");
  for (const socket of secure.sockets) socket.destroy();
  expect((await end).code).toBe(1006);
  await secure.close();
  certificates.remove();
});

test.each(["ws", "wss"])(
  "%s: the last message is answered though the server ended its side behind it",
  async (scheme) => {
    const certificates = makeCertificates();
    let answered = "";
    const listener = await rawServer(
      (request, socket) => {
        let received = Buffer.alloc(0);
        socket.on("data", (chunk: Buffer) => {
          received = Buffer.concat([received, chunk]);
        });
        socket.on("end", () => {
          answered = readFrames(received)
            .map(({ payload }) => payload.toString())
            .join();
        });
        socket.end(Buffer.concat([Buffer.from(acceptance(request)), buildFrame({ opcode: 1, payload: "a question" })]));
        return undefined;
      },
      scheme === "wss" ? { tls: certificates.server } : {},
    );
    const ws = new WebSocket(`${scheme}://localhost:${listener.port}/`, [], { tls: { ca: certificates.ca } });
    ws.onmessage = () => ws.send("an answer");
    const lines = await events(ws);
    expect(lines).toEqual(["open 1", "message 1 a question", ...failed]);
    await expect.poll(() => answered, { timeout: 30_000 }).toBe("an answer");
    const { bufferedAmount } = ws;
    ws.send("too late");
    expect([bufferedAmount, ws.bufferedAmount]).toEqual([0, 8]);
    await listener.close();
    certificates.remove();
  },
);

test("messages that came before the server broke a rule are all delivered, though the first is answered", async () => {
  const payloads = ["one", "two", "three"];
  const listener = await rawServer((request) => {
    const frames = payloads.map((payload) => buildFrame({ opcode: 1, payload }));
    return Buffer.concat([Buffer.from(acceptance(request)), ...frames, buildFrame({ opcode: 3, payload: "" })]);
  });
  const ws = new WebSocket(`ws://127.0.0.1:${listener.port}/`);
  const messages: string[] = [];
  ws.addEventListener("message", ({ data }) => {
    messages.push(data as string);
    ws.send("four");
  });
  await events(ws);
  expect(messages).toEqual(payloads);
  expect(ws.bufferedAmount).toBe(12);
  await listener.close();
});

test("bytes sent between the server's end and the close event stay in bufferedAmount", async () => {
  const ws = new WebSocket(`${base}/end`);
  ws.onerror = () => {};
  ws.onopen = function send() {
    if (ws.readyState !== 1) return;
    ws.send("four");
    setImmediate(send);
  };
  await events(ws);
  expect(ws.bufferedAmount).toBeGreaterThanOrEqual(4);
});

test("a port on Fetch's list is not connected to, and fails later with 1006 [WHATWG-2.2-4]", async () => {
  for (const port of [1, 22, 25, 6000, 6667, 10080]) {
    const ws = new WebSocket(`ws://127.0.0.1:${port}/`);
    const lines: string[] = [];
    const done = events(ws, lines);
    const error = next(ws, "error");
    expect([ws.readyState, lines]).toEqual([0, []]);
    expect(await done).toEqual(failed);
    expect((await error).message).toContain(`port ${port}`);
  }
});

test("the options' signal gives a handshake up, and leaves an open connection alone", async () => {
  const controller = new AbortController();
  const reason = new Error("no longer wanted");
  const pending = run("/slow-handshake?ms=5000", { signal: controller.signal });
  controller.abort(reason);
  const { lines, error } = await pending;
  expect(lines).toEqual(failed);
  expect(error).toBe(reason);
  const late = new AbortController();
  const ws = new WebSocket(`${base}/echo`, [], { signal: late.signal });
  await next(ws, "open");
  late.abort();
  ws.send("still here");
  expect((await next(ws, "message")).data).toBe("still here");
  const end = next(ws, "close");
  ws.close();
  expect((await end).wasClean).toBe(true);
});

test("an exception of a listener ends neither the connection nor the other listeners", async () => {
  const thrown: unknown[] = [];
  const catchAll = (error: unknown) => void thrown.push(error);
  const others = process.listeners("uncaughtException");
  process.removeAllListeners("uncaughtException");
  process.on("uncaughtException", catchAll);
  try {
    const { lines } = await run("/burst?messages=2&close&code=1000", {}, (ws) => {
      ws.onmessage = () => {
        throw new Error("mine");
      };
    });
    expect(lines).toEqual(["open 1", "message 1 0", "message 1 Blob", "close 3 1000  clean"]);
    expect(thrown.map((error) => (error as Error).message)).toEqual(["mine", "mine"]);
  } finally {
    process.off("uncaughtException", catchAll);
    for (const listener of others) process.on("uncaughtException", listener);
  }
});

test("the unsent bytes of a lost connection stay counted [WHATWG-3.1-8]", async () => {
  const ws = new WebSocket(`${base}/never-reads`);
  await next(ws, "open");
  const end = next(ws, "close");
  ws.send(new Uint8Array(32 * 1024 * 1024));
  await new Promise((resolve) => setTimeout(resolve, 100));
  const stalled = ws.bufferedAmount;
  expect(stalled).toBeGreaterThan(0);
  for (const socket of server.sockets) socket.resetAndDestroy();
  expect((await end).code).toBe(1006);
  expect(ws.bufferedAmount).toBeGreaterThan(0);
  const left = ws.bufferedAmount;
  ws.send("12345");
  expect(ws.bufferedAmount).toBe(left + 5);
});
