/**
 * RFC 6455 section 4.2 and RFC 9112: the request as a server reads it, good in every spelling, and bad.
 */
import { type Case, echoes, fails, type HeadOptions, type Outcome } from "../case.ts";
import { hasToken, statusOf, valuesOf } from "../wire/head.ts";
import { close, family, letters, text } from "./build.ts";

const server = { roles: ["server"], level: "must" } as const;
type Row = readonly [id: string, title: string, request: HeadOptions, ids?: string];

const replaced = (name: string, value: string): HeadOptions => ({ replace: { [name]: value } });
const extra = (...fields: (readonly [string, string])[]): HeadOptions => ({ extra: fields });
const KEY = "Sec-WebSocket-Key";
const VERSION = "Sec-WebSocket-Version";
const SAMPLE = "dGhlIHNhbXBsZSBub25jZQ==";

const GOOD: readonly Row[] = [
  ["plain", "The plain request", {}],
  ["sample-key", "The key of the RFC's own example", replaced(KEY, SAMPLE), "R6455-4.2.2-8"],
  ["key.zeros", "A key of sixteen zeros", replaced(KEY, "AAAAAAAAAAAAAAAAAAAAAA=="), "R6455-4.2.1-4"],
  ["key.ones", "A key of sixteen bytes 255", replaced(KEY, "/////////////////////w=="), "R6455-4.2.1-4"],
  ["key.plus-and-slash", "A key with + and /", replaced(KEY, "+/+/+/+/+/+/+/+/+/+/+w=="), "R6455-4.2.1-4"],
  ["key.blanks-around", "Blanks and tabs around the key", replaced(KEY, ` \t${SAMPLE}\t `)],
  ["upgrade.upper", "Upgrade: WEBSOCKET", replaced("Upgrade", "WEBSOCKET"), "R6455-4.2.1-3"],
  ["upgrade.mixed", "Upgrade: WebSocket", replaced("Upgrade", "WebSocket"), "R6455-4.2.1-3"],
  ["connection.lower", "Connection: upgrade", replaced("Connection", "upgrade"), "R6455-4.2.1-3"],
  ["connection.upper", "Connection: UPGRADE", replaced("Connection", "UPGRADE"), "R6455-4.2.1-3"],
  [
    "connection.keep-alive-first",
    "Connection: keep-alive, Upgrade",
    replaced("Connection", "keep-alive, Upgrade"),
    "R6455-4.2.1-3",
  ],
  [
    "connection.keep-alive-last",
    "Connection: Upgrade, keep-alive",
    replaced("Connection", "Upgrade, keep-alive"),
    "R6455-4.2.1-3",
  ],
  [
    "connection.no-blank",
    "Connection: keep-alive,Upgrade",
    replaced("Connection", "keep-alive,Upgrade"),
    "R6455-4.2.1-3",
  ],
  ["connection.empty-elements", "Connection: , Upgrade,", replaced("Connection", ", Upgrade,"), "R6455-4.2.1-3"],
  [
    "connection.two-lines",
    "Connection on two lines",
    { rewrite: (head) => head.replace("Connection: Upgrade", "Connection: keep-alive\r\nConnection: Upgrade") },
    "R6455-4.2.1-3",
  ],
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
  ["many-blanks-after-colon", "Four blanks after each colon", { rewrite: (head) => head.replace(/: /g, ":    ") }],
  [
    "tabs-around-values",
    "Tabs around the values of all fields but Connection",
    { rewrite: (head) => head.replace(/^(?!Connection)([\w-]+): (.*)\r\n/gm, "$1:\t$2\t\r\n") },
  ],
  ["fields-reversed", "The fields in reverse order", { rewrite: reversed }],
  ["unknown-fields", "Fields that nobody knows", extra(["X-Unknown", "1"], ["Foo", ""], ["Sec-WebSocket-Foo", "bar"])],
  [
    "cookies",
    "Cookies and Authorization",
    extra(["Cookie", "a=b; c=d"], ["Authorization", "Basic dTpw"]),
    "R6455-4.1-19",
  ],
  [
    "browser-like",
    "The fields a browser sends",
    extra(
      ["Pragma", "no-cache"],
      ["Cache-Control", "no-cache"],
      ["User-Agent", "Mozilla/5.0"],
      ["Accept-Encoding", "gzip, deflate, br"],
      ["Accept-Language", "en"],
    ),
  ],
  ["long-value", "A field of 4 KiB that nobody knows", extra(["X-Long", letters(4096)])],
  [
    "fifty-fields",
    "Fifty more fields",
    extra(...Array.from({ length: 50 }, (_, i) => [`X-Field-${i}`, String(i)] as const)),
  ],
  ["version.blanks", "Blanks around the version", replaced(VERSION, "  13  "), "R6455-4.2.1-5"],
  [
    "extensions.unknown",
    "An extension that nobody knows",
    extra(["Sec-WebSocket-Extensions", "x-unknown"]),
    "R6455-4.2.2-7",
  ],
  [
    "extensions.unknown-parameters",
    "An unknown extension with parameters",
    extra(["Sec-WebSocket-Extensions", 'x-unknown; a; b=c; d="e"']),
    "R6455-4.2.2-7",
  ],
  [
    "extensions.two-lines",
    "Unknown extensions on two lines",
    extra(["Sec-WebSocket-Extensions", "x-one"], ["Sec-WebSocket-Extensions", "x-two"]),
    "R6455-9.1-2",
  ],
  [
    "extensions.magic-names",
    "Extensions with the names of object properties",
    extra(["Sec-WebSocket-Extensions", "constructor, __proto__; toString, hasOwnProperty"]),
    "C03",
  ],
  [
    "protocols.one",
    "A subprotocol that the server need not know",
    extra(["Sec-WebSocket-Protocol", "x-unknown"]),
    "R6455-4.2.2-6",
  ],
  [
    "protocols.several",
    "Several subprotocols",
    extra(["Sec-WebSocket-Protocol", "x-one, x-two,x-three"]),
    "R6455-4.2.2-6",
  ],
  [
    "protocols.two-lines",
    "Subprotocols on two lines",
    extra(["Sec-WebSocket-Protocol", "x-one"], ["Sec-WebSocket-Protocol", "x-two"]),
    "R6455-11.3.4-1",
  ],
  ["content-length-zero", "Content-Length: 0, which is no body", extra(["Content-Length", "0"])],
  ["bytewise", "The request byte by byte", { chop: 1 }],
  ["writes-of-7", "The request in writes of 7 bytes", { chop: 7 }],
  ["cut-in-line-end", "A cut between CR and LF of every line", { chop: [32, 60, 82, 102], rewrite: (head) => head }],
];

