/**
 * RFC 6455 section 5.2: payload lengths at every boundary, the three forms of a length, and portions of bytes.
 */
import { BOTH, type Case, echoes, fails } from "../case.ts";
import { binary, continuation, family, letters, octets, ping, text } from "./build.ts";

const LENGTHS = [
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 124, 125, 126, 127, 128, 129, 254, 255, 256, 257,
  1023, 1024, 1025, 4095, 4096, 4097, 16383, 16384, 16385, 65534, 65535, 65536, 65537, 131071, 131072, 131073,
];
const form = (length: number): string => (length < 126 ? "7 bits" : length < 65536 ? "7+16 bits" : "7+64 bits");

const lengths: Omit<Case, "group">[] = LENGTHS.flatMap((length) =>
  (["text", "binary"] as const).map((kind) => {
    const payload = kind === "text" ? letters(length) : octets(length);
    return {
      id: `length.${length}.${kind}`,
      ids: ["R6455-5.2-5", "R6455-6.2-1"],
      title: `A ${kind} message of ${length} bytes, its length in ${form(length)}`,
      roles: BOTH,
      level: "must",
      expect: [echoes(payload)],
      steps: [kind === "text" ? text(payload) : binary(payload)],
    } as const;
  }),
);

const chopped: Omit<Case, "group">[] = [1, 125, 126, 300, 65536].flatMap((length) => {
  const steps = [text(letters(length))];
  const base = {
    ids: ["R6455-2.1-1", "R6455-5.2-1"],
    roles: BOTH,
    level: "must",
    expect: [echoes(letters(length))],
    steps,
  } as const;
  const sizes = length > 1000 ? [997, 1460, 65535] : [1, 2, 3, 7];
  return sizes.map((size) => ({
    ...base,
    id: `writes-of-${size}.length-${length}`,
    title: `A text message of ${length} bytes that comes in writes of ${size} bytes`,
    chop: size,
  }));
});

const headerCuts: Omit<Case, "group">[] = [
  [5, 6],
  [300, 8],
  [70000, 14],
].flatMap(([length = 0, header = 0]) =>
  Array.from({ length: header }, (_, i) => ({
    id: `header-cut.length-${length}.at-${i + 1}`,
    ids: ["R6455-2.1-1"],
    title: `A frame of ${length} bytes whose bytes are cut after byte ${i + 1}`,
    roles: BOTH,
    level: "must" as const,
    expect: [echoes(octets(length))],
    steps: [binary(octets(length))],
    chop: [i + 1],
  })),
);

const glued: Omit<Case, "group">[] = [2, 10, 100, 1000].map((count) => {
  const messages = Array.from({ length: count }, (_, i) => `message ${i + 1}`);
  return {
    id: `one-segment.${count}`,
    ids: ["R6455-6.2-1", "R6455-5.4-3"],
    title: `${count} text messages in one write come back in order`,
    roles: BOTH,
    level: "must",
    expect: [echoes(...messages)],
    steps: messages.map((message) => text(message)),
  };
});

const mixed: Omit<Case, "group"> = {
  id: "text-and-binary",
  ids: ["R6455-6.1-2", "R6455-5.4-7"],
  title: "Text and binary messages in turn keep their types",
  roles: BOTH,
  level: "must",
  expect: [echoes("one", Buffer.from("two"), "three", Buffer.from("four"), "", Buffer.alloc(0))],
  steps: [text("one"), binary("two"), text("three"), binary("four"), text(), binary()],
};

const wide: Omit<Case, "group">[] = (
  [
    [0, 16],
    [0, 64],
    [1, 16],
    [1, 64],
    [125, 16],
    [125, 64],
    [126, 64],
    [127, 64],
    [65535, 64],
  ] as const
).flatMap(([length, lengthForm]) => [
  {
    id: `not-shortest.${length}-in-${lengthForm}-bits`,
    ids: ["R6455-5.2-5"],
    title: `A binary message of ${length} bytes whose length takes 7+${lengthForm} bits, though fewer hold it`,
    roles: BOTH,
    level: "may" as const,
    expect: [fails(1002), echoes(octets(length))],
    steps: [binary(octets(length), { lengthForm })],
  },
]);

const wideElsewhere: Omit<Case, "group">[] = [
  {
    id: "not-shortest.continuation",
    ids: ["R6455-5.2-5"],
    title: "A continuation of 5 bytes whose length takes 7+16 bits",
    roles: BOTH,
    level: "may",
    expect: [fails(1002), echoes("Hello")],
    steps: [text("", { fin: false }), continuation("Hello", { lengthForm: 16 })],
  },
  ...([16, 64] as const).map((lengthForm) => ({
    id: `not-shortest.ping-in-${lengthForm}-bits`,
    ids: ["R6455-5.2-5", "R6455-5.5-1"],
    title: `A ping of 5 bytes whose length takes 7+${lengthForm} bits, which no control frame can need`,
    roles: BOTH,
    level: "may" as const,
    expect: [fails(1002), { kind: "echoes", messages: [], pongs: ["Hello"] } as const],
    steps: [ping("Hello", { lengthForm })],
  })),
];

/** The group `framing`. */
export const framing: Case[] = family("framing", [
  ...lengths,
  ...chopped,
  ...headerCuts,
  ...glued,
  mixed,
  ...wide,
  ...wideElsewhere,
]);
