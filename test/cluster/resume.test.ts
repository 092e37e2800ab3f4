/** Clients that speak the resume protocol with the servers of a cluster, one node after another. */
import { describe, expect, test } from "vitest";
import { connect } from "../../src/client/connect.ts";
import { reconnecting } from "../../src/client/reconnecting/reconnecting.ts";
import { ReconnectingWebSocket } from "../../src/client/reconnecting/reconnecting-websocket.ts";
import type { Broker } from "../../src/cluster/broker/broker.ts";
import { memoryBroker } from "../../src/cluster/broker/memory-broker.ts";
import { type Cluster, createCluster } from "../../src/cluster/cluster.ts";
import type { ClusterOptions } from "../../src/cluster/cluster-options.ts";
import type { Connection } from "../../src/connection/connection.ts";
import { type Resumed, type ResumeGap, resumeTopics } from "../../src/resume/resume-topics.ts";
import type { Route } from "../../src/server/route.ts";
import { eventually } from "../support/eventually.ts";
import { afterwards, serving } from "../support/serving.ts";

/** Comes back at once. */
const soon = { firstDelay: 1, maxDelay: 2 };
const topics = { "log/*": { history: { size: 100 } } };

/** Nodes that share their logs, each with a server whose clients are subscribed to what their URL says. */
async function nodesOf(count: number, options: ClusterOptions = {}, route: Partial<Route> = {}) {
  const first = memoryBroker();
  const brokers: readonly Broker[] = [
    first,
    ...Array.from({ length: count - 1 }, () => memoryBroker({ sharedWith: first })),
  ];
  return Promise.all(brokers.map((broker) => nodeOf({ broker, ...options }, route)));
}

async function nodeOf(options: ClusterOptions, route: Partial<Route> = {}) {
  const cluster: Cluster = createCluster({ topics, log: () => {}, ...options });
  afterwards(() => cluster.close());
  const server = await serving({
    cluster,
    routes: {
      "/*": {
        open: (connection) => {
          for (const topic of connection.params["*"]?.split(",") ?? []) connection.subscribe(topic);
        },
        ...route,
      } as Route,
    },
  });
  return { cluster, server, url: `ws://127.0.0.1:${server.port}` };
}

/** An object for `resume`, and what it was told. */
function watched() {
  const resumed: Resumed[] = [];
  const gaps: ResumeGap[] = [];
  const resume = resumeTopics({ resumed: (outcome) => void resumed.push(outcome), gap: (gap) => void gaps.push(gap) });
  return { resume, resumed, gaps };
}

/** One connection by `connect`, and all that it got. */
async function clientOf(url: string, resume: ReturnType<typeof resumeTopics>, got: unknown[]): Promise<Connection> {
  const connection = await connect(url, { resume, message: (_, data) => void got.push(data) });
  afterwards(() => connection.terminate());
  return connection;
}

describe("a client that comes back to another node", () => {
  test("by connect: gets what it missed, once, and is told", async () => {
    const [one, other] = await nodesOf(2);
    const { resume, resumed, gaps } = watched();
    const got: unknown[] = [];
    const before = await clientOf(`${one!.url}/log/a`, resume, got);
    await eventually(() => one!.server.subscriberCount("log/a") === 1);
    await one!.cluster.publish("log/a", "1");
    await one!.cluster.publish("log/a", "2");
    await eventually(() => got.length === 2);
    before.terminate();
    await eventually(() => one!.server.connections.size === 0);
    await one!.cluster.publish("log/a", "3");
    await one!.cluster.publish("log/a", "4");
    await clientOf(`${other!.url}/log/a`, resume, got);
    await eventually(() => resumed.length === 1);
    await other!.cluster.publish("log/a", "5");
    await eventually(() => got.length === 5);
    expect(got).toEqual(["1", "2", "3", "4", "5"]);
    expect(resumed).toEqual([{ topic: "log/a", recovered: true, replayed: 2, reason: undefined }]);
    expect(gaps).toEqual([]);
  });

  test("by a ReconnectingWebSocket, whose messages of its own come through as they are", async () => {
    const heard: unknown[] = [];
    const [one, other] = await nodesOf(2, {}, { message: (_, data) => void heard.push(data), subprotocols: ["chat"] });
    const { resume, resumed, gaps } = watched();
    const got: unknown[] = [];
    let node = one!;
    const socket = new ReconnectingWebSocket(() => `${node.url}/log/a,news`, "chat", { resume, reconnect: soon });
    afterwards(() => socket.close());
    socket.onmessage = ({ data }) => void got.push(data);
    for (const text of ["\0early", "plain"]) socket.send(text);
    await eventually(() => one!.server.subscriberCount("log/a") === 1);
    expect(socket.protocol).toBe("chat");
    expect([...one!.server.connections][0]!.subprotocol).toBe("chat");
    one!.server.publish("news", "\0not of the protocol");
    await one!.cluster.publish("log/a", "\0nor this");
    await eventually(() => got.length === 2);
    node = other!;
    for (const connection of one!.server.connections) connection.terminate();
    await other!.cluster.publish("log/a", "\0missed");
    await eventually(() => resumed.length === 1);
    socket.send("\0late");
    await eventually(() => heard.length === 3);
    expect(got).toEqual(["\0not of the protocol", "\0nor this", "\0missed"]);
    expect(heard).toEqual(["\0early", "plain", "\0late"]);
    expect(resumed).toEqual([{ topic: "log/a", recovered: true, replayed: 1, reason: undefined }]);
    expect(gaps).toEqual([]);
  });

  test("by a loop over connections: what it was not given is sent again", async () => {
    const nodes = await nodesOf(2);
    const { resume, resumed, gaps } = watched();
    let round = 0;
    const got: unknown[] = [];
    for await (const connection of reconnecting(() => `${nodes[round++ % 2]!.url}/log/a`, {
      resume,
      reconnect: soon,
    })) {
      await eventually(() => nodes.some(({ server }) => server.subscriberCount("log/a") === 1));
      if (round <= 5) for (const text of ["a", "b", "c"]) await nodes[0]!.cluster.publish("log/a", `${round}${text}`);
      for await (const data of connection) {
        got.push(data);
        if (got.length === 15 || got.length % 2 === 0) break;
      }
      if (got.length === 15) break;
    }
    expect(got).toEqual([1, 2, 3, 4, 5].flatMap((number) => ["a", "b", "c"].map((text) => `${number}${text}`)));
    expect(resumed.every(({ recovered }) => recovered)).toBe(true);
    expect(gaps).toEqual([]);
  });
});
