/**
 * The client for programs: from a URL to an established connection, over as many opening handshakes as redirects ask for.
 *
 * Whatever goes wrong on the way is one rejection; no stream, timer or listener outlives it.
 */

import { captureContext, inOwnContext, settingsIn } from "../connection/async-context.ts";
import { MessageDeflate } from "../connection/compression/message-deflate.ts";
import { Connection } from "../connection/connection.ts";
import type { ConnectionSettings, TextForm } from "../connection/handlers.ts";
import { Endpoint } from "../protocol/endpoint.ts";
import type { AcceptedMessages } from "../protocol/endpoint-options.ts";
import { HandshakeError, type HandshakeRule } from "../protocol/handshake/handshake-error.ts";
import { fieldValues } from "../protocol/handshake/header-fields.ts";
import { verifyResponse } from "../protocol/handshake/opening-handshake.ts";
import { type DeflateParameters, verifyDeflateResponse } from "../protocol/handshake/permessage-deflate.ts";
import { nextTick } from "../transport/scheduling.ts";
import { transportOver } from "../transport/transport-over.ts";
import { isBadPort } from "./bad-ports.ts";
import { captureCaller, framesOf } from "./caller.ts";
import { type Opening, open } from "./client-handshake.ts";
import { ConnectTrace } from "./connect-channels.ts";
import { type ConnectOptions, type ResolvedConnectOptions, resolveConnectOptions } from "./connect-options.ts";
import { beginningOfBody } from "./dialing/http-request.ts";
import { Attempt, ignoreError } from "./dialing/pending-handshake.ts";
import { refusalWords } from "./dialing/refusal-words.ts";
import { parseWebSocketUrl, portOf, shownUrl } from "./dialing/url.ts";
import { type Destination, followRedirect, isRedirect } from "./redirect.ts";

/** What the opening handshake settled. */
interface Agreement {
  readonly subprotocol: string | undefined;
  readonly extensions: string | undefined;
  readonly deflate: DeflateParameters | undefined;
}

/**
 * Opens a connection to a ws or wss URL; http and https stand for them.
 *
 * Rejects with a `HandshakeError` that names the rule and, where the server answered, has status, headers and the first
 * KiB of the body; with the signal's reason when it aborts; with a TypeError or RangeError for options that cannot be.
 * Messages wait until somebody reads them, or go to `options.message`, in either case after the promise has resolved.
 */
export function connect<Accepted extends AcceptedMessages = "any", Text extends TextForm = "string">(
  url: string | URL,
  options: ConnectOptions<Accepted, Text> = {},
): Promise<Connection> {
  return connectAs(url, options as ConnectOptions, { entry: connect, asBrowsers: false });
}

/** Who connects. */
interface Manner {
  /** What the program called; the frames above it are the stack of an error. */
  // biome-ignore lint/complexity/noBannedTypes: a class or a function, of whatever arguments
  readonly entry: Function;
  /**
   * Whether bad ports are refused, and a server that chooses none of the offered subprotocols has failed, as WHATWG
   * WebSockets asks.
   */
  readonly asBrowsers: boolean;
  /** Gives up the handshake besides the caller's signal. */
  readonly giveUp?: AbortSignal;
}

