/**
 * RFC 6455 section 4.2.1 and RFC 9112: requests that a server must refuse, and the status it may say it with.
 */
import { type Case, echoes, type HeadOptions } from "../case.ts";
import { text } from "./build.ts";
import { extra, KEY, replaced, SAMPLE, server, VERSION } from "./handshake-request-build.ts";

const line = (startLine: string): HeadOptions => ({ startLine });
const BAD: readonly (readonly [
  id: string,
  title: string,
  request: HeadOptions,
  codes: readonly number[],
  ids?: string,
])[] = [
  ...["POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "get"].map(
    (method) =>
      [
        `method.${method}`,
        `The method ${method}`,
        line(`${method} / HTTP/1.1`),
        [400, 405, 426, 501],
        "R6455-4.2.1-2",
      ] as const,
  ),
  ["http-1.0", "HTTP/1.0", line("GET / HTTP/1.0"), [400, 426, 505], "R6455-4.2.1-2"],
  ["http-0.9", "No version at all", line("GET /"), [400, 505], "R6455-4.2.1-2"],
  ["no-host", "No Host", { without: ["Host"] }, [400], "R6455-4.2.1-2"],
  ["two-hosts", "Two different Hosts", extra(["Host", "other.example"]), [400], "C10"],
  ["no-upgrade", "No Upgrade", { without: ["Upgrade"] }, [400, 426], "R6455-4.2.1-3"],
  ["upgrade.other", "Upgrade: h2c", replaced("Upgrade", "h2c"), [400, 426], "R6455-4.2.1-3"],
  ["upgrade.prefix", "Upgrade: websockets", replaced("Upgrade", "websockets"), [400, 426], "R6455-4.2.1-3"],
  ["upgrade.empty", "An empty Upgrade", replaced("Upgrade", ""), [400, 426], "R6455-4.2.1-3"],
  ["no-connection", "No Connection", { without: ["Connection"] }, [400, 426], "R6455-4.2.1-3"],
  ["connection.close", "Connection: close", replaced("Connection", "close"), [400, 426], "R6455-4.2.1-3"],
  [
    "connection.not-a-token",
    "Connection: NotUpgrade",
    replaced("Connection", "NotUpgrade"),
    [400, 426],
    "R6455-4.2.1-3",
  ],
  ["no-key", "No key", { without: [KEY] }, [400], "R6455-4.2.1-4"],
  ["key.empty", "An empty key", replaced(KEY, ""), [400], "R6455-4.2.1-4"],
  ["key.15-bytes", "A key of 15 bytes", replaced(KEY, Buffer.alloc(15, 7).toString("base64")), [400], "R6455-4.2.1-4"],
  ["key.17-bytes", "A key of 17 bytes", replaced(KEY, Buffer.alloc(17, 7).toString("base64")), [400], "R6455-4.2.1-4"],
  ["key.24-bytes", "A key of 24 bytes", replaced(KEY, Buffer.alloc(24, 7).toString("base64")), [400], "R6455-4.2.1-4"],
  ["key.no-padding", "A key without its padding", replaced(KEY, SAMPLE.slice(0, 22)), [400], "R6455-4.2.1-4"],
  ["key.half-padding", "A key with half its padding", replaced(KEY, SAMPLE.slice(0, 23)), [400], "R6455-4.2.1-4"],
  [
    "key.url-alphabet",
    "A key in the alphabet for URLs",
    replaced(KEY, "-_-_-_-_-_-_-_-_-_-_-w=="),
    [400],
    "R6455-4.2.1-4",
  ],
  ["key.not-base64", "A key that is not base64", replaced(KEY, "!!!!!!!!!!!!!!!!!!!!!!=="), [400], "R6455-4.2.1-4"],
  ["key.blank-inside", "A key with a blank in it", replaced(KEY, "dGhlIHNhbXBs ZSBub25jZ=="), [400], "R6455-4.2.1-4"],
  ["key.two", "Two keys", extra([KEY, SAMPLE]), [400], "R6455-11.3.1-1"],
  ["key.list", "Two keys in one field", replaced(KEY, `${SAMPLE}, ${SAMPLE}`), [400], "R6455-11.3.1-1"],
  ["no-version", "No version", { without: [VERSION] }, [400, 426], "R6455-4.2.1-5"],
  ...[
    "",
    "0",
    "7",
    "12",
    "14",
    "25",
    "99",
    "255",
    "256",
    "1300",
    "-13",
    "+13",
    "13.0",
    "0x0d",
    "013",
    "13a",
    "thirteen",
    "13, 8",
    "8, 13",
    "13;",
  ].map(
    (version) =>
      [
        `version.${version.replace(", ", "-and-") || "empty"}`,
        `The version ${version || "left empty"}`,
        replaced(VERSION, version),
        [426, 400],
        "R6455-4.2.2-4",
      ] as const,
  ),
  ["version.two-lines", "Two versions on two lines", extra([VERSION, "8"]), [426, 400], "R6455-11.3.5-1"],
  [
    "body",
    "A request with a body",
    { ...extra(["Content-Length", "5"]), glued: Buffer.from("Hello") },
    [400, 413, 426],
    "C08",
  ],
  [
    "chunked-body",
    "A request with a chunked body",
    { ...extra(["Transfer-Encoding", "chunked"]), glued: Buffer.from("5\r\nHello\r\n0\r\n\r\n") },
    [400, 413, 426, 501],
    "C08",
  ],
  [
    "colon-missing",
    "A field without a colon",
    { rewrite: (head) => head.replace("\r\n\r\n", "\r\nNoColon\r\n\r\n") },
    [400],
    "R6455-10.7-1",
  ],
  [
    "blank-before-colon",
    "A blank between name and colon",
    { rewrite: (head) => head.replace("Upgrade: websocket", "Upgrade : websocket") },
    [400],
    "R6455-10.7-1",
  ],
  ["blank-in-name", "A blank in a name", extra(["X Y", "z"]), [400], "R6455-10.7-1"],
  ["nul-in-value", "A NUL in a value", extra(["X-Nul", "a\0b"]), [400], "R6455-10.7-1"],
  ["nul-in-name", "A NUL in a name", extra(["X\0Y", "z"]), [400], "R6455-10.7-1"],
  ["cr-in-value", "A bare CR in a value", extra(["X-Cr", "a\rb"]), [400], "R6455-10.7-1"],
  [
    "blank-line-start",
    "A blank before the first field",
    { rewrite: (head) => head.replace("\r\nHost", "\r\n Host") },
    [400],
    "R6455-10.7-1",
  ],
  ["no-target", "No target in the request line", line("GET  HTTP/1.1"), [400], "R6455-10.7-1"],
  ["four-parts", "Four parts in the request line", line("GET / x HTTP/1.1"), [400], "R6455-10.7-1"],
  ["garbage", "A line that is no request", line("\x16\x03\x01\x02"), [400], "R6455-10.7-1"],
];

