/**
 * Refuses an opening handshake with an HTTP response, and closes the transport behind it (RFC 6455 section 4.2.2); or,
 * to tell a page, with a 101 and a Close behind it.
 *
 * The transport is never kept for another request: what a client sent behind its request may be meant as frames.
 */

import { Buffer } from "node:buffer";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { drainSize, drainTime } from "../../connection/options/limits.ts";
import { channels } from "../../connection/process-wide/diagnostics.ts";
import type { CloseStatus } from "../../protocol/close-payload.ts";
import { Endpoint } from "../../protocol/endpoint/endpoint.ts";
import type { Refusal } from "../../protocol/handshake/handshake-error.ts";
import { createRefusal } from "../../protocol/handshake/refusal.ts";
import { ignoreError } from "../../transport/ignore-error.ts";
import { otherEnd } from "./client-address.ts";
import type { RefusalReason, Refused } from "./refused.ts";
import { answerUnderWay, pathOf, type UpgradeRequest } from "./upgrade-request.ts";

/** The record of a refused opening handshake, for the option `log`; `event` is `"refused"`. */
export interface RefusedRecord {
  /** The kind of the record. */
  readonly event: "refused";
  /** `error` when the application threw, `warn` when the server has no room, else `info`. */
  readonly level: "info" | "warn" | "error";
  /** A sentence. The path is the only part of it that the client chose. */
  readonly message: string;
  /** The request; undefined when it was no HTTP/1.1, too large or too slow. */
  readonly request: IncomingMessage | undefined;
  /** The client's address, as `trustProxy` has it; undefined when the stream is not TCP. */
  readonly remoteAddress: string | undefined;
  /** The status of the response; 0 when the connection was ended without a response. */
  readonly status: number;
  /** The close code, where the client was let in and told by a Close in place of that response; else missing. */
  readonly code?: number;
  /** Why the handshake was refused. */
  readonly reason: RefusalReason;
  /** The exception of the application; missing where there was none. */
  readonly error?: unknown;
}

/** The places where refusals of a server or a route are noted. */
export interface RefusalNotes {
  /** The number of refusals by reason. */
  readonly refusals?: Map<string, number>;
  readonly log?: ((record: RefusedRecord) => void) | undefined;
}

/** An upgrade request that can be refused. */
export type RefusableRequest = UpgradeRequest & RefusalNotes;

/** The parts of a request that its refusal needs; `request` is missing where `node:http` could not read it. */
export type RefusedRequest = Pick<UpgradeRequest, "socket" | "remoteAddress"> &
  Partial<Pick<UpgradeRequest, "request">> &
  RefusalNotes;

/** Refuses a handshake: counts it, logs it, publishes it on the diagnostics channel, and writes the response. */
export function refuse(exchange: RefusedRequest, refused: Refused): undefined {
  noteRefusal(exchange, refused);
  writeRefusal(exchange.socket, refused.refusal, answerUnderWay(exchange));
}

/** The same with a 101, and the Close behind it: the client of a page is told, and is never connected. */
export function refuseByClose(exchange: RefusedRequest, refused: Refused, answer: ClosingAnswer): undefined {
  noteRefusal(exchange, refused, refused.close);
  writeClose(exchange.socket, refused.close!, answer);
}

/** Counts, logs and publishes a refusal whose response is written elsewhere; `close` is what is sent in its place. */
export function noteRefusal(exchange: RefusedRequest, refused: Refused, close?: CloseStatus): void {
  const { request, refusals } = exchange;
  const { reason, refusal } = refused;
  const told = { status: refusal.status, reason, ...(close && { code: close.code }) };
  refusals?.set(reason, (refusals.get(reason) ?? 0) + 1);
  if (channels.refused.hasSubscribers) channels.refused.publish({ request, ...told });
  exchange.log?.(refusedRecord(exchange, told, refused.error));
}

function refusedRecord(
  exchange: RefusedRequest,
  told: Pick<RefusedRecord, "status" | "reason" | "code">,
  error: unknown,
): RefusedRecord {
  const { status, reason, code } = told;
  const { request, remoteAddress = otherEnd(exchange) } = exchange;
  const place = placeOf(pathOf(request?.url ?? "an unknown path"), remoteAddress);
  const answer = status === 0 ? "without an answer" : `with ${code ?? status}`;
  return {
    event: "refused",
    level: reason === "application-failed" ? "error" : status === 503 ? "warn" : "info",
    message: `Refused the handshake ${place} ${answer}: ${reason}`,
    request,
    remoteAddress,
    ...told,
    ...(error !== undefined && { error }),
  };
}

/** The path that a client asked for and the client's address, as a part of a sentence. */
export function placeOf(path: string, remoteAddress: string | undefined): string {
  return `at ${path} from ${remoteAddress ?? "an unknown address"}`;
}

/**
 * Writes the response and closes the transport; input is thrown away, for at most a second.
 *
 * While an `earlier` request of the same socket is unanswered, no response is written, since the client would take it
 * for the earlier answer. That answer then ends the socket, if it comes within the second.
 */
export function writeRefusal(socket: Duplex, refusal: Refusal, earlier?: ServerResponse): void {
  if (socket.destroyed) return;
  socket.on("error", ignoreError);
  if (earlier) earlier.once("close", () => socket.end());
  else socket.end(createRefusal(refusal));
  discardInput(socket);
}

/** What a refusal by a Close needs besides the Close. */
export interface ClosingAnswer {
  /** The head of the 101. */
  readonly response: string;
  /** What the client has sent behind its request. */
  readonly early: Uint8Array;
  /** How long the client may take for its Close, in milliseconds. */
  readonly closeTimeout: number;
}

/**
 * Writes a 101 with a Close behind it, and closes the transport when the client has answered with its Close, which stands
 * behind what it sent before it knew of ours (RFC 6455 section 7.1.1). So it does when the client ends its side, breaks a
 * rule, or has sent 64 KiB; a client that does none of this in time is cut off.
 */
export function writeClose(socket: Duplex, { code, reason }: CloseStatus, answer: ClosingAnswer): void {
  if (socket.destroyed) return;
  socket.on("error", ignoreError);
  const endpoint = new Endpoint({ role: "server" });
  // What comes before the Close is thrown away as it comes: no message is put together.
  endpoint.streaming = true;
  const write = (head: string): void => {
    socket.write(Buffer.concat([Buffer.from(head, "latin1"), ...endpoint.takeOutput()]));
    endpoint.outputTaken(true);
  };
  endpoint.close(code, reason);
  write(answer.response);
  const cancel = destroyAfter(socket, answer.closeTimeout);
  let length = 0;
  const receive = (chunk: Uint8Array): void => {
    length += chunk.length;
    endpoint.receive(chunk);
    while (endpoint.nextEvent()) {}
    if (endpoint.outputLength > 0) write("");
    if (endpoint.state !== "closing" || length > drainSize) end();
  };
  const end = (): void => {
    cancel();
    socket.off("data", receive).off("end", end);
    socket.end();
    discardInput(socket);
  };
  socket.on("data", receive).once("end", end).resume();
  if (answer.early.length > 0) receive(answer.early);
}

/** Throws away what arrives on a stream on which we have said all, and destroys the stream after a second. */
export function discardInput(socket: Duplex): void {
  socket.resume();
  destroyAfter(socket, drainTime);
}

/** Destroys a stream after so many milliseconds, unless it closes before or the function that is returned is called. */
function destroyAfter(socket: Duplex, time: number): () => void {
  const timer = setTimeout(() => socket.destroy(), time);
  const cancel = (): void => clearTimeout(timer);
  socket.once("close", cancel);
  return cancel;
}
