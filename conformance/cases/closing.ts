/**
 * RFC 6455 sections 5.5.1 and 7.4: which codes and reasons a Close may carry, and how each is answered.
 */
import { BOTH, type Case, fails, type Outcome } from "../case.ts";
import { close, family, hexBytes, letters, text } from "./build.ts";

const both = { roles: BOTH, level: "must" } as const;

const GOOD = [
  1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3001, 3999, 4000, 4001, 4999,
];
const BAD = [0, 1, 125, 999, 1004, 1005, 1006, 1015, 1016, 1017, 1099, 1100, 1999, 2000, 2999];
const OUTSIDE = [5000, 5001, 9999, 32767, 65535];

/** The echo of the code is what is usual, section 5.5.1; any code that may be sent is legal. */
export function answers(code: number | undefined): Outcome[] {
  const any: Outcome = {
    kind: "seen",
    text: "or with another Close that may be sent",
    test: (seen) => seen.close !== undefined && seen.end !== undefined && seen.messages.length === 0,
  };
  return [{ kind: "closes", codes: code === undefined ? [undefined, 1000] : [code] }, any];
}

const codes: Omit<Case, "group">[] = [
  ...GOOD.map((code) => ({
    ...both,
    id: `code.${code}`,
    ids: ["R6455-7.4.2-1", "R6455-5.5.1-4"],
    title: `Close ${code} is answered in kind`,
    expect: answers(code),
    steps: [close(code)],
  })),
  ...BAD.map((code) => ({
    ...both,
    id: `code.${code}`,
    ids: ["R6455-7.4.2-1", "R6455-7.4.1-2"],
    title: `Close ${code}, which must not stand on the wire`,
    expect: [fails(1002)],
    steps: [close(code)],
  })),
  ...OUTSIDE.map((code) => ({
    ...both,
    id: `code.${code}`,
    level: "may" as const,
    ids: ["R6455-7.4.2-1"],
    title: `Close ${code}, outside the ranges that section 7.4.2 defines`,
    expect: [fails(1002), ...answers(code)],
    steps: [close(code)],
  })),
];

const reasons: Omit<Case, "group">[] = [
  ...[1, 2, 3, 10, 62, 63, 64, 122, 123].map((length) => ({
    ...both,
    id: `reason.length-${length}`,
    ids: ["R6455-5.5.1-1", "R6455-7.1.6-1"],
    title: `Close 1000 with a reason of ${length} bytes`,
    expect: answers(1000),
    steps: [close(1000, letters(length))],
  })),
  ...["κόσμε", "😀", "\u{10ffff}", "\0", "\ufeff"].map((reason) => ({
    ...both,
    id: `reason.u+${reason.codePointAt(0)!.toString(16).padStart(4, "0")}`,
    ids: ["R6455-5.5.1-1"],
    title: `Close 1000 with the reason ${JSON.stringify(reason)}`,
    expect: answers(1000),
    steps: [close(1000, reason)],
  })),
  ...["ff", "c0 80", "ed a0 80", "f4 90 80 80", "e2 82", "61 80"].map((hex) => ({
    ...both,
    id: `reason.not-utf8.${hex.replaceAll(" ", "-")}`,
    ids: ["R6455-5.5.1-1", "R6455-8.1-1"],
    title: `Close 1000 with the reason ${hex}, which is not UTF-8`,
    expect: [fails(1007, 1002)],
    steps: [close(1000, hexBytes(hex))],
  })),
];

const payloads: Omit<Case, "group">[] = [
  {
    ...both,
    id: "empty",
    ids: ["R6455-5.5.1-1", "R6455-7.1.5-1"],
    title: "A Close without a code",
    expect: answers(undefined),
    steps: [close()],
  },
  ...[0, 3, 0xff].map((byte) => ({
    ...both,
    id: `one-byte.${byte}`,
    ids: ["R6455-5.5.1-1"],
    title: `A Close whose payload is the one byte ${byte}`,
    expect: [fails(1002)],
    steps: [close(undefined, "", { payload: Buffer.from([byte]) })],
  })),
  ...[1, 2, 3].map((chop) => ({
    ...both,
    id: `writes-of-${chop}`,
    ids: ["R6455-5.5.1-4"],
    title: `Close 1000 with a reason, in writes of ${chop} bytes`,
    expect: answers(1000),
    steps: [close(1000, "a reason in parts")],
    chop,
  })),
  {
    ...both,
    id: "glued-to-message",
    ids: ["R6455-5.5.1-4"],
    title: "A message and a Close in one write: the Close is answered",
    expect: [
      { kind: "closes", codes: [1000], messages: ["last words"] },
      { kind: "closes", codes: [1000] },
    ],
    steps: [text("last words"), close(1000)],
  },
];

/** The group `close`. */
export const closing: Case[] = family("close", [...codes, ...reasons, ...payloads]);
