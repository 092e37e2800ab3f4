/** Whatever a cluster, a broker or workers are given that cannot be is a sentence that says so, at the call. */
import { connect } from "@nats-io/transport-node";
import { afterAll, describe, expect, test } from "vitest";
import { createCluster } from "../../src/cluster/cluster.ts";
import { memoryBroker } from "../../src/cluster/index.ts";
import { natsBroker } from "../../src/cluster/nats/index.ts";
import { redisBroker } from "../../src/cluster/redis/index.ts";
import { Topics } from "../../src/index.ts";
import { serveOnCores, workerCluster } from "../../src/workers/index.ts";

/** Any call, whatever its types say. */
// biome-ignore lint/suspicious/noExplicitAny: odd values are of other types
type Any = any;

const nothing = () => {};
const cluster: Any = createCluster({
  topics: { "log/*": { history: { size: 5 } }, "room/*": { presence: true }, "here/*": { local: true } },
});
afterAll(() => cluster.close());
const client = { duplicate: () => ({}), call: async () => {} };
const redis = redisBroker as Any;
const nats = natsBroker as Any;
const create = createCluster as Any;
const cores = serveOnCores as Any;

/** Calls, each with arguments of which the last one is odd. */
const calls: [what: string, call: (...given: unknown[]) => unknown, odd: (readonly unknown[])[]][] = [
  [
    "publish",
    (...given) => cluster.publish(...given),
    [
      ...[undefined, null, 1, {}, ["log/1"]].map((topic) => [topic, "x"]),
      ...[undefined, null, 1, {}, [1]].map((data) => ["log/1", data]),
      ...[null, 1, "id", []].map((options) => ["log/1", "x", options]),
      ...[{ id: null }, { id: 1 }, { ids: "a" }].map((options) => ["log/1", "x", options]),
      ["news", "x", { id: "a" }],
      ["here/1", "x"],
    ],
  ],
  [
    "subscribe",
    (...given) => cluster.subscribe(...given),
    [
      ...[undefined, null, 1, {}].map((topic) => [topic, nothing]),
      ...[undefined, null, 1, {}].map((handler) => ["log/1", handler]),
      ...[null, 1, "now", []].map((options) => ["log/1", nothing, options]),
      ...[null, 1, true, [], {}, { last: null }, { last: "5" }, { lst: 5 }].map((since) => [
        "log/1",
        nothing,
        { since },
      ]),
      ...[null, 1, {}].map((signal) => ["log/1", nothing, { signal }]),
      ...[null, 1, {}].map((gap) => ["log/1", nothing, { gap }]),
      ["news", nothing, { since: { last: 1 } }],
      ["here/1", nothing],
    ],
  ],
  [
    "history",
    (...given) => cluster.history(...given),
    [
      ...[undefined, null, 1, {}].map((topic) => [topic]),
      ...[null, 1, "x", []].map((options) => ["log/1", options]),
      ...[null, "now", 1, true, [], {}, { last: null }, { last: "5" }].map((since) => ["log/1", { since }]),
      ...[null, "5", {}].map((limit) => ["log/1", { limit }]),
      ["news"],
      ["news", { since: "x" }],
    ],
  ],
  [
    "presence",
    (...given) => cluster.presence(...given),
    [...[undefined, null, 1, {}].map((topic) => [topic]), ["news"]],
  ],
  [
    "presenceChanges",
    (...given) => cluster.presenceChanges(...given),
    [
      ...[undefined, null, 1, {}].map((topic) => [topic]),
      ...[null, 1, "x", [], { signal: null }, { signal: 1 }, { signal: {} }].map((options) => ["room/1", options]),
      ["news"],
    ],
  ],
  [
    "createCluster",
    create,
    [
      ...[null, 1, "x", []].map((options) => [options]),
      ...[null, 1, {}, { connect: nothing }].map((broker) => [{ broker }]),
      ...[null, 1, [], new Map()].map((topics) => [{ topics }]),
      ...[undefined, null, 1, []].map((rule) => [{ topics: { a: rule } }]),
      ...[null, 1, []].map((history) => [{ topics: { a: { history } } }]),
      ...[{ history: { size: "5" } }, { presence: null }, { local: 1 }, { encode: "x" }].map((a) => [
        { topics: { a } },
      ]),
      ...[{ secret: 1 }, { secret: null }, { log: null }, { log: "x" }, { maxPending: null }, { nodeLease: "5" }].map(
        (options) => [options],
      ),
    ],
  ],
  [
    "memoryBroker",
    memoryBroker as Any,
    [null, 1, "x", [], { sharedWith: null }, { sharedWith: {} }, { shared: memoryBroker() }].map((options) => [
      options,
    ]),
  ],
  [
    "redisBroker",
    redis,
    [
      ...[undefined, null, 1, "redis://", {}, [], [null], [client, null]].map((one) => [one]),
      ...[null, 1, "x", []].map((options) => [client, options]),
      ...[{ prefix: null }, { prefix: 1 }, { probeInterval: "5" }, { cluster: 1 }, { cluster: null }].map((options) => [
        client,
        options,
      ]),
    ],
  ],
  [
    "natsBroker",
    nats,
    [
      ...[undefined, null, 1, {}].map((one) => [one, {}]),
      ...[undefined, null, 1, "nats://", []].map((connection) => [connect, connection]),
      ...[null, 1, "x", []].map((options) => [connect, {}, options]),
      ...[{ prefix: null }, { prefix: 1 }, { replicas: "3" }, { replicas: null }, { probeInterval: null }].map(
        (options) => [connect, {}, options],
      ),
    ],
  ],
  [
    "workerCluster",
    workerCluster as Any,
    [null, 1, "x", [], { topics: null }, { topics: { a: null } }, { maxPayload: null }, { maxBacklogSize: "5" }].map(
      (options) => [options],
    ),
  ],
  [
    "serveOnCores",
    cores,
    [
      ...[undefined, null, 1, "x", [], {}].map((options) => [options]),
      ...[null, 1, {}, "", "/no/such/file.js", "https://example.com/x.js", new URL("https://example.com/x.js")].map(
        (entry) => [{ entry }],
      ),
      ...[{ workers: null }, { workers: "2" }, { threads: 1 }, { signals: null }, { drain: null }, { log: null }].map(
        (options) => [{ entry: import.meta.filename, ...options }],
      ),
      [{ entry: import.meta.filename, startTimeout: null }],
    ],
  ],
];

