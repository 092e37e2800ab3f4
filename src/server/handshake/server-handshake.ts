/**
 * The server's side of the opening handshake over a real transport: verify, ask the application, answer (RFC 6455
 * section 4.2).
 *
 * Where the application decides at once, so does the handshake. While it thinks, early frames are kept, and a client that
 * leaves aborts the thinking.
 */

import { Buffer } from "node:buffer";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { TLSSocket } from "node:tls";
import { type AsyncContext, captureContext, inOwnContext, settingsIn } from "../../connection/async-context.ts";
import { MessageDeflate } from "../../connection/compression/message-deflate.ts";
import type { ConnectionSettings } from "../../connection/handlers.ts";
import { describe } from "../../protocol/check-options.ts";
import { Endpoint } from "../../protocol/endpoint.ts";
import type { Refusal } from "../../protocol/handshake/handshake-error.ts";
import {
  createRefusal,
  createResponse,
  type VerifiedRequest,
  verifyRequest,
} from "../../protocol/handshake/opening-handshake.ts";
import { acceptDeflate } from "../../protocol/handshake/permessage-deflate.ts";
import type { Topics } from "../../topics/topics.ts";
import type { ResolvedRoute, UpgradeContext, UpgradeResult } from "../route.ts";
import { ServerConnection } from "../server-connection.ts";
import { bytesWrittenTo, requireUnanswered } from "./claim.ts";
import { checkOrigin, isHostAllowed } from "./origin.ts";
import {
  answerUnderWay,
  behindUnanswered,
  handshakeOf,
  ignoreError,
  isResponse,
  plainRefusal,
  Refused,
  refusalOfResponse,
  refuse,
  type UpgradeRequest,
} from "./refuse.ts";
import type { RequestHead } from "./request-head.ts";
import { pathOf } from "./router.ts";

/** Where a request goes: the route, what its path's names stand for, and what its connections share. */
export interface UpgradeTarget {
  readonly route: ResolvedRoute;
  readonly settings: ConnectionSettings<ServerConnection>;
  readonly params: Readonly<Record<string, string>>;
  /** The topics that its connections can subscribe to. */
  readonly topics?: Topics | undefined;
  /** Whether the sockets are the server's own, so that their reads may go to a shared buffer. */
  readonly ownSockets?: boolean | undefined;
  /** Aborts a decision under way when the server closes. */
  readonly closing?: AbortSignal | undefined;
}

type Decided = UpgradeResult<unknown> | undefined;
type Decision = UpgradeResult<unknown> | Refused;
type Outcome = ServerConnection | undefined;

/** How much may arrive before the handshake is answered; then reading stops. */
const mostEarlyData = 16 * 1024;
const nothing = Buffer.alloc(0);

/**
 * Answers an upgrade request: the connection, or undefined when the request was refused or the client left.
 *
 * Never throws for anything that a peer sends; an exception of the application becomes a 500. Rejects, with nothing
 * written, when another has answered the request while the application decided.
 */
export function upgrade(exchange: UpgradeRequest, target: UpgradeTarget): Outcome | Promise<Outcome> {
  exchange.socket.on("error", ignoreError);
  if (answerUnderWay(exchange)) return refuse(exchange, behindUnanswered());
  const { route } = target;
  const verified = verifyRequest(handshakeOf(exchange.request), route.limits);
  if (!verified.ok) return refuse(exchange, new Refused(verified.rule, verified.refusal));
  if (!isHostAllowed(verified.host, route.hosts)) return refuse(exchange, Refused.by("host-not-allowed"));
  if (typeof route.origin === "function" || route.handlers.upgrade) return decide(exchange, target, verified);
  if (!checkOrigin(verified.origin, verified.host, route.origin, exchange.request)) {
    return refuse(exchange, Refused.by("origin-not-allowed"));
  }
  return establish(exchange, target, verified, undefined, route.asyncContext ? captureContext() : undefined);
}

/**
 * What a regular request asks for, where nothing is left to decide and nothing to refuse; undefined leaves it to
 * `upgrade`.
 */
export function verifyAtOnce({ target, rawHeaders }: RequestHead, route: ResolvedRoute): VerifiedRequest | undefined {
  if (route.handlers.upgrade || route.trust || route.asyncContext || typeof route.origin === "function")
    return undefined;
  const verified = verifyRequest({ method: "GET", httpVersion: "1.1", target, rawHeaders }, route.limits);
  if (!verified.ok || !isHostAllowed(verified.host, route.hosts)) return undefined;
  return checkOrigin(verified.origin, verified.host, route.origin, undefined) ? verified : undefined;
}

