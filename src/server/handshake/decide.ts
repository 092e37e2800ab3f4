/**
 * The application's part of an opening handshake: its `origin` function and its `upgrade` decide whether a client is
 * let in.
 *
 * While the application decides, early bytes are kept. The decision is aborted when the client leaves, when
 * `upgradeTimeout` has passed and when the server closes.
 */

import { Buffer } from "node:buffer";
import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { TLSSocket } from "node:tls";
import { type AsyncContext, captureContext, inOwnContext } from "../../connection/event-loop/async-context.ts";
import type { ServerLimits } from "../../connection/options/limits.ts";
import { describe } from "../../protocol/check-options.ts";
import { CloseCode } from "../../protocol/close-code.ts";
import type { HeaderEntries } from "../../protocol/handshake/added-fields.ts";
import type { Refusal } from "../../protocol/handshake/handshake-error.ts";
import { createRefusal } from "../../protocol/handshake/refusal.ts";
import type { VerifiedRequest } from "../../protocol/handshake/request.ts";
import { bytesWrittenTo, requireUnanswered } from "./claim.ts";
import { checkOrigin, type OriginPolicy } from "./origin.ts";
import { isResponse, Refused, refusalOfResponse } from "./refused.ts";
import { offeredTo } from "./subprotocols.ts";
import { cookiesOf, type UpgradeRequest } from "./upgrade-request.ts";

/** An opening handshake as a route's `upgrade` sees it. */
export interface UpgradeContext<Params = Readonly<Record<string, string>>> {
  /** The opening handshake's request. Its `socket` is not to be used once `upgrade` has returned. */
  readonly request: IncomingMessage;
  /** The values of the names in the route's path, percent-decoded. */
  readonly params: Params;
  /** The request's path and query, on the request's host. */
  readonly url: URL;
  /** The subprotocols that the client offers, in its order of preference. */
  readonly subprotocols: readonly string[];
  /** The cookies of the request by name, as they were set; see `cookiesOf`. */
  readonly cookies: ReadonlyMap<string, string>;
  /** The client's address, as `trustProxy` has it; undefined when the stream is not TCP. */
  readonly remoteAddress: string | undefined;
  /** Aborts when the client leaves, when `upgradeTimeout` has passed and when the server closes. */
  readonly signal: AbortSignal;
}

/** The result of a route's `upgrade` that lets a client in; `{}` where there is nothing to set. */
export interface UpgradeResult<Data> {
  /** The value of `connection.data`. */
  readonly data?: Data;
  /** The chosen subprotocol, one of those that the client offers. Default: the first of them that the route lists. */
  readonly subprotocol?: string;
  /** Header fields for the 101, such as cookies. */
  readonly headers?: HeaderEntries | Readonly<Record<string, string>> | Headers;
}

/** The parts of a route that decide about a handshake. */
export interface DecidingRoute {
  readonly handlers: { upgrade?(context: UpgradeContext): unknown };
  readonly origin: OriginPolicy<IncomingMessage>;
  readonly limits: Pick<ServerLimits, "upgradeTimeout">;
  /** Whether the resume protocol is spoken with clients that offer it. */
  readonly resumes: boolean;
  /** Whether the async context of `upgrade` is to be captured. */
  readonly asyncContext: boolean;
}

/** The route that decides, and the values of its path's names. */
export interface DecisionTarget {
  readonly route: DecidingRoute;
  readonly params: Readonly<Record<string, string>>;
  /** Aborts when the server closes. */
  readonly closing?: AbortSignal | undefined;
}

/** The application's decision, and the bytes that came meanwhile. */
export interface Decision {
  /** The yes or the no; undefined when the client has left. */
  readonly verdict: UpgradeResult<unknown> | Refused | undefined;
  /** Bytes that came behind the request until the decision, those of the request's own `head` first. */
  readonly head: Buffer;
  /** The async context of `upgrade`; undefined unless the route asks for it. */
  readonly context: AsyncContext | undefined;
}

/** From this many early bytes on, nothing more is read until the decision. */
const earlyDataMark = 16 * 1024;

/**
 * Asks the application, and resolves with its decision; an exception becomes a refusal with 500.
 *
 * Rejects when another listener has answered the request meanwhile: nothing may be written then.
 */
export async function decide(
  exchange: UpgradeRequest,
  target: DecisionTarget,
  verified: VerifiedRequest,
): Promise<Decision> {
  const { socket } = exchange;
  const bytesWritten = bytesWrittenTo(socket);
  const early = keepEarlyData(socket);
  let context: AsyncContext | undefined;
  const onAsked = () => {
    if (target.route.asyncContext) context = captureContext();
  };
  const verdict = await inTime(socket, target, (signal) => ask(exchange, target, verified, { signal, onAsked }));
  const head = Buffer.concat([exchange.head, early.stop()]);
  requireUnanswered(socket, bytesWritten);
  return { verdict, head, context };
}

