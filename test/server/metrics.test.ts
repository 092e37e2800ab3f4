/** The text for Prometheus, read by the parser of Prometheus' own Python client, and by eye. */
import { spawnSync } from "node:child_process";
import { expect, test } from "vitest";
import { type ClusterNumbers, prometheusText, type ServerMetrics } from "../../src/server/metrics.ts";
import { serve } from "../../src/server/server.ts";
import { exchange, openRaw, requestText } from "../support/raw-peer.ts";
import { describeWith } from "../support/real-parts.ts";

const metrics: ServerMetrics = {
  connections: 3,
  pendingHandshakes: 1,
  opened: 10,
  closed: { 1000: 5, 1006: 2 },
  refused: { "missing-key": 4, "too-many-from-address": 1 },
  messagesReceived: 1e15,
  messagesSent: 8,
  messagesUnsent: 5,
  bytesReceived: 123_456_789_012,
  bytesSent: 2 ** 53,
  bufferedAmount: 77,
  topics: 6,
  publishBacklog: 9,
  messagesDropped: 12,
};

const cluster: ClusterNumbers = {
  state: "connected",
  topics: 1,
  members: 2,
  pending: 3,
  published: 4,
  failed: 10,
  received: 5,
  unreadable: 6,
  gaps: 7,
  fills: 8,
  disconnects: 9,
};

const nothing: ServerMetrics = { ...metrics, closed: {}, refused: {} };

const program = `
import json, sys
from prometheus_client.parser import text_string_to_metric_families
families = text_string_to_metric_families(sys.stdin.read())
print(json.dumps([[f.name, f.type, f.documentation, [[s.name, s.labels, s.value] for s in f.samples]] for f in families]))
`;

type Family = [name: string, type: string, help: string, samples: [string, Record<string, string>, number][]];

describeWith("python3-prometheus-client", "a Prometheus parser", (python) => {
  function parse(text: string): Family[] {
    const { stdout, stderr } = spawnSync(python, ["-c", program], { input: text, encoding: "utf8" });
    if (stderr !== "") throw new Error(stderr);
    return JSON.parse(stdout) as Family[];
  }

  test("reads every number with its type and labels", () => {
    const families = parse(prometheusText(metrics));
    // The parser removes _total from a counter's name.
    expect(families.map(([name, type, , samples]) => [name, type, samples.map(([, ...rest]) => rest)])).toEqual([
      ["openline_connections", "gauge", [[{}, 3]]],
      ["openline_pending_handshakes", "gauge", [[{}, 1]]],
      ["openline_connections_opened", "counter", [[{}, 10]]],
      [
        "openline_connections_closed",
        "counter",
        [
          [{ code: "1000" }, 5],
          [{ code: "1006" }, 2],
        ],
      ],
      [
        "openline_handshakes_refused",
        "counter",
        [
          [{ reason: "missing-key" }, 4],
          [{ reason: "too-many-from-address" }, 1],
        ],
      ],
      [
        "openline_messages",
        "counter",
        [
          [{ direction: "received" }, 1e15],
          [{ direction: "sent" }, 8],
        ],
      ],
      ["openline_messages_unsent", "counter", [[{}, 5]]],
      [
        "openline_bytes",
        "counter",
        [
          [{ direction: "received" }, 123_456_789_012],
          [{ direction: "sent" }, 2 ** 53],
        ],
      ],
      ["openline_buffered_bytes", "gauge", [[{}, 77]]],
      ["openline_topics", "gauge", [[{}, 6]]],
      ["openline_publish_backlog_bytes", "gauge", [[{}, 9]]],
      ["openline_messages_dropped", "counter", [[{}, 12]]],
    ]);
    for (const [, , help] of families) expect(help).not.toBe("");
  });

  test("reads the numbers of a cluster, behind those of a server and alone", () => {
    const families = parse(prometheusText(cluster));
    expect(families.map(([name, type, , samples]) => [name, type, samples.map(([, ...rest]) => rest)])).toEqual([
      ["openline_cluster_connected", "gauge", [[{}, 1]]],
      ["openline_cluster_topics", "gauge", [[{}, 1]]],
      ["openline_cluster_members", "gauge", [[{}, 2]]],
      ["openline_cluster_pending_messages", "gauge", [[{}, 3]]],
      [
        "openline_cluster_messages",
        "counter",
        [
          [{ direction: "published" }, 4],
          [{ direction: "received" }, 5],
        ],
      ],
      ["openline_cluster_messages_failed", "counter", [[{}, 10]]],
      ["openline_cluster_messages_unreadable", "counter", [[{}, 6]]],
      ["openline_cluster_gaps", "counter", [[{}, 7]]],
      ["openline_cluster_fills", "counter", [[{}, 8]]],
      ["openline_cluster_disconnects", "counter", [[{}, 9]]],
    ]);
    for (const [, , help] of families) expect(help).not.toBe("");
    expect(parse(prometheusText(metrics, cluster)).slice(-families.length)).toEqual(families);
  });

  test("reads the metrics of a new server, and of one that has worked", async () => {
    expect(parse(prometheusText(nothing)).map(([name]) => name)).toContain("openline_connections_closed");
    const server = await serve({ host: "127.0.0.1", routes: { "/": { message: (c, data) => void c.send(data) } } });
    const peer = await openRaw(server.port);
    peer.text("hello");
    await peer.nextFrame();
    await exchange(server.port, requestText({ path: "/nowhere" }));
    const samples = new Map(
      parse(prometheusText(server.metrics())).flatMap(([, , , all]) =>
        all.map(([name, labels, value]) => [`${name} ${Object.values(labels).join()}`, value] as const),
      ),
    );
    expect(Object.fromEntries(samples)).toMatchObject({
      "openline_connections ": 1,
      "openline_connections_opened_total ": 1,
      "openline_handshakes_refused_total unknown-path": 1,
      "openline_messages_total received": 1,
      "openline_messages_total sent": 1,
      "openline_messages_unsent_total ": 0,
      "openline_bytes_total received": 11,
      "openline_bytes_total sent": 7,
    });
    for (const connection of server.connections) connection.terminate();
    await server.close();
  });
});

test("each family has its help and its type before its samples, and each line ends", () => {
  expect(prometheusText(metrics).split("\n").slice(0, 3)).toEqual([
    "# HELP openline_connections Connections that are open",
    "# TYPE openline_connections gauge",
    "openline_connections 3",
  ]);
  expect(prometheusText(nothing).endsWith("\n")).toBe(true);
  expect(prometheusText(metrics, cluster)).toBe(prometheusText(metrics) + prometheusText(cluster));
  for (const state of ["connecting", "disconnected", "closed"]) {
    expect(prometheusText({ ...cluster, state })).toContain("\nopenline_cluster_connected 0\n");
  }
});
