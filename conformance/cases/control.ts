/**
 * RFC 6455 section 5.5: what a control frame may carry, and how a Ping is answered.
 */
import { BOTH, type Case, fails, type Outcome } from "../case.ts";
import { Op } from "../wire/frame.ts";
import { binary, close, family, letters, octets, ping, pong, text } from "./build.ts";

const answered = (...pongs: (string | Uint8Array)[]): Outcome => ({ kind: "echoes", messages: [], pongs });
const both = { roles: BOTH, level: "must" } as const;

const pings: Omit<Case, "group">[] = [0, 1, 2, 4, 7, 8, 64, 124, 125].map((length) => ({
  ...both,
  id: `ping.length-${length}`,
  ids: ["R6455-5.5.2-2", "R6455-5.5.3-1"],
  title: `A ping of ${length} bytes is answered with the same bytes`,
  expect: [answered(octets(length))],
  steps: [ping(octets(length))],
}));

const pingKinds: Omit<Case, "group">[] = [
  {
    ...both,
    id: "ping.not-utf8",
    ids: ["R6455-5.5.3-1"],
    title: "A ping carries bytes, not text: what is not UTF-8 comes back unchanged",
    expect: [answered(Buffer.from([0, 255, 254, 253, 252, 251, 0, 255]))],
    steps: [ping(Buffer.from([0, 255, 254, 253, 252, 251, 0, 255]))],
  },
  ...[1, 2, 3].map((chop) => ({
    ...both,
    id: `ping.writes-of-${chop}`,
    ids: ["R6455-5.5.2-2", "R6455-2.1-1"],
    title: `A ping of 125 bytes that comes in writes of ${chop} bytes`,
    expect: [answered(letters(125))],
    steps: [ping(letters(125))],
    chop,
  })),
  ...[2, 10, 50].map((count) => {
    const payloads = Array.from({ length: count }, (_, i) => `ping ${i + 1}`);
    return {
      ...both,
      id: `ping.${count}-in-one-write`,
      ids: ["R6455-5.5.3-1", "R6455-5.5.3-2"],
      title: `${count} pings in one write: pongs in order, of which the most recent may be the only one`,
      expect: [answered(...payloads)],
      steps: payloads.map((payload) => ping(payload)),
    };
  }),
  ...[10, 100].map((count) => {
    const payloads = Array.from({ length: count }, (_, i) => `ping ${i + 1}`);
    return {
      ...both,
      id: `ping.${count}-one-by-one`,
      ids: ["R6455-5.5.2-2"],
      title: `${count} pings, a marker after each: every one is answered`,
      expect: [answered(...payloads)],
      steps: payloads.flatMap((payload) => [ping(payload), "sync" as const]),
    };
  }),
  {
    ...both,
    id: "ping.between-messages",
    ids: ["R6455-5.5.2-1"],
    title: "Pings between messages disturb neither",
    expect: [{ kind: "echoes", messages: ["one", "two"], pongs: ["a", "b"] }],
    steps: [text("one"), ping("a"), text("two"), ping("b")],
  },
];

const pongs: Omit<Case, "group">[] = [
  ...[0, 1, 125].map((length) => ({
    ...both,
    id: `pong.unasked.length-${length}`,
    ids: ["R6455-5.5.3-3"],
    title: `A pong of ${length} bytes that nobody asked for is passed over`,
    expect: [answered()],
    steps: [pong(octets(length))],
  })),
  {
    ...both,
    id: "pong.unasked.before-ping",
    ids: ["R6455-5.5.3-3", "R6455-5.5.2-2"],
    title: "An unasked pong and then a ping with the same payload: one pong comes back",
    expect: [answered("same")],
    steps: [pong("same"), ping("same")],
  },
  {
    ...both,
    id: "pong.unasked.100",
    ids: ["R6455-5.5.3-3"],
    title: "A hundred unasked pongs are passed over",
    expect: [answered()],
    steps: Array.from({ length: 100 }, () => pong("x")),
  },
];

const KINDS = [
  ["close", Op.Close],
  ["ping", Op.Ping],
  ["pong", Op.Pong],
] as const;

const tooLong: Omit<Case, "group">[] = KINDS.flatMap(([name, opcode]) => {
  const payload = (length: number): Buffer => Buffer.concat([Buffer.from([3, 232]), Buffer.from(letters(length - 2))]);
  return [126, 127, 65535, 65536].map((length) => ({
    ...both,
    id: `${name}.length-${length}`,
    ids: ["R6455-5.5-1"],
    title: `A ${name} of ${length} bytes: a control frame holds 125 at most`,
    expect: [fails(1002)],
    steps: [{ opcode, payload: payload(length) }],
  }));
});

const fragmented: Omit<Case, "group">[] = KINDS.flatMap(([name, opcode]) => [
  {
    ...both,
    id: `${name}.not-final`,
    ids: ["R6455-5.5-1", "R6455-5.4-2"],
    title: `A ${name} without FIN: control frames are never fragmented`,
    expect: [fails(1002)],
    steps: [{ opcode, payload: name === "close" ? Buffer.from([3, 232]) : "x", fin: false }],
  },
  {
    ...both,
    id: `${name}.not-final.empty`,
    ids: ["R6455-5.5-1", "R6455-5.4-2"],
    title: `An empty ${name} without FIN`,
    expect: [fails(1002)],
    steps: [{ opcode, fin: false }],
  },
  {
    ...both,
    id: `${name}.not-final.in-message`,
    ids: ["R6455-5.5-1", "R6455-5.4-2"],
    title: `A ${name} without FIN between the fragments of a message`,
    expect: [fails(1002)],
    steps: [text("a", { fin: false }), { opcode, payload: name === "close" ? Buffer.from([3, 232]) : "x", fin: false }],
  },
]);

const announced: Omit<Case, "group">[] = KINDS.map(([name, opcode]) => ({
  ...both,
  id: `${name}.length-126.header-only`,
  ids: ["R6455-5.5-1"],
  title: `The header alone of a ${name} of 126 bytes: enough to fail, whatever would follow`,
  expect: [fails(1002)],
  steps: [
    { opcode, declaredLength: 126n, lengthForm: 16 as const },
    (session) => session.idle(700),
    { raw: Buffer.alloc(126) },
  ],
}));

const after: Omit<Case, "group">[] = [
  {
    ...both,
    id: "nothing-after-failure",
    ids: ["R6455-7.1.7-3"],
    title: "A message behind a faulty ping, in the same write, is not processed",
    expect: [fails(1002)],
    steps: [ping("x", { fin: false }), binary("late"), close(1000)],
  },
];

/** The group `control`. */
export const control: Case[] = family("control", [
  ...pings,
  ...pingKinds,
  ...pongs,
  ...tooLong,
  ...fragmented,
  ...announced,
  ...after,
]);
