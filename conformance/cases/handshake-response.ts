/**
 * RFC 6455 section 4.1: the request a client sends, and the response as it reads it, good and bad.
 */
import { type Case, echoes, fails, type HeadOptions, type Outcome } from "../case.ts";
import { acceptFor, type Head, hasToken, valuesOf } from "../wire/head.ts";
import { close, family, letters, ping, text } from "./build.ts";

const client = { roles: ["client"], level: "must" } as const;
const ACCEPT = "Sec-WebSocket-Accept";
const EXTENSIONS = "Sec-WebSocket-Extensions";
const PROTOCOL = "Sec-WebSocket-Protocol";
const replaced = (name: string, value: string): HeadOptions => ({ replace: { [name]: value } });
const extra = (...fields: (readonly [string, string])[]): HeadOptions => ({ extra: fields });

type Response = HeadOptions | ((request: Head) => HeadOptions | undefined);
type Row = readonly [id: string, title: string, response: Response, ids?: string];

const statusLine = (startLine: string): HeadOptions => ({ startLine });
const fromAccept =
  (change: (accept: string) => string) =>
  (request: Head): HeadOptions =>
    replaced(ACCEPT, change(acceptFor(valuesOf(request, "Sec-WebSocket-Key")[0] ?? "")));

const GOOD: readonly Row[] = [
  ["plain", "The plain response", {}],
  ["reason.other", "Another reason phrase", statusLine("HTTP/1.1 101 Go Ahead")],
  ["reason.empty", "An empty reason phrase", statusLine("HTTP/1.1 101 ")],
  [
    "reason.long",
    "A reason phrase of many words",
    statusLine("HTTP/1.1 101 Switching Protocols: Welcome To The Web Socket"),
  ],
  ["upgrade.mixed", "Upgrade: WebSocket", replaced("Upgrade", "WebSocket"), "R6455-4.1-22"],
  ["upgrade.upper", "Upgrade: WEBSOCKET", replaced("Upgrade", "WEBSOCKET"), "R6455-4.1-22"],
  ["connection.lower", "Connection: upgrade", replaced("Connection", "upgrade"), "R6455-4.1-23"],
  ["connection.upper", "Connection: UPGRADE", replaced("Connection", "UPGRADE"), "R6455-4.1-23"],
  [
    "connection.keep-alive-first",
    "Connection: keep-alive, Upgrade",
    replaced("Connection", "keep-alive, Upgrade"),
    "R6455-4.1-23",
  ],
  [
    "connection.keep-alive-last",
    "Connection: Upgrade, keep-alive",
    replaced("Connection", "Upgrade, keep-alive"),
    "R6455-4.1-23",
  ],
  ["accept.blanks-around", "Blanks around the accept value", fromAccept((value) => `  ${value}  `), "R6455-4.1-24"],
  [
    "names.lower",
    "Field names in lower case",
    { rewrite: (head) => head.replace(/^[\w-]+(?=: )/gm, (name) => name.toLowerCase()) },
  ],
  [
    "names.upper",
    "Field names in upper case",
    { rewrite: (head) => head.replace(/^[\w-]+(?=: )/gm, (name) => name.toUpperCase()) },
  ],
  ["no-blank-after-colon", "No blank after the colons", { rewrite: (head) => head.replaceAll(": ", ":") }],
  ["fields-reversed", "The fields in reverse order", { rewrite: reversed }],
  [
    "unknown-fields",
    "Fields that nobody knows",
    extra(["X-Unknown", "1"], ["Server", "judge"], ["Date", "Thu, 01 Jan 1970 00:00:00 GMT"]),
  ],
  ["cookies", "Two cookies", extra(["Set-Cookie", "a=b"], ["Set-Cookie", "c=d"]), "R6455-4.1-28"],
  ["bytewise", "The response byte by byte", { chop: 1 }],
  ["writes-of-7", "The response in writes of 7 bytes", { chop: 7 }],
  [
    "fifty-fields",
    "Fifty more fields",
    extra(...Array.from({ length: 50 }, (_, i) => [`X-Field-${i}`, String(i)] as const)),
  ],
  ["long-value", "A field of 4 KiB", extra(["X-Long", letters(4096)])],
  ["content-length-zero", "Content-Length: 0, which a 101 should not have", extra(["Content-Length", "0"])],
];

function reversed(head: string): string {
  const [start, ...lines] = head.trimEnd().split("\r\n");
  return `${[start, ...lines.reverse()].join("\r\n")}\r\n\r\n`;
}

