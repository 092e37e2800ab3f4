/**
 * RFC 7692 sections 6 and 7.2: final blocks, streams that are wrong or break off, and bits where they do not belong.
 */
import { type Case, echoes, fails, type Outcome } from "../case.ts";
import { type FrameSpec, Op } from "../wire/frame.ts";
import { fixedBlock } from "../wire/inflate.ts";
import { binary, continuation, hexBytes, ping, text } from "./build.ts";
import { both, FRESH, onlyWithTakeover, PLAIN, RSV1, raw } from "./deflate-build.ts";

const afterFinal: Omit<Case, "group">[] = [
  {
    ...both,
    id: "final-block.then-fresh",
    ids: ["R7692-7.2.3.4-1", "B06"],
    title: "A message that ends in a final block, and then one that refers to nothing",
    deflate: PLAIN,
    expect: [echoes("Hello", "Hello")],
    steps: [raw("f3 48 cd c9 c9 07 00 00"), raw("f2 48 cd c9 c9 07 00")],
  },
  {
    ...both,
    level: "may",
    id: "final-block.then-reference",
    ids: ["R7692-7.2.3.4-1", "B06"],
    title: "A message that ends in a final block, and then one that refers to it: the window is the connection's",
    deflate: PLAIN,
    expect: [echoes("Hello", "Hello"), { kind: "fails", codes: [1007, 1002, 1011], before: ["Hello"] }],
    steps: [onlyWithTakeover, raw("f3 48 cd c9 c9 07 00 00"), raw("f2 00 11 00 00")],
  },
  {
    ...both,
    level: "may",
    id: "final-block.then-block-in-message",
    ids: ["R7692-7.2.3.4-1", "R7692-X-1"],
    title: "A block behind a final block in the same message: section 7.2.1 lets a sender go on after padding",
    deflate: PLAIN,
    expect: [echoes("HelloHello"), fails(1007, 1002)],
    steps: [raw("f3 48 cd c9 c9 07 00 f2 48 cd c9 c9 07 00")],
  },
];

const BROKEN: readonly (readonly [string, string, string])[] = [
  ["block-type-3", "A block of type 3", "07 00"],
  ["block-type-3.later", "A good block and then one of type 3", "f2 48 05 00 00 00 ff ff 06"],
  ["stored-length", "A stored block whose length disagrees with its complement", "00 05 00 00 00 48 65 6c 6c 6f 00"],
  ["noise", "Bytes that are no DEFLATE", "ff ff ff ff ff ff"],
  [
    "too-far",
    "A match that reaches back before the first byte",
    Buffer.from(fixedBlock(["ab", { length: 3, distance: 9 }])).toString("hex"),
  ],
  ["dynamic-lengths", "A dynamic block with too many lengths", "fd ff ff ff ff ff"],
];

const broken: Omit<Case, "group">[] = BROKEN.flatMap(([id, title, hex]) => [
  {
    ...both,
    id: `broken.${id}`,
    ids: ["R7692-7.2.2-1", "B06"],
    title,
    deflate: PLAIN,
    expect: [fails(1007, 1002)],
    steps: [raw(hex)],
  },
  {
    ...both,
    id: `broken.${id}.fresh`,
    ids: ["R7692-7.2.2-1", "B06"],
    title: `${title}, without context takeover`,
    deflate: FRESH,
    expect: [fails(1007, 1002)],
    steps: [raw(hex)],
  },
]);

/** Truncated data: appending the tail does not give whole blocks, so that no message can be had from it. */
const truncated: Omit<Case, "group">[] = [
  "f2",
  "f2 48",
  "f2 48 cd",
  "f2 48 cd c9",
  "f2 48 cd c9 c9",
  "00 05 00 fa ff 48 65",
].flatMap((hex) =>
  (
    [
      ["takeover", PLAIN],
      ["fresh", FRESH],
    ] as const
  ).map(([context, deflate]) => ({
    ...both,
    id: `truncated.${hex.replaceAll(" ", "-")}.${context}`,
    ids: ["R7692-X-1", "R7692-7.2.2-1", "B06"],
    title: `The compressed message ${hex}, which breaks off inside a block (${context})`,
    deflate,
    expect: [fails(1007, 1002)],
    steps: [raw(hex)],
  })),
);

