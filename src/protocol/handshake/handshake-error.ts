/**
 * Every way an opening handshake can break RFC 6455 section 4, in one table.
 *
 * The server answers a broken rule that has a `status` with that status, the row's headers and its text; the client fails
 * with a `HandshakeError` that names the rule. Texts complete the sentence "Cannot open the connection: …".
 */

import { fieldValues } from "./header-fields.ts";

type HandshakeRow = {
  /** The section that is broken; of RFC 6455 unless it names another document. */
  readonly section: string;
  /** What is wrong, without a capital letter and without a full stop. */
  readonly text: string;
  /** How a server answers it. Rows without one are the client's own. */
  readonly status?: number;
  /** Fields that the answer must carry besides. */
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

/** The table: for each rule its section, its text and, for what a server refuses, status and header fields. */
export const handshakeRules: Readonly<Record<RefusalRule, HandshakeRow & { readonly status: number }>> &
  Readonly<Record<HandshakeRule, HandshakeRow>> = table;

/** An HTTP response that refuses a handshake; `createRefusal` writes it. */
export type Refusal = {
  readonly status: number;
  readonly headers: ReadonlyArray<readonly [name: string, value: string]>;
  readonly body: string | Uint8Array;
};

/**
 * What the server answers to a request that breaks `rule`: the row's status and header fields, and its text as the
 * body.
 */
export function refusalOf(rule: RefusalRule): Refusal {
  const { status, headers = [], text } = handshakeRules[rule];
  return { status, headers: [["Content-Type", "text/plain; charset=utf-8"], ...headers], body: `${describe(text)}\n` };
}

/** What is known of a failed handshake besides the rule. */
export type HandshakeErrorOptions = {
  /** The exception behind it. */
  readonly cause?: unknown;
  /** Added to the message after a colon, for what only the moment knows, such as the status. */
  readonly detail?: string;
  /** Status of the response, when one came. */
  readonly status?: number;
  /** Names and values of the response's header fields in turn, as on the wire. */
  readonly headers?: readonly string[];
  /** The first bytes of the response's body, at most 1 KiB. */
  readonly body?: Uint8Array;
};

/** The opening handshake failed; `rule` says what was broken and `cause` holds the error beneath, if any. */
export class HandshakeError extends Error {
  override readonly name = "HandshakeError";
  /** The broken rule, a key of `handshakeRules`. */
  readonly rule: HandshakeRule;
  /** The section of RFC 6455 that holds the rule. */
  readonly section: string;
  /** Status of the server's response; undefined when none came. */
  readonly status: number | undefined;
  /** Names and values of the response's header fields in turn; empty when none came. `header` finds one. */
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
   * The value of a header field of the response by its name, in whatever case; several fields of one name are joined with
   * a comma, as `Headers` does. Undefined when there is none.
   */
  header(name: string): string | undefined {
    const values = fieldValues(this.headers, name.toLowerCase());
    return values.length > 0 ? values.join(", ") : undefined;
  }

  /**
   * @internal Says in the message where the connection was to go, and gives the stack these frames; a second call changes
   * nothing.
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
