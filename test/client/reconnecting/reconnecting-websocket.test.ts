import { once } from "node:events";
import { describe, expect, test } from "vitest";
import { ReconnectingWebSocket } from "../../../src/client/reconnecting/reconnecting-websocket.ts";
import { WebSocket } from "../../../src/client/whatwg/websocket.ts";
import type {
  ReconnectingCloseEvent,
  ReconnectingErrorEvent,
} from "../../../src/reconnecting/reconnecting-websocket.ts";
import { serve } from "../../../src/server/server.ts";
import { numberedServer, resumeStub } from "../../reconnecting/numbered-server.ts";
import { randomFrom } from "../../reconnecting/simulation.ts";
import { afterwards, serving } from "../../support/serving.ts";

/** Short waits, for servers that are back at once. */
const soon = { firstDelay: 5, maxDelay: 20 };

function made(...args: ConstructorParameters<typeof ReconnectingWebSocket>): ReconnectingWebSocket {
  const socket = new ReconnectingWebSocket(...args);
  afterwards(() => socket.close());
  return socket;
}

test("comes back to a server that was restarted on its port, and sends what was queued meanwhile", async () => {
  const echo = {
    "/": { message: (connection: { send(data: string): unknown }, data: unknown) => void connection.send(`${data}`) },
  };
  const first = await serve({ host: "127.0.0.1", port: 0, routes: echo });
  const { port } = first;
  const socket = made(`ws://127.0.0.1:${port}/`, [], { reconnect: soon });
  await once(socket, "open");
  const closed = once(socket, "close");
  const stopped = first.close();
  for (const connection of first.connections) connection.terminate();
  await stopped;
  const [{ final }] = (await closed) as [ReconnectingCloseEvent];
  expect(final).toBe(false);
  expect(socket.send("queued")).toBe(true);
  const message = once(socket, "message");
  await serving({ port, routes: echo });
  const [{ data }] = (await message) as [MessageEvent];
  expect(data).toBe("queued");
});

test("what the server answers is told, and 403 is the end", async () => {
  const server = await serving({ port: 0, routes: { "/": { upgrade: () => new Response("no", { status: 403 }) } } });
  const socket = made(`ws://127.0.0.1:${server.port}/`, [], { reconnect: soon });
  const closed = once(socket, "close");
  const [{ error }] = (await once(socket, "error")) as [ReconnectingErrorEvent];
  expect(error).toMatchObject({ name: "HandshakeError", status: 403 });
  const [event] = (await closed) as [ReconnectingCloseEvent];
  expect(event).toMatchObject({ code: 1006, final: true });
});

test("404 before the first connection is the end, and after it is not", async () => {
  let there = false;
  const upgrade = () => (there ? {} : new Response("", { status: 404 }));
  const server = await serving({ port: 0, routes: { "/": { upgrade } } });
  const url = `ws://127.0.0.1:${server.port}/`;
  const [{ final }] = (await once(made(url, [], { reconnect: soon }), "close")) as [ReconnectingCloseEvent];
  expect(final).toBe(true);
  there = true;
  const socket = made(url, [], { reconnect: soon });
  await once(socket, "open");
  there = false;
  for (const connection of server.connections) connection.terminate();
  await once(socket, "error");
  there = true;
  await once(socket, "open");
});

test.each([429, 503])("Retry-After of %i is heeded", async (status) => {
  const refused = () => new Response("", { status, headers: { "Retry-After": "120" } });
  const server = await serving({ port: 0, routes: { "/": { upgrade: refused } } });
  const socket = made(`ws://127.0.0.1:${server.port}/`, [], { reconnect: soon });
  await once(socket, "error");
  expect(socket.state).toBe("waiting");
  expect(socket.retryAt - Date.now()).toBeGreaterThan(115_000);
  expect(socket.retryAt - Date.now()).toBeLessThanOrEqual(240_000);
});

test("the options of each WebSocket may be provided: a refused token is renewed once", async () => {
  const seen: (string | undefined)[] = [];
  const server = await serving({
    port: 0,
    routes: {
      "/": {
        upgrade: ({ request }) => {
          seen.push(request.headers.authorization);
          return seen.length > 1 ? {} : new Response("", { status: 401 });
        },
      },
    },
  });
  const statuses: unknown[] = [];
  const socket = made(`ws://127.0.0.1:${server.port}/`, [], {
    reconnect: soon,
    socket: async ({ number, last }) => {
      statuses.push(last?.status);
      return { headers: { Authorization: `token ${number}` } };
    },
  });
  await once(socket, "open");
  expect(seen).toEqual(["token 1", "token 2"]);
  expect(statuses).toEqual([undefined, 401]);
});

test("401 without a provider is the end at once", async () => {
  const server = await serving({ port: 0, routes: { "/": { upgrade: () => new Response("", { status: 401 }) } } });
  const [{ final }] = (await once(made(`ws://127.0.0.1:${server.port}/`), "close")) as [ReconnectingCloseEvent];
  expect(final).toBe(true);
});

