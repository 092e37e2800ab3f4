/**
 * Every public name that takes something, with every kind of value: a documented error, or what was asked for. Nothing is
 * thrown outside of the call, nothing stays open, and a `WebSocket` sends what Web IDL makes of its argument (D10, D12).
 */
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import {
  accept,
  type Connection,
  closedWith,
  connect,
  cookiesOf,
  HandshakeError,
  isWebSocketUpgrade,
  PreparedMessage,
  prometheusText,
  ReconnectingWebSocket,
  reconnecting,
  refuse,
  route,
  type Server,
  type ServerConnection,
  serve,
  subprotocolsOf,
  Topics,
  WebSocket,
  WebSocketError,
  WebSocketStream,
} from "../../src/index.ts";
import { json } from "../../src/json/json.ts";
import {
  anyValues,
  Hostile,
  type Meaning,
  payloadOf,
  poisonMemory,
  scribble,
  webIdlOf,
} from "../support/any-values.ts";
import { eventually, inParallel } from "../support/injection.ts";
import { leavesNothing } from "../support/leaves-nothing.ts";
import { closeStatus, RawPeer } from "../support/raw-peer.ts";
import { acceptance, type RawServer, rawServer } from "../support/raw-server.ts";
import { readFrames } from "../support/wire.ts";

vi.spyOn(console, "error").mockImplementation(() => {});
leavesNothing({ complains: true });
const peers: RawPeer[] = [];
let raw: RawServer;
let server: Server;
let accepted: ServerConnection | undefined;

beforeAll(async () => {
  raw = await rawServer((request, socket) => {
    peers.push(new RawPeer(socket, "server"));
    return acceptance(request);
  });
  server = await serve({
    host: "127.0.0.1",
    routes: {
      "/": {
        open: (connection) => {
          accepted = connection;
        },
      },
    },
  });
});
afterAll(async () => {
  await server.close();
  await raw.close();
});

/** What a call threw, or gave. */
async function outcomeOf(call: () => unknown): Promise<{ threw?: unknown; gave?: unknown }> {
  try {
    return { gave: await call() };
  } catch (threw) {
    return { threw };
  }
}

/** An error that is documented somewhere, or the caller's own. */
function isDocumented(error: unknown): boolean {
  const known = [TypeError, RangeError, DOMException, HandshakeError, Hostile];
  return known.some((Known) => error instanceof Known);
}

const anything = { "~standard": { version: 1, vendor: "test", validate: (value: unknown) => ({ value }) } } as const;

/** All but what only Web IDL itself could tell from a Blob. */
const honest = anyValues.filter(({ name }) => !/gives a number/.test(name));

async function opened(): Promise<[WebSocket, RawPeer]> {
  const socket = new WebSocket(`ws://127.0.0.1:${raw.port}/`, [], { compression: false, serialize: false });
  await eventually(
    () => socket.readyState === 1,
    () => "a WebSocket",
  );
  return [socket, peers.at(-1)!];
}

/** Lets a peer answer the Close that comes, and returns all frames. */
async function framesOf(peer: RawPeer, socket: WebSocket) {
  await peer.until(() => {
    try {
      return readFrames(peer.received).at(-1)?.opcode === 8;
    } catch {
      return false;
    }
  });
  peer.close(1000);
  peer.end();
  await eventually(
    () => socket.readyState === 3,
    () => "the end",
  );
  return readFrames(peer.received);
}

