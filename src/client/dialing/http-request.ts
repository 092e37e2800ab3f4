/**
 * One HTTP request over a stream that is ours alone, and its response.
 *
 * The head is read by our own reader, which is as lenient as browsers are; bytes behind a head are handed on untouched,
 * whatever its fields say of a body (fault C08).
 */

import { Buffer } from "node:buffer";
import type { Duplex } from "node:stream";
import { TLSSocket } from "node:tls";
import { drainTime } from "../../connection/limits.ts";
import { HandshakeError } from "../../protocol/handshake/handshake-error.ts";
import { ResponseBodyReader } from "../../protocol/handshake/response-body.ts";
import { type ResponseHead, ResponseHeadReader } from "../../protocol/handshake/response-head.ts";
import { failed } from "./dial.ts";
import type { Attempt } from "./pending-handshake.ts";

/** What a request says. */
export interface ExchangeRequest {
  readonly method: "GET" | "CONNECT";
  readonly path: string;
  /** Names and values that a head may have. */
  readonly headers: readonly (readonly [name: string, value: string])[];
}

/** How much of a refusal's body is kept, in bytes. */
const mostBody = 1024;

/** Sends the request and resolves with the head of the final response, of which at most `maxHeaderSize` bytes are read. */
export function exchange(
  attempt: Attempt,
  stream: Duplex,
  { method, path, headers }: ExchangeRequest,
  maxHeaderSize: number,
): Promise<ResponseHead> {
  const reader = new ResponseHeadReader(maxHeaderSize);
  const lines = headers.map(([name, value]) => `${name}: ${value}\r\n`);
  stream.write(Buffer.from(`${method} ${path} HTTP/1.1\r\n${lines.join("")}\r\n`, "latin1"));
  return attempt.until(
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
      readFrom(stream, take, (error) => reject(brokenExchange(stream, error, reader.status)));
    }),
  );
}

/** The first KiB of the body of a refusal, or what comes of it within a second. */
export async function beginningOfBody(attempt: Attempt, stream: Duplex, head: ResponseHead): Promise<Uint8Array> {
  const { response, rest, problem } = head;
  const body = new ResponseBodyReader(response, mostBody);
  body.read(rest);
  if (problem !== undefined || body.over) return body.bytes;
  attempt.stopTimer();
  await attempt.until(
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
 * Gives `take` what comes until it returns true, and says when the stream ends before; what comes later stays in the
 * stream. The function that is returned stops it.
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

function brokenExchange(
  stream: Duplex,
  error: (Error & { code?: string }) | undefined,
  status: number | undefined,
): HandshakeError {
  if (error === undefined && status !== undefined) return new HandshakeError("ended-early", { status });
  if (error === undefined && stream instanceof TLSSocket) return new HandshakeError("ended-early");
  // Many a server that speaks TLS says nothing to one who does not.
  if (error === undefined) return new HandshakeError("ended-early", { detail: ifTls });
  // In TLS 1.3 a server judges the client's certificate after the client has seen the handshake end.
  if (error.code?.startsWith("ERR_SSL_")) return failed("tls-failed", error);
  return failed("ended-early", error, status);
}
