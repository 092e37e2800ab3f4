/**
 * RFC 6455 section 7.1: the order of the closing handshake, what is still answered in it, and who ends TCP.
 */
import { BOTH, type Case, fails, type Outcome } from "../case.ts";
import type { Observation } from "../judge/observation.ts";
import type { Session } from "../judge/session.ts";
import { Op } from "../wire/frame.ts";
import { close, continuation, family, ping, text } from "./build.ts";
import { answers } from "./closing.ts";

const both = { roles: BOTH, level: "must" } as const;

function closedBy(text: string, test: (seen: Observation) => boolean): Outcome {
  return { kind: "seen", text, test };
}

const untilEnd = (seen: Observation) => (): boolean => seen.end !== undefined;

const cases: Omit<Case, "group">[] = [
  ...[1, 2, 10, 100].map((count) => ({
    ...both,
    id: `replies-before-close.${count}`,
    level: "may" as const,
    ids: ["R6455-5.5.1-4"],
    title: `${count} messages and a Close in one write: replies to all of them leave before the Close`,
    expect: [
      { kind: "closes", codes: [1000], messages: Array.from({ length: count }, (_, i) => `message ${i + 1}`) },
      closedBy("answers fewer messages, and the Close", (seen) => seen.close?.code === 1000),
    ] as Outcome[],
    steps: [...Array.from({ length: count }, (_, i) => text(`message ${i + 1}`)), close(1000)],
  })),
  {
    ...both,
    id: "ends-tcp",
    roles: ["server"] as const,
    ids: ["R6455-5.5.1-5", "R6455-7.1.1-2"],
    title: "After both Close frames the server ends TCP by itself",
    expect: [closedBy("ends TCP within a second", (seen) => seen.close?.code === 1000 && seen.end !== undefined)],
    steps: [close(1000), async (s) => void (await s.until(untilEnd(s.seen), "the end of TCP", 1000))],
  },
  {
    ...both,
    id: "client-waits-for-tcp",
    roles: ["client"] as const,
    level: "may",
    ids: ["R6455-7.1.1-2", "R6455-5.5.1-5"],
    title: "After both Close frames the client leaves it to the server to end TCP",
    expect: [
      closedBy("keeps TCP for 300 ms", (seen) => seen.close?.code === 1000 && seen.end === undefined),
      closedBy("ends TCP at once", (seen) => seen.close?.code === 1000),
    ],
    steps: [
      close(1000),
      async (s) => void (await s.until(() => s.seen.close !== undefined, "the Close")),
      async (s) => {
        await new Promise((resolve) => setTimeout(resolve, 300));
        s.trace.add("·", "300 ms later");
      },
    ],
  },
  {
    ...both,
    id: "client-ends-after-server",
    roles: ["client"] as const,
    ids: ["R6455-5.5.1-5"],
    title: "When the server has ended TCP after both Close frames, the client ends it too",
    expect: [closedBy("ends TCP", (seen) => seen.close?.code === 1000 && seen.end !== undefined)],
    steps: [
      close(1000),
      async (s) => void (await s.until(() => s.seen.close !== undefined, "the Close")),
      async (s) => {
        s.finish();
        await s.until(untilEnd(s.seen), "the end of TCP");
      },
    ],
  },
  {
    ...both,
    id: "ends-tcp-after-failure",
    ids: ["R6455-7.1.7-1"],
    title: "After a protocol error TCP is ended, though nobody answers the Close",
    expect: [closedBy("ends TCP within 6 s", (seen) => seen.end !== undefined)],
    steps: [{ opcode: 3 }, (s) => waitForEnd(s, 6000)],
  },
  {
    ...both,
    id: "ends-tcp-after-fin",
    ids: ["R6455-7.2.1-1", "R6455-7.1.1-1"],
    title: "When the other side ends TCP without a Close, the connection is ended",
    expect: [closedBy("ends TCP", (seen) => seen.end !== undefined)],
    steps: [
      text("hello"),
      { messages: 1 },
      async (s) => {
        s.finish();
        await s.until(untilEnd(s.seen), "the end of TCP");
      },
    ],
  },
  {
    ...both,
    id: "close-once",
    ids: ["R6455-5.5.1-3", "R6455-7.1.7-3"],
    title: "Two Close frames get one answer",
    expect: [closedBy("one Close", (seen) => seen.close?.code === 1000)],
    steps: [close(1000), close(1001), async (s) => waitForEnd(s)],
  },
  {
    ...both,
    id: "no-pong-after-close",
    ids: ["R6455-5.5.2-2", "R6455-5.5.1-3"],
    title: "A ping behind a Close gets no pong after the answer to the Close",
    expect: [closedBy("nothing after its Close", (seen) => seen.close?.code === 1000)],
    steps: [close(1000), ping("late"), async (s) => waitForEnd(s)],
  },
  {
    ...both,
    id: "no-message-after-close",
    ids: ["R6455-5.5.1-3"],
    title: "A message behind a Close is not answered",
    expect: [
      closedBy("no echo of the late message", (seen) => seen.close?.code === 1000 && seen.messages.length === 0),
    ],
    steps: [close(1000), text("late"), async (s) => waitForEnd(s)],
  },
  {
    ...both,
    id: "garbage-after-close",
    ids: ["R6455-7.1.1-1", "R6455-7.1.7-3"],
    title: "Bytes behind a Close that are no frames change nothing",
    expect: [closedBy("answers the Close in kind", (seen) => seen.close?.code === 1000)],
    steps: [close(1000), { raw: Buffer.alloc(64, 0xff) }, async (s) => waitForEnd(s)],
  },
  {
    ...both,
    id: "close-in-message",
    ids: ["R6455-5.5.1-4", "R6455-5.4-2"],
    title: "A Close between the fragments of a message is answered; the message is given up",
    expect: [
      closedBy("Close 1000 and no message", (seen) => seen.close?.code === 1000 && seen.messages.length === 0),
      closedBy("another Close and no message", (seen) => seen.close !== undefined && seen.messages.length === 0),
    ],
    steps: [text("begun", { fin: false }), close(1000), continuation("ended"), async (s) => waitForEnd(s)],
  },
  {
    ...both,
    id: "close-alone-in-message",
    ids: ["R6455-5.5.1-4"],
    title: "A Close in an unfinished message, and nothing more",
    expect: answers(1000),
    steps: [text("begun", { fin: false }), close(1000)],
  },
  {
    ...both,
    id: "ping-then-close",
    ids: ["R6455-5.5.2-2", "R6455-5.5.1-4"],
    title: "A ping and a Close in one write: the pong, if it comes, comes before the Close",
    expect: [
      closedBy(
        "pong, then Close",
        (seen) => seen.close?.code === 1000 && seen.order.find((event) => event !== "ping") === "pong",
      ),
      closedBy("Close alone", (seen) => seen.close?.code === 1000 && seen.pongs.length === 0),
    ],
    steps: [ping("before"), close(1000), async (s) => waitForEnd(s)],
  },
  ...(
    [
      ["reserved-opcode", { opcode: 3 }],
      ["bad-utf8", { opcode: Op.Text, payload: Buffer.from([0xff]) }],
      ["rsv", { opcode: Op.Text, payload: "x", rsv: 2 }],
    ] as const
  ).map(([id, frame]) => ({
    ...both,
    id: `nothing-after-failure.${id}`,
    ids: ["R6455-7.1.7-3"],
    title: `Behind a failure (${id}) neither a message nor a ping nor a Close is processed`,
    expect: [fails(id === "bad-utf8" ? 1007 : 1002)],
    steps: [frame, text("late"), ping("late"), close(1000)],
  })),
];

/** A server ends TCP by itself; a client may leave it to the server, which the judge then is. */
async function waitForEnd(session: Session, ms = session.deadline): Promise<void> {
  await session.until(() => session.seen.close !== undefined, "the Close");
  if (session.seen.role === "client") session.finish();
  await session.until(() => session.seen.end !== undefined, "the end of TCP", ms);
}

/** The group `order`. */
export const order: Case[] = family("order", cases);
