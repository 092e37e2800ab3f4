/**
 * RFC 6455 sections 5.1, 5.3 and 10.3: masks where they belong, any key, and keys that nobody can foretell.
 */
import { type Case, echoes, fails, type Outcome } from "../case.ts";
import type { Observation } from "../judge/observation.ts";
import { Op, opName } from "../wire/frame.ts";
import { continuation, family, letters, octets, pieces, ping, text } from "./build.ts";

const OPCODES = [Op.Text, Op.Binary, Op.Continuation, Op.Close, Op.Ping, Op.Pong];

const misplaced: Omit<Case, "group">[] = (["server", "client"] as const).flatMap((role) =>
  OPCODES.flatMap((opcode) =>
    (["empty", "payload"] as const).map((kind) => ({
      id: `${role === "server" ? "missing" : "unwanted"}.${opName(opcode).toLowerCase()}.${kind}`,
      ids: [role === "server" ? "R6455-5.1-2" : "R6455-5.1-4"],
      title: `${opName(opcode)} ${kind === "empty" ? "without" : "with"} payload and ${role === "server" ? "without" : "with"} a mask, to a ${role}`,
      roles: [role],
      level: "must" as const,
      expect: [fails(1002)],
      steps: [
        ...(opcode === Op.Continuation ? [text("a", { fin: false })] : []),
        {
          opcode,
          payload: kind === "empty" ? "" : opcode === Op.Close ? Buffer.from([3, 232]) : "x",
          mask: role === "client",
        },
      ],
    })),
  ),
);

const KEYS = {
  zeros: [0, 0, 0, 0],
  ones: [255, 255, 255, 255],
  "one-bit": [0, 0, 0, 1],
  ascending: [1, 2, 3, 4],
  high: [0x80, 0, 0, 0],
};

const anyKey: Omit<Case, "group">[] = Object.entries(KEYS).flatMap(([id, key]) =>
  [1, 5, 130, 70_001].map((length) => ({
    id: `key.${id}.length-${length}`,
    ids: ["R6455-5.3-3", "R6455-6.2-2"],
    title: `A masking key of ${key.join(", ")} on ${length} bytes`,
    roles: ["server"] as const,
    level: "must" as const,
    expect: [echoes(octets(length))],
    steps: [{ opcode: Op.Binary, payload: octets(length), maskingKey: Buffer.from(key) }],
  })),
);

const phase: Omit<Case, "group">[] = [1, 2, 3, 5, 7].map((size) => ({
  id: `phase.fragments-of-${size}`,
  ids: ["R6455-5.3-3"],
  title: `Each fragment of ${size} bytes starts with the first byte of its own key`,
  roles: ["server"] as const,
  level: "must" as const,
  expect: [echoes(letters(60))],
  steps: pieces(
    Op.Text,
    Array.from({ length: Math.ceil(60 / size) }, (_, i) => letters(60).slice(i * size, (i + 1) * size)),
  ),
}));

const unmaskedLater: Omit<Case, "group">[] = [
  {
    id: "missing.after-message",
    ids: ["R6455-5.1-2"],
    title: "A masked message and then one without a mask",
    roles: ["server"],
    level: "must",
    expect: [{ kind: "fails", codes: [1002], before: ["masked"] }],
    steps: [text("masked"), { messages: 1 }, text("bare", { mask: false })],
  },
  {
    id: "missing.in-continuation",
    ids: ["R6455-5.1-2"],
    title: "A masked first fragment and a continuation without a mask",
    roles: ["server"],
    level: "must",
    expect: [fails(1002)],
    steps: [text("a", { fin: false }), continuation("b", { mask: false })],
  },
];

const COUNT = 400;

function quality(
  id: string,
  title: string,
  wanted: string,
  test: (keys: readonly Buffer[]) => boolean,
): Omit<Case, "group"> {
  const outcome: Outcome = {
    kind: "seen",
    text: wanted,
    test: (seen: Observation) => seen.maskingKeys.length >= COUNT && test(seen.maskingKeys),
  };
  return {
    id: `quality.${id}`,
    ids: ["R6455-5.3-2", "R6455-10.3-1", "D11"],
    title,
    roles: ["client"],
    level: "must",
    expect: [outcome],
    steps: [...Array.from({ length: COUNT }, (_, i) => text(`${i}`)), { messages: COUNT }, "sync"],
  };
}

const numbers = (keys: readonly Buffer[]): number[] => keys.map((key) => key.readUInt32BE(0));

/** Ones in each of the 32 bits stay within six standard deviations of half. */
function balanced(values: readonly number[]): boolean {
  const spread = 6 * Math.sqrt(values.length) * 0.5;
  return Array.from({ length: 32 }, (_, bit) => values.filter((value) => (value >>> bit) & 1).length).every(
    (ones) => Math.abs(ones - values.length / 2) < spread,
  );
}

const qualities = [
  quality("fresh", "400 frames have 400 different keys, but for chance", "no more than one repeat", (keys) => {
    return new Set(numbers(keys)).size >= keys.length - 1;
  }),
  quality(
    "not-zero",
    "No client masks with zeros, but for chance",
    "no key of zeros",
    (keys) => !numbers(keys).includes(0),
  ),
  quality(
    "balanced-bits",
    "Each of the 32 bits is set in about half of the keys",
    "bits within six deviations",
    (keys) => balanced(numbers(keys)),
  ),
  quality("no-steps", "Keys do not count up, nor differ by a constant", "differences that do not repeat", (keys) => {
    const values = numbers(keys);
    const steps = values.slice(1).map((value, i) => (value - values[i]!) >>> 0);
    return new Set(steps).size >= steps.length - 2;
  }),
  quality(
    "no-xor-pattern",
    "The XOR of neighbouring keys is as random as the keys",
    "balanced bits in neighbours",
    (keys) => {
      const values = numbers(keys);
      return balanced(values.slice(1).map((value, i) => (value ^ values[i]!) >>> 0));
    },
  ),
  quality("bytes-differ", "The four bytes of a key are not copies of one another", "bytes that differ", (keys) => {
    return keys.filter(([a, b, c, d]) => a === b && b === c && c === d).length <= 1;
  }),
];

const reference: Omit<Case, "group"> = {
  id: "quality.every-frame",
  ids: ["R6455-5.1-1"],
  title: "Empty messages, pongs and the Close are masked too",
  roles: ["client"],
  level: "must",
  expect: [{ kind: "echoes", messages: ["", Buffer.alloc(0)], pongs: ["", "x"] }],
  steps: [text(), { opcode: Op.Binary }, ping(), ping("x")],
};

/** The group `masking`. */
export const masking: Case[] = family("masking", [
  ...misplaced,
  ...anyKey,
  ...phase,
  ...unmaskedLater,
  ...qualities,
  reference,
]);