function reversed(head: string): string {
  const [start, ...lines] = head.trimEnd().split("\r\n");
  return `${[start, ...lines.reverse()].join("\r\n")}\r\n\r\n`;
}

const good: Omit<Case, "group">[] = GOOD.map(([id, title, request, also]) => ({
  ...server,
  id: `good.${id}`,
  ids: [also ?? "R6455-4.2.1-1", "R6455-4.2.2-8"],
  title,
  request,
  expect: [echoes("hello")],
  steps: [text("hello")],
}));

const MAYBE: readonly Row[] = [
  // HTTP parsers that look for the token Upgrade themselves can miss it before a tab; to refuse is safe
  ["connection.tab-behind", "A tab behind Connection: Upgrade", replaced("Connection", "Upgrade\t")],
  ["upgrade.list", "Upgrade: websocket, foo", replaced("Upgrade", "websocket, foo")],
  [
    "absolute-uri",
    "The whole URI as the target",
    { rewrite: (head) => head.replace(/GET (\S+)/, `GET http://${/Host: (\S+)/.exec(head)?.[1]}$1`) },
  ],
  ["http-2.0", "HTTP/2.0 in a text line", { startLine: "GET / HTTP/2.0" }, "R6455-4.2.1-2"],
  [
    "version.8",
    "Version 8, whose frames are the same and which section 4.4 lets a server speak too",
    replaced(VERSION, "8"),
    "R6455-4.4-1",
  ],
  [
    "empty-line-before",
    "An empty line before the request line, which RFC 9112 section 2.2 wants ignored",
    { rewrite: (head) => `\r\n${head}` },
  ],
  [
    "http-1.2",
    "HTTP/1.2, a version of the same major number",
    { rewrite: (head) => head.replace("HTTP/1.1", "HTTP/1.2") },
  ],
  ["lf-only", "Lines that end in LF alone", { rewrite: (head) => head.replaceAll("\r\n", "\n") }],
  ["protocols.duplicate", "The same subprotocol twice", extra(["Sec-WebSocket-Protocol", "x-one, x-one"])],
  ["protocols.not-a-token", "A subprotocol with a slash in it", extra(["Sec-WebSocket-Protocol", "x/one"])],
  ["protocols.empty", "An empty list of subprotocols", extra(["Sec-WebSocket-Protocol", ""])],
  [
    "protocols.empty-element",
    "An empty element among the subprotocols",
    extra(["Sec-WebSocket-Protocol", "x-one,,x-two"]),
  ],
  ["key.last-letter", "A key whose last letter has bits that mean nothing", replaced(KEY, "dGhlIHNhbXBsZSBub25jZR==")],
  [
    "obs-fold",
    "A field folded over two lines",
    { rewrite: (head) => head.replace("Upgrade\r\n", "Upgrade\r\nX-Folded: a\r\n b\r\n") },
  ],
  [
    "long-uri",
    "A target of 8 KiB",
    { rewrite: (head) => head.replace(/GET \S+/, (line) => `${line}?${letters(8192)}`) },
  ],
  [
    "two-hundred-fields",
    "Two hundred more fields",
    extra(...Array.from({ length: 200 }, (_, i) => [`X-${i}`, "x"] as const)),
  ],
  ["long-value-64-kib", "A field of 64 KiB", extra(["X-Long", letters(65536)])],
  [
    "protocols.4000",
    "Four thousand subprotocols",
    extra(["Sec-WebSocket-Protocol", Array.from({ length: 4000 }, (_, i) => `p${i}`).join(",")]),
  ],
];