/** `connect` for those who are called otherwise. */
export async function connectAs(
  url: string | URL,
  options: ConnectOptions,
  { entry, asBrowsers, giveUp }: Manner,
): Promise<Connection> {
  const caller = captureCaller(entry);
  const resolved = resolveConnectOptions(options);
  const { limits, keepalive } = resolved;
  const shared: ConnectionSettings<Connection> = { limits, handlers: options, keepalive };
  const settings = options.asyncContext ? settingsIn(captureContext(), shared) : shared;
  let destination: Destination | undefined = { url: parseWebSocketUrl(url), trusted: true };
  let used = 0;
  for (let followed = 0; ; followed++) {
    const attempt = new Attempt([options.signal, giveUp], resolved.handshakeTimeout, used);
    const trace = new ConnectTrace(destination.url);
    try {
      if (asBrowsers && isBadPort(portOf(destination.url))) throw badPort(destination.url);
      const opening = await open(attempt, destination, resolved, trace);
      const next = await nextDestination(attempt, destination, opening, resolved.followRedirects - followed, options);
      if (next === undefined) {
        const agreement = verify(opening, resolved, asBrowsers);
        inOwnContext(() => options.upgrade?.(opening.head.response));
        // It may have given the attempt up itself.
        attempt.signal.throwIfAborted();
        attempt.release();
        const connection = establish(opening, agreement, settings, resolved);
        trace.reached("open", connection);
        return connection;
      }
      destination = next;
      used = attempt.used;
      attempt.giveUp(undefined);
    } catch (error) {
      const reason = attempt.signal.aborted ? attempt.signal.reason : error;
      attempt.giveUp(reason);
      if (reason !== options.signal?.reason && reason instanceof HandshakeError) {
        reason.locate(shownUrl(destination.url), framesOf(caller) || framesOf(reason));
      }
      trace.reached("failed", reason);
      throw reason;
    }
  }
}

/** Where to go after this response; undefined when it is a 101, and else a `HandshakeError`. */
async function nextDestination(
  attempt: Attempt,
  destination: Destination,
  { head, stream }: Opening,
  redirectsLeft: number,
  { socketPath }: ConnectOptions,
): Promise<Destination | undefined> {
  const { response, problem } = head;
  const { status, rawHeaders: headers } = response;
  if (status === 101) {
    if (problem !== undefined) throw new HandshakeError("malformed-response", { detail: problem, status, headers });
    return undefined;
  }
  if (redirectsLeft > 0 && problem === undefined && isRedirect(response)) {
    const next = followRedirect(destination, response);
    // A socket path stands for one host.
    if (socketPath === undefined || next.url.host === destination.url.host) return next;
  }
  const body = await beginningOfBody(attempt, stream, head);
  const said = refusalWords(response, destination.url, body);
  const detail = problem === undefined ? said : `${said}, and ${problem}`;
  throw new HandshakeError("status-not-101", { detail, status, headers, body });
}

function badPort(url: URL): HandshakeError {
  return new HandshakeError("connection-failed", { detail: `port ${portOf(url)} is reserved for another protocol` });
}

function verify(
  { head: { response }, secWebSocketKey }: Opening,
  { subprotocols, extensions: offer, compression }: ResolvedConnectOptions,
  subprotocolRequired: boolean,
): Agreement {
  const { status, rawHeaders: headers } = response;
  const fail = (rule: HandshakeRule) => new HandshakeError(rule, { status, headers });
  const { subprotocol, extensions } = verifyResponse(response, {
    secWebSocketKey,
    subprotocols,
    extensionsOffered: offer !== undefined,
  });
  if (subprotocolRequired && subprotocols.length > 0 && subprotocol === undefined) {
    throw fail("missing-response-subprotocol");
  }
  const deflate = compression && verifyDeflateResponse(extensions, compression);
  if (typeof deflate === "string") throw fail(deflate);
  const agreed = extensions.length > 0 ? fieldValues(headers, "sec-websocket-extensions").join(", ") : undefined;
  return { subprotocol, extensions: agreed, deflate };
}

function establish(
  { stream, head }: Opening,
  { subprotocol, extensions, deflate }: Agreement,
  settings: ConnectionSettings<Connection>,
  { given, limits, compression, delivery }: ResolvedConnectOptions,
): Connection {
  const connection = new Connection({
    endpoint: new Endpoint({
      role: "client",
      maxMessageSize: limits.maxMessageSize,
      maxEmptyFragments: limits.maxEmptyFragments,
      compression: deflate !== undefined,
      ...delivery,
    }),
    transport: transportOver(stream, given.createConnection === undefined),
    settings,
    deflate: deflate && compression && new MessageDeflate("client", deflate, compression),
    subprotocol,
    extensions,
  });
  // After every continuation of the promise, so that handlers may use the variable it was assigned to.
  nextTick(() => {
    connection.start(head.rest);
    stream.off("error", ignoreError);
  });
  return connection;
}