const good: Omit<Case, "group">[] = GOOD.map(([id, title, response, also]) => ({
  ...client,
  ...(id === "content-length-zero" ? { level: "may" as const } : {}),
  id: `good.${id}`,
  ids: [also ?? "R6455-4.1-27"],
  title,
  response,
  expect: id === "content-length-zero" ? [echoes("hello"), { kind: "refuses" } as const] : [echoes("hello")],
  steps: [text("hello")],
}));

const glued: Omit<Case, "group">[] = [
  {
    ...client,
    id: "glued.message",
    ids: ["R6455-4.1-28"],
    title: "A message in the same segment as the response is not lost",
    response: { glued: [text("early")] },
    expect: [echoes("early", "later")],
    steps: [text("later")],
  },
  {
    ...client,
    id: "glued.three-messages",
    ids: ["R6455-4.1-28"],
    title: "Three messages in the same segment as the response come back in order",
    response: { glued: [text("one"), text("two"), text("three")] },
    expect: [echoes("one", "two", "three")],
  },
  {
    ...client,
    id: "glued.ping",
    ids: ["R6455-4.1-28", "R6455-5.5.2-2"],
    title: "A ping in the same segment as the response is answered",
    response: { glued: [ping("early")] },
    expect: [{ kind: "echoes", messages: [], pongs: ["early"] }],
  },
  {
    ...client,
    id: "glued.close",
    ids: ["R6455-4.1-28", "R6455-5.5.1-4"],
    title: "A Close in the same segment as the response is answered",
    response: { glued: [close(1000)] },
    expect: [{ kind: "closes", codes: [1000] }],
  },
  {
    ...client,
    id: "glued.fault",
    ids: ["R6455-4.1-28", "R6455-5.2-3"],
    title: "A reserved opcode in the same segment as the response fails the connection",
    response: { glued: [{ opcode: 3 }] },
    expect: [fails(1002)],
  },
  {
    ...client,
    id: "glued.bytewise",
    ids: ["R6455-4.1-28"],
    title: "A response and a message, byte by byte",
    response: { glued: [text("early")], chop: 1 },
    expect: [echoes("early")],
  },
  ...[1, 2, 3, 4, 6].map((at) => ({
    ...client,
    id: `glued.first-${at}-bytes`,
    ids: ["R6455-4.1-28"],
    title: `The first ${at} bytes of a frame come with the response, the rest later`,
    response: { glued: Buffer.from("8105Hello".replace("Hello", "48656c6c6f"), "hex").subarray(0, at) },
    expect: [echoes("Hello")],
    steps: [{ raw: Buffer.from("810548656c6c6f", "hex").subarray(at) }],
  })),
];

const refused = (startLine: string, ...fields: (readonly [string, string])[]): HeadOptions => ({
  startLine,
  extra: [["Content-Length", "0"], ...fields],
});
const STATUSES = [200, 201, 204, 206, 304, 400, 401, 403, 404, 405, 407, 410, 426, 429, 500, 501, 502, 503];
const REDIRECTS = [301, 302, 303, 307, 308];