/** What breaks a grammar is better refused, and a version that was never standard too. */
const BETTER_REFUSED = [
  "protocols.not-a-token",
  "protocols.empty",
  "protocols.empty-element",
  "protocols.duplicate",
  "obs-fold",
  "http-2.0",
  "version.8",
  "key.last-letter",
];
const answersOrRefuses: Outcome[] = [
  echoes("hello"),
  { kind: "status", codes: [400, 401, 403, 404, 405, 414, 426, 431, 501, 505] },
];
const maybe: Omit<Case, "group">[] = MAYBE.map(([id, title, request, also]) => ({
  ...server,
  level: "may" as const,
  id: `either.${id}`,
  ids: [also ?? "R6455-4.2.1-1"],
  title,
  request,
  expect: BETTER_REFUSED.includes(id) ? answersOrRefuses.toReversed() : answersOrRefuses,
  steps: [text("hello")],
}));

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

/** Section 4.1 has a client wait for the response; what comes earlier may be taken for an attempt at smuggling. */
const early = { roles: ["server"], level: "may" } as const;
const unwelcome: Outcome[] = [fails(1002), { kind: "status", codes: [400] }];

const glued: Omit<Case, "group">[] = [
  ["whole-frame", [text("early")], undefined],
  ["two-frames", [text("early"), text("bird")], undefined],
  ["bytewise", [text("early")], 1],
].map(([id, frames, chop]) => ({
  ...early,
  id: `glued.${id as string}`,
  ids: ["R6455-4.2.2-10", "C16"],
  title: `Frames that come in the same segment as the request: ${(id as string).replace("-", " ")}`,
  request: { glued: frames as HeadOptions["glued"] & {}, ...(chop === undefined ? {} : { chop: chop as number }) },
  expect: [echoes(...(frames as { payload: string }[]).map(({ payload }) => payload), "later"), ...unwelcome],
  steps: [text("later")],
}));

const gluedCuts: Omit<Case, "group">[] = [1, 2, 3, 4, 5, 6, 7, 8, 10].map((at) => ({
  ...early,
  id: `glued.first-${at}-bytes`,
  ids: ["R6455-4.2.2-10", "C16"],
  title: `The first ${at} bytes of a frame come with the request, the rest after the response`,
  request: { glued: maskedHello().subarray(0, at) },
  expect: [echoes("Hello"), ...unwelcome],
  steps: [{ raw: maskedHello().subarray(at) }],
}));

