import { describe, expect, test } from "vitest";
import { serverLimits } from "../../src/connection/options/limits.ts";
import { createMaskingKey } from "../../src/protocol/frames/mask.ts";
import { connectionSettings, resolveRoute } from "../../src/server/resolved-route.ts";
import { upgrade } from "../../src/server/upgrade.ts";
import { Topics } from "../../src/topics/topics.ts";
import { until } from "../support/connection-pair.ts";
import { httpServer } from "../support/http-server.ts";
import { openRaw } from "../support/raw-peer.ts";

describe("resolveRoute", () => {
  test("has the documented defaults", () => {
    const handlers = {};
    const endpoint = {
      ...{ role: "server", maxMessageSize: 16_777_216, maxEmptyFragments: 1024 },
      ...{ accepts: "any", textAsBytes: false, lendsBytes: false, longestWhole: 0, maxProcessAllotment: 134_217_728 },
      ...{ answersPings: true, explainsFailures: true, validatesText: true },
      maskingKey: createMaskingKey,
    };
    expect(resolveRoute(handlers)).toEqual({
      handlers,
      limits: serverLimits,
      keepalive: { interval: 25_000, timeout: 20_000 },
      compression: undefined,
      origin: "same-host",
      subprotocols: [],
      endpoints: {
        plain: { ...endpoint, compression: false },
        compressed: { ...endpoint, compression: true },
      },
      asyncContext: false,
      refuseByClose: false,
      resumes: false,
    });
    expect(resolveRoute(handlers).handlers).toBe(handlers);
  });

  test("a route's own options override the server's, limits one by one", () => {
    const server = {
      limits: { maxMessageSize: 1, closeTimeout: 2 },
      origin: "any",
      subprotocols: ["a"],
      text: "bytes",
      keepalive: false,
      compression: true,
    } as const;
    expect(resolveRoute({}, server)).toMatchObject({
      limits: { maxMessageSize: 1, closeTimeout: 2 },
      origin: "any",
      subprotocols: ["a"],
      endpoints: { plain: { textAsBytes: true }, compressed: { textAsBytes: true } },
      keepalive: undefined,
    });
    expect(resolveRoute({}, server).compression).toBeDefined();
    const own = resolveRoute(
      {
        limits: { maxMessageSize: 3 },
        origin: "same-host",
        subprotocols: [],
        text: "string",
        keepalive: true,
        compression: false,
      },
      server,
    );
    expect(own).toMatchObject({
      limits: { maxMessageSize: 3, closeTimeout: 2 },
      origin: "same-host",
      subprotocols: [],
      endpoints: { plain: { textAsBytes: false }, compressed: { textAsBytes: false } },
      keepalive: { interval: 25_000 },
      compression: undefined,
    });
  });

  test("a heartbeat is the route's or the server's, and text, so that no route of binary messages has its own", () => {
    const heartbeat = { message: "ping", reply: "pong" };
    const own = resolveRoute({ heartbeat: { message: "é", reply: "" } }, { heartbeat });
    expect(own.heartbeat).toMatchObject({ message: "é", reply: "" });
    expect(own.endpoints.plain.longestWhole).toBe(2);
    const inherited = resolveRoute({ accepts: "binary" } as object, { heartbeat });
    expect(inherited.heartbeat).toMatchObject(heartbeat);
    expect(connectionSettings(inherited).heartbeat).toBe(inherited.heartbeat);
    expect(() => resolveRoute({ accepts: "binary", heartbeat } as object)).toThrow(
      new TypeError("Cannot answer heartbeats: they are text, and the route accepts binary messages alone"),
    );
  });

  test.each([
    [{ heartbeat: { message: "ping" } as never }, TypeError],
    [{ subprotocols: ["a b"] }, TypeError],
    [{ origin: ["example.com"] }, TypeError],
    [{ limits: { maxSize: 1 } as never }, TypeError],
    [{ limits: { closeTimeout: -1 } }, RangeError],
    [{ keepalive: { interval: 1 } }, RangeError],
  ])("%j is refused", (options, kind) => {
    expect(() => resolveRoute(options)).toThrow(kind);
  });
});

test("connectionSettings ends the subscriptions of a connection before it tells that the connection ended", async () => {
  const topics = new Topics();
  const counts: number[] = [];
  const route = resolveRoute({ open: (connection) => connection.subscribe("news") });
  const settings = connectionSettings(route, { ended: () => counts.push(topics.count("news")) });
  const { port } = await httpServer((request, socket, head) => {
    void upgrade({ request, socket, head }, { route, settings, params: {}, topics });
  });
  const peer = await openRaw(port);
  await until(() => topics.count("news") === 1);
  peer.reset();
  await until(() => counts.length > 0);
  expect(counts).toEqual([0]);
});