const bad: Omit<Case, "group">[] = BAD.map(([id, title, request, codes, also]) => ({
  ...server,
  id: `bad.${id}`,
  ids: [also ?? "R6455-4.2.1-1", "R6455-4.2.1-1"].filter((value, i, all) => all.indexOf(value) === i),
  title,
  request,
  // a body is to be read before the protocol switches, RFC 9110 section 7.8; its bytes are no frames
  expect: [{ kind: "status", codes }, ...(id.endsWith("body") ? [echoes()] : [])],
}));

const EXTENSIONS: Record<string, string> = {
  "empty-element": ";",
  "parameter-without-name": "x-one; =1",
  "two-semicolons": "x-one;;a",
  "trailing-semicolon": "x-one;",
  "quote-open": 'x-one; a="b',
  "quote-then-letters": 'x-one; a="b"c',
  "value-empty": "x-one; a=",
  "value-quoted-empty": 'x-one; a=""',
  "value-quoted-not-a-token": 'x-one; a="b c"',
  "name-with-blank": "x one",
  "name-with-slash": "x/one",
  "not-ascii": "x-\xe4",
};

/** ABNF errors are to be refused, section 4.2.1; a server that leaves them alone uses no extension, and is seen to. */
const malformed: Omit<Case, "group">[] = Object.entries(EXTENSIONS).map(([id, value]) => ({
  ...server,
  level: "may" as const,
  id: `extensions-grammar.${id}`,
  ids: ["R6455-9.1-1", "R6455-4.3-1"],
  title: `Sec-WebSocket-Extensions: ${value}`,
  request: extra(["Sec-WebSocket-Extensions", value]),
  expect: [{ kind: "status", codes: [400] }, echoes("hello")],
  steps: [text("hello")],
}));

/** The part of the group `handshake.request` that is to be refused. */
export const badRequests: Omit<Case, "group">[] = [...bad, ...malformed];
