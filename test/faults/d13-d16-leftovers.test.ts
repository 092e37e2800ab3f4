/** D13 to D16: what is left of a connection that is over, and what a peer may make an application pile up. */
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { afterEach, describe, expect, test, vi } from "vitest";
import { serverLimits } from "../../src/connection/options/limits.ts";
import { type Connection, connect, type Route } from "../../src/index.ts";
import { until } from "../support/connection-pair.ts";
import { openRaw, type RawPeer, requestText, sendRaw } from "../support/raw-peer.ts";
import { acceptance, type ReceivedRequest, rawServer } from "../support/raw-server.ts";
import { leftovers, resources } from "../support/resources.ts";
import { afterwards, serving, startChild } from "../support/serving.ts";
import { frameFrom } from "../support/wire.ts";

afterEach(() => void vi.restoreAllMocks());

describe("D13 objects of connections that are over", () => {
  interface Left {
    readonly more: Record<string, number>;
    readonly topics: number;
    readonly heap: number;
  }
  // A longer run is `CYCLES=100000`, some minutes.
  const cycles = Number(process.env.CYCLES ?? 1500);
  const left = async (count: number, kind: string) => {
    const child = startChild("connection-cycles.ts", [String(count), kind], { flags: ["--expose-gc"] });
    return await child.told<Left>();
  };

  test("D13: after many connections, ended in all the usual ways, no more are alive than before", {
    tags: "slow",
    timeout: 600_000,
  }, async () => {
    const { more, topics, heap } = await left(cycles, "");
    expect(Object.keys(more)).toContain("Connection");
    // Node keeps the last socket that it has read from, and may have one more under way.
    for (const [name, count] of Object.entries(more)) expect(count, name).toBeLessThanOrEqual(2);
    expect(topics).toBe(0);
    // One that stayed would be four times as much.
    expect(heap).toBeLessThan(cycles * 1024);
  });

  test("D13 control: an application that keeps each connection is found out", { tags: "slow" }, async () => {
    const { more } = await left(300, "keeping");
    expect(more.Connection).toBeGreaterThanOrEqual(300);
  });
});

describe("D14 an application that does as its clients say", () => {
  const obeying: Route = { message: (connection, data) => connection.subscribe(String(data)) };
  const lines = (count: number) => Array.from({ length: count }, (_, index) => `topic ${index}`);

  test("D14: a client subscribes to a thousand topics and is failed for the next, and all are gone with it", async () => {
    vi.spyOn(console, "error").mockImplementation(() => {});
    expect(serverLimits.maxTopics).toBe(1000);
    const server = await serving({ routes: { "/": obeying } });
    const peer = await openRaw(server.port);
    peer.text(...lines(10_000));
    const close = await peer.nextFrame();
    expect(close?.payload.readUInt16BE(0)).toBe(1011);
    expect(server.metrics().topics).toBeLessThanOrEqual(1000);
    peer.socket.destroy();
    await until(() => server.connections.size === 0);
    expect(server.metrics().topics).toBe(0);
  });

  test("D14: a topic's name has 256 bytes at most", async () => {
    vi.spyOn(console, "error").mockImplementation(() => {});
    const server = await serving({ routes: { "/": obeying } });
    for (const [name, code] of [
      ["x".repeat(256), undefined],
      ["x".repeat(257), 1011],
      ["é".repeat(129), 1011],
    ] as const) {
      const peer = await openRaw(server.port);
      peer.text(name);
      peer.send({ opcode: 9, payload: "done" });
      const frame = await peer.nextFrame();
      expect(frame?.opcode === 8 ? frame.payload.readUInt16BE(0) : undefined).toBe(code);
      peer.socket.destroy();
    }
  });

  test("D14: whatever clients say, topics and connections stay within their limits", async () => {
    vi.spyOn(console, "error").mockImplementation(() => {});
    // A control protocol of the kind that applications write.
    const server = await serving({
      limits: { maxTopics: 5, maxTopicLength: 8 },
      routes: {
        "/": {
          message: (connection, data) => {
            const [verb, name = "", text = ""] = String(data).split(" ");
            if (verb === "sub") connection.subscribe(name);
            else if (verb === "unsub") connection.unsubscribe(name);
            else if (verb === "pub") connection.publish(name, text);
          },
        },
      },
    });
    let state = 1;
    const next = (most: number) => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return (state >>> 8) % most;
    };
    for (let round = 0; round < 40; round++) {
      const peers: RawPeer[] = await Promise.all(Array.from({ length: 3 }, () => openRaw(server.port)));
      for (let step = 0; step < 50; step++) {
        const name = "topic-name".slice(0, next(11)) + next(8);
        peers[next(3)]!.text(`${["sub", "unsub", "pub", "none"][next(4)]} ${name} ${"x".repeat(next(50))}`);
      }
      await new Promise((resolve) => setImmediate(resolve));
      for (const connection of server.connections) expect(connection.topics.length).toBeLessThanOrEqual(5);
      expect(server.metrics().topics).toBeLessThanOrEqual(15);
      for (const peer of peers) peer.reset();
      await until(() => server.connections.size === 0);
      expect(server.metrics().topics).toBe(0);
    }
  });

  test("D14 control: without the limit a client subscribes to whatever it names", async () => {
    const server = await serving({ limits: { maxTopics: Number.POSITIVE_INFINITY }, routes: { "/": obeying } });
    const peer = await openRaw(server.port);
    peer.text(...lines(10_000));
    await until(() => server.metrics().topics === 10_000);
    peer.socket.destroy();
  });
});

