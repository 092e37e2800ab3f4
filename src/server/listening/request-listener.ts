/**
 * Answers the requests of a listener of our own that are no WebSocket handshake, and those that `node:http` cannot
 * read.
 */

import type { Server as HttpServer, IncomingMessage, RequestListener, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { isThenable } from "../../connection/event-loop/thenable.ts";
import type { ServerLimits } from "../../connection/options/limits.ts";
import type { Refusal } from "../../protocol/handshake/handshake-error.ts";
import { verifyRequest } from "../../protocol/handshake/request.ts";
import { isResponse, plainRefusal, Refused } from "../handshake/refused.ts";
import { handshakeOf, pathOf } from "../handshake/upgrade-request.ts";

/** The server to which the requests of a listener belong. */
export interface RequestServer {
  /** The limits of the route at a path; undefined where there is no route. */
  limitsAt(path: string): ServerLimits | undefined;
  /** Notes a request to a route's path that is answered as plain HTTP. */
  noteRefused(request: IncomingMessage, refused: Refused): void;
  /** Refuses a request that `node:http` could not read. */
  refuseUnread(socket: Duplex, refused: Refused): void;
}

/** How the requests of a listener are answered. */
export interface RequestAnswers {
  /** The program's own listener; undefined where the server answers by itself. */
  readonly request: RequestListener | undefined;
  /** Called with an exception or a rejection of the program's listener. */
  failed(request: IncomingMessage, error: unknown): void;
}

/** Answers the requests of an HTTP server that are no handshake. */
export function answerRequests(http: HttpServer, server: RequestServer, { request, failed }: RequestAnswers): void {
  http.on(
    "request",
    request ? guarded(request, failed) : (message, response) => answerPlainRequest(server, message, response),
  );
  http.on("clientError", (error: NodeJS.ErrnoException, socket) => {
    if (error.code === "ECONNRESET" || !socket.writable) socket.destroy();
    else server.refuseUnread(socket, unreadable(error.code));
  });
}

/** A listener that calls the program's, and answers with 500 for each exception or rejection of it. */
function guarded(request: RequestListener, failed: RequestAnswers["failed"]): RequestListener {
  return (message, response) => {
    const fail = (thrown: unknown) => {
      failed(message, thrown);
      answerFailed(response);
    };
    const settle = (result: unknown) => {
      if (isResponse(result)) fail(returnedResponse());
    };
    let result: unknown;
    try {
      result = request(message, response);
    } catch (thrown) {
      return fail(thrown);
    }
    if (isThenable(result)) Promise.resolve(result).then(settle, fail);
    else settle(result);
  };
}

function returnedResponse(): TypeError {
  return new TypeError(
    "Cannot answer: request returned a Response, which nobody writes; it is answered by its second argument: " +
      "request: (request, response) => void response.end(…)",
  );
}

/**
 * Answers with 500. A complete answer stays as it is; an answer that has begun is cut off, so that its end is missing.
 */
function answerFailed(response: ServerResponse): void {
  if (response.writableEnded) return;
  if (response.headersSent) return void response.destroy();
  for (const name of response.getHeaderNames()) response.removeHeader(name);
  answer(response, plainRefusal(500, "The server failed"));
}

/** The refusal of bytes that `node:http` could not read as a request, by the code of its error. */
function unreadable(code: string | undefined): Refused {
  if (code === "HPE_HEADER_OVERFLOW") {
    return new Refused("headers-too-large", plainRefusal(431, "The head of the request is too large"));
  }
  if (code === "ERR_HTTP_REQUEST_TIMEOUT") {
    return new Refused("request-too-slow", plainRefusal(408, "The request came too slowly"));
  }
  return new Refused("malformed-http", plainRefusal(400, "The request is not valid HTTP/1.1"));
}

/** Answers a plain request: on a route's path with what it lacks for a handshake, else with 404. */
function answerPlainRequest(server: RequestServer, message: IncomingMessage, response: ServerResponse): void {
  let refused = Refused.by("unknown-path");
  const limits = server.limitsAt(pathOf(message.url ?? ""));
  if (limits) {
    const verified = verifyRequest(handshakeOf(message), limits);
    refused = verified.ok ? Refused.by("missing-upgrade") : new Refused(verified.rule, verified.refusal);
    server.noteRefused(message, refused);
  }
  answer(response, refused.refusal);
}

function answer(response: ServerResponse, { status, headers, body }: Refusal): void {
  response.writeHead(status, [["Connection", "close"], ...headers].flat() as string[]);
  response.end(body);
}
