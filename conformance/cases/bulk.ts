/**
 * RFC 6455 section 10.4: lengths that cannot be meant, large messages, and much of something small.
 */
import { BOTH, type Case, echoes, fails, type Outcome } from "../case.ts";
import { Op } from "../wire/frame.ts";
import {
  binary,
  close,
  continuation,
  family,
  filling,
  fillingBytes,
  letters,
  parts,
  pieces,
  ping,
  pong,
  text,
} from "./build.ts";

const both = { roles: BOTH, level: "must" } as const;
const MIB = 1 << 20;

const HUGE: readonly (readonly [string, bigint])[] = [
  ["2^31-1", 2n ** 31n - 1n],
  ["2^31", 2n ** 31n],
  ["2^32-1", 2n ** 32n - 1n],
  ["2^32", 2n ** 32n],
  ["2^32+5", 2n ** 32n + 5n],
  ["2^53-1", 2n ** 53n - 1n],
  ["2^53", 2n ** 53n],
  ["2^53+1", 2n ** 53n + 1n],
  ["2^62", 2n ** 62n],
  ["2^63-1", 2n ** 63n - 1n],
];

/** No limit is required; a peer without one waits for the rest, and then says nothing. */
const waits: Outcome = {
  kind: "seen",
  text: "waits for the rest",
  test: (seen) => seen.close === undefined && seen.end === undefined && seen.messages.length === 0,
};
const tooBig: readonly Outcome[] = [
  { kind: "seen", text: "fails the connection with 1009 at the header", test: (seen) => seen.close?.code === 1009 },
  { kind: "fails", codes: [1009] },
  waits,
];

const declared: Omit<Case, "group">[] = HUGE.flatMap(([name, declaredLength]) =>
  ([Op.Text, Op.Binary] as const).map((opcode) => ({
    ...both,
    level: "may" as const,
    id: `declared.${name}.${opcode === Op.Text ? "text" : "binary"}`,
    ids: ["R6455-10.4-1", "A01"],
    title: `The header of a message of ${name} bytes and the first five of them: refused at the header`,
    expect: tooBig,
    steps: [{ opcode, payload: "Hello", declaredLength, lengthForm: 64 as const }, { idle: 400 }],
  })),
);

const topBit: Omit<Case, "group">[] = (
  [
    ["2^63", 2n ** 63n],
    ["2^63+5", 2n ** 63n + 5n],
    ["2^64-1", 2n ** 64n - 1n],
  ] as const
).flatMap(([name, declaredLength]) =>
  ([Op.Text, Op.Binary, Op.Continuation] as const).map((opcode) => ({
    ...both,
    id: `top-bit.${name}.${["continuation", "text", "binary"][opcode]}`,
    ids: ["R6455-5.2-4", "A01"],
    title: `A length of ${name}: the most significant bit must be 0`,
    expect: [fails(1002, 1009)],
    steps: [
      ...(opcode === Op.Continuation ? [text("a", { fin: false })] : []),
      { opcode, payload: "Hello", declaredLength, lengthForm: 64 as const },
      { idle: 600 },
      close(1000),
    ],
  })),
);

const sums: Omit<Case, "group">[] = [
  {
    ...both,
    level: "may",
    id: "fragments-that-sum-to-2^53",
    ids: ["R6455-10.4-1", "A01"],
    title: "A first fragment of one byte and a second that is said to have 2^53 - 1",
    expect: tooBig,
    steps: [
      text("a", { fin: false }),
      continuation("b", { declaredLength: 2n ** 53n - 1n, lengthForm: 64 }),
      { idle: 400 },
    ],
  },
  {
    ...both,
    level: "may",
    id: "length-of-2^32+5-is-not-5",
    ids: ["R6455-10.4-1", "A01"],
    title: "A length of 2^32 + 5 is not cut to 5: no message of five bytes comes back",
    expect: tooBig,
    steps: [text("Hello", { declaredLength: 2n ** 32n + 5n, lengthForm: 64 }), ping("p"), { idle: 400 }],
  },
];

/** The group `limits`. */
export const limits: Case[] = family("limits", [...declared, ...topBit, ...sums]);

const SHORT = [128 * 1024, 256 * 1024, 512 * 1024, MIB];
const LONG = [2 * MIB, 4 * MIB, 8 * MIB, 16 * MIB];

function named(length: number): string {
  return length < MIB ? `${length / 1024}-kib` : `${length / MIB}-mib`;
}

const whole: Omit<Case, "group">[] = [...SHORT, ...LONG].flatMap((length) =>
  (["text", "binary"] as const).map((kind) => ({
    ...both,
    id: `whole.${named(length)}.${kind}`,
    ids: ["R6455-5.4-6", "R6455-6.2-1"],
    title: `A ${kind} message of ${named(length).replace("-", " ")} in one frame`,
    long: length > MIB,
    expect: [echoes(filling(kind, length))],
    steps: [kind === "text" ? text(filling(kind, length)) : binary(filling(kind, length))],
  })),
);

const inFragments: Omit<Case, "group">[] = (
  [
    [MIB, 4096],
    [MIB, 65536],
    [4 * MIB, 1024],
    [4 * MIB, 65536],
    [16 * MIB, 16384],
    [16 * MIB, 262144],
  ] as const
).flatMap(([length, size]) =>
  (["text", "binary"] as const).map((kind) => ({
    ...both,
    id: `fragments.${named(length)}.of-${size}.${kind}`,
    ids: ["R6455-5.4-5", "R6455-5.4-6"],
    title: `A ${kind} message of ${named(length).replace("-", " ")} in fragments of ${size} bytes`,
    long: length > MIB,
    expect: [echoes(filling(kind, length))],
    steps: () => pieces(kind === "text" ? Op.Text : Op.Binary, parts(fillingBytes(kind, length), size)),
  })),
);

