/**
 * The numbers of a server, and the text in which Prometheus reads them.
 */

import type { Counters } from "../connection/process-wide/diagnostics.ts";

/** The numbers of a server. Counts begin with the server. */
export interface ServerMetrics extends Readonly<Counters> {
  /** The number of connections that are open now. */
  readonly connections: number;
  /** The number of opening handshakes that wait for their route's `upgrade` now. */
  readonly pendingHandshakes: number;
  /** The count of connections opened. */
  readonly opened: number;
  /** The count of connections closed, by close code. */
  readonly closed: Readonly<Record<number, number>>;
  /** The count of opening handshakes refused, by reason. */
  readonly refused: Readonly<Record<string, number>>;
  /** The bytes that wait to be sent on all connections now. */
  readonly bufferedAmount: number;
  /** The number of topics that have a subscriber now. */
  readonly topics: number;
  /** The bytes that are published and not delivered to all subscribers yet, with an overhead for each message. */
  readonly publishBacklog: number;
  /** The count of messages published that a subscriber did not get, once for each subscriber: the sum of `dropped`. */
  readonly messagesDropped: number;
}

/** The numbers of a cluster, as its `metrics` returns them. */
export interface ClusterNumbers {
  /** Whether the broker can be reached: `connected`, or something else. */
  readonly state: string;
  /** The number of topics that the node is subscribed to now. */
  readonly topics: number;
  /** The number of members that the node has now. */
  readonly members: number;
  /** The number of messages that wait for the broker now. */
  readonly pending: number;
  /** The count of messages published by this node. */
  readonly published: number;
  /** The count of those that were not stored, or of which that is not known. */
  readonly failed: number;
  /** The count of messages that came from the broker. */
  readonly received: number;
  /** The count of those that could not be read. */
  readonly unreadable: number;
  /** The count of gaps, once for each topic. */
  readonly gaps: number;
  /** The count of reads of logs. */
  readonly fills: number;
  /** The count of losses of the broker. */
  readonly disconnects: number;
}

type Sample = readonly [labels: string, value: number];

/**
 * Writes the metrics of a server in the text format of Prometheus, version 0.0.4, and behind them those of a cluster; or those
 * of a cluster alone, for a process that serves nobody.
 */
export function prometheusText(metrics: ServerMetrics | ClusterNumbers, cluster?: ClusterNumbers): string {
  const own = "connections" in metrics ? serverText(metrics) : clusterText(metrics);
  return cluster === undefined ? own : own + clusterText(cluster);
}

function clusterText(cluster: ClusterNumbers): string {
  return [
    family("gauge", "openline_cluster_connected", "Whether the broker can be reached", [
      ["", Number(cluster.state === "connected")],
    ]),
    family("gauge", "openline_cluster_topics", "Topics that the node is subscribed to", [["", cluster.topics]]),
    family("gauge", "openline_cluster_members", "Members of topics by way of the node", [["", cluster.members]]),
    family("gauge", "openline_cluster_pending_messages", "Messages that wait for the broker", [["", cluster.pending]]),
    family("counter", "openline_cluster_messages_total", "Messages to and from the broker", [
      ['{direction="published"}', cluster.published],
      ['{direction="received"}', cluster.received],
    ]),
    family("counter", "openline_cluster_messages_failed_total", "Messages published that may not be stored", [
      ["", cluster.failed],
    ]),
    family("counter", "openline_cluster_messages_unreadable_total", "Messages from the broker that cannot be read", [
      ["", cluster.unreadable],
    ]),
    family("counter", "openline_cluster_gaps_total", "Gaps in the logs of topics", [["", cluster.gaps]]),
    family("counter", "openline_cluster_fills_total", "Reads of the logs of topics", [["", cluster.fills]]),
    family("counter", "openline_cluster_disconnects_total", "Losses of the broker", [["", cluster.disconnects]]),
  ].join("");
}

function serverText(metrics: ServerMetrics): string {
  const byLabel = (label: string, values: Readonly<Record<string, number>>): Sample[] =>
    Object.entries(values).map(([key, value]) => [`{${label}="${key}"}`, value]);
  return [
    family("gauge", "openline_connections", "Connections that are open", [["", metrics.connections]]),
    family("gauge", "openline_pending_handshakes", "Opening handshakes that wait for the application", [
      ["", metrics.pendingHandshakes],
    ]),
    family("counter", "openline_connections_opened_total", "Connections opened", [["", metrics.opened]]),
    family("counter", "openline_connections_closed_total", "Connections closed", byLabel("code", metrics.closed)),
    family(
      "counter",
      "openline_handshakes_refused_total",
      "Opening handshakes refused",
      byLabel("reason", metrics.refused),
    ),
    family("counter", "openline_messages_total", "Messages", [
      ['{direction="received"}', metrics.messagesReceived],
      ['{direction="sent"}', metrics.messagesSent],
    ]),
    family("counter", "openline_messages_unsent_total", "Messages counted as sent that never reached their socket", [
      ["", metrics.messagesUnsent],
    ]),
    family("counter", "openline_bytes_total", "Bytes of the WebSocket protocol", [
      ['{direction="received"}', metrics.bytesReceived],
      ['{direction="sent"}', metrics.bytesSent],
    ]),
    family("gauge", "openline_buffered_bytes", "Bytes that wait to be sent", [["", metrics.bufferedAmount]]),
    family("gauge", "openline_topics", "Topics with a subscriber", [["", metrics.topics]]),
    family("gauge", "openline_publish_backlog_bytes", "Bytes published and not delivered to all subscribers", [
      ["", metrics.publishBacklog],
    ]),
    family("counter", "openline_messages_dropped_total", "Messages published that a subscriber did not get", [
      ["", metrics.messagesDropped],
    ]),
  ].join("");
}

function family(type: "counter" | "gauge", name: string, help: string, samples: readonly Sample[]): string {
  const lines = samples.map(([labels, value]) => `${name}${labels} ${value}\n`);
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join("")}`;
}