describe("WebSocket", () => {
  test("D10, D12: send sends what Web IDL makes of it, or throws", async () => {
    poisonMemory();
    const [socket, peer] = await opened();
    const expected: Meaning[] = [];
    for (const value of honest) {
      const data = value.make();
      const { threw } = await outcomeOf(() => socket.send(data as never));
      scribble(data);
      const meaning = webIdlOf(value);
      if (typeof meaning === "string") expect(isDocumented(threw), `${value.name}: ${threw}`).toBe(true);
      else expected.push(meaning);
      if (typeof meaning !== "string") expect(threw, value.name).toBeUndefined();
    }
    socket.close();
    const frames = await framesOf(peer, socket);
    expect(frames.pop()?.opcode).toBe(8);
    expect(frames).toHaveLength(expected.length);
    for (const [i, frame] of frames.entries()) {
      const meaning = expected[i] as Exclude<Meaning, string>;
      expect(frame.opcode).toBe("text" in meaning ? 1 : 2);
      expect(frame.payload.equals(payloadOf(meaning)), String(i)).toBe(true);
    }
  });

  test("D10: close sends a code that may be sent, or throws", async () => {
    poisonMemory();
    let [socket, peer] = await opened();
    for (const value of anyValues) {
      for (const given of [[value.make()], [3000, value.make()]]) {
        const { threw } = await outcomeOf(() => socket.close(...(given as [])));
        if (threw !== undefined) {
          expect(isDocumented(threw), `${value.name}: ${threw}`).toBe(true);
          expect(socket.readyState).toBe(1);
          continue;
        }
        const status = closeStatus((await framesOf(peer, socket)).at(-1))!;
        const codes = given.length === 2 ? [3000] : [1000, 1005, 3000, 4999];
        expect(codes, value.name).toContain(status.code);
        if (given.length === 2)
          expect(status.reason, value.name).toBe(
            given[1] === undefined ? "" : Buffer.from(String(given[1])).toString(),
          );
        [socket, peer] = await opened();
      }
    }
    socket.close();
    await framesOf(peer, socket);
  });

  test("send and close before it is open and after its end: a documented error, or nothing", async () => {
    for (const value of anyValues) {
      const connecting = new WebSocket(`ws://127.0.0.1:${raw.port}/`, [], { serialize: false });
      const { threw } = await outcomeOf(() => connecting.send(value.make() as never));
      expect(isDocumented(threw), `${value.name}: ${threw}`).toBe(true);
      connecting.close();
      await eventually(
        () => connecting.readyState === 3,
        () => "the end",
      );
      for (const call of [
        () => connecting.send(value.make() as never),
        () => connecting.close(...([value.make()] as unknown as [])),
      ]) {
        const late = (await outcomeOf(call)).threw;
        expect(late === undefined || isDocumented(late), `${value.name}: ${late}`).toBe(true);
      }
    }
  });

  test("attributes and listeners", async () => {
    const [socket, peer] = await opened();
    for (const value of anyValues) {
      const calls = [
        () => Reflect.set(socket, "binaryType", value.make()),
        () => Reflect.set(socket, "onmessage", value.make()),
        () => Reflect.set(socket, "onclose", value.make()),
        () => socket.addEventListener(value.make() as never, value.make() as never, value.make() as never),
        () => socket.removeEventListener(value.make() as never, value.make() as never, value.make() as never),
      ];
      for (const call of calls) {
        const { threw } = await outcomeOf(call);
        expect(threw === undefined || isDocumented(threw), `${value.name}: ${threw}`).toBe(true);
      }
    }
    socket.onmessage = null;
    socket.onclose = null;
    expect(["blob", "arraybuffer"]).toContain(socket.binaryType);
    socket.close();
    await framesOf(peer, socket);
  });
});

describe("constructors", () => {
  const url = () => `ws://127.0.0.1:${raw.port}/`;
  const made: readonly (readonly [string, (value: unknown) => unknown])[] = [
    ["WebSocket, protocols", (value) => new WebSocket(url(), value as never, { serialize: false })],
    ["WebSocket, options", (value) => new WebSocket(url(), [], value as never)],
    ["WebSocketStream, options", (value) => new WebSocketStream(url(), value as never)],
    ["WebSocket, url", (value) => new WebSocket(value as never)],
    ["WebSocketStream, url", (value) => new WebSocketStream(value as never)],
    ["PreparedMessage", (value) => new PreparedMessage(value as never)],
    ["Topics", (value) => new Topics(value as never)],
    ["WebSocketError", (value) => new WebSocketError(value as never, value as never)],
  ];

  test.each(made)("new %s", async (_, make) => {
    for (const value of anyValues) {
      // It is an address that others may listen on.
      if (value.name === "URL") continue;
      const { threw, gave } = await outcomeOf(() => make(value.make()));
      expect(threw === undefined || isDocumented(threw), `${value.name}: ${threw}`).toBe(true);
      if (gave instanceof WebSocket || gave instanceof WebSocketStream) gave.close();
      if (gave instanceof WebSocketStream) await gave.closed.catch(() => {});
    }
  });

  test("D10, D12: a PreparedMessage is what it was made of", () => {
    for (const value of anyValues) {
      const data = value.make();
      let message: PreparedMessage;
      try {
        message = new PreparedMessage(data as never);
      } catch (error) {
        expect(isDocumented(error), value.name).toBe(true);
        continue;
      }
      scribble(data);
      expect(typeof value.sent, value.name).toBe("object");
      const [frame] = readFrames(message.frame);
      expect(frame!.payload.equals(payloadOf(value.sent as Exclude<Meaning, string>)), value.name).toBe(true);
    }
  });
});

describe("connect", () => {
  const keys =
    "signal headers subprotocols tls createConnection socketPath handshakeTimeout followRedirects serialize cookieJar origin compression keepalive text asyncContext limits upgrade open message close error drain ping pong";

  test("takes any value as its URL and as its options, or rejects", async () => {
    for (const value of anyValues) {
      if (value.name === "URL") continue;
      for (const given of [[value.make()], [`ws://127.0.0.1:${server.port}/`, value.make()]]) {
        const { threw, gave } = await outcomeOf(() => connect(...(given as [string])));
        expect(threw === undefined || isDocumented(threw), `${value.name}: ${threw}`).toBe(true);
        await end(gave as Connection | undefined);
      }
    }
  });

  test.each(keys.split(" "))("with any value as the option %s", async (key) => {
    await inParallel(anyValues, 8, async (value) => {
      const options = { serialize: false, handshakeTimeout: 2000, [key]: value.make() };
      const { threw, gave } = await outcomeOf(() => connect(`ws://127.0.0.1:${server.port}/`, options));
      expect(threw === undefined || isDocumented(threw), `${value.name}: ${threw}`).toBe(true);
      await end(gave as Connection | undefined);
    });
  });
});