test("a server that accepts nothing meets the time of an attempt, not that of a handshake", async () => {
  const server = await serving({ port: 0, routes: { "/": { upgrade: () => new Promise(() => {}) } } });
  const socket = made(`ws://127.0.0.1:${server.port}/`, [], { reconnect: { ...soon, handshakeTimeout: 50 } });
  const [{ message }] = (await once(socket, "error")) as [ReconnectingErrorEvent];
  expect(message).toBe("Cannot connect: it took longer than 50 ms");
});

test("the class of the option WebSocket is used, with the arguments of our own", async () => {
  const server = await serving({ port: 0, routes: { "/": { subprotocols: ["chat"] } } });
  const given: unknown[][] = [];
  class Own extends WebSocket {
    constructor(...args: [url: string | URL, protocols: string[]]) {
      super(...args);
      given.push(args);
    }
  }
  const socket = made(`http://127.0.0.1:${server.port}/`, "chat", {
    WebSocket: Own,
    socket: { headers: { "X-A": "b" } },
  });
  await once(socket, "open");
  expect(socket.protocol).toBe("chat");
  const options = { handshakeTimeout: Number.POSITIVE_INFINITY, headers: { "X-A": "b" } };
  expect(given).toEqual([[`ws://127.0.0.1:${server.port}/`, ["chat"], options]]);
});

describe("options", () => {
  const url = "ws://127.0.0.1:1/";
  test.each([
    [{ reconnect: { firstdelay: 1 } }, 'there is no option "firstdelay"; did you mean "firstDelay"?'],
    [{ reconnect: { maxRetries: 1 } }, 'there is no option "maxRetries"; the option is "maxAttempts"'],
    [{ maxRetries: 1 }, 'there is no option "maxRetries"; in reconnect, the option is "maxAttempts"'],
    [{ reconnect: { firstDelay: "1" } }, 'the option "firstDelay" must be a number'],
    [{ reconnect: { firstDelay: 0 } }, "firstDelay must be at least 1"],
    [{ reconnect: { shouldReconnect: true } }, 'the option "shouldReconnect" must be a function'],
    [{ queue: true }, "the options must be an object"],
    [{ queue: { size: 1 } }, 'there is no option "size"'],
    [{ queue: { overflow: "drop" } }, 'overflow must be "refuse" or "drop-oldest", not "drop"'],
    [{ heartbeat: { every: 1 } }, 'there is no option "every"'],
    [{ socket: { onmessage: () => {} } }, 'there is no option "onmessage"'],
    [{ socket: { tls: { ca: "ca.pem" } } }, "ca"],
    [{ prepare: "login" }, 'the option "prepare" must be a function'],
  ])("%j throw at once", (options, sentence) => {
    expect(() => new ReconnectingWebSocket(url, [], options as object)).toThrow(sentence);
  });

  test.each([["a b"], [""], [["a", "A"]], [["a", "a"]], [["a", "b,c"]]])(
    "subprotocols that no WebSocket takes throw at once: %j",
    (protocols) => {
      const thrown = expect.objectContaining({ name: "SyntaxError" });
      expect(() => new ReconnectingWebSocket(url, protocols)).toThrow(thrown);
      expect(() => new WebSocket(url, protocols)).toThrow(thrown);
    },
  );

  test("that are right do not", () => {
    const all = {
      reconnect: { firstDelay: 1, factor: 1, maxDelay: 1, stableAfter: 1, handshakeTimeout: 1, maxAttempts: 1 },
      queue: { maxSize: 1, maxAge: 1, overflow: "drop-oldest" },
      heartbeat: { message: "a", reply: "b", interval: 1, timeout: 1 },
      prepare: () => {},
      resume: { attempt() {}, offer: () => [], first() {}, receive: (data: unknown) => data },
      WebSocket,
      socket: { headers: {} },
    } as const;
    expect(() => new ReconnectingWebSocket(url, [], { ...all, signal: AbortSignal.abort() })).not.toThrow();
    expect(() => new ReconnectingWebSocket(url, [], { queue: false, signal: AbortSignal.abort() })).not.toThrow();
  });
});

test("resuming loses nothing, and doubles nothing, over 200 kills at random moments", {
  timeout: 120_000,
}, async () => {
  const server = await numberedServer();
  const resume = resumeStub();
  const socket = made(server.url, [], { reconnect: { firstDelay: 2, maxDelay: 4 }, resume });
  const got: number[] = [];
  const errors: unknown[] = [];
  let connections = 0;
  socket.onopen = () => void connections++;
  socket.onmessage = ({ data }) => void got.push(Number(data));
  socket.onerror = ({ error, message }) => void (/Expected/.test(message) && errors.push(error));
  const random = randomFrom(17);
  let sent = 0;
  let kills = 0;
  while (kills < 200) {
    for (let burst = random() * 20; burst > 0; burst--) server.publish(String(sent++));
    if (random() < 0.5) {
      server.kill();
      kills++;
    }
    await new Promise((resolve) => setTimeout(resolve, random() * 8));
  }
  while (got.length < sent) await new Promise((resolve) => setTimeout(resolve, 5));
  expect(got).toEqual(Array.from({ length: sent }, (_, index) => index));
  expect(errors).toEqual([]);
  expect(connections).toBeGreaterThan(50);
});
