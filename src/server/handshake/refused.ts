/**
 * The reasons for which an opening handshake is refused, each with the HTTP response that says so.
 */

import { type Refusal, type RefusalRule, refusalOf } from "../../protocol/handshake/handshake-error.ts";

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

/** A refusal that is decided: the reason, the response, and the exception of the application if there was one. */
export class Refused {
  readonly reason: RefusalReason;
  readonly refusal: Refusal;
  /** The exception of the application; undefined unless the reason is `application-failed`. */
  readonly error: unknown;

  constructor(reason: RefusalReason, refusal: Refusal, error?: unknown) {
    this.reason = reason;
    this.refusal = refusal;
    this.error = error;
  }

  /** The request breaks a rule. */
  static by(rule: RefusalRule): Refused {
    return new Refused(rule, refusalOf(rule));
  }

  /** The server has no room or no time now: 503, with `Retry-After` in seconds. */
  static busy(reason: RefusalReason, because: string, retryAfter = 1): Refused {
    const headers = [["Retry-After", String(retryAfter)]] as const;
    return new Refused(reason, plainRefusal(503, `Cannot open the connection: ${because}`, headers));
  }

  /** The request came before an earlier request of the same socket was answered: 400. */
  static behindUnanswered(): Refused {
    const refusal = plainRefusal(400, "Cannot open the connection: an earlier request is not answered yet");
    return new Refused("behind-unanswered", refusal);
  }

  /** The application threw, or decided something that cannot be written: 500. */
  static applicationFailed(error: unknown): Refused {
    const refusal = plainRefusal(500, "Cannot open the connection: the server failed");
    return new Refused("application-failed", refusal, error);
  }
}

/** A response of plain text, one line long. */
export function plainRefusal(status: number, text: string, headers: Refusal["headers"] = []): Refusal {
  return { status, headers: [["Content-Type", "text/plain; charset=utf-8"], ...headers], body: `${text}\n` };
}

/** Whether a value is a `Response`, of the runtime or of a package with a class of its own. */
export function isResponse(value: unknown): value is Response {
  if (value instanceof Response) return true;
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
