/**
 * RFC 6455 sections 5.6 and 8.1: text at every boundary of UTF-8 (RFC 3629), whole and split in every place.
 */
import { BOTH, type Case, echoes, fails } from "../case.ts";
import { Op } from "../wire/frame.ts";
import { binary, continuation, cutAt, family, hexBytes, parts, pieces, ping, text } from "./build.ts";

const both = { roles: BOTH, level: "must" } as const;
const ids = ["R6455-8.1-1", "R6455-5.6-1"];

/** First and last code point of each length, the neighbours of the surrogates, and the last ones that exist. */
const CODE_POINTS = [
  0x00, 0x01, 0x0a, 0x7e, 0x7f, 0x80, 0x81, 0x7fe, 0x7ff, 0x800, 0x801, 0xfff, 0x1000, 0xcfff, 0xd000, 0xd7fe, 0xd7ff,
  0xe000, 0xe001, 0xfdd0, 0xfdef, 0xfeff, 0xfffd, 0xfffe, 0xffff, 0x10000, 0x10001, 0x1fffe, 0x1ffff, 0x3ffff, 0x40000,
  0xfffff, 0x100000, 0x10fffe, 0x10ffff,
];
const name = (codePoint: number): string => `u+${codePoint.toString(16).padStart(4, "0")}`;

const valid: Omit<Case, "group">[] = CODE_POINTS.flatMap((codePoint) => {
  const message = String.fromCodePoint(codePoint);
  const bytes = Buffer.from(message);
  const base = { ...both, ids, expect: [echoes(`<${message}>`)] };
  return [
    {
      ...base,
      id: `valid.${name(codePoint)}.whole`,
      title: `${name(codePoint).toUpperCase()} in one frame`,
      steps: [text(`<${message}>`)],
    },
    ...Array.from({ length: bytes.length - 1 }, (_, i) => ({
      ...base,
      id: `valid.${name(codePoint)}.split-${i + 1}`,
      ids: [...ids, "A10"],
      title: `${name(codePoint).toUpperCase()} in two fragments, the first with ${i + 1} of its ${bytes.length} bytes`,
      steps: pieces(Op.Text, cutAt(Buffer.from(`<${message}>`), i + 2)),
    })),
  ];
});

const SENTENCES = {
  greek: "κόσμε",
  mixed: "Hello-µ@ßöäüàá-UTF-8!!",
  emoji: "a😀b👩‍👩‍👧c",
  cjk: "網路套接字は全二重",
  noncharacters: "\u{fffe}\u{1ffff}\u{10fffe}",
};

const sentences: Omit<Case, "group">[] = Object.entries(SENTENCES).flatMap(([id, sentence]) => {
  const bytes = Buffer.from(sentence);
  const base = { ...both, ids: [...ids, "A10"], expect: [echoes(sentence)] };
  return [
    { ...base, id: `text.${id}.whole`, title: `The text ${JSON.stringify(sentence)} whole`, steps: [text(bytes)] },
    { ...base, id: `text.${id}.bytewise`, title: `The same, in writes of one byte`, steps: [text(bytes)], chop: 1 },
    ...[1, 2, 3].map((size) => ({
      ...base,
      id: `text.${id}.fragments-of-${size}`,
      title: `The text ${JSON.stringify(sentence)} in fragments of ${size} bytes`,
      steps: pieces(Op.Text, parts(bytes, size)),
    })),
  ];
});

const INVALID: Record<string, string> = {
  "continuation-alone.80": "80",
  "continuation-alone.bf": "bf",
  "continuations.6": "80 bf 80 bf 80 bf",
  "lead-alone.c2": "c2",
  "lead-alone.df": "df",
  "lead-alone.e0": "e0",
  "lead-alone.ef": "ef",
  "lead-alone.f0": "f0",
  "lead-alone.f4": "f4",
  "lead-then-space.c3": "c3 20",
  "lead-then-space.e2": "e2 20",
  "lead-then-space.f0": "f0 20",
  "cut-short.3-of-2": "e2 82",
  "cut-short.4-of-2": "f0 9f",
  "cut-short.4-of-3": "f0 9f 98",
  "cut-short-then-letter.3-of-2": "e2 82 41",
  "cut-short-then-letter.4-of-3": "f0 9f 98 41",
  "cut-short-then-lead": "f0 9f 98 c3 a4",
  "overlong-2.nul": "c0 80",
  "overlong-2.slash": "c0 af",
  "overlong-2.highest": "c1 bf",
  "overlong-3.nul": "e0 80 80",
  "overlong-3.slash": "e0 80 af",
  "overlong-3.highest": "e0 9f bf",
  "overlong-4.nul": "f0 80 80 80",
  "overlong-4.slash": "f0 80 80 af",
  "overlong-4.highest": "f0 8f bf bf",
  "overlong-5.slash": "f8 80 80 80 af",
  "overlong-6.slash": "fc 80 80 80 80 af",
  "surrogate.d800": "ed a0 80",
  "surrogate.db7f": "ed ad bf",
  "surrogate.db80": "ed ae 80",
  "surrogate.dbff": "ed af bf",
  "surrogate.dc00": "ed b0 80",
  "surrogate.df80": "ed be 80",
  "surrogate.dfff": "ed bf bf",
  "surrogate.pair": "ed a0 80 ed b0 80",
  "too-high.110000": "f4 90 80 80",
  "too-high.13ffff": "f4 bf bf bf",
  "too-high.f5": "f5 80 80 80",
  "too-high.f7": "f7 bf bf bf",
  "five-bytes": "f8 88 80 80 80",
  "six-bytes": "fc 84 80 80 80 80",
  "impossible.fe": "fe",
  "impossible.ff": "ff",
  "impossible.c0": "c0",
  "impossible.c1": "c1",
};

