/**
 * One HTTP request over a stream of its own, and the response.
 *
 * The head of the response is read as leniently as browsers do. Bytes behind the head stay untouched, whatever its
 * fields say about a body (fault C08).
 */

import { Buffer } from "node:buffer";
import type { Duplex } from "node:stream";
import { TLSSocket } from "node:tls";
import { drainTime } from "../../connection/options/limits.ts";
import { describe } from "../../protocol/check-options.ts";
import { HandshakeError } from "../../protocol/handshake/handshake-error.ts";
import { ResponseBodyReader } from "../../protocol/handshake/response-body.ts";
import { type ResponseHead, ResponseHeadReader } from "../../protocol/handshake/response-head.ts";
import { failed } from "./failure.ts";
import type { PendingHandshake } from "./pending-handshake.ts";

/** Header fields, each a name and a value. */
export type HeaderPairs = readonly (readonly [name: string, value: string])[];

/**
 * Header fields: pairs, a `Headers`, or an object, in which a value that is an array is a field for each, and undefined none.
 */
export type GivenHeaders =
  | Iterable<readonly string[]>
  | Readonly<Record<string, string | readonly string[] | undefined>>;

/** Header fields of any form as pairs. Throws a TypeError for one that is not a name and a value. */
export function headerPairs(headers: GivenHeaders): HeaderPairs {
  const entries: Iterable<unknown> = Symbol.iterator in headers ? headers : Object.entries(headers);
  return [...entries].flatMap((entry) => {
    if (!Array.isArray(entry) || entry.length !== 2) {
      throw new TypeError(`Cannot connect: each of headers is an array of a name and a value, not ${describe(entry)}`);
    }
    const [name, value = []] = entry as [string, string | readonly string[] | undefined];
    return [value].flat().map((each) => [name, each] as const);
  });
}

/** The head of a request. */
export interface HttpRequest {
  readonly method: "GET" | "CONNECT";
  readonly path: string;
  /** Fields whose names and values have been checked. */
  readonly headers: HeaderPairs;
}

/** The length of the part of a refusal's body that is kept, in bytes. */
const bodyPrefixLength = 1024;

/**
 * Sends the request and resolves with the head of the final response, of which at most `maxHeaderSize` bytes are read.
 */
export function sendRequest(
  handshake: PendingHandshake,
  stream: Duplex,
  { method, path, headers }: HttpRequest,
  maxHeaderSize: number,
): Promise<ResponseHead> {
  const reader = new ResponseHeadReader(maxHeaderSize);
  const lines = headers.map(([name, value]) => `${name}: ${value}\r\n`);
  try {
    stream.write(Buffer.from(`${method} ${path} HTTP/1.1\r\n${lines.join("")}\r\n`, "latin1"));
  } catch (error) {
    // A stream of the application's own may throw.
    return Promise.reject(failed("ended-early", error));
  }
  return handshake.until(
    new Promise((resolve, reject) => {
      const take = (chunk: Uint8Array): boolean => {
        try {
          const head = reader.read(chunk);
          if (head) resolve(head);
          return head !== undefined;
        } catch (error) {
          reject(error);
          return true;
        }
      };
      readFrom(stream, take, (error) => reject(noResponse(stream, error, reader.status)));
    }),
  );
}

/** The first KiB of the body of a refusal; less where the body is shorter, or takes longer than a second. */
export async function readBodyPrefix(
  handshake: PendingHandshake,
  stream: Duplex,
  head: ResponseHead,
): Promise<Uint8Array> {
  const { response, rest, problem } = head;
  const body = new ResponseBodyReader(response, bodyPrefixLength);
  body.read(rest);
  if (problem !== undefined || body.over) return body.bytes;
  handshake.stopTimer();
  await handshake.until(
    new Promise<void>((resolve) => {
      const timer = setTimeout(() => {
        stop();
        resolve();
      }, drainTime);
      const over = () => {
        clearTimeout(timer);
        resolve();
      };
      const take = (chunk: Uint8Array): boolean => {
        body.read(chunk);
        if (body.over) over();
        return body.over;
      };
      const stop = readFrom(stream, take, over);
    }),
  );
  return body.bytes;
}

/**
 * Gives chunks to `take` until it returns true; later chunks stay in the stream. Calls `end` when the stream ends
 * before.
 *
 * The returned function stops the reading.
 */
function readFrom(
  stream: Duplex,
  take: (chunk: Uint8Array) => boolean,
  end: (error: Error | undefined) => void,
): () => void {
  const read = () => {
    for (let chunk: Uint8Array | null = stream.read(); chunk !== null; chunk = stream.read()) {
      if (take(chunk)) return stop();
    }
  };
  const ended = (error?: Error) => {
    stop();
    end(error ?? stream.errored ?? undefined);
  };
  const closed = () => ended();
  const stop = () => {
    stream.off("readable", read).off("error", ended).off("end", closed).off("close", closed);
  };
  stream.on("readable", read).on("error", ended).on("end", closed).on("close", closed);
  if (stream.destroyed || stream.readableEnded) closed();
  else read();
  return stop;
}

const ifTls = "if the server speaks TLS, the URL has to begin with wss:";

/** The error for a stream that ended or failed before the response was complete. */
function noResponse(
  stream: Duplex,
  error: (Error & { code?: string }) | undefined,
  status: number | undefined,
): HandshakeError {
  if (error === undefined && status !== undefined) return new HandshakeError("ended-early", { status });
  if (error === undefined && stream instanceof TLSSocket) return new HandshakeError("ended-early");
  // Many servers that speak TLS close a plain connection without an answer.
  if (error === undefined) return new HandshakeError("ended-early", { detail: ifTls });
  // In TLS 1.3 a server checks the client's certificate after the handshake has ended for the client.
  if (error.code?.startsWith("ERR_SSL_")) return failed("tls-failed", error);
  return failed("ended-early", error, status);
}
