/**
 * The application's part of an opening handshake: its `origin` function and its `upgrade` decide whether a client is
 * let in.
 *
 * While the application decides, early bytes are kept. The decision is aborted when the client leaves, when
 * `upgradeTimeout` has passed and when the server closes.
 */

import { Buffer } from "node:buffer";
import type { IncomingMessage } from "node:http";
import { type AsyncContext, captureContext, inOwnContext } from "../../connection/event-loop/async-context.ts";
import { isThenable } from "../../connection/event-loop/thenable.ts";
import type { ServerLimits } from "../../connection/options/limits.ts";
import { describe } from "../../protocol/check-options.ts";
import { CloseCode } from "../../protocol/close-code.ts";
import type { HeaderEntries } from "../../protocol/handshake/added-fields.ts";
import type { Refusal } from "../../protocol/handshake/handshake-error.ts";
import { createRefusal } from "../../protocol/handshake/refusal.ts";
import type { VerifiedRequest } from "../../protocol/handshake/request.ts";
import { checkOrigin, type OriginPolicy } from "./origin.ts";
import { isResponse, Refused, refusalOfResponse } from "./refused.ts";
import { offeredTo } from "./subprotocols.ts";
import { cookiesOf, type UpgradeRequest } from "./upgrade-request.ts";
import type { WaitingClient } from "./waiting-client.ts";

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
  /** Bytes that came while it was waited for. */
  readonly head: Buffer;
  /** The async context of `upgrade`; undefined unless the route asks for it. */
  readonly context: AsyncContext | undefined;
}

type Verdict = UpgradeResult<unknown> | Refused;
type Exchange = Pick<UpgradeRequest, "request" | "remoteAddress">;

const nothing = Buffer.alloc(0);
/** What aborts the signal of a context, made when first asked for. */
let abortOf: (context: AskedContext) => AbortController;

/** What `upgrade` is given, and what is known of its call. */
class AskedContext implements UpgradeContext {
  readonly request: IncomingMessage;
  readonly params: Readonly<Record<string, string>>;
  readonly subprotocols: readonly string[];
  readonly #client: WaitingClient;
  readonly #verified: VerifiedRequest;
  /** Undefined while nobody has looked; a handle tells it as long as it is open. */
  #remoteAddress: string | undefined;
  #abort: AbortController | undefined;

  constructor(
    { request, remoteAddress }: Exchange,
    client: WaitingClient,
    target: DecisionTarget,
    verified: VerifiedRequest,
  ) {
    this.request = request;
    this.params = target.params;
    this.subprotocols = offeredTo(target.route, verified.subprotocols);
    this.#client = client;
    this.#verified = verified;
    this.#remoteAddress = remoteAddress;
  }

  get remoteAddress(): string | undefined {
    this.#remoteAddress ??= this.#client.remoteAddress;
    return this.#remoteAddress;
  }

  get signal(): AbortSignal {
    return abortOf(this).signal;
  }

  get cookies(): ReadonlyMap<string, string> {
    return cookiesOf(this.request);
  }

  get url(): URL {
    const { host, resourceName } = this.#verified;
    return new URL(`${this.#client.encrypted ? "https" : "http"}://${host || "localhost"}${resourceName}`);
  }

  static {
    abortOf = (context) => {
      context.#abort ??= new AbortController();
      return context.#abort;
    };
  }
}

/**
 * Asks the application; an exception becomes a refusal with 500. Its decision is a promise where the application's was one.
 *
 * Rejects when somebody else has answered the request meanwhile: nothing may be written then.
 */
export function decide(
  exchange: Exchange,
  client: WaitingClient,
  target: DecisionTarget,
  verified: VerifiedRequest,
): Decision | Promise<Decision> {
  const asked: Asked = { context: new AskedContext(exchange, client, target, verified), asyncContext: undefined };
  let verdict: Verdict | Promise<Verdict>;
  try {
    verdict = ask(asked, target.route, verified);
  } catch (error) {
    verdict = Refused.applicationFailed(error);
  }
  if (verdict instanceof Promise) {
    return inTime(client, target, { verdict, asked: asked.context }).then((decision) => ({
      ...decision,
      context: asked.asyncContext,
    }));
  }
  try {
    client.requireUnanswered();
  } catch (error) {
    return Promise.reject(error as Error);
  }
  return { verdict, head: nothing, context: asked.asyncContext };
}

/**
 * The verdict when it comes, or the refusal that stands for it when it throws or is aborted; undefined without a client. The
 * bytes are those that came meanwhile.
 */
async function inTime(
  client: WaitingClient,
  { route, closing }: DecisionTarget,
  { verdict, asked }: { readonly verdict: Promise<Verdict>; readonly asked: AskedContext },
): Promise<Pick<Decision, "verdict" | "head">> {
  // The client may be gone when the application looks.
  void asked.remoteAddress;
  const abort = abortOf(asked);
  const { signal } = abort;
  const leave = () => abort.abort(new Error("The client left before the handshake was answered"));
  const shut = () => abort.abort(Refused.closing(CloseCode.GoingAway));
  const timer = setTimeout(() => {
    abort.abort(Refused.busy("upgrade-timeout", "the server took too long to decide"));
  }, route.limits.upgradeTimeout);
  const stop = client.wait(leave);
  closing?.addEventListener("abort", shut);
  let settled: Decision["verdict"];
  try {
    settled = await Promise.race([verdict, aborted(signal)]);
  } catch (error) {
    const { reason } = signal;
    settled = !signal.aborted ? Refused.applicationFailed(error) : reason instanceof Refused ? reason : undefined;
  }
  clearTimeout(timer);
  closing?.removeEventListener("abort", shut);
  const head = stop();
  client.requireUnanswered();
  return { verdict: settled, head };
}

/** A call of the application. */
interface Asked {
  readonly context: AskedContext;
  /** That of `upgrade`, once it was called. */
  asyncContext: AsyncContext | undefined;
}

function ask(asked: Asked, route: DecidingRoute, verified: VerifiedRequest): Verdict | Promise<Verdict> {
  const { origin, host } = verified;
  const allowed: unknown = checkOrigin(origin, host, route.origin, asked.context.request);
  if (isThenable(allowed)) return Promise.resolve(allowed).then((result) => askAllowed(result, asked, route));
  return askAllowed(allowed, asked, route);
}

function askAllowed(allowed: unknown, asked: Asked, route: DecidingRoute): Verdict | Promise<Verdict> {
  requireBoolean(allowed);
  if (!allowed) return Refused.by("origin-not-allowed");
  const deciding: unknown = inOwnContext(() => {
    const result: unknown = route.handlers.upgrade ? route.handlers.upgrade(asked.context) : {};
    if (route.asyncContext) asked.asyncContext = captureContext();
    return result;
  });
  return isThenable(deciding) ? Promise.resolve(deciding).then(verdictOf) : verdictOf(deciding);
}

function verdictOf(result: unknown): Verdict | Promise<Verdict> {
  if (result instanceof Refused) return result;
  if (isResponse(result)) return writableRefusal(result).then((refusal) => new Refused("application", refusal));
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

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}