/** "Hello" in a masked frame, with the key of the example in section 5.7. */
function maskedHello(): Buffer {
  return Buffer.from("818537fa213d7f9f4d5158", "hex");
}

const others: Omit<Case, "group">[] = [
  {
    ...early,
    id: "glued.close",
    ids: ["R6455-4.2.2-10", "C16"],
    title: "A Close in the same segment as the request is answered",
    request: { glued: [close(1000)] },
    expect: [{ kind: "closes", codes: [1000] }, ...unwelcome],
  },
  {
    ...early,
    id: "glued.fault",
    ids: ["R6455-4.2.2-10", "C16"],
    title: "A frame without a mask in the same segment as the request fails the connection",
    request: { glued: [text("bare", { mask: false })] },
    expect: unwelcome,
  },
  {
    ...server,
    id: "bad.version.names-13",
    ids: ["R6455-4.2.2-4", "R6455-4.4-1"],
    title: "The refusal of a version says in Sec-WebSocket-Version which one is spoken",
    request: replaced(VERSION, "12"),
    expect: [
      {
        kind: "seen",
        text: "a refusal with Sec-WebSocket-Version: 13",
        test: (seen) => seen.head !== undefined && statusOf(seen.head) >= 400 && hasToken(seen.head, VERSION, "13"),
      },
    ],
  },
  {
    ...server,
    id: "response.exact",
    ids: ["R6455-4.2.2-8", "R6455-4.2.2-6", "R6455-11.3.3-1"],
    title: "The 101 has each field once, no subprotocol and no extension, and no body's length",
    expect: [
      {
        kind: "seen",
        text: "one Upgrade, one Connection, one Sec-WebSocket-Accept, nothing that was not asked for",
        test: ({ head }) =>
          head !== undefined &&
          ["Upgrade", "Connection", "Sec-WebSocket-Accept"].every((name) => valuesOf(head, name).length === 1) &&
          ["Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions", "Transfer-Encoding", "Content-Length"].every(
            (name) => valuesOf(head, name).length === 0,
          ),
      },
    ],
  },
  {
    ...server,
    level: "may",
    id: "smuggling.after-refusal",
    ids: ["C08", "R6455-4.4-1"],
    title: "A second request behind a refused one is not answered as a WebSocket; HTTP would let it be",
    request: {
      ...replaced(VERSION, "12"),
      glued: Buffer.from(
        `GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n${KEY}: ${SAMPLE}\r\n${VERSION}: 13\r\n\r\n`,
      ),
    },
    expect: [
      {
        kind: "seen",
        text: "a refusal, and no 101 behind it",
        test: (seen) =>
          (seen.head === undefined ? seen.end !== undefined : statusOf(seen.head) >= 400) &&
          !seen.early.includes("HTTP/1.1 101"),
      },
      {
        kind: "seen",
        text: "a refusal and then a 101, on a connection that HTTP keeps alive",
        test: (seen) => seen.head !== undefined && statusOf(seen.head) >= 400,
      },
    ],
  },
  ...["Upgrade", "Connection", KEY, VERSION].map((name) => ({
    ...server,
    id: `other-fields-first.${name.toLowerCase()}`,
    ids: ["R6455-4.2.1-1"],
    title: `${name} as the last of thirty fields`,
    request: { rewrite: (head: string) => moveToEnd(head, name) },
    expect: [echoes("hello")],
    steps: [text("hello")],
  })),
];

function moveToEnd(head: string, name: string): string {
  const lines = head.trimEnd().split("\r\n");
  const moved = lines.find((field) => field.startsWith(name))!;
  const fillers = Array.from({ length: 25 }, (_, i) => `X-Filler-${i}: ${i}`);
  return `${[...lines.filter((field) => field !== moved), ...fillers, moved].join("\r\n")}\r\n\r\n`;
}

/** The group `handshake.request`. */
export const handshakeRequest: Case[] = family("handshake.request", [
  ...good,
  ...maybe,
  ...bad,
  ...malformed,
  ...glued,
  ...gluedCuts,
  ...others,
]);
