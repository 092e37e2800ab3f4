/**
 * The reasons for which an opening handshake is refused, each with the HTTP response that says so, and with the Close
 * that says it to a page.
 */

import { CloseCode } from "../../protocol/close-code.ts";
import { type CloseStatus, maxReasonLength } from "../../protocol/close-payload.ts";
import { type Refusal, type RefusalRule, refusalOf } from "../../protocol/handshake/handshake-error.ts";
import { utf8Length } from "../../protocol/runtime/text.ts";

/** Why a connection of a listener with the option `proxyProtocol` is ended before its request is read. */
export type ProxyProblem = "untrusted-proxy" | "malformed-proxy-header" | "proxy-header-too-slow";

/** Why a handshake is refused: a rule that the request breaks, or a reason of the server. */
export type RefusalReason =
  | RefusalRule
  | ProxyProblem
  | "headers-too-large"
  | "malformed-http"
  | "request-too-slow"
  | "application"
  | "application-failed"
  | "behind-unanswered"
  | "server-closing"
  | "too-many-connections"
  | "too-many-from-address"
  | "too-many-handshakes"
  | "upgrade-timeout";

/** A refusal that is decided, such as `refuse` returns. */
export class Refused {
  /** Why. */
  readonly reason: RefusalReason;
  /** The response. */
  readonly refusal: Refusal;
  /** The Close for a page, where the route has `refuseByClose`; undefined where pages get the response, too. */
  readonly close: CloseStatus | undefined;
  /** The exception of the application; undefined unless the reason is `application-failed`. */
  readonly error: unknown;

  /** @internal Applications make one with `refuse`. */
  constructor(
    reason: RefusalReason,
    refusal: Refusal,
    { close, error }: { readonly close?: CloseStatus; readonly error?: unknown } = {},
  ) {
    this.reason = reason;
    this.refusal = refusal;
    this.close = close;
    this.error = error;
  }

  /** The request breaks a rule. */
  static by(rule: RefusalRule): Refused {
    return new Refused(rule, refusalOf(rule));
  }

  /** The server has no room or no time now: 503 with a `Retry-After` of a second, or 1013. */
  static busy(reason: RefusalReason, because: string): Refused {
    const text = `Cannot open the connection: ${because}`;
    // No hint for pages: each attempt is a whole handshake here, and 1013 alone keeps them away for longer.
    return new Refused(reason, refusalUntil(503, text, 1), {
      close: { code: CloseCode.TryAgainLater, reason: text },
    });
  }

  /** The server takes no more clients: 503, or the code with which it closes its connections. */
  static closing(code: number, retryAfter?: number): Refused {
    const text = "Cannot open the connection: the server is closing";
    const reason = retryAfter === undefined ? text : withRetryAfter(text, retryAfter);
    return new Refused("server-closing", refusalUntil(503, text, retryAfter ?? 1), {
      close: { code, reason },
    });
  }

  /** The request came before an earlier request of the same socket was answered: 400. */
  static behindUnanswered(): Refused {
    const refusal = plainRefusal(400, "Cannot open the connection: an earlier request is not answered yet");
    return new Refused("behind-unanswered", refusal);
  }

  /** The application threw, or decided something that cannot be written: 500. */
  static applicationFailed(error: unknown): Refused {
    const refusal = plainRefusal(500, "Cannot open the connection: the server failed");
    return new Refused("application-failed", refusal, { error });
  }
}

/** A response of plain text, one line long. */
export function plainRefusal(status: number, text: string, headers: Refusal["headers"] = []): Refusal {
  return { status, headers: [["Content-Type", "text/plain; charset=utf-8"], ...headers], body: `${text}\n` };
}

/** A response of plain text that says after how many seconds the client may come back, where that is known. */
export function refusalUntil(status: number, text: string, retryAfter: number | undefined): Refusal {
  return plainRefusal(status, text, retryAfter === undefined ? [] : [["Retry-After", String(retryAfter)]]);
}

/** Whether a value is a `Response`, of the runtime or of a package with a class of its own. */
export function isResponse(value: unknown): value is Response {
  const { status, arrayBuffer } = Object(value) as Partial<Response>;
  return typeof status === "number" && typeof arrayBuffer === "function";
}

/** Header fields that are left out of a `Response`, since a refusal has its own. */
const framing: ReadonlySet<string> = new Set(["connection", "content-length", "transfer-encoding", "keep-alive"]);

/** Reads a `Response` whole. Rejects with the error of its body. */
export async function refusalOfResponse(response: Response): Promise<Refusal> {
  const headers = [...response.headers].filter(([name]) => !framing.has(name));
  return { status: response.status, headers, body: new Uint8Array(await response.arrayBuffer()) };
}

/**
 * The reason of a Close with a hint behind it that `retryAfterInReason` reads, of 5 digits at most; the reason alone where
 * a Close has no room for both.
 */
export function withRetryAfter(reason: string, seconds: number): string {
  const hinted = `${reason && `${reason}; `}retry-after=${Math.min(seconds, 99_999)}`;
  return utf8Length(hinted) > maxReasonLength ? reason : hinted;
}