describe("D15 topics that change while they are published to", () => {
  test("D15: a handler that publishes in answer to what was published does not recurse", async () => {
    let deepest = 0;
    let heard = 0;
    const server = await serving({
      routes: {
        "/": {
          open: (connection) => connection.subscribe("all"),
          message: (connection, data) => {
            heard++;
            deepest = Math.max(deepest, new Error().stack!.split("\n").length);
            connection.unsubscribe("all");
            connection.publish("all", data);
            connection.subscribe("all");
            if (heard === 500) connection.close();
          },
        },
      },
    });
    // Each answers what it hears with what will be heard.
    const peers = await Promise.all(Array.from({ length: 4 }, () => openRaw(server.port)));
    for (const peer of peers) {
      peer.socket.on("data", () => {
        if (peer.received[0] === 0x81) peer.text("again");
        peer.received = Buffer.alloc(0);
      });
    }
    await until(() => server.subscriberCount("all") === 4);
    peers[0]!.text("begin");
    await until(() => heard >= 500);
    expect(deepest).toBeLessThan(30);
    for (const { socket } of peers) socket.destroy();
    await until(() => server.connections.size === 0);
    expect(server.metrics().topics).toBe(0);
  });

  test("D15 control: a tree of topics that calls its subscribers within publish overflows or skips", () => {
    const topics = new Map<string, Set<() => void>>();
    const publish = (name: string): void => {
      for (const subscriber of topics.get(name) ?? []) subscriber();
    };
    topics.set("all", new Set([() => publish("all")]));
    expect(() => publish("all")).toThrow(RangeError);
    // One that leaves and comes back is called again by the same publish, for ever.
    let calls = 0;
    const restless = () => {
      if (++calls > 1000) return;
      topics.get("all")!.delete(restless);
      topics.get("all")!.add(restless);
    };
    topics.set("all", new Set([restless]));
    publish("all");
    expect(calls).toBeGreaterThan(1000);
  });
});