/** Answers a request that `verifyAtOnce` has passed. */
export function upgradeAtOnce(
  socket: Socket,
  target: UpgradeTarget,
  verified: VerifiedRequest,
  remoteAddress: string | undefined,
): ServerConnection {
  return open(
    { socket, head: nothing, remoteAddress },
    target,
    verified,
    answer(target.route, verified, undefined),
    undefined,
    undefined,
  );
}

async function decide(exchange: UpgradeRequest, target: UpgradeTarget, verified: VerifiedRequest): Promise<Outcome> {
  const { socket } = exchange;
  const { route } = target;
  const bytesWritten = bytesWrittenTo(socket);
  const early = keepEarlyData(socket);
  const abort = new AbortController();
  let context: AsyncContext | undefined;
  const leave = () => abort.abort(new Error("The client left before the handshake was answered"));
  const shut = () => abort.abort(Refused.busy("server-closing", "the server is closing"));
  const timer = setTimeout(() => {
    abort.abort(Refused.busy("upgrade-timeout", "the server took too long to decide"));
  }, route.limits.upgradeTimeout);
  socket.once("end", leave).once("close", leave);
  target.closing?.addEventListener("abort", shut);
  let act: (head: Uint8Array) => Outcome;
  try {
    const asked = ask(target, verified, exchange, abort.signal, () => {
      if (route.asyncContext) context = captureContext();
    });
    const decision = await Promise.race([asked, aborted(abort.signal)]);
    if (decision instanceof Refused) act = () => refuse(exchange, decision);
    else act = (head) => inOwnContext(() => establish({ ...exchange, head }, target, verified, decision, context));
  } catch (error) {
    const { aborted, reason } = abort.signal;
    if (!aborted) act = () => refuseFaulty(exchange, error);
    else if (reason instanceof Refused) act = () => refuse(exchange, reason);
    else act = () => void socket.destroy();
  } finally {
    clearTimeout(timer);
    socket.off("end", leave).off("close", leave);
    target.closing?.removeEventListener("abort", shut);
  }
  const head = Buffer.concat([exchange.head, early.stop()]);
  requireUnanswered(socket, bytesWritten);
  return act(head);
}

async function ask(
  { route, params }: UpgradeTarget,
  verified: VerifiedRequest,
  { request, socket, remoteAddress }: UpgradeRequest,
  signal: AbortSignal,
  onAsked: () => void,
): Promise<Decision> {
  const allowed = await checkOrigin(verified.origin, verified.host, route.origin, request);
  checkAnswer(allowed);
  if (!allowed) return Refused.by("origin-not-allowed");
  const scheme = request.socket instanceof TLSSocket ? "https" : "http";
  const context: UpgradeContext = {
    request,
    params,
    remoteAddress: remoteAddress ?? (socket as Partial<Socket>).remoteAddress,
    subprotocols: verified.subprotocols,
    signal,
    get url() {
      return new URL(`${scheme}://${verified.host || "localhost"}${verified.resourceName}`);
    },
  };
  const deciding: unknown = inOwnContext(() => {
    const decision: unknown = route.handlers.upgrade ? route.handlers.upgrade(context) : {};
    onAsked();
    return decision;
  });
  const decision: unknown = await deciding;
  if (isResponse(decision)) return new Refused("application", await writableRefusal(decision));
  checkDecision(decision);
  return decision;
}

/** What a `Response` says; throws here, where it is answered with 500, when it cannot be written. */
async function writableRefusal(response: Response): Promise<Refusal> {
  const refusal = await refusalOfResponse(response);
  createRefusal(refusal);
  return refusal;
}

/** Throws a TypeError for what an `origin` function may not say (fault C19): what is only truthy must let nobody in. */
function checkAnswer(allowed: unknown): asserts allowed is boolean {
  if (typeof allowed === "boolean") return;
  throw new TypeError(
    `Cannot decide: origin returned ${describe(allowed)}; return true to let the origin in, or false to refuse it`,
  );
}

/** Throws a TypeError for what is no decision (fault C19): whom an application lets in, it says. */
function checkDecision(decision: unknown): asserts decision is UpgradeResult<unknown> {
  if (!isPlainObject(decision)) {
    throw new TypeError(
      `Cannot decide: upgrade returned ${describe(decision)}; return {} to let the client in, or a Response to refuse it`,
    );
  }
  const strange = Object.keys(decision).find((key) => !decisionKeys.has(key));
  if (strange === undefined) return;
  throw new TypeError(
    `Cannot decide: upgrade may return data, subprotocol and headers, not ${strange}; a Response refuses`,
  );
}