const invalid: Omit<Case, "group">[] = Object.entries(INVALID).flatMap(([id, hex]) => {
  const bad = hexBytes(hex);
  const base = { ...both, ids, expect: [fails(1007)] };
  const inWords = Buffer.concat([Buffer.from("before "), bad, Buffer.from(" after")]);
  return [
    { ...base, id: `${id}.alone`, title: `A text message of the bytes ${hex}`, steps: [text(bad)] },
    { ...base, id: `${id}.in-words`, title: `The bytes ${hex} between words`, steps: [text(inWords)] },
    ...Array.from({ length: bad.length - 1 }, (_, i) => ({
      ...base,
      id: `${id}.split-${i + 1}`,
      ids: [...ids, "A10"],
      title: `The bytes ${hex} in two fragments, cut after ${i + 1}`,
      steps: pieces(Op.Text, cutAt(bad, i + 1)),
    })),
  ];
});

const LATE = {
  "too-high": "ce ba e1 bd b9 cf 83 ce bc ce b5 f4 90 80 80",
  surrogate: "48 ed a0 80",
  impossible: "48 ff",
};

const failFast: Omit<Case, "group">[] = Object.entries(LATE).flatMap(([id, hex]) => {
  const bad = hexBytes(hex);
  const beforeEnd = (seen: { markers: number; over: boolean }): boolean => seen.over && seen.markers === 0;
  const soon = {
    kind: "seen",
    text: "fails with 1007 at the first wrong byte, before the message is whole",
    test: (seen) =>
      beforeEnd(seen) && (seen.close === undefined || seen.close.code === 1007) && seen.messages.length === 0,
  } as const satisfies Case["expect"][number];
  const late: Case["expect"] = [soon, fails(1007)];
  const base = { ...both, level: "may" as const, ids: ["R6455-8.1-1", "A10"], expect: late };
  return [
    {
      ...base,
      id: `fail-fast.fragment.${id}`,
      title: `The first fragment holds ${hex}: no later byte can mend it`,
      steps: [text(bad, { fin: false }), "sync", continuation("more"), "sync", { idle: 300 }],
    },
    {
      ...base,
      id: `fail-fast.partial-frame.${id}`,
      title: `The first half of a frame holds ${hex}: no later byte can mend it`,
      steps: [
        (session) =>
          session.queueBytes(frameStart(session.masks, bad, 100), "the first part of a text frame of 100 bytes"),
        { idle: 700 },
        (session) => session.queueBytes(Buffer.alloc(100 - bad.length, session.masks ? 0 : 0x41), "the rest"),
        "sync",
        { idle: 300 },
      ],
    },
  ];
});

/** The first bytes of a text frame of `length` bytes, masked with zeros where a mask belongs. */
function frameStart(masked: boolean, payload: Buffer, length: number): Buffer {
  const header = masked ? [0x81, 0x80 | length, 0, 0, 0, 0] : [0x81, length];
  return Buffer.concat([Buffer.from(header), payload]);
}

const others: Omit<Case, "group">[] = [
  {
    ...both,
    id: "binary-is-not-text",
    ids: ["R6455-5.6-1"],
    title: "A binary message need not be UTF-8",
    expect: [echoes(hexBytes("ff fe c0 80 ed a0 80"))],
    steps: [binary(hexBytes("ff fe c0 80 ed a0 80"))],
  },
  {
    ...both,
    id: "binary-is-not-text.fragments",
    ids: ["R6455-5.6-1"],
    title: "A binary message in fragments need not be UTF-8",
    expect: [echoes(hexBytes("ff fe c0 80 ed a0 80"))],
    steps: pieces(Op.Binary, parts(hexBytes("ff fe c0 80 ed a0 80"), 1)),
  },
  {
    ...both,
    id: "split-around-ping",
    ids: ["R6455-8.1-1", "R6455-5.4-2", "A10"],
    title: "A code point split over two fragments with a ping between them",
    expect: [{ kind: "echoes", messages: ["😀"], pongs: [Buffer.from([0xf0, 0x9f])] }],
    steps: [text(hexBytes("f0 9f"), { fin: false }), ping(hexBytes("f0 9f")), continuation(hexBytes("98 80"))],
  },
  {
    ...both,
    id: "no-carry-over",
    ids: ["R6455-8.1-1", "A10"],
    title: "The end of one message and the start of the next do not make a code point",
    expect: [fails(1007)],
    steps: [text(hexBytes("e2 82")), text(hexBytes("ac"))],
  },
  {
    ...both,
    id: "byte-order-mark",
    ids: ["R6455-8.1-1"],
    title: "A byte order mark is part of the text and comes back",
    expect: [echoes("\ufeffmarked")],
    steps: [text("\ufeffmarked")],
  },
  {
    ...both,
    id: "invalid-at-the-end-of-64-kib",
    ids,
    title: "64 KiB of text whose last byte is wrong",
    expect: [fails(1007)],
    steps: [text(Buffer.concat([Buffer.alloc(65535, 0x61), Buffer.from([0xff])]))],
  },
  ...[15, 16, 31, 32, 63, 64, 255, 256, 4095, 4096].map((offset) => ({
    ...both,
    id: `invalid-at-${offset}`,
    ids,
    title: `5000 letters in which byte ${offset} is wrong`,
    expect: [fails(1007)],
    steps: [text(Buffer.alloc(5000, 0x61).fill(0xff, offset, offset + 1))],
  })),
];

/** The group `utf8`. */
export const utf8: Case[] = family("utf8", [...valid, ...sentences, ...invalid, ...failFast, ...others]);
