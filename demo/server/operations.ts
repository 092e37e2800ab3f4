/**
 * What a load balancer and Prometheus ask: `/readyz` says whether new clients may come, `/metrics` what the server does.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { prometheusText, type Server } from "openline";
import type { Cluster } from "openline/cluster";

/** What is asked about. */
export interface Operated {
  readonly server: Server;
  readonly cluster: Cluster;
}

/** Answers `/readyz` and `/metrics`; false for any other path. A node that cannot reach its broker is not ready. */
export function answerOperations(
  { server, cluster }: Operated,
  request: IncomingMessage,
  response: ServerResponse,
): boolean {
  if (request.url === "/readyz") {
    const { accepting } = server;
    const isReady = accepting && cluster.state === "connected";
    const state = accepting ? `broker ${cluster.state}\n` : "draining\n";
    send(response, isReady ? 200 : 503, "text/plain; charset=utf-8", isReady ? "ready\n" : state);
    return true;
  }
  if (request.url === "/metrics") {
    send(response, 200, "text/plain; version=0.0.4; charset=utf-8", prometheusText(server.metrics()));
    return true;
  }
  return false;
}

function send(response: ServerResponse, status: number, type: string, body: string): void {
  response.writeHead(status, { "content-type": type, "cache-control": "no-store" }).end(body);
}