/**
 * The verdict of `asking`, or the refusal that stands for it when it throws or is aborted; undefined without a client.
 */
async function inTime(
  socket: Duplex,
  { route, closing }: DecisionTarget,
  asking: (signal: AbortSignal) => Promise<UpgradeResult<unknown> | Refused>,
): Promise<Decision["verdict"]> {
  const abort = new AbortController();
  const { signal } = abort;
  const leave = () => abort.abort(new Error("The client left before the handshake was answered"));
  const shut = () => abort.abort(Refused.closing(CloseCode.GoingAway));
  const timer = setTimeout(() => {
    abort.abort(Refused.busy("upgrade-timeout", "the server took too long to decide"));
  }, route.limits.upgradeTimeout);
  socket.once("end", leave).once("close", leave);
  closing?.addEventListener("abort", shut);
  try {
    return await Promise.race([asking(signal), aborted(signal)]);
  } catch (error) {
    if (!signal.aborted) return Refused.applicationFailed(error);
    return signal.reason instanceof Refused ? signal.reason : undefined;
  } finally {
    clearTimeout(timer);
    socket.off("end", leave).off("close", leave);
    closing?.removeEventListener("abort", shut);
  }
}

async function ask(
  { request, socket, remoteAddress }: UpgradeRequest,
  { route, params }: DecisionTarget,
  verified: VerifiedRequest,
  { signal, onAsked }: { readonly signal: AbortSignal; onAsked(): void },
): Promise<UpgradeResult<unknown> | Refused> {
  const allowed = await checkOrigin(verified.origin, verified.host, route.origin, request);
  requireBoolean(allowed);
  if (!allowed) return Refused.by("origin-not-allowed");
  // On Bun, a socket under TLS is no TLSSocket.
  const scheme = (request.socket as Partial<TLSSocket>).encrypted === true ? "https" : "http";
  const context: UpgradeContext = {
    request,
    params,
    remoteAddress: remoteAddress ?? (socket as Partial<Socket>).remoteAddress,
    subprotocols: offeredTo(route, verified.subprotocols),
    signal,
    get cookies() {
      return cookiesOf(request);
    },
    get url() {
      return new URL(`${scheme}://${verified.host || "localhost"}${verified.resourceName}`);
    },
  };
  const deciding: unknown = inOwnContext(() => {
    const result: unknown = route.handlers.upgrade ? route.handlers.upgrade(context) : {};
    onAsked();
    return result;
  });
  const result: unknown = await deciding;
  if (result instanceof Refused) return result;
  if (isResponse(result)) return new Refused("application", await writableRefusal(result));
  requireResult(result);
  return result;
}

/** Reads a `Response`. Throws when it cannot be written, while 500 can still be answered. */
async function writableRefusal(response: Response): Promise<Refusal> {
  const refusal = await refusalOfResponse(response);
  createRefusal(refusal);
  return refusal;
}

/** Throws a TypeError for anything but a boolean: a value that is only truthy must not let a client in (fault C19). */
function requireBoolean(allowed: unknown): asserts allowed is boolean {
  if (typeof allowed === "boolean") return;
  throw new TypeError(
    `Cannot decide: origin returned ${describe(allowed)}; return true to let the origin in, or false to refuse it`,
  );
}

const resultKeys: ReadonlySet<string> = new Set(["data", "subprotocol", "headers"]);

/** Throws a TypeError for what is no `UpgradeResult`: a client is let in only where `upgrade` says so (fault C19). */
function requireResult(result: unknown): asserts result is UpgradeResult<unknown> {
  if (!isPlainObject(result)) {
    throw new TypeError(
      `Cannot decide: upgrade returned ${describe(result)}; return {} to let the client in, or refuse({ status }) or a Response to refuse it`,
    );
  }
  const strange = Object.keys(result).find((key) => !resultKeys.has(key));
  if (strange === undefined) return;
  throw new TypeError(
    `Cannot decide: upgrade may return data, subprotocol and headers, not ${strange}; refuse({ status }) and a Response refuse`,
  );
}

/** Whether a value is an object without a class, of any realm: an error or a map has no keys, and would mean yes. */
function isPlainObject(value: unknown): value is object {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

/** Reads what comes before the decision, so that the end of a client is noticed; `stop` returns the bytes. */
function keepEarlyData(socket: Duplex): { stop(): Buffer } {
  let early: Buffer = Buffer.alloc(0);
  const keep = (chunk: Buffer) => {
    early = Buffer.concat([early, chunk]);
    if (early.length > earlyDataMark) socket.pause();
  };
  socket.on("data", keep);
  return {
    stop: () => {
      socket.pause();
      socket.off("data", keep);
      return early;
    },
  };
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}
