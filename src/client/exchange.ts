/**
 * One HTTP request over a stream that is ours alone, and its response, by Node's own parser.
 *
 * Informational responses are passed over; bytes behind a 101 are handed on untouched, whatever its fields say of a body
 * (fault C08).
 */

import { Buffer } from "node:buffer";
import { type ClientRequest, request as httpRequest, type IncomingMessage, type RequestOptions } from "node:http";
import type { Duplex, Readable } from "node:stream";
import { drainTime } from "../connection/limits.ts";
import { HandshakeError } from "../protocol/handshake-rules.ts";
import type { HandshakeResponse } from "../protocol/opening-handshake.ts";
import type { Attempt } from "./attempt.ts";
import { failed } from "./dial.ts";

/** A response: its head, what came behind it when the stream left HTTP, and the message that reads the body if not. */
export interface Exchanged {
  readonly response: HandshakeResponse;
  readonly head: Buffer;
  readonly message: IncomingMessage | undefined;
}

/** What a request says. */
export interface ExchangeRequest {
  readonly method: "GET" | "CONNECT";
  readonly path: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
}

/** How much of a refusal's body is kept, in bytes. */
export const mostBody = 1024;
const maxHeaderSize = 16 * 1024;
const nothing = Buffer.alloc(0);

/** Sends the request and resolves with the head of the final response. */
export function exchange(attempt: Attempt, stream: Duplex, request: ExchangeRequest): Promise<Exchanged> {
  return attempt.until(
    new Promise((resolve, reject) => {
      const sent = createRequest(stream, request);
      const left = (message: IncomingMessage, _: Duplex, head: Buffer) => {
        resolve({ response: headOf(message), head, message: undefined });
      };
      sent.on("upgrade", left);
      sent.on("connect", left);
      sent.on("response", (message) => {
        message.on("error", () => {});
        resolve({ response: headOf(message), head: nothing, message });
      });
      sent.on("error", (error) => reject(brokenExchange(error)));
      sent.end();
    }),
  );
}

/** At most so many bytes of a body, or what comes of them within a second. */
export async function beginningOf(attempt: Attempt, body: Readable, most: number = mostBody): Promise<Buffer> {
  attempt.stopTimer();
  const chunks: Buffer[] = [];
  let length = 0;
  await attempt.until(
    new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, drainTime);
      const over = () => {
        clearTimeout(timer);
        resolve();
      };
      body.on("data", (chunk: Buffer) => {
        chunks.push(chunk);
        length += chunk.length;
        if (length >= most) over();
      });
      body.on("end", over).on("close", over);
    }),
  );
  return Buffer.concat(chunks).subarray(0, most);
}

function createRequest(stream: Duplex, { method, path, headers }: ExchangeRequest): ClientRequest {
  const options: RequestOptions = {
    method,
    path,
    createConnection: () => stream as never,
    // Pairs keep case, order and repetition; Node takes them, its types do not.
    headers: headers as never,
    insecureHTTPParser: false,
    maxHeaderSize,
  };
  const request = httpRequest(options);
  // The size is limited; a limit on the count would drop fields in silence.
  request.maxHeadersCount = 0;
  return request;
}

function headOf(message: IncomingMessage): HandshakeResponse {
  return { status: message.statusCode!, httpVersion: message.httpVersion, rawHeaders: message.rawHeaders };
}

function brokenExchange(error: Error & { code?: string }): HandshakeError {
  const code = error.code ?? "";
  if (code.startsWith("HPE_")) return failed("malformed-response", error);
  // In TLS 1.3 a server judges the client's certificate after the client has seen the handshake end.
  if (code.startsWith("ERR_SSL_")) return failed("tls-failed", error);
  if (error.message === "socket hang up") return new HandshakeError("ended-early", { cause: error });
  return failed("ended-early", error);
}
