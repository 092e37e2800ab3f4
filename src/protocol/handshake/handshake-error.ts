/**
 * The table of all rules of the opening handshake, RFC 6455 section 4, and of what else can fail in it.
 *
 * A server answers a breach with the status, header fields and text of the row. A client fails with a `HandshakeError`
 * that names the rule. Texts complete the sentence "Cannot open the connection: …".
 */

import { fieldValues } from "./header-fields.ts";

type HandshakeRow = {
  /** The section that holds the rule; of RFC 6455 unless it names another document. */
  readonly section: string;
  /** What is wrong, without a capital letter and without a full stop. */
  readonly text: string;
  /** The status with which a server answers. Rows without one are the client's own. */
  readonly status?: number;
  /** Further header fields that the answer must carry. */
  readonly headers?: ReadonlyArray<readonly [name: string, value: string]>;
};

/** The rules in the order in which a side meets them: the URL, the request, the way to the server, the response. */
const table = {
  "invalid-url": { section: "3", text: "the URL is not valid" },
  "unsupported-scheme": { section: "3", text: "the scheme of the URL is not ws, wss, http or https" },
  "url-fragment": { section: "3", text: "the URL has a fragment" },

  "too-many-headers": { section: "10.7", status: 431, text: "the request has too many header fields" },
  "field-too-long": { section: "10.7", status: 431, text: "a Sec-WebSocket header field of the request is too long" },
  "wrong-method": { section: "4.2.1", status: 405, text: "the method is not GET", headers: [["Allow", "GET"]] },
  "old-http-version": { section: "4.2.1", status: 400, text: "the request is older than HTTP/1.1" },
  "missing-upgrade": {
    section: "4.2.1",
    status: 426,
    text: "the Upgrade header field of the request does not name websocket",
    headers: [["Upgrade", "websocket"]],
  },
  "missing-connection": {
    section: "4.2.1",
    status: 426,
    text: "the Connection header field of the request has no Upgrade token",
    headers: [["Upgrade", "websocket"]],
  },
  "missing-host": { section: "4.2.1", status: 400, text: "the request has no Host header field" },
  "duplicate-host": { section: "4.2.1", status: 400, text: "the request has more than one Host header field" },
  "invalid-host": { section: "4.2.1", status: 400, text: "the Host header field is not a host with an optional port" },
  "invalid-target": {
    section: "4.2.1",
    status: 400,
    text: "the request target is neither a path, without dot segments, nor a URL of this host",
  },
  "unexpected-body": { section: "4.2.1", status: 400, text: "the request has a body" },
  "duplicate-version": {
    section: "11.3.5",
    status: 400,
    text: "the request has more than one Sec-WebSocket-Version header field",
  },
  "unsupported-version": {
    section: "4.4",
    status: 426,
    text: "the Sec-WebSocket-Version header field of the request is not 13",
    headers: [
      ["Upgrade", "websocket"],
      ["Sec-WebSocket-Version", "13"],
    ],
  },
  "missing-key": { section: "4.2.1", status: 400, text: "the request has no Sec-WebSocket-Key header field" },
  "duplicate-key": {
    section: "11.3.1",
    status: 400,
    text: "the request has more than one Sec-WebSocket-Key header field",
  },
  "invalid-key": {
    section: "4.2.1",
    status: 400,
    text: "the Sec-WebSocket-Key header field is not 16 bytes in base64",
  },
  "malformed-subprotocols": {
    section: "4.1",
    status: 400,
    text: "the Sec-WebSocket-Protocol header field of the request is not a list of tokens",
  },
  "repeated-subprotocol": {
    section: "4.1",
    status: 400,
    text: "the Sec-WebSocket-Protocol header field of the request names a subprotocol twice",
  },
  "too-many-subprotocols": { section: "10.7", status: 431, text: "the request offers too many subprotocols" },
  "malformed-extensions": {
    section: "9.1",
    status: 400,
    text: "the Sec-WebSocket-Extensions header field of the request is not a list of extensions",
  },
  "too-many-extensions": { section: "10.7", status: 431, text: "the request offers too many extensions" },
  "duplicate-origin": {
    section: "7.3 of RFC 6454",
    status: 400,
    text: "the request has more than one Origin header field",
  },
  "host-not-allowed": { section: "10.2", status: 421, text: "the Host header field names another server" },
  "origin-not-allowed": { section: "4.2.2", status: 403, text: "the origin of the request is not allowed" },
  "unknown-path": { section: "4.2.2", status: 404, text: "nothing is served at this path" },

  "connection-failed": { section: "4.1", text: "the server cannot be reached" },
  "proxy-failed": { section: "4.1", text: "the proxy did not open a tunnel" },
  "tls-failed": { section: "4.1", text: "the TLS handshake failed" },
  "timed-out": { section: "4.1", text: "the server did not answer in time" },
  "ended-early": { section: "4.1", text: "the transport ended before the response was complete" },

  "malformed-response": { section: "4.1", text: "the response is not HTTP, or its head is too large" },
  "status-not-101": { section: "4.1", text: "the status of the response is not 101" },
  "wrong-response-upgrade": { section: "4.1", text: "the Upgrade header field of the response is not websocket" },
  "wrong-response-connection": {
    section: "4.1",
    text: "the Connection header field of the response has no Upgrade token",
  },
  "missing-accept": { section: "4.1", text: "the response has no Sec-WebSocket-Accept header field" },
  "duplicate-accept": { section: "11.3.3", text: "the response has more than one Sec-WebSocket-Accept header field" },
  "wrong-accept": { section: "4.1", text: "the Sec-WebSocket-Accept header field does not answer the key" },
  "duplicate-response-subprotocol": {
    section: "11.3.4",
    text: "the response has more than one Sec-WebSocket-Protocol header field",
  },
  "unexpected-subprotocol": { section: "4.1", text: "the response names a subprotocol that was not offered" },
  "missing-response-subprotocol": {
    section: "2.2 of WHATWG WebSockets",
    text: "the response chooses none of the offered subprotocols",
  },
  "malformed-response-extensions": {
    section: "9.1",
    text: "the Sec-WebSocket-Extensions header field of the response is not a list of extensions",
  },
  "unexpected-extension": { section: "4.1", text: "the response names an extension that was not offered" },
  "repeated-extension": { section: "5 of RFC 7692", text: "the response names permessage-deflate twice" },
  "invalid-extension-parameters": {
    section: "7.1 of RFC 7692",
    text: "the response has parameters of permessage-deflate that cannot be",
  },
} as const;