async function end(connection: Connection | undefined): Promise<void> {
  connection?.terminate();
  await connection?.closed;
}

describe("serve, accept and route", () => {
  const ofRoute =
    "origin hosts subprotocols compression keepalive heartbeat refuseByClose text asyncContext limits trustProxy log upgrade open message close error drain ping pong";

  test.each(`${ofRoute} routes tls request server`.split(" "))("serve with any value as %s", async (key) => {
    for (const value of anyValues) {
      const options = { host: "127.0.0.1", routes: { "/": {} }, [key]: value.make() };
      const { threw, gave } = await outcomeOf(() => serve(options as never));
      expect(threw === undefined || isDocumented(threw), `${value.name}: ${threw}`).toBe(true);
      await (gave as Server | undefined)?.close();
    }
  });

  test("accept, route and the functions beside them with any value", async () => {
    for (const value of anyValues) {
      const calls = [
        () => accept(value.make() as never, value.make() as never, value.make() as never, value.make() as never),
        () => serve(value.make() as never).then((one) => one.close()),
        () => void route(value.make() as never),
        () => prometheusText(value.make() as never),
        () => isWebSocketUpgrade(value.make() as never),
        () => subprotocolsOf(value.make() as never),
        () => cookiesOf(value.make() as never),
        () => void json(value.make() as never),
        () => void json(anything).route(value.make() as never),
        () =>
          void json(anything).route("/", { message: value.make(), on: value.make(), invalid: value.make() } as never),
        () => json(anything).connect("ws://127.0.0.1:1/", { on: value.make() } as never),
        () => refuse(value.make() as never),
        ...["status", "code", "reason", "retryAfter"].map((key) => () => refuse({ [key]: value.make() })),
        () => void reconnecting(value.make() as never, value.make() as never),
        () => void reconnecting("ws://server.test/", { subprotocols: value.make() as never }),
        () =>
          new ReconnectingWebSocket("ws://server.test/", value.make() as never, { signal: AbortSignal.abort() }).url,
        () => new ReconnectingWebSocket(value.make() as never, [], { signal: AbortSignal.abort() }).url,
        () => closedWith(value.make() as never, value.make() as never),
        () => closedWith({ code: value.make() as never }),
      ];
      for (const call of calls) {
        const { threw } = await outcomeOf(call);
        expect(threw === undefined || isDocumented(threw), `${value.name}: ${threw}`).toBe(true);
      }
    }
  });
});

describe("a server and its connections", () => {
  test("D10, D12: topics and what is published", async () => {
    poisonMemory();
    accepted = undefined;
    const client = await connect(`ws://127.0.0.1:${server.port}/`, { compression: false });
    await eventually(
      () => accepted !== undefined,
      () => "the connection",
    );
    const connection = accepted!;
    const received: (string | Uint8Array)[] = [];
    void (async () => {
      for await (const data of client) received.push(data);
    })();
    connection.subscribe("all");
    const expected: string[] = [];
    for (const value of anyValues) {
      const data = value.make();
      const calls = [
        () => connection.subscribe(value.make() as string),
        () => connection.unsubscribe(value.make() as string),
        () => connection.publish(value.make() as string, "nobody"),
        () => server.publish(value.make() as string, "nobody"),
        () => server.subscriberCount(value.make() as string),
        () => connection.publish("all", value.make() as never),
      ];
      for (const call of calls) {
        const { threw } = await outcomeOf(call);
        expect(threw === undefined || isDocumented(threw), `${value.name}: ${threw}`).toBe(true);
      }
      const { threw } = await outcomeOf(() => server.publish("all", data as never));
      scribble(data);
      if (typeof value.sent === "object" && !(data instanceof Blob))
        expected.push(payloadOf(value.sent).toString("latin1"));
      else expect(isDocumented(threw), `${value.name}: ${threw}`).toBe(true);
    }
    await eventually(
      () => received.length >= expected.length,
      () => `${received.length} of ${expected.length}`,
    );
    expect(received.map((data) => Buffer.from(data as string).toString("latin1"))).toEqual(expected);
    await end(client);
    await connection.closed;
  });

  test("drain", async () => {
    for (const value of anyValues) {
      for (const given of [value.make(), { over: 1, code: value.make() }, { over: 1, retryAfter: value.make() }]) {
        const one = await serve({ host: "127.0.0.1", routes: { "/": {} } });
        const { threw } = await outcomeOf(() => one.drain(given as never));
        expect(threw === undefined || isDocumented(threw), `${value.name}: ${threw}`).toBe(true);
        await one.close();
      }
    }
  });
});
