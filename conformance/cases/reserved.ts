/**
 * RFC 6455 section 5.2: RSV bits and opcodes that nothing defines.
 */
import { BOTH, type Case, fails } from "../case.ts";
import { Op, opName } from "../wire/frame.ts";
import { continuation, family, ping, text } from "./build.ts";

const both = { roles: BOTH, level: "must" } as const;
const OPCODES = [Op.Text, Op.Binary, Op.Continuation, Op.Close, Op.Ping, Op.Pong];

function bits(rsv: number): string {
  return [rsv & 4 ? "rsv1" : "", rsv & 2 ? "rsv2" : "", rsv & 1 ? "rsv3" : ""].filter(Boolean).join("+");
}

const everyBit: Omit<Case, "group">[] = OPCODES.flatMap((opcode) =>
  [4, 2, 1, 6, 5, 3, 7].map((rsv) => ({
    ...both,
    id: `${opName(opcode).toLowerCase()}.${bits(rsv)}`,
    ids: ["R6455-5.2-2"],
    title: `${opName(opcode)} with ${bits(rsv).toUpperCase()} and no extension`,
    expect: [fails(1002)],
    steps: [
      ...(opcode === Op.Continuation ? [text("a", { fin: false })] : []),
      { opcode, rsv, payload: opcode === Op.Close ? Buffer.from([3, 232]) : "x" },
    ],
  })),
);

const places: Omit<Case, "group">[] = [4, 2, 1].flatMap((rsv) => [
  {
    ...both,
    id: `empty-text.${bits(rsv)}`,
    ids: ["R6455-5.2-2"],
    title: `An empty text frame with ${bits(rsv).toUpperCase()}`,
    expect: [fails(1002)],
    steps: [text("", { rsv })],
  },
  {
    ...both,
    id: `after-message.${bits(rsv)}`,
    ids: ["R6455-5.2-2", "R6455-7.1.7-2"],
    title: `A good message and then one with ${bits(rsv).toUpperCase()}`,
    expect: [{ kind: "fails", codes: [1002], before: ["good"] }],
    steps: [text("good"), { messages: 1 }, text("bad", { rsv })],
  },
  {
    ...both,
    id: `ping-in-message.${bits(rsv)}`,
    ids: ["R6455-5.2-2"],
    title: `A ping with ${bits(rsv).toUpperCase()} between fragments`,
    expect: [fails(1002)],
    steps: [text("a", { fin: false }), ping("p", { rsv }), continuation("b")],
  },
  {
    ...both,
    id: `bytewise.${bits(rsv)}`,
    ids: ["R6455-5.2-2"],
    title: `A text frame with ${bits(rsv).toUpperCase()}, byte by byte`,
    expect: [fails(1002)],
    steps: [text("bytewise", { rsv })],
    chop: 1,
  },
]);

/** The group `rsv`. */
export const rsv: Case[] = family("rsv", [...everyBit, ...places]);

const RESERVED = [3, 4, 5, 6, 7, 11, 12, 13, 14, 15];

const unknown: Omit<Case, "group">[] = RESERVED.flatMap((opcode) => {
  const name = `0x${opcode.toString(16)}`;
  const base = { ...both, ids: ["R6455-5.2-3"], expect: [fails(1002)] };
  return [
    { ...base, id: `${name}.empty`, title: `Opcode ${name} without payload`, steps: [{ opcode }] },
    {
      ...base,
      id: `${name}.payload`,
      title: `Opcode ${name} with a payload`,
      steps: [{ opcode, payload: "reserved" }],
    },
    {
      ...base,
      id: `${name}.not-final`,
      title: `Opcode ${name} without FIN`,
      steps: [{ opcode, payload: "x", fin: false }],
    },
    {
      ...base,
      id: `${name}.in-message`,
      title: `Opcode ${name} between fragments`,
      steps: [text("a", { fin: false }), { opcode, payload: "x" }, continuation("b")],
    },
    {
      ...base,
      id: `${name}.after-message`,
      title: `A good message and then opcode ${name}`,
      expect: [{ kind: "fails", codes: [1002], before: ["good"] } as const],
      steps: [text("good"), { messages: 1 }, { opcode, payload: "x" }],
    },
  ];
});

/** The group `opcodes`. */
export const opcodes: Case[] = family("opcodes", unknown);
