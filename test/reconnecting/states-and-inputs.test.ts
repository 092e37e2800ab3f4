/** Every state of a `ReconnectingWebSocket` met by every input: what it tells, and what it is then. */
import { describe, expect, test } from "vitest";
import { openStage, type Stage, type StageParts, settled, stage } from "./turned-clock.ts";

/** One word of each kind of input. */
const inputs = {
  send: ({ socket }: Stage) => void socket.send("m"),
  "close()": ({ socket }: Stage) => socket.close(),
  "reconnect()": ({ socket }: Stage) => socket.reconnect(),
  "a wake": ({ wake }: Stage) => wake(),
  "an online": ({ wake }: Stage) => wake(true),
  "the time of an attempt": ({ clock }: Stage) => clock.turn(10_000),
  "the socket opens": ({ dialled }: Stage) => dialled.at(-1)?.open(),
  "a message": ({ dialled }: Stage) => dialled.at(-1)?.message("x"),
  "a loss": ({ dialled }: Stage) => dialled.at(-1)?.end(1006),
  "a Close with 1000": ({ dialled }: Stage) => dialled.at(-1)?.end(1000),
  "a Close with 1008": ({ dialled }: Stage) => dialled.at(-1)?.end(1008),
  "an abort": (_: Stage, controller: AbortController) => controller.abort(),
} as const;

type Input = keyof typeof inputs;

const states: Readonly<Record<string, (parts: StageParts) => Stage | Promise<Stage>>> = {
  "before its first attempt": (parts) => stage(parts),
  "connecting, provider at work": async (parts) => {
    const made = stage({ ...parts, url: () => new Promise(() => {}) });
    await settled();
    return made;
  },
  "connecting, handshake under way": async (parts) => {
    const made = stage(parts);
    await settled();
    return made;
  },
  "connecting, preparing": async (parts) => {
    const made = stage({ ...parts, prepare: (wire) => wire.next() });
    await settled();
    made.last().open();
    await settled();
    return made;
  },
  open: openStage,
  waiting: async (parts) => {
    const made = await openStage(parts);
    made.last().end(1006);
    await made.clock.turn(1000);
    made.take();
    return made;
  },
  closing: async (parts) => {
    const made = await openStage(parts);
    made.socket.close();
    made.take();
    return made;
  },
  closed: async (parts) => {
    const made = await openStage(parts);
    made.last().end(1008);
    made.take();
    return made;
  },
};

/** For what is not in the table: nothing is told, and the state stays. */
const expected: Readonly<Record<string, Partial<Readonly<Record<Input, string>>>>> = {
  "before its first attempt": {
    send: "→ connecting, 1 dialled, 1 queued",
    "close()": "closed, close 1006 final → closed, 0 dialled",
    "reconnect()": "→ connecting, 1 dialled",
    "a wake": "→ connecting, 1 dialled",
    "an online": "→ connecting, 1 dialled",
    "the time of an attempt": "waiting, error Cannot connect: it took longer than 10000 ms → waiting, 1 dialled",
    "the socket opens": "→ connecting, 1 dialled",
    "a message": "→ connecting, 1 dialled",
    "a loss": "→ connecting, 1 dialled",
    "a Close with 1000": "→ connecting, 1 dialled",
    "a Close with 1008": "→ connecting, 1 dialled",
    "an abort": "closed, close 1006 final → closed, 0 dialled",
  },
  "connecting, provider at work": {
    send: "→ connecting, 0 dialled, 1 queued",
    "close()": "closed, close 1006 final → closed, 0 dialled",
    "reconnect()": "waiting, connecting → connecting, 0 dialled",
    "the time of an attempt": "waiting, error Cannot connect: it took longer than 10000 ms → waiting, 0 dialled",
    "an abort": "closed, close 1006 final → closed, 0 dialled",
  },
  "connecting, handshake under way": {
    send: "→ connecting, 1 dialled, 1 queued",
    "close()": "closed, close 1006 final → closed, 1 dialled",
    "reconnect()": "waiting, connecting → connecting, 2 dialled",
    "the time of an attempt": "waiting, error Cannot connect: it took longer than 10000 ms → waiting, 1 dialled",
    "the socket opens": "open, open! → open, 1 dialled",
    "a loss": "waiting, error → waiting, 1 dialled",
    "a Close with 1000": "waiting, error → waiting, 1 dialled",
    "a Close with 1008": "closed, error, close 1008 final → closed, 1 dialled",
    "an abort": "closed, close 1006 final → closed, 1 dialled",
  },
  "connecting, preparing": {
    send: "→ connecting, 1 dialled, 1 queued",
    "close()": "closed, close 1006 final → closed, 1 dialled",
    "reconnect()": "waiting, connecting → connecting, 2 dialled",
    "the time of an attempt": "waiting, error Cannot connect: it took longer than 10000 ms → waiting, 1 dialled",
    "a message": "open, open! x → open, 1 dialled",
    "a loss": "waiting, error → waiting, 1 dialled",
    "a Close with 1000": "waiting, error → waiting, 1 dialled",
    "a Close with 1008": "closed, error, close 1008 final → closed, 1 dialled",
    "an abort": "closed, close 1006 final → closed, 1 dialled",
  },
  open: {
    "close()": "closing → closing, 1 dialled",
    "reconnect()": "waiting, close 1006, connecting → connecting, 2 dialled",
    "a message": "message x → open, 1 dialled",
    "a loss": "waiting, close 1006 → waiting, 1 dialled",
    "a Close with 1000": "waiting, close 1000 → waiting, 1 dialled",
    "a Close with 1008": "closed, close 1008 final → closed, 1 dialled",
    "an abort": "closing → closing, 1 dialled",
  },
  waiting: {
    send: "→ waiting, 1 dialled, 1 queued",
    "close()": "closed, close 1006 final → closed, 1 dialled",
    "reconnect()": "connecting → connecting, 2 dialled",
    "a wake": "connecting → connecting, 2 dialled",
    // Within a second of the event, when the clock comes to it.
    "an online": "→ waiting, 1 dialled",
    "the time of an attempt": "connecting → connecting, 2 dialled",
    "an abort": "closed, close 1006 final → closed, 1 dialled",
  },
  closing: {
    "a loss": "closed, close 1006 final → closed, 1 dialled",
    "a Close with 1000": "closed, close 1000 final → closed, 1 dialled",
    "a Close with 1008": "closed, close 1008 final → closed, 1 dialled",
  },
  closed: {},
};

describe.each(Object.keys(states))("%s", (state) => {
  test.each(Object.keys(inputs) as Input[])("%s", async (input) => {
    const controller = new AbortController();
    const making = states[state]!({ signal: controller.signal });
    // The first attempt begins in a microtask: to await would be too late.
    const made = making instanceof Promise ? await making : making;
    const before = standing(made);
    await inputs[input](made, controller);
    await made.clock.turn(0);
    expect([made.take().join(", "), standing(made)].join(" ").trim()).toBe(expected[state]![input] ?? before);
    const { socket, watching, clock } = made;
    if (socket.state === "closed") {
      expect([watching(), clock.timers], "what is closed leaves nothing").toEqual([0, 0]);
      expect(socket.readyState).toBe(3);
    }
  });
});

function standing({ socket, dialled }: Stage): string {
  const queued = socket.bufferedAmount > 0 ? `, ${socket.bufferedAmount} queued` : "";
  return `→ ${socket.state}, ${dialled.length} dialled${queued}`;
}