const trailing: Omit<Case, "group">[] = [
  {
    ...both,
    level: "may",
    id: "trailing.after-final-block",
    ids: ["R7692-X-1", "B06"],
    title: "Bytes behind a final block that are no block",
    deflate: PLAIN,
    expect: [fails(1007, 1002), echoes("Hello")],
    steps: [raw("f3 48 cd c9 c9 07 00 ff ff ff")],
  },
  {
    ...both,
    level: "may",
    id: "tail-not-removed",
    ids: ["R7692-7.2.1-1"],
    title: "A message that still has its tail 00 00 ff ff: an empty block more, and nothing wrong",
    deflate: PLAIN,
    expect: [echoes("Hello"), fails(1007, 1002)],
    steps: [raw("f2 48 cd c9 c9 07 00 00 00 ff ff 00")],
  },
  {
    ...both,
    level: "may",
    id: "no-bytes-at-all",
    ids: ["R7692-7.2.3.6-1"],
    title: "A whole message with RSV1 and no payload, which is not a DEFLATE block",
    deflate: PLAIN,
    expect: [fails(1007, 1002), echoes("")],
    steps: [raw("")],
  },
];

const BITS_WRONG: readonly (readonly [string, string, readonly FrameSpec[]])[] = [
  [
    "rsv1.continuation",
    "RSV1 on a continuation of a compressed message",
    [raw("f2 48 cd", { fin: false }), continuation(hexBytes("c9 c9 07 00"), { rsv: RSV1 })],
  ],
  [
    "rsv1.continuation-of-plain",
    "RSV1 on a continuation of a plain message",
    [text("a", { fin: false }), continuation(hexBytes("02 00"), { rsv: RSV1 })],
  ],
  ["rsv1.ping", "RSV1 on a ping", [ping("x", { rsv: RSV1 })]],
  ["rsv1.pong", "RSV1 on a pong", [{ opcode: Op.Pong, payload: "x", rsv: RSV1 }]],
  ["rsv1.close", "RSV1 on a Close", [{ opcode: Op.Close, payload: Buffer.from([3, 232]), rsv: RSV1 }]],
  [
    "rsv1.ping-in-message",
    "RSV1 on a ping between compressed fragments",
    [raw("f2 48", { fin: false }), ping("x", { rsv: RSV1 })],
  ],
  ["rsv2.text", "RSV2 on a message", [text("x", { rsv: 2 })]],
  ["rsv3.text", "RSV3 on a message", [text("x", { rsv: 1 })]],
  ["rsv1-and-rsv2.text", "RSV1 and RSV2 on a compressed message", [raw("f2 48 cd c9 c9 07 00", { rsv: 6 })]],
  ["rsv1-and-rsv3.text", "RSV1 and RSV3 on a compressed message", [raw("f2 48 cd c9 c9 07 00", { rsv: 5 })]],
];

const wrongBits: Omit<Case, "group">[] = BITS_WRONG.map(([id, title, steps]) => ({
  ...both,
  id,
  ids: ["R7692-6-1", "R6455-5.2-2", "B05"],
  title,
  deflate: PLAIN,
  expect: [fails(1002)],
  steps,
}));

const notUtf8: Outcome = fails(1007);
const wrongText: Omit<Case, "group">[] = ["ff", "c0 80", "ed a0 80", "e2 82"].map((hex) => ({
  ...both,
  id: `not-utf8.${hex.replaceAll(" ", "-")}`,
  ids: ["R6455-8.1-1", "R7692-6.2-1"],
  title: `A compressed text message of the bytes ${hex}`,
  deflate: PLAIN,
  expect: [notUtf8],
  steps: [(session) => session.queue(text(session.compressor!.compress(hexBytes(hex)), { rsv: RSV1 }))],
}));

const bomb: Omit<Case, "group"> = {
  ...both,
  level: "may",
  id: "bomb.64-mib",
  ids: ["B01", "R6455-10.4-1"],
  title: "64 KiB that inflate to 64 MiB of zeros",
  long: true,
  deflate: PLAIN,
  expect: [fails(1009), echoes(Buffer.alloc(64 << 20))],
  steps: [(session) => session.queue(binary(session.compressor!.compress(Buffer.alloc(64 << 20)), { rsv: RSV1 }))],
};

/** The part of the group `deflate` in which something is wrong, or nearly so. */
export const brokenStreams: Omit<Case, "group">[] = [
  ...afterFinal,
  ...broken,
  ...truncated,
  ...trailing,
  ...wrongBits,
  ...wrongText,
  bomb,
];