describe.each(calls)("%s", (_what, call, odd) => {
  test.each(odd.map((given) => ({ given })))("refuses $given", async ({ given }) => {
    let thrown: unknown;
    try {
      await call(...given);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(TypeError);
    expect((thrown as TypeError).message).toMatch(/^Cannot [a-z]+.*: ./);
  });
});

describe("connection.subscribe", () => {
  const topics = new Topics({}, { cluster });
  afterAll(() => topics.close());
  const subscriber: Any = { topics: new Set(), relayed: undefined };
  const odd: unknown[] = [null, 1, "now", [], ...[null, 1, [], {}, { last: "5" }].map((since) => ({ since }))];
  test.each(odd.map((options) => ({ options })))("refuses $options", ({ options }) => {
    expect(() => (topics as Any).subscribe(subscriber, "log/1", options)).toThrow(/^Cannot subscribe: ./);
    expect(() => (topics as Any).subscribe(subscriber, "log/1", options)).toThrow(TypeError);
  });

  test("says why JSON cannot hold what a member is to be, in one line", () => {
    const circle: Record<string, unknown> = {};
    circle.self = circle;
    const throws = {
      toJSON() {
        throw new Error("No JSON of mine");
      },
    };
    for (const [presence, why] of [
      [circle, /^Cannot subscribe: JSON cannot hold this presence: .*c(?:ircular|yclic).*$/],
      [1n, /^Cannot subscribe: JSON cannot hold this presence: .*BigInt.*$/],
      [throws, "Cannot subscribe: JSON cannot hold this presence: No JSON of mine"],
    ] as const) {
      const subscribe = () => (topics as Any).subscribe(subscriber, "room/1", { presence });
      expect(subscribe).toThrow(TypeError);
      expect(subscribe).toThrow(why);
    }
  });
});
