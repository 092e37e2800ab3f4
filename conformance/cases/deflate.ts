/**
 * RFC 7692 sections 6 and 7.2: messages under every agreement, the RFC's own vectors, and streams that are wrong.
 */
import { type Case, type DeflateParameters, type Expected, echoes, type Outcome } from "../case.ts";
import type { Session } from "../judge/session.ts";
import { Op } from "../wire/frame.ts";
import { fixedBlock } from "../wire/inflate.ts";
import { binary, continuation, cutAt, family, hexBytes, letters, pieces, ping, text } from "./build.ts";
import { brokenStreams } from "./deflate-broken.ts";
import { both, compressed, FRESH, onlyWithTakeover, PLAIN, RSV1, raw } from "./deflate-build.ts";
import { negotiation } from "./deflate-negotiation.ts";

/** Words and repeats at distances from 200 to 25,000, so that a compressor with too large a window shows. */
const farRepeats = ((): string => {
  const block = (seed: number): string =>
    Array.from({ length: 20 }, (_, i) => ((seed * 7919 + i * 104729) >>> 0).toString(36)).join("-");
  const blocks = Array.from({ length: 200 }, (_, i) => block(i % 2 ? i : Math.floor(i / 40)));
  return blocks.join("\n");
})();
const json = JSON.stringify(
  Array.from({ length: 20 }, (_, id) => ({ id, name: `name ${id}`, tags: ["a", "b"], ok: id % 2 === 0 })),
);
const KINDS: Record<string, (length: number) => Expected> = {
  json: (length) => json.repeat(Math.ceil(length / json.length)).slice(0, length),
  "far-repeats": (length) => farRepeats.repeat(Math.ceil(length / farRepeats.length)).slice(0, length),
  zeros: (length) => Buffer.alloc(length),
  noise: (length) => noise.subarray(0, length),
  utf8: (length) => "網路 κόσμε 😀 ".repeat(Math.ceil(length / 26)).slice(0, Math.floor(length / 2)),
};
const noise = pseudoRandom(1 << 20);

function pseudoRandom(length: number): Buffer {
  const out = Buffer.alloc(length);
  let state = 2463534242;
  for (let i = 0; i < length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    out[i] = state & 255;
  }
  return out;
}

const SEQUENCE: readonly Expected[] = [
  json.slice(0, 300),
  json.slice(0, 300),
  Buffer.alloc(5000),
  "",
  noise.subarray(0, 700),
  farRepeats,
  "Hello",
  farRepeats.slice(0, 9000),
];
const CONTEXTS: readonly (readonly [string, DeflateParameters])[] = [
  ["takeover", {}],
  ["server-fresh", { serverNoContextTakeover: true }],
  ["client-fresh", { clientNoContextTakeover: true }],
  ["both-fresh", FRESH],
];
const BITS = [8, 9, 10, 11, 12, 13, 14, 15];

const agreements: readonly (readonly [string, DeflateParameters, boolean])[] = [
  ["no-windows", {}, false],
  ...BITS.flatMap((bits) => [
    [`server-window-${bits}`, { serverMaxWindowBits: bits }, false] as const,
    [`client-window-${bits}`, { clientMaxWindowBits: bits }, false] as const,
    ...BITS.map(
      (other) =>
        [
          `server-window-${bits}.client-window-${other}`,
          { serverMaxWindowBits: bits, clientMaxWindowBits: other },
          bits !== other,
        ] as const,
    ),
  ]),
];

/** Common compressors cannot do 8 bits; a client that is told to may fail the connection, section 7.1.2.2. */
function unsupported({ clientMaxWindowBits }: DeflateParameters): Outcome[] {
  return clientMaxWindowBits === 8 ? [{ kind: "refuses" }] : [];
}

const parameters: Omit<Case, "group">[] = agreements.flatMap(([windows, bits, long]) =>
  CONTEXTS.map(([context, takeover]) => ({
    ...both,
    id: `${windows}.${context}`,
    ids: ["R7692-7.1.1.1-1", "R7692-7.1.1.2-1", "R7692-7.1.2.1-1", "R7692-7.1.2.2-1", "R7692-7.2.1-2"],
    title: `Eight messages under ${windows.replaceAll("-", " ").replace(".", " and ")}, ${context.replace("-", " ")}`,
    long,
    deflate: { ...bits, ...takeover },
    expect: [echoes(...SEQUENCE), ...unsupported(bits)],
    steps: SEQUENCE.map((message) => compressed(message)),
  })),
);

