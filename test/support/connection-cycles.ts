/**
 * Run in a process of its own with `--expose-gc`: opens and ends connections between our client and our server in all the
 * usual ways, so many times, and prints which objects are then alive beyond those before.
 *
 * Arguments: how many cycles, and `keeping` for an application that holds on to each connection, as a control.
 */
import { Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import * as v8 from "node:v8";
import { Connection } from "../../src/connection/connection.ts";
import { connect, serve } from "../../src/index.ts";

const [cycles = "", kind] = process.argv.slice(2);
const kept: unknown[] = [];
const counted = { Connection, Socket };
const { queryObjects } = v8 as unknown as {
  queryObjects(ctor: unknown, options: { format: "count" }): number;
};

const server = await serve({
  host: "127.0.0.1",
  compression: true,
  routes: {
    "/:way": {
      open: (connection) => {
        connection.subscribe(connection.params.way!);
        if (kind === "keeping") kept.push(connection);
        if (connection.params.way === "server") connection.close();
        if (connection.params.way === "throws") connection.terminate();
      },
      message: (connection, data) => {
        connection.send(data);
        connection.publish(connection.params.way!, data);
      },
    },
  },
});
const ways = ["client", "server", "throws", "terminate", "unread"];

async function cycle(index: number): Promise<void> {
  const way = ways[index % ways.length]!;
  const connection = await connect(`ws://127.0.0.1:${server.port}/${way}`, {
    serialize: false,
    compression: index % 20 < ways.length,
  });
  connection.send("hello ".repeat(100));
  if (way === "client") {
    for await (const data of connection) if (data.length > 0) break;
    connection.close();
  }
  // A Close counts when the application has come to it.
  if (way === "server") for await (const _ of connection);
  if (way === "terminate") connection.terminate();
  if (way === "unread") {
    void connection.ping();
    connection.close(1000, "unread");
  }
  await connection.closed;
}

async function run(count: number): Promise<void> {
  const lane = async (first: number) => {
    for (let index = first; index < count; index += 20) await cycle(index);
  };
  await Promise.all(Array.from({ length: 20 }, (_, index) => lane(index)));
  while (server.connections.size > 0) await delay(5);
}

async function alive(): Promise<Record<string, number>> {
  for (let round = 0; round < 2; round++) {
    (globalThis as unknown as { gc(): void }).gc();
    await delay(20);
  }
  const counts = Object.entries(counted).map(
    ([name, ctor]) => [name, queryObjects(ctor, { format: "count" })] as const,
  );
  return Object.fromEntries(counts);
}

// Pools, caches and shared timers are there once it has all run once.
await run(500);
const before = await alive();
const heapBefore = process.memoryUsage().heapUsed;
await run(Number(cycles));
const after = await alive();
const more = Object.fromEntries(Object.keys(after).map((name) => [name, after[name]! - before[name]!]));
process.send!({ more, topics: server.metrics().topics, heap: process.memoryUsage().heapUsed - heapBefore });
process.disconnect();
await server.close();