/** Also one of another realm; an error or a map would say nothing, and let everybody in. */
function isPlainObject(value: unknown): value is object {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

const decisionKeys: ReadonlySet<string> = new Set(["data", "subprotocol", "headers"]);

/** Says yes, or 500 when the application's decision cannot be written. */
function establish(
  exchange: UpgradeRequest,
  target: UpgradeTarget,
  verified: VerifiedRequest,
  decision: UpgradeResult<unknown> | undefined,
  context: AsyncContext | undefined,
): Outcome {
  const { socket } = exchange;
  if (!socket.writable) {
    socket.destroy();
    return undefined;
  }
  let answered: Answer;
  try {
    answered = answer(target.route, verified, decision);
  } catch (error) {
    return refuseFaulty(exchange, error);
  }
  const connection = open(exchange, target, verified, answered, decision?.data, context);
  // A write that failed at once says so a tick later.
  socket.off("error", ignoreError);
  return connection;
}

interface Answer {
  readonly response: string;
  readonly subprotocol: string | undefined;
  readonly accepted: ReturnType<typeof acceptDeflate>;
}

/** The 101 and what it settles; throws for a decision that cannot be written. */
function answer(route: ResolvedRoute, verified: VerifiedRequest, decision: Decided): Answer {
  const accepted = route.compression && acceptDeflate(verified.extensions, route.compression);
  const subprotocol = chooseSubprotocol(verified.subprotocols, route.subprotocols, decision?.subprotocol);
  const response = createResponse({
    secWebSocketKey: verified.secWebSocketKey,
    subprotocol,
    extensions: accepted?.response,
    headers: headerEntries(decision?.headers),
  });
  return { response, subprotocol, accepted };
}

/** Writes the 101 and makes the connection. */
function open(
  { socket, head, remoteAddress }: Pick<UpgradeRequest, "socket" | "head" | "remoteAddress">,
  target: UpgradeTarget,
  verified: VerifiedRequest,
  { response, subprotocol, accepted }: Answer,
  data: unknown,
  context: AsyncContext | undefined,
): ServerConnection {
  const { route, settings, params } = target;
  prepareSocket(socket as Socket);
  socket.write(response, "latin1");
  const connection = new ServerConnection({
    endpoint: new Endpoint(accepted === undefined ? route.endpoints.plain : route.endpoints.compressed),
    socket,
    settings: context === undefined ? settings : settingsIn(context, settings),
    deflate: route.compression && accepted && new MessageDeflate("server", accepted.parameters, route.compression),
    subprotocol,
    extensions: accepted?.response,
    data,
    params,
    topics: target.topics,
    remoteAddress,
    path: pathOf(verified.resourceName),
  });
  connection.start(head, target.ownSockets);
  return connection;
}

/**
 * Takes off what `node:http` set for requests; a Duplex that is no socket has nothing of it.
 *
 * What came before the peer's end is still answered: Node would end our side at once over TLS, and where another process
 * has accepted the socket.
 */
function prepareSocket(socket: Partial<Socket>): void {
  socket.setTimeout?.(0);
  socket.setNoDelay?.(true);
  socket.allowHalfOpen = true;
}

function chooseSubprotocol(
  offered: readonly string[],
  spoken: readonly string[],
  decided: string | undefined,
): string | undefined {
  if (decided === undefined) return offered.find((subprotocol) => spoken.includes(subprotocol));
  if (offered.includes(decided)) return decided;
  throw new TypeError(`Cannot choose the subprotocol "${decided}": the client did not offer it`);
}

function headerEntries(headers: UpgradeResult<unknown>["headers"]): Iterable<readonly [string, string]> | undefined {
  if (headers === undefined || Symbol.iterator in headers) return headers;
  return Object.entries(headers);
}

/** Reads what comes before the answer, so that a client that leaves is noticed; `stop` hands it over. */
function keepEarlyData(socket: Duplex): { stop(): Buffer } {
  let early: Buffer = nothing;
  const keep = (chunk: Buffer) => {
    early = Buffer.concat([early, chunk]);
    if (early.length > mostEarlyData) socket.pause();
  };
  socket.on("data", keep);
  return {
    stop: () => {
      socket.pause();
      socket.off("data", keep);
      const kept = early;
      early = nothing;
      return kept;
    },
  };
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}

function refuseFaulty(exchange: UpgradeRequest, error: unknown): undefined {
  if (!exchange.log) console.error("A server could not answer an opening handshake:", error);
  const refusal = plainRefusal(500, "Cannot open the connection: the server failed");
  return refuse(exchange, new Refused("application-failed", refusal), error);
}
