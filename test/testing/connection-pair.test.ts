/** Both ends of a connection in memory: the handshake is the real one, and the time is the test's. */
import { openAsBlob } from "node:fs";
import { describe, expect, test, vi } from "vitest";
import { HandshakeError, route, type ServerConnection, Topics } from "../../src/index.ts";
import { connectionPair } from "../../src/testing/connection-pair.ts";
import { VirtualClock } from "../../src/testing/virtual-clock.ts";

const second = 1000;
/** A Blob whose bytes are on a disk. */
const file = (await openAsBlob(process.execPath)).slice(0, 24_000_000);

describe("the handshake", () => {
  test("gives upgrade the request, and the connection what it decides", async () => {
    const seen: unknown[] = [];
    const room = route({
      subprotocols: ["chat.v1"],
      upgrade: ({ params, url, request, subprotocols }) => {
        seen.push(params, url.search, request.headers.authorization, subprotocols);
        return { data: { room: params.room, user: "ada" }, subprotocol: "chat.v2", headers: { "X-Served-By": "test" } };
      },
    });
    let served: string | undefined;
    const { client, server } = await connectionPair(room, {
      url: "/rooms/lobby?token=1",
      params: { room: "lobby" },
      client: {
        headers: { Authorization: "Bearer 1" },
        subprotocols: ["chat.v1", "chat.v2"],
        upgrade: ({ rawHeaders }) => {
          served = rawHeaders[rawHeaders.indexOf("X-Served-By") + 1];
        },
      },
    });
    expect(seen).toEqual([{ room: "lobby" }, "?token=1", "Bearer 1", ["chat.v1", "chat.v2"]]);
    expect(server.data).toEqual({ room: "lobby", user: "ada" });
    expect([server.params, server.path]).toEqual([{ room: "lobby" }, "/rooms/lobby"]);
    expect([server.subprotocol, client.subprotocol, served]).toEqual(["chat.v2", "chat.v2", "test"]);
    expect([server.role, client.role]).toEqual(["server", "client"]);
    expect(server.remoteAddress).toBeUndefined();
  });

  test("takes handlers that are methods of a class on both sides, with a state of their own", async () => {
    class Room {
      readonly name = "tea";
      #count = 0;
      upgrade() {
        return { data: this.name };
      }
      message(connection: ServerConnection<string>, text: string | Uint8Array) {
        connection.send(`${text} ${connection.data} ${++this.#count}`);
      }
    }
    class Guest {
      readonly heard: unknown[] = [];
      message(_: unknown, data: string | Uint8Array) {
        this.heard.push(data);
      }
    }
    const guest = new Guest();
    const { client, server, clock } = await connectionPair(new Room() as never, { client: guest });
    expect(server.data).toBe("tea");
    client.send("a");
    client.send("b");
    await clock.advance(0);
    expect(guest.heard).toEqual(["a tea 1", "b tea 2"]);
  });

  test("agrees on compression, and both ends use it", async () => {
    const got: unknown[] = [];
    const { client, server, clock } = await connectionPair(
      { compression: true, message: (connection, data) => void connection.send(data) },
      { client: { message: (_, data) => void got.push(data) } },
    );
    expect([client.extensions, server.extensions].every((text) => text.includes("permessage-deflate"))).toBe(true);
    client.send("text ".repeat(100));
    await clock.advance(0);
    expect(got).toEqual(["text ".repeat(100)]);
  });

  test("that the route refuses rejects with the client's error", async () => {
    const refusing = route({ upgrade: () => new Response("No", { status: 403 }) });
    const error = await connectionPair(refusing).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(HandshakeError);
    expect(error).toMatchObject({ rule: "status-not-101", status: 403 });
    const origin = connectionPair({ origin: ["https://a.example"] }, { client: { origin: "https://b.example" } });
    await expect(origin).rejects.toMatchObject({ status: 403 });
    const hosts = connectionPair({ hosts: ["chat.example"] });
    await expect(hosts).rejects.toMatchObject({ status: 421 });
    await connectionPair({ hosts: ["chat.example"] }, { url: "ws://chat.example/" });
  });

  test("takes no proxy of the environment, and no turn behind others", async () => {
    vi.stubEnv("http_proxy", "http://proxy.invalid:1");
    const pairs = await Promise.all(
      Array.from({ length: 10 }, () => connectionPair({}, { url: "ws://host.example/" })),
    );
    vi.unstubAllEnvs();
    expect(pairs.every(({ server }) => server.readyState === 1)).toBe(true);
  });

  test.each([
    [{ mesage: () => {} }, {}, /^Cannot make a pair: .*mesage/],
    [{}, { uri: "/" }, /^Cannot make a pair: .*uri/],
    [{ message: 1 }, {}, /message/],
    [{}, { client: { mesage: () => {} } }, /mesage/],
    [{ limits: { closeTimeout: -1 } }, {}, /closeTimeout/],
    [{}, { client: { socketPath: "/tmp/socket" } }, /^Cannot make a pair: client.socketPath is about a network/],
    [{}, { client: { createConnection: () => {} } }, /^Cannot make a pair: client.createConnection is about a network/],
    [
      {},
      { url: "wss://a:pw@chat.example/" },
      /^Cannot make a pair: there is no TLS in memory.* not wss:..chat.example$/,
    ],
    [{}, { url: "ws://a:pw@[/" }, /^Cannot make a pair: the URL must be a path, or begin with ws:\/\/ and a host$/],
    [{}, { clock: {} }, /^Cannot make a pair: the option "clock" must be an instance of VirtualClock, not an object$/],
    [{}, { topics: {} }, /^Cannot make a pair: the option "topics" must be an instance of Topics, not an object$/],
    [{}, null, /^Cannot make a pair: the options must be an object, not null$/],
    [undefined, {}, /^Cannot make a pair: the route must be an object, not undefined$/],
    [null, {}, /^Cannot make a pair: the route must be an object, not null$/],
    [[], {}, /^Cannot make a pair: the route must be an object, not an array$/],
    [() => {}, {}, /^Cannot make a pair: the route must be an object, not a function$/],
  ])("is not begun with options that cannot be: %o, %o", async (given, options, message) => {
    await expect(connectionPair(given as object, options as object)).rejects.toThrow(message);
  });
});

