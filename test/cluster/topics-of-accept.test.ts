/** Topics of a cluster where `accept` answers the handshakes, and messages with a type in them. */
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, test } from "vitest";
import { z } from "zod";
import { connect } from "../../src/client/connect.ts";
import { memoryBroker } from "../../src/cluster/broker/memory-broker.ts";
import { createCluster } from "../../src/cluster/cluster.ts";
import { json } from "../../src/json/json.ts";
import { resumeTopics } from "../../src/resume/resume-topics.ts";
import { accept } from "../../src/server/accept.ts";
import type { ServerConnection } from "../../src/server/server-connection.ts";
import { Topics } from "../../src/topics/topics.ts";
import { eventually } from "../support/eventually.ts";
import { afterwards, serving } from "../support/serving.ts";

const topics = { "log/*": { history: { size: 3 }, presence: true } };

function clusterOf(broker = memoryBroker()) {
  const cluster = createCluster({ broker, topics, log: () => {} });
  afterwards(() => cluster.close());
  return cluster;
}

test("connections of `accept` are in the cluster that their topics are in, with history, gaps and members", async () => {
  const broker = memoryBroker();
  const other = clusterOf(memoryBroker({ sharedWith: broker }));
  const cluster = clusterOf(broker);
  const shared = new Topics({ maxTopics: 2 }, { cluster });
  const got: string[] = [];
  const position = await other.publish("log/1", "seen");
  for (const text of ["lost", "1", "2", "3"]) await other.publish("log/1", text);
  const http = createServer();
  http.on("upgrade", (request, socket, head) => {
    void accept(request, socket, head, {
      topics: shared,
      open: (connection) => connection.subscribe("log/1", { since: position!, presence: "ada" }),
      gap: (_, { reason }) => void got.push(`gap: ${reason}`),
    });
  });
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  afterwards(() => http.close());
  const client = await connect(`ws://127.0.0.1:${(http.address() as AddressInfo).port}/`, {
    message: (_, data) => void got.push(String(data)),
  });
  afterwards(() => client.terminate());
  await eventually(() => got.length === 4);
  expect(got).toEqual(["gap: trimmed", "1", "2", "3"]);
  await eventually(async () => (await other.presence("log/1")).members.length === 1);
  await other.publish("log/1", "4");
  await eventually(() => got.at(-1) === "4");
  expect(await shared.publish("log/1", "5").stored).toBeTypeOf("string");
  shared.close();
  await eventually(async () => (await other.presence("log/1")).members.length === 0);
});

test("a client of `accept` goes on where it was, at a node of `serve` too, by the resume protocol", async () => {
  const broker = memoryBroker();
  const cluster = clusterOf(broker);
  const open = (connection: ServerConnection) => connection.subscribe("log/1");
  const server = await serving({ cluster: clusterOf(memoryBroker({ sharedWith: broker })), routes: { "/": { open } } });
  const shared = new Topics({}, { cluster });
  afterwards(() => shared.close());
  const http = createServer();
  http.on("upgrade", (request, socket, head) => void accept(request, socket, head, { topics: shared, open }));
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  afterwards(() => http.close());
  const got: unknown[] = [];
  const resumed: unknown[] = [];
  const resume = resumeTopics({ resumed: ({ recovered, replayed }) => void resumed.push([recovered, replayed]) });
  const ports = [(http.address() as AddressInfo).port, server.port, (http.address() as AddressInfo).port];
  for (const [index, port] of ports.entries()) {
    const client = await connect(`ws://127.0.0.1:${port}/`, { resume, message: (_, data) => void got.push(data) });
    await eventually(() => resumed.length === index && cluster.metrics().topics === 1);
    await cluster.publish("log/1", `live ${index}`);
    await eventually(() => got.at(-1) === `live ${index}`);
    client.terminate();
    await client.closed;
    await cluster.publish("log/1", `missed ${index}`);
  }
  expect(got).toEqual(["live 0", "missed 0", "live 1", "missed 1", "live 2"]);
  expect(resumed).toEqual([
    [true, 1],
    [true, 1],
  ]);
});

test("what is no cluster, and options that there are not, are refused where topics are made", () => {
  expect(() => new Topics({}, { cluster: {} as never })).toThrow(
    'the option "cluster" must be what createCluster returned',
  );
  expect(() => new Topics({}, { clustre: {} } as never)).toThrow('did you mean "cluster"');
  expect(() => new Topics({}, 1 as never)).toThrow(TypeError);
});

test("a route whose messages have a type hears of gaps, with its own connection", async () => {
  const cluster = clusterOf();
  const position = await cluster.publish("log/1", '{"n":0}');
  for (let n = 1; n < 6; n++) await cluster.publish("log/1", JSON.stringify({ n }));
  const numbers = json(z.object({ n: z.number() }));
  const server = await serving({
    cluster,
    routes: {
      "/": numbers.route({
        open: (connection) => connection.subscribe("log/1", { since: position! }),
        gap: (connection, { topic }) => connection.send({ n: topic.length }),
      }),
    },
  });
  const got: number[] = [];
  const client = await numbers.connect(`ws://127.0.0.1:${server.port}/`, { message: (_, { n }) => void got.push(n) });
  afterwards(() => client.close());
  await eventually(() => got.length === 4);
  expect(got).toEqual([5, 3, 4, 5]);
});

test("options of a cluster that would have no effect are refused where they are given", async () => {
  const connections: ServerConnection[] = [];
  const server = await serving({ routes: { "/": { open: (connection) => void connections.push(connection) } } });
  const client = await connect(`ws://127.0.0.1:${server.port}/`);
  afterwards(() => client.terminate());
  await eventually(() => connections.length === 1);
  const [connection] = connections as [ServerConnection];
  const publish = connection.publish.bind(connection) as (...given: unknown[]) => unknown;
  expect(() => publish("news", "x", { id: "1" })).toThrow(/takes no options here; cluster.publish has an id/);
  expect(() => (server.publish as (...given: unknown[]) => unknown).call(server, "news", "x", {})).toThrow(TypeError);
  const typed = json(z.string()).over(connection);
  expect(() => (typed.publish as (...given: unknown[]) => unknown).call(typed, "news", "x", {})).toThrow(TypeError);
  expect(() => connection.subscribe("news", { since: "e:1" })).toThrow(/need a cluster/);
  expect(() => connection.subscribe("news", { presence: {} })).toThrow(/need a cluster/);
  expect(() => connection.subscribe("news", { sinse: "now" } as never)).toThrow('did you mean "since"');
  expect(() => connection.subscribe("news", null as never)).toThrow(TypeError);
  expect(connection.topics).toEqual([]);
  expect(connection.subscribe("news", { since: "now" }).topic).toBe("news");
});
