/**
 * `connect`: from a URL to an established connection, over one opening handshake and one more for each redirect.
 *
 * Every failure on the way is one rejection. No stream, timer or listener outlives it.
 */

import { Buffer } from "node:buffer";
import { MessageDeflate } from "../connection/compression/message-deflate.ts";
import { Connection, coreOf } from "../connection/connection.ts";
import { captureContext, inOwnContext } from "../connection/event-loop/async-context.ts";
import type { ConnectionSettings } from "../connection/handlers/connection-settings.ts";
import { settingsIn } from "../connection/handlers/handlers-in-context.ts";
import type { TextForm } from "../connection/options/connection-options.ts";
import { endpointLimits } from "../connection/options/limits.ts";
import { Endpoint } from "../protocol/endpoint/endpoint.ts";
import type { AcceptedMessages } from "../protocol/endpoint/endpoint-options.ts";
import { HandshakeError, type HandshakeRule } from "../protocol/handshake/handshake-error.ts";
import { fieldValues } from "../protocol/handshake/header-fields.ts";
import { type DeflateParameters, verifyDeflateResponse } from "../protocol/handshake/permessage-deflate.ts";
import { verifyResponse } from "../protocol/handshake/response.ts";
import type { Clock } from "../transport/clock.ts";
import { ignoreError } from "../transport/ignore-error.ts";
import { nextTick } from "../transport/scheduling.ts";
import { transportOver } from "../transport/streams/transport-over.ts";
import { isBadPort } from "./bad-ports.ts";
import { captureCaller, framesOf } from "./caller.ts";
import { requestUpgrade, type UpgradeResponse } from "./client-handshake.ts";
import { ConnectTrace } from "./connect-channels.ts";
import { type ConnectOptions, type ResolvedConnectOptions, resolveConnectOptions } from "./connect-options.ts";
import { readBodyPrefix } from "./dialing/http-request.ts";
import { PendingHandshake } from "./dialing/pending-handshake.ts";
import { refusalWords } from "./dialing/refusal-words.ts";
import { parseWebSocketUrl, portOf, shownUrl } from "./dialing/url.ts";
import { type Destination, followRedirect, isRedirect } from "./redirect.ts";
import { ResumeLayer } from "./resume-layer.ts";

/** The terms on which both sides agree. */
interface Agreement {
  readonly subprotocol: string | undefined;
  readonly extensions: string | undefined;
  readonly deflate: DeflateParameters | undefined;
}

/**
 * Opens a connection to a ws or wss URL; http and https stand for ws and wss. Resolves after the opening handshake.
 *
 * Messages go to `options.message`; without it they wait until they are read. The first one is delivered after the
 * promise has resolved.
 *
 * Rejects with a `HandshakeError` that names the broken rule and, where the server answered, has status, headers and
 * the first KiB of the body. Rejects with the signal's reason when it aborts, and with a TypeError or a RangeError for
 * options that cannot be.
 */
export function connect<Accepted extends AcceptedMessages = "any", Text extends TextForm = "string">(
  url: string | URL,
  options: ConnectOptions<Accepted, Text> = {},
): Promise<Connection> {
  return connectAs(url, options as ConnectOptions, { entry: connect, asBrowsers: false });
}

/** How `connectAs` was called. */
interface ConnectManner {
  /** The function or class that the program called; the frames above it are the stack of an error. */
  // biome-ignore lint/complexity/noBannedTypes: a class or a function, of whatever arguments
  readonly entry: Function;
  /**
   * Whether the rules of WHATWG WebSockets hold: bad ports are refused, and so is a server that chooses none of the
   * offered subprotocols.
   */
  readonly asBrowsers: boolean;
  /** A second signal that gives the handshake up. */
  readonly giveUp?: AbortSignal;
  /** The time that the connection lives by. Default: that of the process. */
  readonly clock?: Clock;
}

/** `connect`, also for functions and classes that are called otherwise. */
export async function connectAs(
  url: string | URL,
  options: ConnectOptions,
  { entry, asBrowsers, giveUp, clock }: ConnectManner,
): Promise<Connection> {
  const caller = captureCaller(entry);
  const resolved = resolveConnectOptions(options);
  const { limits, keepalive } = resolved;
  const shared: ConnectionSettings<Connection> = {
    ...{ limits, handlers: options, keepalive },
    ...(clock && { clock }),
  };
  const settings = options.asyncContext ? settingsIn(captureContext(), shared) : shared;
  let destination: Destination | undefined = { url: parseWebSocketUrl(url), trusted: true };
  let used = 0;
  for (let followed = 0; ; followed++) {
    const handshake = new PendingHandshake([options.signal, giveUp], resolved.handshakeTimeout, used);
    const trace = new ConnectTrace(destination.url);
    try {
      if (asBrowsers && isBadPort(portOf(destination.url))) throw badPort(destination.url);
      const answer = await requestUpgrade(handshake, destination, resolved, trace);
      const next = await nextDestination(handshake, destination, answer, resolved.followRedirects - followed, options);
      if (next === undefined) {
        const agreement = verify(answer, resolved, asBrowsers);
        inOwnContext(() => options.upgrade?.(answer.head.response));
        // `upgrade` may have aborted the signal.
        handshake.signal.throwIfAborted();
        handshake.release();
        const connection = establish(answer, agreement, settings, resolved);
        trace.reached("open", connection);
        return connection;
      }
      destination = next;
      used = handshake.used;
      handshake.giveUp(undefined);
    } catch (error) {
      const reason = handshake.signal.aborted ? handshake.signal.reason : error;
      handshake.giveUp(reason);
      if (reason !== options.signal?.reason && reason instanceof HandshakeError) {
        reason.locate(shownUrl(destination.url), framesOf(caller) || framesOf(reason));
      }
      trace.reached("failed", reason);
      throw reason;
    }
  }
}

/** The next destination after a redirect; undefined after a 101. Throws a `HandshakeError` for every other response. */
async function nextDestination(
  handshake: PendingHandshake,
  destination: Destination,
  { head, stream }: UpgradeResponse,
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
  const body = await readBodyPrefix(handshake, stream, head);
  const said = refusalWords(response, destination.url, body);
  const detail = problem === undefined ? said : `${said}, and ${problem}`;
  throw new HandshakeError("status-not-101", { detail, status, headers, body });
}

function badPort(url: URL): HandshakeError {
  return new HandshakeError("connection-failed", { detail: `port ${portOf(url)} is reserved for another protocol` });
}

function verify(
  { head: { response }, secWebSocketKey }: UpgradeResponse,
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
  { stream, head }: UpgradeResponse,
  { subprotocol, extensions, deflate }: Agreement,
  settings: ConnectionSettings<Connection>,
  { given, limits, compression, delivery }: ResolvedConnectOptions,
): Connection {
  const layer = given.resume && new ResumeLayer(given.resume, subprotocol);
  const connection = new Connection({
    endpoint: new Endpoint({
      role: "client",
      ...endpointLimits(limits),
      compression: deflate !== undefined,
      ...delivery,
    }),
    transport: transportOver(stream, given.createConnection === undefined),
    settings,
    deflate: deflate && compression && new MessageDeflate("client", deflate, compression),
    subprotocol: layer ? layer.subprotocol : subprotocol,
    extensions,
    layer,
  });
  for (const text of layer?.first ?? []) coreOf(connection).sending.sendAs(true, Buffer.from(text), undefined);
  // Handlers run after all continuations of the promise, so that they can use the variable to which it was assigned.
  nextTick(() => {
    coreOf(connection).start(head.rest);
    stream.off("error", ignoreError);
  });
  return connection;
}
