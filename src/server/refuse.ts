/**
 * Refuses an opening handshake with an HTTP response, after which the transport is closed (RFC 6455 section 4.2.2).
 *
 * Never keeps the transport for another request: what a client sent behind its request may be meant as frames.
 */

import type { Duplex } from "node:stream";
import { drainTime } from "../connection/limits.ts";
import type { Refusal } from "../protocol/handshake-rules.ts";
import { createRefusal } from "../protocol/opening-handshake.ts";

/** Header fields that the refusal writes itself. */
const framing = new Set(["connection", "content-length", "transfer-encoding", "keep-alive"]);

/** Writes the refusal and closes; what still arrives is thrown away, for at most a second. */
export function refuse(socket: Duplex, refusal: Refusal): void {
  if (socket.destroyed) return;
  socket.on("error", ignoreError);
  socket.end(createRefusal(refusal));
  socket.resume();
  const timer = setTimeout(() => socket.destroy(), drainTime);
  socket.once("close", () => clearTimeout(timer));
}

/**
 * For sockets whose end is not awaited: Node takes its own listeners off a socket at `upgrade`, and without one of ours a
 * reset would end the process (fault C04).
 */
export function ignoreError(): void {}

/** A short refusal in plain text. */
export function plainRefusal(status: number, text: string, headers: Refusal["headers"] = []): Refusal {
  return { status, headers: [["Content-Type", "text/plain; charset=utf-8"], ...headers], body: `${text}\n` };
}

/** What a `Response` says, as a refusal. */
export async function refusalOfResponse(response: Response): Promise<Refusal> {
  const headers = [...response.headers].filter(([name]) => !framing.has(name));
  return { status: response.status, headers, body: new Uint8Array(await response.arrayBuffer()) };
}
