/**
 * RFC 6455 section 5.4: messages in fragments of any size, with control frames between them, and what breaks the order.
 */
import { BOTH, type Case, fails, type Outcome } from "../case.ts";
import { Op } from "../wire/frame.ts";
import { binary, continuation, family, letters, octets, parts, pieces, ping, pong, text } from "./build.ts";

const both = { roles: BOTH, level: "must" } as const;
const result = (message: string | Uint8Array, ...pongs: string[]): Outcome => ({
  kind: "echoes",
  messages: [message],
  pongs,
});

const counts: Omit<Case, "group">[] = [2, 3, 5, 10, 100, 1000].flatMap((count) =>
  (["text", "binary"] as const).map((kind) => {
    const whole = octets(count * 3).map((byte) => (kind === "text" ? 97 + (byte % 26) : byte));
    const message = kind === "text" ? Buffer.from(whole).toString("latin1") : whole;
    return {
      ...both,
      id: `count-${count}.${kind}`,
      ids: ["R6455-5.4-1", "R6455-5.4-6", "R6455-5.4-7"],
      title: `A ${kind} message in ${count} fragments`,
      expect: [result(message)],
      steps: pieces(kind === "text" ? Op.Text : Op.Binary, parts(whole, 3)),
    };
  }),
);

const sizes: Omit<Case, "group">[] = [
  ["first-empty", ["", "Hello"]],
  ["last-empty", ["Hello", ""]],
  ["middle-empty", ["Hel", "", "lo"]],
  ["all-empty", ["", "", ""]],
  ["two-empty", ["", ""]],
  ["every-byte", ["H", "e", "l", "l", "o"]],
  ["empty-between", ["", "H", "", "e", "", "llo", ""]],
  ["large-then-small", [letters(70000), "end"]],
  ["small-then-large", ["start", letters(70000)]],
  ["at-126", [letters(126), letters(126)]],
  ["at-65536", [letters(65536), letters(65536)]],
].map(([name, list]) => ({
  ...both,
  id: `sizes.${name}`,
  ids: ["R6455-5.4-5"],
  title: `Fragments may have any size, none at all included: ${String(name).replaceAll("-", " ")}`,
  expect: [result((list as string[]).join(""))],
  steps: pieces(Op.Text, list as string[]),
}));

const BETWEEN = {
  ping: { steps: [ping("between")], pongs: ["between"] },
  "two-pings": { steps: [ping("one"), ping("two")], pongs: ["one", "two"] },
  pong: { steps: [pong("between")], pongs: [] },
  "empty-ping": { steps: [ping()], pongs: [""] },
  "ping-of-125": { steps: [ping(letters(125))], pongs: [letters(125)] },
};

const between: Omit<Case, "group">[] = Object.entries(BETWEEN).flatMap(([name, { steps, pongs }]) =>
  (["one-write", "waiting", "bytewise"] as const).map((how) => {
    const [first, second, third] = pieces(Op.Text, ["frag", "ment", "ed"]);
    const wait = how === "waiting" ? (["sync"] as const) : [];
    return {
      ...both,
      id: `between.${name}.${how}`,
      ids: ["R6455-5.4-2", "R6455-5.5.2-2"],
      title: `${name.replaceAll("-", " ")} between the fragments of a text message, ${how.replace("-", " ")}`,
      expect: [result("fragmented", ...pongs, ...pongs)],
      steps: [first!, ...steps, ...wait, second!, ...steps, ...wait, third!],
      ...(how === "bytewise" ? { chop: 1 } : {}),
    };
  }),
);

const WRONG: readonly (readonly [string, string, Case["steps"] & {}])[] = [
  ["continuation-first.final", "A final continuation with nothing to continue", [continuation("x")]],
  [
    "continuation-first.not-final",
    "A continuation without FIN and with nothing to continue",
    [continuation("x", { fin: false })],
  ],
  ["continuation-first.empty", "An empty continuation with nothing to continue", [continuation()]],
  ["continuation-first.then-text", "A stray continuation and then a message", [continuation("x"), text("y")]],
  ["continuation-first.bytewise", "A stray continuation, byte by byte", [continuation("x")]],
  ["text-in-text", "A text message inside a text message", [text("a", { fin: false }), text("b")]],
  ["text-in-binary", "A text message inside a binary one", [binary("a", { fin: false }), text("b")]],
  ["binary-in-text", "A binary message inside a text one", [text("a", { fin: false }), binary("b")]],
  ["binary-in-binary", "A binary message inside a binary one", [binary("a", { fin: false }), binary("b")]],
  [
    "start-in-message",
    "A first fragment inside a message",
    [text("a", { fin: false }), text("b", { fin: false }), continuation("c")],
  ],
  ["empty-text-in-message", "An empty text frame inside a message", [text("a", { fin: false }), text()]],
  [
    "text-after-two-fragments",
    "A new message after two fragments of the first",
    [text("a", { fin: false }), continuation("b", { fin: false }), text("c")],
  ],
  [
    "text-after-ping-in-message",
    "A new message after a ping in the first",
    [text("a", { fin: false }), ping("p"), text("c")],
  ],
];

const wrong: Omit<Case, "group">[] = WRONG.map(([id, title, steps]) => ({
  ...both,
  id,
  ids: ["R6455-5.4-1", "R6455-5.4-4"],
  title,
  expect: [fails(1002)],
  steps,
  ...(id.endsWith("bytewise") ? { chop: 1 } : {}),
}));

const afterMessage: Omit<Case, "group">[] = (["text", "binary"] as const).flatMap((kind) => [
  {
    ...both,
    id: `continuation-after-message.${kind}`,
    ids: ["R6455-5.4-1"],
    title: `A continuation after a whole ${kind} message`,
    expect: [{ kind: "fails", codes: [1002], before: [kind === "text" ? "whole" : Buffer.from("whole")] }],
    steps: [kind === "text" ? text("whole") : binary("whole"), continuation("more")],
  },
  {
    ...both,
    id: `continuation-after-fragments.${kind}`,
    ids: ["R6455-5.4-1"],
    title: `A continuation after the last fragment of a ${kind} message`,
    expect: [{ kind: "fails", codes: [1002], before: [kind === "text" ? "whole" : Buffer.from("whole")] }],
    steps: [...pieces(kind === "text" ? Op.Text : Op.Binary, ["who", "le"]), { messages: 1 }, continuation("more")],
  },
]);

const sequence: Omit<Case, "group">[] = [1, 7, 64].map((size) => {
  const messages = Array.from({ length: 20 }, (_, i) => letters(i * 13));
  return {
    ...both,
    id: `twenty-messages.pieces-of-${size}`,
    ids: ["R6455-5.4-3", "R6455-5.4-6"],
    title: `Twenty messages, each in fragments of ${size} bytes, come back whole and in order`,
    expect: [{ kind: "echoes", messages }],
    steps: messages.flatMap((message) => pieces(Op.Text, parts(Buffer.from(message), size))),
  };
});

/** The group `fragments`. */
export const fragments: Case[] = family("fragments", [
  ...counts,
  ...sizes,
  ...between,
  ...wrong,
  ...afterMessage,
  ...sequence,
]);
