/**
 * What a load balancer and Prometheus ask: `/readyz` says whether new clients may come, `/metrics` what the server does.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { prometheusText, type Server } from "openline";

/** Answers `/readyz` and `/metrics`; false for any other path. */
export function answerOperations(server: Server, request: IncomingMessage, response: ServerResponse): boolean {
  if (request.url === "/readyz") {
    const { accepting } = server;
    send(response, accepting ? 200 : 503, "text/plain; charset=utf-8", accepting ? "ready\n" : "draining\n");
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
