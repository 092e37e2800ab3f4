import { once } from "node:events";
import { describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { route } from "../../src/server/route.ts";
import { answer, echo, said } from "../support/asking.ts";
import { until } from "../support/connection-pair.ts";
import { openRaw } from "../support/raw-peer.ts";
import { serving } from "../support/serving.ts";

test("serves routes with parameters to a client of another library [G41]", async () => {
  const server = await serving({
    routes: {
      "/echo": echo,
      "/rooms/:room": route({ open: (connection) => void connection.send(JSON.stringify(connection.params)) }),
    },
  });
  expect(server.port).toBeGreaterThan(0);
  const client = new WebSocket(`ws://127.0.0.1:${server.port}/echo`);
  await once(client, "open");
  client.send(Buffer.alloc(100_000, 7));
  const [data, binary] = await once(client, "message");
  expect([data.length, binary]).toEqual([100_000, true]);
  expect(server.connections.size).toBe(1);
  client.close(4000, "bye");
  const [code] = await once(client, "close");
  expect(code).toBe(4000);
  await until(() => server.connections.size === 0);
  expect(await said(server.port, "/rooms/a%20b?c=d")).toBe('{"room":"a b"}');
  expect(await said(server.port, "http://localhost/rooms/whole-url")).toBe('{"room":"whole-url"}');
  const files = await serving({
    routes: {
      "/files/*": route({
        upgrade: ({ params }) => ({ data: params["*"] }),
        open: (connection) => void connection.send(`${connection.data} ${connection.params["*"]}`),
      }),
    },
  });
  expect(await said(files.port, "/files/a%20b/c?d")).toBe("a b/c a b/c");
  expect((await answer(files.port, { path: "/file" })).status).toBe(404);
});

describe("metrics", () => {
  test("has the numbers of now and the counts since the beginning", async () => {
    const server = await serving({ routes: { "/": echo } });
    const peer = await openRaw(server.port);
    await openRaw(server.port);
    await answer(server.port, { headers: { "Sec-WebSocket-Key": "" } });
    peer.text("hello");
    await peer.nextFrame();
    peer.close(4000);
    peer.end();
    await peer.closed;
    await until(() => server.connections.size === 1);
    expect(server.metrics()).toMatchObject({
      connections: 1,
      pendingHandshakes: 0,
      opened: 2,
      closed: { 4000: 1 },
      refused: { "missing-key": 1 },
      messagesReceived: 1,
      messagesSent: 1,
      bytesReceived: 11 + 8,
      bytesSent: 7 + 4,
      bufferedAmount: 0,
      topics: 0,
    });
  });
});

describe("publish", () => {
  test("reaches all subscribers of a topic", async () => {
    const server = await serving({ routes: { "/": { open: (connection) => connection.subscribe("news") } } });
    const peers = [await openRaw(server.port), await openRaw(server.port)];
    await until(() => server.subscriberCount("news") === 2);
    expect(server.publish("news", "extra")).toMatchObject({ reached: 2 });
    for (const peer of peers) expect(await peer.nextTexts(1)).toEqual(["extra"]);
  });
});
