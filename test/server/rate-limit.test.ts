/** The rate at which a server takes messages, over pairs whose clock the test turns. */
import { describe, expect, test } from "vitest";
import { type Route, route } from "../../src/server/route.ts";
import { connectionPair } from "../../src/testing/connection-pair.ts";
import { serving } from "../support/serving.ts";

/** A pair whose server notes what it gets. */
async function noting(options: Route) {
  const got: unknown[] = [];
  const errors: string[] = [];
  const pair = await connectionPair({
    message: (_, data) => void got.push(data),
    error: (_, { message }) => void errors.push(message),
    ...options,
  });
  return { ...pair, got, errors };
}

describe("waiting", () => {
  test("delivers every message in order, no faster than the rate", async () => {
    const { client, clock, got } = await noting({ rateLimit: { messages: 2 } });
    for (const text of ["a", "b", "c", "d", "e"]) client.send(text);
    await clock.advance(0);
    expect(got).toEqual(["a", "b"]);
    await clock.advance(501);
    expect(got).toEqual(["a", "b", "c"]);
    await clock.advance(1001);
    expect(got).toEqual(["a", "b", "c", "d", "e"]);
  });

  test("counts bytes, in fragments and compressed, as they are handed over", async () => {
    const { client, clock, got } = await noting({ rateLimit: { bytes: 1000 }, compression: true });
    client.send("x".repeat(2000));
    client.send("behind");
    await clock.advance(900);
    expect(got).toHaveLength(1);
    await clock.advance(200);
    expect(got).toHaveLength(2);
  });

  test("holds back readers as it does handlers", async () => {
    const got: unknown[] = [];
    const { client, clock } = await connectionPair({
      rateLimit: { messages: 1 },
      open: async (connection) => {
        for await (const data of connection) got.push(data);
      },
    });
    client.send("a");
    client.send("b");
    await clock.advance(0);
    expect(got).toEqual(["a"]);
    await clock.advance(1001);
    expect(got).toEqual(["a", "b"]);
  });

  test("lets handlers that return promises, and loops, have the whole burst", async () => {
    const got: unknown[] = [];
    const promising = route({ message: (_, data) => Promise.resolve().then(() => got.push(data)) });
    const looping = route({
      open: async (connection) => {
        for await (const data of connection) got.push(data);
      },
    });
    for (const handlers of [promising, looping]) {
      got.length = 0;
      const { client, clock } = await connectionPair({ ...handlers, rateLimit: { messages: 1, burst: 3 } });
      for (const text of ["a", "b", "c", "d", "e"]) client.send(text);
      await clock.advance(0);
      expect(got).toEqual(["a", "b", "c"]);
      await clock.advance(1001);
      expect(got).toEqual(["a", "b", "c", "d"]);
      await clock.advance(1001);
      expect(got).toEqual(["a", "b", "c", "d", "e"]);
    }
  });

  test("inflates nothing ahead of the rate for a reader that comes late", async () => {
    const { client, server, clock } = await connectionPair({
      rateLimit: { messages: 1, burst: 2 },
      compression: true,
    });
    for (let count = 0; count < 4; count++) client.send("x".repeat(2000));
    await clock.advance(0);
    let got = 0;
    void (async () => {
      for await (const _ of server) got++;
    })();
    await clock.advance(0);
    expect(got).toBe(2);
    await clock.advance(2002);
    expect(got).toBe(4);
    client.terminate();
    await clock.advance(0);
  });

  test("holds back a stream of parts", async () => {
    let bytes = 0;
    const { client, clock } = await connectionPair({
      rateLimit: { bytes: 1000 },
      open: async (connection) => {
        for await (const message of connection.messages()) for await (const part of message) bytes += part.length;
      },
    });
    for (let count = 0; count < 4; count++) await client.sendFragments(["x".repeat(1000)], { text: true });
    await clock.advance(0);
    expect(bytes).toBeLessThanOrEqual(2000);
    await clock.advance(4004);
    expect(bytes).toBe(4000);
  });

  test("slows down what a peer can send: what is not read fills its outbox", async () => {
    const { client, clock, got } = await noting({ rateLimit: { messages: 1 } });
    for (let count = 0; count < 40; count++) client.send("x".repeat(64 * 1024));
    await clock.advance(0);
    expect(got.length).toBeLessThan(3);
    expect(client.bufferedAmount).toBeGreaterThan(1024 * 1024);
    client.terminate();
    await clock.advance(0);
  });

  test("ends with our own Close: the peer's answer is seen at once", async () => {
    const { client, server, clock, got } = await noting({ rateLimit: { messages: 0.001 } });
    client.send("a");
    client.send("b");
    await clock.advance(0);
    server.close(4000, "enough");
    await clock.advance(0);
    expect(await server.closed).toMatchObject({ code: 4000, wasClean: true });
    expect(got).toEqual(["a", "b"]);
  });

  test("keeps no process alive and delivers nothing twice when the peer is gone", async () => {
    const { client, server, clock, got } = await noting({ rateLimit: { messages: 1 } });
    client.send("a");
    client.send("b");
    await clock.advance(0);
    client.terminate();
    await clock.advance(5000);
    expect(got).toEqual(["a", "b"]);
    expect((await server.closed).code).toBe(1006);
  });
});

describe("closing", () => {
  test("with 1008 at the first message too many, of which nothing is delivered", async () => {
    const { client, clock, got, errors } = await noting({ rateLimit: { messages: 2, exceeded: "close" } });
    for (const text of ["a", "b", "c", "d"]) client.send(text);
    await clock.advance(0);
    expect(await client.closed).toMatchObject({ code: 1008, reason: "Messages come faster than they are taken" });
    expect(got).toEqual(["a", "b"]);
    expect(errors).toEqual([]);
  });

  test("never for one that keeps to the rate", async () => {
    const { client, clock, got } = await noting({ rateLimit: { messages: 2, exceeded: "close" } });
    for (let count = 0; count < 20; count++) {
      client.send("x");
      await clock.advance(501);
    }
    expect(got).toHaveLength(20);
    expect(client.readyState).toBe(1);
  });

  test("control: without a limit, all are taken", async () => {
    const { client, clock, got } = await noting({});
    for (let count = 0; count < 1000; count++) client.send("x");
    await clock.advance(0);
    expect(got).toHaveLength(1000);
  });
});

test("a server's limit holds for its routes, but for those that have their own or none", async () => {
  const options = { rateLimit: { messages: 5, exceeded: "close" as const } };
  const server = await serving({
    ...options,
    routes: { "/": {}, "/own": { rateLimit: { bytes: 1 } }, "/any": { rateLimit: false } },
  });
  expect(server.accepting).toBe(true);
  await expect(serving({ routes: { "/": { rateLimit: { messages: 0 } } } })).rejects.toThrow(RangeError);
  await expect(serving({ routes: { "/": { rateLimit: true as never } } })).rejects.toThrow(TypeError);
  expect(route({ rateLimit: { messages: 1 } })).toEqual({ rateLimit: { messages: 1 } });
});