describe("messages", () => {
  test("go both ways, whole and in order, however large", async () => {
    const big = new Uint8Array(3_000_000).map((_, index) => index % 251);
    const { client, clock } = await connectionPair({ message: (connection, data) => void connection.send(data) });
    const got: unknown[] = [];
    const reading = (async () => {
      for await (const data of client) if (got.push(data) === 3) break;
    })();
    client.send("one");
    client.send(big);
    client.send("three");
    await clock.advance(0);
    await reading;
    expect([got[0], got[2]]).toEqual(["one", "three"]);
    expect(Buffer.from(got[1] as Uint8Array).equals(Buffer.from(big))).toBe(true);
  });

  test("are published among pairs that share topics and a clock", async () => {
    const [topics, clock] = [new Topics(), new VirtualClock()];
    const room = route({
      upgrade: ({ url }) => ({ data: url.searchParams.get("name") }),
      open: (connection) => connection.subscribe("room"),
      message: (connection, data) => void connection.publish("room", `${connection.data}: ${data}`),
    });
    const heard: string[] = [];
    const join = (name: string) =>
      connectionPair(room, {
        url: `/?name=${name}`,
        client: { message: (_, data) => void heard.push(`${name} hears ${data}`) },
        ...{ topics, clock },
      });
    const [ada] = [await join("ada"), await join("bob"), await join("eve")];
    ada.client.send("hello");
    await clock.advance(0);
    expect(heard).toEqual(["bob hears ada: hello", "eve hears ada: hello"]);
  });

  test("of a pair alone have topics of its own", async () => {
    const { server } = await connectionPair({ open: (connection) => connection.subscribe("news") });
    expect(server.topics).toEqual(["news"]);
    expect(server.publish("news", "to the others")).toMatchObject({ reached: 0, dropped: 0 });
  });
});

