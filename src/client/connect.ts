/**
 * The client's opening handshake for programs: from a URL to an established connection (RFC 6455 section 4.1).
 *
 * Whatever goes wrong on the way is one rejection; no socket, timer or listener outlives it.
 */

import { request as httpRequest, type IncomingMessage } from "node:http";
import { connect as netConnect } from "node:net";
import type { Duplex } from "node:stream";
import { connect as tlsConnect } from "node:tls";
import { Connection } from "../connection/connection.ts";
import { MessageDeflate } from "../connection/message-deflate.ts";
import { Endpoint } from "../protocol/endpoint.ts";
import { HandshakeError } from "../protocol/handshake-rules.ts";
import { createRequestHeaders, verifyResponse } from "../protocol/opening-handshake.ts";
import { offerDeflate, verifyDeflateResponse } from "../protocol/permessage-deflate.ts";
import { type ConnectOptions, resolveConnectOptions } from "./connect-options.ts";
import { hostOf, parseWebSocketUrl, portOf, resourceName } from "./url.ts";

/**
 * Opens a connection to a ws or wss URL; http and https stand for them.
 *
 * Rejects with a `HandshakeError` that names the rule and, where the server answered, has status, headers and the first
 * KiB of the body; with the signal's reason when it aborts; with a TypeError or RangeError for options that cannot be.
 * Messages wait until somebody reads them, or go to `options.message`, in either case after the promise has resolved.
 */
export async function connect(url: string | URL, options: ConnectOptions = {}): Promise<Connection> {
  return connectAs(url, options, false);
}

/** `connect`; with `subprotocolRequired` a server that chooses none of the offered subprotocols has failed (WHATWG). */
export async function connectAs(
  url: string | URL,
  options: ConnectOptions,
  subprotocolRequired: boolean,
): Promise<Connection> {
  const resolved = resolveConnectOptions(options);
  const target = parseWebSocketUrl(url);
  options.signal?.throwIfAborted();
  const offer = resolved.compression && offerDeflate(resolved.compression);
  const { secWebSocketKey, headers } = createRequestHeaders({
    url: target,
    subprotocols: resolved.subprotocols,
    extensions: offer,
    origin: options.origin,
    headers: resolved.headers,
  });
  const { response, socket, head } = await exchange(target, headers, options.signal);
  try {
    const answer = { status: response.statusCode!, httpVersion: response.httpVersion, rawHeaders: response.rawHeaders };
    const verified = verifyResponse(answer, {
      secWebSocketKey,
      subprotocols: resolved.subprotocols,
      extensionsOffered: offer !== undefined,
    });
    if (subprotocolRequired && resolved.subprotocols.length > 0 && verified.subprotocol === undefined) {
      throw new HandshakeError("missing-response-subprotocol", { status: 101, headers: response.rawHeaders });
    }
    const deflate = resolved.compression && verifyDeflateResponse(verified.extensions, resolved.compression);
    if (typeof deflate === "string") throw new HandshakeError("unexpected-extension");
    const connection = new Connection({
      endpoint: new Endpoint({
        role: "client",
        maxMessageSize: resolved.limits.maxMessageSize,
        maxEmptyFragments: resolved.limits.maxEmptyFragments,
        compression: deflate !== undefined,
        textAsBytes: resolved.textAsBytes,
      }),
      socket,
      settings: { limits: resolved.limits, handlers: options, keepalive: resolved.keepalive },
      deflate: deflate && new MessageDeflate("client", deflate, resolved.compression!),
      subprotocol: verified.subprotocol,
      extensions: response.headers["sec-websocket-extensions"],
    });
    // After every continuation of the promise, so that handlers may use the variable it was assigned to.
    process.nextTick(() => {
      connection.start(head);
      socket.off("error", ignoreError);
    });
    return connection;
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

interface Exchanged {
  readonly response: IncomingMessage;
  readonly socket: Duplex;
  readonly head: Buffer;
}

function exchange(url: URL, headers: [string, string][], signal: AbortSignal | undefined): Promise<Exchanged> {
  const tcp = netConnect({ host: hostOf(url), port: portOf(url), allowHalfOpen: true, noDelay: true });
  tcp.on("error", ignoreError);
  const socket =
    url.protocol === "wss:" ? tlsConnect({ socket: tcp, servername: hostOf(url), ALPNProtocols: ["http/1.1"] }) : tcp;
  socket.on("error", ignoreError);
  return new Promise<Exchanged>((resolve, reject) => {
    const request = httpRequest({
      createConnection: () => socket,
      path: resourceName(url),
      headers: headers as unknown as string[],
    });
    const abort = () => {
      reject(signal?.reason);
      request.destroy();
    };
    const settled = () => signal?.removeEventListener("abort", abort);
    signal?.addEventListener("abort", abort, { once: true });
    request.on("upgrade", (response, stream, head) => {
      settled();
      resolve({ response, socket: stream, head });
    });
    request.on("response", (response) => {
      settled();
      reject(new HandshakeError("status-not-101", { status: response.statusCode!, headers: response.rawHeaders }));
      request.destroy();
    });
    request.on("error", (cause) => {
      settled();
      reject(new HandshakeError("connection-failed", { detail: cause.message, cause }));
    });
    request.end();
  });
}

function ignoreError(): void {}