const BAD: readonly Row[] = [
  ...STATUSES.map(
    (status): Row => [
      `status.${status}`,
      `Status ${status} with everything else right`,
      refused(`HTTP/1.1 ${status} X`),
      "C08",
    ],
  ),
  ...REDIRECTS.map(
    (status): Row => [
      `status.${status}`,
      `Status ${status} without following it`,
      refused(`HTTP/1.1 ${status} X`),
      "WHATWG-2.2-1",
    ],
  ),
  ["status.1010", "Status 1010", statusLine("HTTP/1.1 1010 X")],
  ["status.10", "Status 10", statusLine("HTTP/1.1 10 X")],
  ["status.word", "A status that is a word", statusLine("HTTP/1.1 OK Switching")],
  ["not-http", "A line that is not HTTP", statusLine("SSH-2.0-OpenSSH_9.0")],
  ["no-upgrade", "No Upgrade", { without: ["Upgrade"] }, "R6455-4.1-22"],
  ["upgrade.other", "Upgrade: h2c", replaced("Upgrade", "h2c"), "R6455-4.1-22"],
  ["upgrade.prefix", "Upgrade: websockets", replaced("Upgrade", "websockets"), "R6455-4.1-22"],
  ["upgrade.empty", "An empty Upgrade", replaced("Upgrade", ""), "R6455-4.1-22"],
  ["no-connection", "No Connection", { without: ["Connection"] }, "R6455-4.1-23"],
  ["connection.close", "Connection: close", replaced("Connection", "close"), "R6455-4.1-23"],
  ["connection.not-a-token", "Connection: NotUpgrade", replaced("Connection", "NotUpgrade"), "R6455-4.1-23"],
  ["no-accept", "No accept value", { without: [ACCEPT] }, "R6455-4.1-24"],
  ["accept.empty", "An empty accept value", replaced(ACCEPT, ""), "R6455-4.1-24"],
  [
    "accept.of-another-key",
    "The accept value of the RFC's example",
    replaced(ACCEPT, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
    "R6455-4.1-24",
  ],
  [
    "accept.lower-case",
    "The right accept value in lower case",
    fromAccept((value) => value.toLowerCase()),
    "R6455-4.1-24",
  ],
  [
    "accept.no-padding",
    "The right accept value without its padding",
    fromAccept((value) => value.slice(0, -1)),
    "R6455-4.1-24",
  ],
  ["accept.more", "The right accept value with a letter behind it", fromAccept((value) => `${value}A`), "R6455-4.1-24"],
  [
    "accept.blank-inside",
    "The right accept value with a blank in it",
    fromAccept((value) => `${value.slice(0, 5)} ${value.slice(5)}`),
    "R6455-4.1-24",
  ],
  [
    "accept.is-the-key",
    "The key itself as accept value",
    (request) => replaced(ACCEPT, valuesOf(request, "Sec-WebSocket-Key")[0] ?? ""),
    "R6455-4.1-24",
  ],
  [
    "accept.two",
    "Two accept values, the first of them right",
    extra([ACCEPT, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="]),
    "R6455-11.3.3-1",
  ],
  ["extension.unknown", "An extension that was not offered", extra([EXTENSIONS, "x-unknown"]), "R6455-4.1-25"],
  ["extension.magic-name", "The extension __proto__", extra([EXTENSIONS, "__proto__"]), "C03"],
  ["extension.constructor", "The extension constructor", extra([EXTENSIONS, "constructor; toString"]), "C03"],
  ["extension.malformed", "An extension with an open quote", extra([EXTENSIONS, 'x; a="b']), "R6455-9.1-1"],
  ["protocol.unasked", "A subprotocol though none was asked for", unasked("chat"), "R6455-4.1-26"],
  ["protocol.list", "Two subprotocols though none was asked for", unasked("chat, superchat"), "R6455-4.1-26"],
  ["colon-missing", "A field without a colon", extraLine("NoColon")],
  [
    "blank-before-colon",
    "A blank between name and colon",
    { rewrite: (head) => head.replace("Upgrade: websocket", "Upgrade : websocket") },
  ],
  ["nul-in-value", "A NUL in a value", extra(["X-Nul", "a\0b"])],
  [
    "cut-short",
    "The end of the stream inside the head",
    { rewrite: (head) => head.slice(0, 60), finish: true },
    "R6455-7.2.1-1",
  ],
  ["nothing", "The end of the stream instead of a response", { rewrite: () => "", finish: true }, "R6455-7.2.1-1"],
  ["garbage", "Bytes that are no head", { rewrite: () => "\x81\x05Hello\r\n\r\n" }],
];

function unasked(protocols: string) {
  return (request: Head): HeadOptions | undefined =>
    valuesOf(request, PROTOCOL).length > 0 ? undefined : extra([PROTOCOL, protocols]);
}

function extraLine(line: string): HeadOptions {
  return { rewrite: (head) => head.replace("\r\n\r\n", `\r\n${line}\r\n\r\n`) };
}

const bad: Omit<Case, "group">[] = BAD.map(([id, title, response, also]) => ({
  ...client,
  id: `bad.${id}`,
  ids: [also ?? "R6455-4.1-27"],
  title,
  response,
  expect: [{ kind: "refuses" }],
}));

const EITHER: readonly Row[] = [
  ["http-1.0", "HTTP/1.0 101", statusLine("HTTP/1.0 101 Switching Protocols")],
  ["http-2.0", "HTTP/2.0 101", statusLine("HTTP/2.0 101 Switching Protocols")],
  ["lf-only", "Lines that end in LF alone", { rewrite: (head) => head.replaceAll("\r\n", "\n") }],
  ["folded-field", "A folded field", extra(["X-Folded", "a\r\n b"])],
  ["folded-handshake-field", "A fold before the value of Upgrade", replaced("Upgrade", "\r\n websocket")],
  ["cr-in-value", "A CR alone in a value, which is invalid or a space", extra(["X-Cr", "a\rb"])],
  ["upgrade.two", "Upgrade twice", extra(["Upgrade", "websocket"])],
  ["upgrade.list", "Upgrade: websocket, foo", replaced("Upgrade", "websocket, foo")],
  [
    "informational-first",
    "A 103 before the 101",
    { rewrite: (head) => `HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n${head}` },
  ],
  ["continue-first", "A 100 before the 101", { rewrite: (head) => `HTTP/1.1 100 Continue\r\n\r\n${head}` }],
  ["long-value-64-kib", "A field of 64 KiB", extra(["X-Long", letters(65536)])],
  ["extensions-empty", "An empty Sec-WebSocket-Extensions", extra([EXTENSIONS, ""])],
  [
    "transfer-encoding",
    "Transfer-Encoding: chunked, which a 101 must not have",
    extra(["Transfer-Encoding", "chunked"]),
  ],
];

/** Where refusing is the better of the two. */
const firstRefused: readonly string[] = ["http-2.0", "cr-in-value"];

const either: Omit<Case, "group">[] = EITHER.map(([id, title, response]) => ({
  ...client,
  level: "may" as const,
  id: `either.${id}`,
  ids: ["R6455-4.1-27"],
  title,
  response,
  expect: firstRefused.includes(id) ? [{ kind: "refuses" }, echoes("hello")] : [echoes("hello"), { kind: "refuses" }],
  steps: [text("hello")],
}));

type Check = readonly [id: string, title: string, ids: string, test: (request: Head) => boolean];
const KEY = "Sec-WebSocket-Key";

const CHECKS: readonly Check[] = [
  ["line", "GET, the path, HTTP/1.1", "R6455-4.1-9", ({ startLine }) => /^GET \/\d+ HTTP\/1\.1$/.test(startLine)],
  [
    "host",
    "One Host, with the port that is not the default",
    "R6455-4.1-11",
    (head) => /^127\.0\.0\.1:\d+$/.test(valuesOf(head, "Host").join()),
  ],
  ["upgrade", "Upgrade: websocket", "R6455-4.1-12", (head) => hasToken(head, "Upgrade", "websocket")],
  ["connection", "Connection has the token Upgrade", "R6455-4.1-13", (head) => hasToken(head, "Connection", "upgrade")],
  [
    "key",
    "One key: canonical base64 of 16 bytes",
    "R6455-4.1-14",
    (head) => /^[+/0-9A-Za-z]{21}[AQgw]==$/.test(valuesOf(head, KEY).join()),
  ],
  ["version", "One version, 13", "R6455-4.1-16", (head) => valuesOf(head, "Sec-WebSocket-Version").join() === "13"],
  [
    "no-body",
    "No body",
    "R6455-4.1-9",
    (head) =>
      valuesOf(head, "Transfer-Encoding").length === 0 && Number(valuesOf(head, "Content-Length")[0] ?? 0) === 0,
  ],
  [
    "fields-once",
    "No field of the handshake twice",
    "R6455-11.3.1-1",
    (head) => new Set(head.fields.map(([name]) => name.toLowerCase())).size === head.fields.length,
  ],
  [
    "grammar",
    "Every field line is a name, a colon and a visible value",
    "R6455-4.1-9",
    (head) =>
      head.raw
        .split("\r\n")
        .slice(1, -2)
        .every((line) => /^[!#$%&'*+.^_`|~\w-]+:[\t\x20-\x7e\x80-\xff]*$/.test(line)),
  ],
];

const checks: Omit<Case, "group">[] = CHECKS.map(([id, title, ids, test]) => {
  const outcome: Outcome = {
    kind: "seen",
    text: "a request with it",
    test: ({ head }) => head !== undefined && test(head),
  };
  return { ...client, id: `request.${id}`, ids: [ids], title: `The request: ${title}`, expect: [outcome] };
});

const keys = new Set<string>();

const behaviour: Omit<Case, "group">[] = [
  ...[1, 2, 3, 4].map((round) => ({
    ...client,
    id: `request.key-is-fresh.${round}`,
    ids: ["R6455-4.1-14"],
    title: `The key differs from those of the other connections (${round} of 4)`,
    expect: [
      {
        kind: "seen" as const,
        text: "a key not seen before",
        test: ({ head }) => {
          const key = head === undefined ? "" : (valuesOf(head, KEY)[0] ?? "");
          const fresh = key !== "" && !keys.has(key);
          keys.add(key);
          return fresh;
        },
      } satisfies Outcome,
    ],
  })),
  {
    ...client,
    id: "request.silent-until-answered",
    ids: ["R6455-4.1-20"],
    title: "The client sends nothing between its request and the response",
    response: { rewrite: (head) => head, chop: Array.from({ length: 120 }, (_, i) => i + 1) },
    expect: [
      {
        kind: "seen",
        text: "nothing before the response is whole",
        test: (seen) => seen.head !== undefined && seen.early.length === 0,
      },
    ],
  },
];

/** The group `handshake.response`. */
export const handshakeResponse: Case[] = family("handshake.response", [
  ...good,
  ...glued,
  ...bad,
  ...either,
  ...checks,
  ...behaviour,
]);