describe("time", () => {
  const large = Buffer.from(Array.from({ length: 3_000_000 }, (_, index) => (index * 7919) >> 3).map((n) => n & 63));

  test.each([
    ["a message that is compressed and inflated", { compression: true }, large],
    ["a Blob that is read", {}, file],
  ])("stands still for %s in other threads, in both roles", async (_, options, message) => {
    const got: number[] = [];
    const { client, server, clock } = await connectionPair(
      { ...options, message: (__, data) => void got.push(data.length), limits: { maxMessageSize: 2 ** 25 } },
      { client: { message: (__, data) => void got.push(data.length), limits: { maxMessageSize: 2 ** 25 } } },
    );
    const length = message instanceof Blob ? message.size : message.length;
    client.send(message, { timeout: 5 * second });
    await clock.advance(6 * second);
    expect(got).toEqual([length]);
    server.send(message, { timeout: 5 * second });
    server.close();
    await clock.advance(60 * second);
    expect(got).toEqual([length, length]);
    expect([(await client.closed).code, (await server.closed).code]).toEqual([1000, 1000]);
  });

  test("is not held up by a Blob whose bytes never come", async () => {
    class Endless extends Blob {
      override arrayBuffer() {
        return new Promise<never>(() => {});
      }
    }
    const { client, clock } = await connectionPair({});
    client.send(new Endless(["a"]), { timeout: second });
    await clock.advance(second);
    expect((await client.closed).error?.message).toMatch("a message did not leave within 1000 ms");
  });

  test.each([4, 64])(
    "D04 gives up %i MiB sent in one turn to a peer that reads nothing, in either role",
    async (count) => {
      const limits = { maxOutboxSize: Number.POSITIVE_INFINITY };
      const { client, server, clock } = await connectionPair({ limits });
      for (let i = 0; i < count; i++) server.send("a".repeat(2 ** 20), { timeout: 500 });
      await clock.advance(second);
      expect(server.readyState).toBe(3);
      expect((await server.closed).error?.message).toMatch("a message did not leave within 500 ms");
      client.terminate();
      const other = await connectionPair({}, { client: { limits } });
      for (let i = 0; i < count; i++) other.client.send("a".repeat(2 ** 20), { timeout: 500 });
      await other.clock.advance(second);
      expect(other.client.readyState).toBe(3);
      expect((await other.client.closed).error?.message).toMatch("a message did not leave within 500 ms");
      other.server.terminate();
    },
  );

  test("D02 that passes is answered Pings, and a peer behind a pulled cable is given up", async () => {
    const pings: number[] = [];
    const ends: string[] = [];
    const { server, client, clock, unplug } = await connectionPair(
      {
        keepalive: { interval: 10 * second, timeout: 5 * second },
        close: (_, report) => void ends.push(String(report.error?.message)),
      },
      { client: { keepalive: false, ping: () => void pings.push(clock.now()) } },
    );
    await clock.advance(60 * second);
    expect(pings.length).toBeGreaterThanOrEqual(5);
    expect([server.readyState, client.readyState]).toEqual([1, 1]);
    unplug();
    await clock.advance(14 * second);
    expect(ends).toEqual([]);
    await clock.advance(2 * second);
    expect(ends).toEqual([
      expect.stringMatching(
        /^The connection was given up: the peer was silent for 1\d000 ms and did not answer a Ping$/,
      ),
    ]);
    expect(client.readyState).toBe(1);
  });

  test("D01 a peer that does not answer Close is cut off after closeTimeout", async () => {
    const { server, clock, unplug } = await connectionPair({ limits: { closeTimeout: 3 * second } });
    unplug();
    server.close(1001, "enough");
    await clock.advance(3 * second - 1);
    expect(server.readyState).toBe(2);
    await clock.advance(1);
    expect(await server.closed).toMatchObject({
      code: 1006,
      sent: { code: 1001, reason: "enough" },
      error: new Error("The closing handshake was cut off: the peer took more than 3000 ms"),
    });
  });

  test("D04 a peer that takes nothing is given up after writeTimeout", async () => {
    const { server, clock, unplug } = await connectionPair({ keepalive: false, limits: { writeTimeout: 7 * second } });
    unplug();
    server.send(new Uint8Array(500_000));
    await clock.advance(7 * second - 1);
    expect(server.readyState).toBe(1);
    await clock.advance(1);
    const report = await server.closed;
    expect(report.error?.message).toBe("The connection was given up: no byte left or arrived for 7000 ms");
    expect(report.bufferedAmount).toBeGreaterThan(0);
  });

  test("A11 a message that stands still is given up, by the test's clock alone", async () => {
    let handler: ServerConnection | undefined;
    const { client, clock, server } = await connectionPair({
      open: (connection) => {
        handler = connection;
      },
    });
    expect(handler).toBe(server);
    void client.sendFragments(
      (async function* () {
        yield "begun";
        await new Promise(() => {});
      })(),
    );
    await clock.advance(10 * second);
    expect(server.readyState).toBe(1);
    await clock.advance(60 * second);
    expect((await server.closed).violation).toBe("message-too-slow");
  });

  test("is measured by the test's clock in round trips and in reports", async () => {
    const { client, server, clock, unplug, plugIn } = await connectionPair({});
    unplug();
    const trip = client.ping();
    await clock.advance(1500);
    plugIn();
    await clock.advance(0);
    expect([await trip, client.latency]).toEqual([1500, 1500]);
    await clock.advance(10 * second);
    client.terminate();
    await clock.advance(0);
    expect((await server.closed).lastReceivedAgo).toBeGreaterThanOrEqual(9 * second);
  });
});

describe("an unplugged pair", () => {
  test("hears nothing of a close, an end or a reset until it is plugged in", async () => {
    const ended = vi.fn();
    const { client, clock, unplug, plugIn } = await connectionPair({ keepalive: false, close: ended });
    unplug();
    client.send("lost in between");
    client.terminate();
    await clock.advance(1000 * second);
    expect(ended).not.toHaveBeenCalled();
    plugIn();
    await clock.advance(0);
    expect(ended).toHaveBeenCalledOnce();
  });

  test("goes on with what was under way", async () => {
    const got: unknown[] = [];
    const { client, server, clock, unplug, plugIn } = await connectionPair({
      message: (_, data) => void got.push(data),
    });
    unplug();
    client.send("one");
    client.send("two");
    await clock.advance(5 * second);
    expect(got).toEqual([]);
    plugIn();
    await clock.advance(0);
    expect([got, server.readyState]).toEqual([["one", "two"], 1]);
  });
});