describe("D16 sockets of connections that are over", () => {
  const routes: Readonly<Record<string, Route>> = {
    "/": {
      message: (connection, data) => {
        if (data === "close") connection.close();
        if (data === "terminate") connection.terminate();
        if (data === "throw") throw new Error("The application failed");
      },
    },
    "/refused": { upgrade: () => new Response(null, { status: 401 }) },
    "/never": { upgrade: () => new Promise<never>(() => {}) },
    "/leaving": { open: (connection) => connection.close() },
  };
  /** How many sockets are open once those of the test before are gone. */
  const settledSockets = async () => {
    const { TCPSocketWrap = 0 } = await leftovers({
      Timeout: Number.POSITIVE_INFINITY,
      PipeWrap: Number.POSITIVE_INFINITY,
    });
    return TCPSocketWrap;
  };
  const say = (text: string) => async (port: number) => {
    const peer = await openRaw(port);
    peer.text(text);
    return peer;
  };
  const send = (bytes: Uint8Array) => async (port: number) => {
    const peer = await openRaw(port);
    peer.socket.write(bytes);
    return peer;
  };
  // None of these peers ever answers a Close or ends its own side.
  const ends: [string, (port: number) => Promise<RawPeer>][] = [
    ["we close", say("close")],
    ["we close at once", (port) => openRaw(port, { path: "/leaving" })],
    ["we terminate", say("terminate")],
    ["a handler throws", say("throw")],
    ["the peer closes", send(frameFrom("client", { opcode: 8 }))],
    ["the peer breaks a rule", send(frameFrom("server", { opcode: 1, payload: "unmasked" }))],
    ["a message is too big", send(frameFrom("client", { opcode: 1, payload: "x", announced: 1n << 40n }))],
    [
      "the peer sends half a frame and a FIN",
      async (port) => {
        const peer = await openRaw(port);
        peer.socket.end(Uint8Array.of(0x81));
        return peer;
      },
    ],
    ["the path is unknown", (port) => sendRaw(port, requestText({ path: "/none" }))],
    ["upgrade refuses", (port) => sendRaw(port, requestText({ path: "/refused" }))],
    ["upgrade never decides", (port) => sendRaw(port, requestText({ path: "/never" }))],
    ["the handshake is bad", (port) => sendRaw(port, requestText({ headers: { "Sec-WebSocket-Key": "x" } }))],
    ["it is no HTTP", (port) => sendRaw(port, "hello\r\n\r\n")],
    ["it is a plain request", (port) => sendRaw(port, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")],
    ["it is silent", (port) => sendRaw(port)],
  ];

  test.each(ends)("D16: when %s, the socket is destroyed although the peer keeps its own", async (_, begin) => {
    vi.spyOn(console, "error").mockImplementation(() => {});
    const limits = { closeTimeout: 100, upgradeTimeout: 100, handshakeTimeout: 500 };
    const server = await serving({ limits, routes });
    const before = await settledSockets();
    const peers = await Promise.all(Array.from({ length: 5 }, () => begin(server.port)));
    await Promise.all(peers.map((peer) => peer.until(() => false)));
    // What is left are the peers' own ends.
    await until(
      () => (resources().TCPSocketWrap ?? 0) <= before + peers.filter(({ socket }) => !socket.destroyed).length,
    );
    await until(() => server.connections.size === 0);
    for (const { socket } of peers) socket.destroy();
  });

  /** Answers a handshake, then does what ends the connection, and keeps its own side. */
  const hostile: [
    string,
    (request: ReceivedRequest, socket: Socket) => string | undefined,
    (connection: Connection) => void,
  ][] = [
    ["we close and are not answered", (request) => acceptance(request), (connection) => connection.close()],
    ["we terminate", (request) => acceptance(request), (connection) => connection.terminate()],
    ["the server closes", (request) => `${acceptance(request)}\x88\0`, () => {}],
    ["the server breaks a rule", (request) => `${acceptance(request)}\x83\0`, () => {}],
    ["the server ends its side", (request, socket) => void socket.end(acceptance(request)), () => {}],
    ["the server refuses", () => "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", () => {}],
    ["the server answers nonsense", () => "hello\r\n\r\n", () => {}],
    ["the server does not answer", () => undefined, () => {}],
    ["the key is not answered", (request) => acceptance(request, { "Sec-WebSocket-Accept": "x" }), () => {}],
  ];

  test.each(hostile)(
    "D16: when %s, our client's socket is destroyed although the server keeps its own",
    async (...given) => {
      const [, answer, act] = given;
      const server = await rawServer(answer);
      afterwards(() => server.close());
      const before = await settledSockets();
      const attempts = Array.from({ length: 5 }, async () => {
        const options = { handshakeTimeout: 300, serialize: false, limits: { closeTimeout: 100 }, message: () => {} };
        const connection = await connect(`ws://127.0.0.1:${server.port}/`, options).catch(() => undefined);
        if (connection === undefined) return;
        act(connection);
        await connection.closed;
      });
      await Promise.all(attempts);
      await until(() => server.accepted === 5);
      await until(() => (resources().TCPSocketWrap ?? 0) <= before + server.sockets.size);
    },
  );

  test("D16 control: a server that answers and leaves the socket to its peer keeps it", async () => {
    const http = createServer();
    http.on("upgrade", (_, socket) => {
      socket.on("error", () => {});
      socket.end("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n");
    });
    http.listen(0, "127.0.0.1");
    await once(http, "listening");
    afterwards(() => http.close());
    const before = await settledSockets();
    const { port } = http.address() as AddressInfo;
    const peers = await Promise.all(Array.from({ length: 5 }, () => sendRaw(port, requestText())));
    await Promise.all(peers.map((peer) => peer.until(() => false)));
    await delay(1500);
    expect(resources().TCPSocketWrap).toBe(before + 10);
    for (const { socket } of peers) socket.destroy();
  });
});