const kinds: Omit<Case, "group">[] = Object.entries(KINDS).flatMap(([kind, make]) =>
  [0, 1, 16, 100, 1024, 8192, 65536, 1 << 20].map((length) => ({
    ...both,
    id: `message.${kind}.${length}`,
    ids: ["R7692-7.2.1-1", "R7692-7.2.2-1"],
    title: `Compressed ${kind.replace("-", " ")} of ${length} bytes, three times over`,
    long: length > 65536,
    deflate: PLAIN,
    expect: [echoes(make(length), make(length), make(length))],
    steps: [compressed(make(length)), compressed(make(length)), compressed(make(length))],
  })),
);

const fragmented: Omit<Case, "group">[] = [1, 2, 7, 64, 1000].flatMap((size) =>
  ["json", "noise"].map((kind) => ({
    ...both,
    id: `fragments-of-${size}.${kind}`,
    ids: ["R7692-6.1-1", "R7692-6.2-1"],
    title: `A compressed message of ${kind} in fragments of ${size} bytes`,
    deflate: PLAIN,
    expect: [echoes(KINDS[kind]!(4000))],
    steps: [compressed(KINDS[kind]!(4000), { size })],
  })),
);

const levels: Omit<Case, "group">[] = [0, 1, 9].map((level) => ({
  ...both,
  id: `level-${level}`,
  ids: ["R7692-7.2.1-1"],
  title: `Messages compressed at level ${level}${level === 0 ? ", which is stored blocks" : ""}`,
  deflate: PLAIN,
  expect: [echoes(json, json)],
  steps: [compressed(json, { level }), compressed(json, { level })],
}));

const VECTORS = {
  hello: ["f2 48 cd c9 c9 07 00", "Hello"],
  stored: ["00 05 00 fa ff 48 65 6c 6c 6f 00", "Hello"],
  "final-block": ["f3 48 cd c9 c9 07 00 00", "Hello"],
  "two-blocks": ["f2 48 05 00 00 00 ff ff ca c9 c9 07 00", "Hello"],
  empty: ["00", ""],
  "empty-fixed": ["02 00", ""],
} as const;

const vectors: Omit<Case, "group">[] = Object.entries(VECTORS).flatMap(([id, [hex, message]]) => {
  const bytes = hexBytes(hex);
  const base = { ...both, ids: ["R7692-7.2.3-1", "B06"], deflate: PLAIN, expect: [echoes(message)] };
  return [
    { ...base, id: `vector.${id}.whole`, title: `The compressed message ${hex}`, steps: [raw(hex)] },
    {
      ...base,
      id: `vector.${id}.bytewise`,
      title: `The compressed message ${hex} in writes of one byte`,
      steps: [raw(hex)],
      chop: 1,
    },
    ...[1, 3]
      .filter((at) => at < bytes.length)
      .map((at) => ({
        ...base,
        id: `vector.${id}.cut-${at}`,
        title: `The compressed message ${hex} in two fragments, cut after ${at}`,
        steps: pieces(Op.Text, cutAt(bytes, at), { rsv: RSV1 }),
      })),
  ];
});

