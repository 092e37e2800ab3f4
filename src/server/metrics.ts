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

type Sample = readonly [labels: string, value: number];

/** Writes the metrics in the text format of Prometheus, version 0.0.4. Throws nothing. */
export function prometheusText(metrics: ServerMetrics): string {
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
