/**
 * RFC 6455 section 4.2 and RFC 9112: the request as a server reads it, good in every spelling, and bad.
 */
import { type Case, echoes, fails, type HeadOptions, type Outcome } from "../case.ts";
import { hasToken, statusOf, valuesOf } from "../wire/head.ts";
import { close, family, letters, text } from "./build.ts";
import { badRequests } from "./handshake-request-bad.ts";
import { extra, KEY, replaced, SAMPLE, server, VERSION } from "./handshake-request-build.ts";

type Row = readonly [id: string, title: string, request: HeadOptions, ids?: string];

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
  ...badRequests,
  ...glued,
  ...gluedCuts,
  ...others,
]);