const mixed: Omit<Case, "group">[] = [
  {
    ...both,
    id: "vector.hello-again",
    ids: ["R7692-7.2.3-1", "R7692-7.2.2-1"],
    title: "Hello, and then Hello as a reference to the first: f2 00 11 00 00",
    deflate: PLAIN,
    expect: [echoes("Hello", "Hello")],
    steps: [onlyWithTakeover, raw("f2 48 cd c9 c9 07 00"), raw("f2 00 11 00 00")],
  },
  {
    ...both,
    id: "uncompressed",
    ids: ["R7692-6-2"],
    title: "Messages without RSV1 are not compressed, though the extension is agreed",
    deflate: PLAIN,
    expect: [echoes("plain", Buffer.from("bytes"), "")],
    steps: [text("plain"), binary("bytes"), text()],
  },
  {
    ...both,
    id: "turn-by-turn",
    ids: ["R7692-6-2", "R7692-7.2.2-1"],
    title: "Compressed and plain messages in turn; the plain ones do not enter the window",
    deflate: PLAIN,
    expect: [echoes("Hello", "plain", "Hello", "plain", "Hello")],
    steps: [compressed("Hello"), text("plain"), compressed("Hello"), text("plain"), compressed("Hello")],
  },
  {
    ...both,
    id: "ping-between-fragments",
    ids: ["R7692-6.2-1", "R6455-5.4-2"],
    title: "Pings between compressed fragments are not part of the stream",
    deflate: PLAIN,
    expect: [{ kind: "echoes", messages: ["Hello"], pongs: ["one", "two"] }],
    steps: [
      raw("f2 48", { fin: false }),
      ping("one"),
      continuation(hexBytes("cd c9"), { fin: false }),
      ping("two"),
      continuation(hexBytes("c9 07 00")),
    ],
  },
  {
    ...both,
    id: "empty-first-fragment",
    ids: ["R7692-7.2.3.6-1", "R7692-6-1"],
    title: "An empty first fragment with RSV1, the data in a continuation",
    deflate: PLAIN,
    expect: [echoes("Hello")],
    steps: [raw("", { fin: false }), continuation(hexBytes("f2 48 cd c9 c9 07 00"))],
  },
  {
    ...both,
    id: "empty-last-fragment",
    ids: ["R7692-7.2.3.6-1"],
    title: "An empty last fragment",
    deflate: PLAIN,
    expect: [echoes("Hello")],
    steps: [raw("f2 48 cd c9 c9 07 00", { fin: false }), continuation()],
  },
  {
    ...both,
    id: "hundred-messages",
    ids: ["R7692-7.2.2-1"],
    title: "A hundred compressed messages in one write keep their order",
    deflate: PLAIN,
    expect: [echoes(...Array.from({ length: 100 }, (_, i) => `message ${i} ${json.slice(0, i * 10)}`))],
    steps: Array.from({ length: 100 }, (_, i) => compressed(`message ${i} ${json.slice(0, i * 10)}`)),
  },
  {
    ...both,
    id: "utf8-across-blocks",
    ids: ["R7692-6.2-1", "R6455-8.1-1"],
    title: "A code point whose bytes lie in two DEFLATE blocks and two fragments",
    deflate: PLAIN,
    expect: [echoes("😀")],
    steps: [raw("00 02 00 fd ff f0 9f", { fin: false }), continuation(hexBytes("00 02 00 fd ff 98 80 00"))],
  },
];

const windows: Omit<Case, "group">[] = BITS.flatMap((bits) => {
  const size = 1 << bits;
  const first = letters(size);
  const distant = fixedBlock([first, { length: 100, distance: size }]);
  const exact = (session: Session): void => {
    if (session.seen.agreement!.ownWindowBits !== bits) session.seen.skipped = "The agreement has another window";
  };
  const deflate = { serverMaxWindowBits: bits, clientMaxWindowBits: bits };
  return [
    {
      ...both,
      id: `distance-${size}.one-message`,
      ids: ["R7692-7.1.2.2-1", "R7692-7.2.2-1"],
      title: `A match ${size} bytes back, the whole of a window of ${bits} bits, in one message`,
      deflate,
      expect: [echoes(first + first.slice(0, 100)), ...unsupported(deflate)],
      steps: [exact, raw(distant)],
    },
    {
      ...both,
      id: `distance-${size}.next-message`,
      ids: ["R7692-7.1.2.2-1", "R7692-7.2.2-1"],
      title: `A match ${size} bytes back, into the message before`,
      deflate,
      expect: [echoes(first, first.slice(0, 100)), ...unsupported(deflate)],
      steps: [exact, onlyWithTakeover, raw(fixedBlock([first])), raw(fixedBlock([{ length: 100, distance: size }]))],
    },
  ];
});

/** The group `deflate`. */
export const deflate: Case[] = family("deflate", [
  ...negotiation,
  ...vectors,
  ...mixed,
  ...parameters,
  ...kinds,
  ...fragmented,
  ...levels,
  ...windows,
  ...brokenStreams,
]);