const chopped: Omit<Case, "group">[] = (
  [
    [128 * 1024, 997],
    [MIB, 1460],
    [MIB, 8192],
    [4 * MIB, 997],
    [4 * MIB, 4096],
    [16 * MIB, 65536],
  ] as const
).flatMap(([length, chop]) =>
  (["text", "binary"] as const).map((kind) => ({
    ...both,
    id: `writes.${named(length)}.of-${chop}.${kind}`,
    ids: ["R6455-2.1-1", "A06"],
    title: `A ${kind} message of ${named(length).replace("-", " ")} in writes of ${chop} bytes`,
    long: length > MIB || chop < 2000,
    expect: [echoes(filling(kind, length))],
    steps: [kind === "text" ? text(filling(kind, length)) : binary(filling(kind, length))],
    chop,
  })),
);

const many: Omit<Case, "group">[] = [
  {
    ...both,
    id: "sequence.32-of-64-kib",
    ids: ["R6455-5.4-3"],
    title: "Thirty-two messages of 64 KiB, one after another, in order",
    expect: [echoes(...Array.from({ length: 32 }, (_, i) => `${i}${filling("text", 65536)}`))],
    steps: () => Array.from({ length: 32 }, (_, i) => text(`${i}${filling("text", 65536)}`)),
  },
];

/** The group `sizes`. */
export const sizes: Case[] = family("sizes", [...whole, ...inFragments, ...chopped, ...many]);

/**
 * Section 10.4 lets an endpoint limit the size of frames and messages. It says nothing of how many fragments or pings
 * there may be, so that only fragments without any byte, which no size can bound, may be refused here.
 */
const limited: Outcome = { kind: "fails", codes: [1008, 1009] };

const fragmentFloods: Omit<Case, "group">[] = (
  [
    [10_000, 1],
    [16_385, 1],
    [65_536, 1],
    [65_536, 64],
    [131_072, 1],
    [262_144, 16],
  ] as const
).flatMap(([count, size]) =>
  (["text", "binary"] as const).map((kind) => ({
    ...both,
    id: `fragments.${count}-of-${size}.${kind}`,
    ids: ["R6455-5.4-5", "R6455-5.4-6", "A07"],
    title: `A ${kind} message of ${count} fragments of ${size} byte${size === 1 ? "" : "s"} each`,
    long: count > 65_536,
    expect: [echoes(filling(kind, count * size))],
    steps: () => pieces(kind === "text" ? Op.Text : Op.Binary, parts(fillingBytes(kind, count * size), size)),
  })),
);

const emptyFragments: Omit<Case, "group">[] = [100, 1000, 20_000, 200_000].map((count) => ({
  ...both,
  level: "may" as const,
  id: `empty-fragments.${count}`,
  ids: ["R6455-5.4-5", "R6455-10.4-1", "A07"],
  title: `${count} empty fragments before the end of a message`,
  long: count > 20_000,
  expect: [echoes("end"), limited],
  steps: () => [
    text("", { fin: false }),
    ...Array.from({ length: count }, () => continuation("", { fin: false })),
    continuation("end"),
  ],
}));

const messageFloods: Omit<Case, "group">[] = [1000, 10_000, 50_000].map((count) => ({
  ...both,
  id: `messages.${count}`,
  ids: ["R6455-6.2-1", "A04"],
  title: `${count} messages of one byte come back, all of them`,
  long: count > 10_000,
  expect: [echoes(...Array.from({ length: count }, (_, i) => String(i % 10)))],
  steps: () => Array.from({ length: count }, (_, i) => text(String(i % 10))),
}));

const controlFloods: Omit<Case, "group">[] = [
  ...[1000, 10_000].map((count) => ({
    ...both,
    id: `pongs.${count}`,
    ids: ["R6455-5.5.3-3", "A05"],
    title: `${count} unasked pongs and then a message`,
    expect: [echoes("still here")],
    steps: () => [...Array.from({ length: count }, () => pong("x")), text("still here")],
  })),
  ...[1000, 10_000].map((count) => ({
    ...both,
    id: `pings.${count}`,
    ids: ["R6455-5.5.3-2", "A03"],
    title: `${count} pings in one write: answered all, or only the latest`,
    expect: [
      { kind: "echoes", messages: ["still here"], pongs: Array.from({ length: count }, (_, i) => `${i}`) } as const,
    ],
    steps: () => [...Array.from({ length: count }, (_, i) => ping(`${i}`)), text("still here")],
  })),
  {
    ...both,
    id: "pings.in-every-gap",
    ids: ["R6455-5.4-2", "A03"],
    title: "A message of 500 fragments with a ping in every gap",
    expect: [{ kind: "echoes", messages: [letters(500)], pongs: Array.from({ length: 499 }, (_, i) => `${i}`) }],
    steps: () =>
      pieces(Op.Text, parts(Buffer.from(letters(500)), 1)).flatMap((frame, i) =>
        i === 0 ? [frame] : [ping(`${i - 1}`), frame],
      ),
  },
];

const byteFloods: Omit<Case, "group">[] = [4096, 65536].map((length) => ({
  ...both,
  id: `single-bytes.${length}`,
  ids: ["R6455-2.1-1", "A06"],
  title: `A message of ${length} bytes in writes of one byte`,
  long: length > 4096,
  expect: [echoes(letters(length))],
  steps: [text(letters(length))],
  chop: 1,
}));

/** The group `floods`. */
export const floods: Case[] = family("floods", [
  ...fragmentFloods,
  ...emptyFragments,
  ...messageFloods,
  ...controlFloods,
  ...byteFloods,
]);