/** The name of a rule of the opening handshake. */
export type HandshakeRule = keyof typeof table;

/** The rules whose breach a server answers with an HTTP status. */
export type RefusalRule = {
  [Rule in HandshakeRule]: (typeof table)[Rule] extends { status: number } ? Rule : never;
}[HandshakeRule];

/** The section and the text of each rule, and for what a server refuses the status and header fields of its answer. */
export const handshakeRules: Readonly<Record<RefusalRule, HandshakeRow & { readonly status: number }>> &
  Readonly<Record<HandshakeRule, HandshakeRow>> = table;

/** An HTTP response that refuses a handshake; `createRefusal` writes it. */
export type Refusal = {
  /** An integer from 200 to 599. */
  readonly status: number;
  /** Names and values; `Connection`, `Content-Length` and `Transfer-Encoding` must not be among them. */
  readonly headers: ReadonlyArray<readonly [name: string, value: string]>;
  readonly body: string | Uint8Array;
};

/**
 * Returns a server's answer to a request that breaks the rule: status and header fields of the row, its text as the
 * body.
 */
export function refusalOf(rule: RefusalRule): Refusal {
  const { status, headers = [], text } = handshakeRules[rule];
  return { status, headers: [["Content-Type", "text/plain; charset=utf-8"], ...headers], body: `${describe(text)}\n` };
}

/** Facts about a failed handshake, apart from the broken rule. */
export type HandshakeErrorOptions = {
  /** The error that caused the failure. */
  readonly cause?: unknown;
  /** A detail of this failure, such as the status; it is added to the message after a colon. */
  readonly detail?: string;
  /** The status of the response, if one came. */
  readonly status?: number;
  /** The header fields of the response, names and values in turn, as on the wire. */
  readonly headers?: readonly string[];
  /** The first bytes of the response's body, at most 1 KiB. */
  readonly body?: Uint8Array;
};

/**
 * The error of an opening handshake that failed. `rule` names the broken rule; `cause` is the error behind it, if any.
 */
export class HandshakeError extends Error {
  override readonly name = "HandshakeError";
  /** The broken rule, a key of `handshakeRules`. */
  readonly rule: HandshakeRule;
  /** The section that holds the rule; of RFC 6455 unless it names another document. */
  readonly section: string;
  /** The status of the server's response; undefined when none came. */
  readonly status: number | undefined;
  /** The header fields of the response, names and values in turn; empty when none came. `header` finds one. */
  readonly headers: readonly string[];
  /** The first bytes of the response's body, at most 1 KiB; empty when none came. */
  readonly body: Uint8Array;

  constructor(rule: HandshakeRule, options: HandshakeErrorOptions = {}) {
    const { section, text } = handshakeRules[rule];
    super(describe(options.detail === undefined ? text : `${text}: ${options.detail}`), options);
    this.rule = rule;
    this.section = section;
    this.status = options.status;
    this.headers = options.headers ?? [];
    this.body = options.body ?? new Uint8Array(0);
  }

  /**
   * Returns the value of a header field of the response, by its name in any case. Several fields of one name are joined
   * with a comma, as `Headers` does. Undefined when there is none.
   */
  header(name: string): string | undefined {
    const values = fieldValues(this.headers, name.toLowerCase());
    return values.length > 0 ? values.join(", ") : undefined;
  }

  /**
   * @internal Adds the URL to the message, and replaces the frames of the stack. A second call changes nothing.
   */
  locate(url: string, frames: string): void {
    if (!this.message.startsWith(describe(""))) return;
    this.message = `${what} to ${url}${this.message.slice(what.length)}`;
    this.stack = `${this.name}: ${this.message}\n${frames}`;
  }
}

const what = "Cannot open the connection";

function describe(text: string): string {
  return `${what}: ${text}`;
}
