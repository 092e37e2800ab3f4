/**
 * Refuses an opening handshake with an HTTP response, after which the transport is closed (RFC 6455 section 4.2.2).
 *
 * Never keeps the transport for another request: what a client sent behind its request may be meant as frames.
 */

import type { IncomingMessage, ServerResponse } from "node:http";
import { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { channels } from "../../connection/diagnostics.ts";
import { drainTime } from "../../connection/limits.ts";
import { type Refusal, type RefusalRule, refusalOf } from "../../protocol/handshake/handshake-error.ts";
import { createRefusal, type HandshakeRequest } from "../../protocol/handshake/opening-handshake.ts";
import { type ProxyProblem, proxiedAddress } from "./proxied-address.ts";
import { pathOf } from "./router.ts";

/** Header fields that the refusal writes itself. */
const framing = new Set(["connection", "content-length", "transfer-encoding", "keep-alive"]);

/** An upgrade request as `node:http` hands it over. */
export interface UpgradeRequest {
  readonly request: IncomingMessage;
  readonly socket: Duplex;
  /** Bytes that came with the request. */
  readonly head: Uint8Array;
  /** Where refusals are counted, by reason. */
  readonly refusals?: Map<string, number>;
  /** Where refusals are logged. */
  readonly log?: ((record: RefusedRecord) => void) | undefined;
  /** The client's address as far as the server trusts it; the other end's where that was not looked into. */
  readonly remoteAddress?: string | undefined;
}

/** What is known of a refused handshake; a request that `node:http` could not read is missing. */
export type RefusedExchange = Omit<UpgradeRequest, "request" | "head"> & Partial<Pick<UpgradeRequest, "request">>;

/** Why a handshake is refused: a rule that the request breaks, or the server's own reason. */
export type RefusalReason =
  | RefusalRule
  | ProxyProblem
  | "headers-too-large"
  | "malformed-http"
  | "request-too-slow"
  | "application"
  | "application-failed"
  | "behind-unanswered"
  | "server-closing"
  | "too-many-connections"
  | "too-many-from-address"
  | "too-many-handshakes"
  | "upgrade-timeout";

/** A handshake that is to be refused, with the reason and the answer. */
export class Refused {
  readonly reason: RefusalReason;
  readonly refusal: Refusal;

  constructor(reason: RefusalReason, refusal: Refusal) {
    this.reason = reason;
    this.refusal = refusal;
  }

  /** For a rule that a request breaks. */
  static by(rule: RefusalRule): Refused {
    return new Refused(rule, refusalOf(rule));
  }

  /** For what may go better later: 503, with `Retry-After` in seconds. */
  static busy(reason: RefusalReason, because: string, retryAfter = 1): Refused {
    const headers = [["Retry-After", String(retryAfter)]] as const;
    return new Refused(reason, plainRefusal(503, `Cannot open the connection: ${because}`, headers));
  }
}

/** A record of the logging hook: an opening handshake was refused. */
export interface RefusedRecord {
  readonly event: "refused";
  /** `error` when the application threw, `warn` when the server has no room, else `info`. */
  readonly level: "info" | "warn" | "error";
  /** A sentence; of the client's own words it holds only the path. */
  readonly message: string;
  /** Undefined when it was not HTTP/1.1, too large or too slow. */
  readonly request: IncomingMessage | undefined;
  readonly remoteAddress: string | undefined;
  /** What was answered; 0 where the connection was ended without an answer. */
  readonly status: number;
  readonly reason: RefusalReason;
  /** What the application threw. */
  readonly error?: unknown;
}

/** Refuses a handshake, counts it, and tells those who listen. */
export function refuse(exchange: RefusedExchange, refused: Refused, error?: unknown): undefined {
  noteRefusal(exchange, refused, error);
  writeRefusal(exchange.socket, refused.refusal, answerUnderWay(exchange));
}

/** Counts a refusal that is answered elsewhere, and tells those who listen. */
export function noteRefusal(exchange: RefusedExchange, { reason, refusal }: Refused, error?: unknown): void {
  const { request, refusals } = exchange;
  refusals?.set(reason, (refusals.get(reason) ?? 0) + 1);
  if (channels.refused.hasSubscribers) channels.refused.publish({ request, status: refusal.status, reason });
  exchange.log?.(refusedRecord(exchange, reason, refusal.status, error));
}

function refusedRecord(
  exchange: RefusedExchange,
  reason: RefusalReason,
  status: number,
  error: unknown,
): RefusedRecord {
  const { request, remoteAddress = otherEnd(exchange) } = exchange;
  return {
    event: "refused",
    level: reason === "application-failed" ? "error" : status === 503 ? "warn" : "info",
    message: `Refused the handshake ${whence(pathOf(request?.url ?? "an unknown path"), remoteAddress)} ${status === 0 ? "without an answer" : `with ${status}`}: ${reason}`,
    request,
    remoteAddress,
    status,
    reason,
    ...(error !== undefined && { error }),
  };
}

/** Where a client came in and from where, for a sentence. */
export function whence(path: string, remoteAddress: string | undefined): string {
  return `at ${path} from ${remoteAddress ?? "an unknown address"}`;
}

/**
 * Writes the refusal and closes; what still arrives is thrown away, for at most a second.
 *
 * Where an earlier request of the same socket is still being answered, that answer ends it instead, if it comes in this
 * second: the refusal would be taken for it.
 */
export function writeRefusal(socket: Duplex, refusal: Refusal, earlier?: ServerResponse): void {
  if (socket.destroyed) return;
  socket.on("error", ignoreError);
  if (earlier) earlier.once("close", () => socket.end());
  else socket.end(createRefusal(refusal));
  discardInput(socket);
}

/**
 * The response of `node:http` that is being written to a socket. A request that asks to upgrade behind one that is not
 * answered yet is handed over all the same, and the answer would stand between the frames (fault C08).
 */
export function answerUnderWay({ request, socket }: RefusedExchange): ServerResponse | undefined {
  // The one place where Node says so; a stream of anybody else has none. While a body is still to come, Node 26 hands over
  // a stream of its own, and only the request knows the socket.
  for (const stream of [socket, request?.socket]) {
    const answer = (stream as { readonly _httpMessage?: ServerResponse | null } | undefined)?._httpMessage;
    if (answer) return answer;
  }
  return undefined;
}

/**
 * The address at the other end of the transport, or what a trusted proxy's header gives for it; see `answerUnderWay`
 * for why the request is asked as well.
 */
export function otherEnd({ request, socket }: RefusedExchange): string | undefined {
  const proxied = proxiedAddress(socket) ?? (request?.socket && proxiedAddress(request.socket));
  if (proxied !== undefined) return proxied;
  return (socket as Partial<Socket>).remoteAddress ?? request?.socket?.remoteAddress;
}

/** A request as the handshake verifies it. */
export function handshakeOf({
  method = "",
  httpVersion,
  url = "",
  rawHeaders,
  socket,
}: IncomingMessage): HandshakeRequest {
  return {
    method,
    httpVersion,
    target: url,
    rawHeaders,
    get overUnixSocket() {
      return socket instanceof Socket && !socket.destroyed && socket.localAddress === undefined;
    },
  };
}

/** For a request that came before an earlier one was answered. */
export function behindUnanswered(): Refused {
  const refusal = plainRefusal(400, "Cannot open the connection: an earlier request is not answered yet");
  return new Refused("behind-unanswered", refusal);
}

/** Throws away what still arrives on a stream that we have ended, for at most a second. */
export function discardInput(socket: Duplex): void {
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

/** Whether this is a `Response`, of the runtime or of a package that brings its own. */
export function isResponse(value: unknown): value is Response {
  if (value instanceof Response) return true;
  const { status, arrayBuffer } = Object(value) as Partial<Response>;
  return typeof status === "number" && typeof arrayBuffer === "function";
}

/** What a `Response` says, as a refusal. */
export async function refusalOfResponse(response: Response): Promise<Refusal> {
  const headers = [...response.headers].filter(([name]) => !framing.has(name));
  return { status: response.status, headers, body: new Uint8Array(await response.arrayBuffer()) };
}
