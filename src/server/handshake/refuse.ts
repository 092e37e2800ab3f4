/**
 * Refuses an opening handshake with an HTTP response, and closes the transport behind it (RFC 6455 section 4.2.2); or,
 * to tell a page, with a 101 and a Close behind it.
 *
 * The transport is never kept for another request: what a client sent behind its request may be meant as frames.
 */

import { Buffer } from "node:buffer";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { drainTime } from "../../connection/options/limits.ts";
import { channels } from "../../connection/process-wide/diagnostics.ts";
import { type CloseStatus, encodeClosePayload } from "../../protocol/close-payload.ts";
import { finBit, Opcode } from "../../protocol/frames/frame.ts";
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

/** The same with `response`, a 101, and the Close behind it: the client of a page is told, and is never connected. */
export function refuseByClose(exchange: RefusedRequest, refused: Refused, response: string): undefined {
  noteRefusal(exchange, refused, refused.close);
  writeClose(exchange.socket, response, refused.close!);
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

/**
 * Writes a 101 with a Close behind it, and closes the transport when the client answers; input is thrown away, for at
 * most a second.
 */
export function writeClose(socket: Duplex, response: string, { code, reason }: CloseStatus): void {
  if (socket.destroyed) return;
  socket.on("error", ignoreError);
  const payload = encodeClosePayload(code, reason);
  // A control frame: its length is one byte (RFC 6455 section 5.5).
  socket.write(
    Buffer.concat([Buffer.from(response, "latin1"), Buffer.of(finBit | Opcode.Close, payload.length), payload]),
  );
  // What the client sends is its Close, or stands before it: a server is to end TCP first (section 7.1.1).
  const end = () => socket.end();
  socket.once("data", end).once("end", end);
  discardInput(socket);
}

/** Throws away what arrives on a stream on which we have said all, and destroys the stream after a second. */
export function discardInput(socket: Duplex): void {
  socket.resume();
  const timer = setTimeout(() => socket.destroy(), drainTime);
  socket.once("close", () => clearTimeout(timer));
}
