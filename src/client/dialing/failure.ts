/**
 * Failures of a transport as a `HandshakeError`: the rule that failed, and the system's error in words.
 */

import type { Duplex } from "node:stream";
import { HandshakeError, type HandshakeRule } from "../../protocol/handshake/handshake-error.ts";

/** An error of the transport as the error of a rule; `status` is that of the response, where there was one. */
export function failed(rule: HandshakeRule, cause: unknown, status?: number): HandshakeError {
  // Several addresses that fail give an AggregateError without a message.
  const several: unknown = (cause as Partial<AggregateError> | null | undefined)?.errors;
  const errors: readonly unknown[] = Array.isArray(several) ? several : [cause];
  const detail = [...new Set(errors.map(inWords))].filter((words) => words !== "").join("; ");
  return new HandshakeError(rule, { cause, ...(detail && { detail }), ...(status !== undefined && { status }) });
}

/** An error on the way to a proxy, or of the proxy itself, as the error of the rule `proxy-failed`. */
export function proxyFailed(error: unknown): HandshakeError {
  if (!(error instanceof HandshakeError)) return failed("proxy-failed", error);
  if (error.rule === "proxy-failed") return error;
  return failed("proxy-failed", error.cause ?? new Error(error.message), error.status);
}

/** Resolves with the event. Rejects with an error of the rule when the stream fails or is closed before. */
export function arrival(stream: Duplex, event: "connect" | "secureConnect", rule: HandshakeRule): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (then: () => void) => {
      stream.off(event, arrived).off("error", broke).off("close", closed);
      then();
    };
    const arrived = () => settle(resolve);
    const broke = (error: Error) => settle(() => reject(failed(rule, error)));
    const closed = () => settle(() => reject(new HandshakeError(rule, { detail: "the connection was closed" })));
    stream.on(event, arrived).on("error", broke).on("close", closed);
    if (stream.destroyed) closed();
  });
}

/** The words of the system or of OpenSSL, with their meaning where the words do not give it. */
function inWords(error: unknown): string {
  // A promise of the application's may be rejected with anything, and the code of a DOMException is a number.
  if (typeof error !== "object" || error === null) return error === undefined || error === null ? "" : String(error);
  const { message = "", reason, address, port, hostname } = error as SystemError;
  const code = typeof (error as SystemError).code === "string" ? (error as SystemError).code! : "";
  const place = port === undefined ? address : `${address?.includes(":") ? `[${address}]` : address}:${port}`;
  if (code === "ECONNREFUSED" && place !== undefined) return `nothing listens at ${place} (${code})`;
  if (code === "ENOENT" && place !== undefined) return `there is no socket at ${place} (${code})`;
  if (code === "ENOTFOUND") return `there is no address of the name ${hostname} (${code})`;
  if (notTls.has(code)) return `the answer is not TLS; perhaps the URL has to begin with ws: (${reason ?? code})`;
  if (untrusted.has(code)) return `${message}; tls: { ca } says whom to trust (${code})`;
  // OpenSSL's own message is full of addresses and files of its source.
  return (code.startsWith("ERR_SSL_") && reason) || message || code;
}

interface SystemError extends NodeJS.ErrnoException {
  readonly reason?: string;
  readonly address?: string;
  readonly port?: number;
  readonly hostname?: string;
}

/** The codes of OpenSSL, in its several versions, for an answer in plain HTTP. */
const notTls: ReadonlySet<string> = new Set([
  "ERR_SSL_WRONG_VERSION_NUMBER",
  "ERR_SSL_PACKET_LENGTH_TOO_LONG",
  "ERR_SSL_RECORD_LAYER_FAILURE",
]);

/** The codes of OpenSSL for a certificate without a trusted issuer. */
const untrusted: ReadonlySet<string> = new Set([
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
]);
