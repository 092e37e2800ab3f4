/**
 * Every pair of things that an application, a peer, the system or time can do, in every state that a connection can be in:
 * no transition that its tables do not have, and one end, told of once.
 *
 * @module-tag slow
 */
import { Buffer } from "node:buffer";
import { afterAll, describe, expect, test } from "vitest";
import { machines } from "../../scripts/state-machines.ts";
import type { InflateOutcome, MessageDeflate } from "../../src/connection/compression/message-deflate.ts";
import { Connection, coreOf } from "../../src/connection/connection.ts";
import type { ConnectionCore } from "../../src/connection/connection-core.ts";
import type { ConnectionHandlers } from "../../src/connection/handlers/handlers.ts";
import { connectionLimits } from "../../src/connection/options/limits.ts";
import { Endpoint } from "../../src/protocol/endpoint/endpoint.ts";
import type { Role } from "../../src/protocol/frames/frame.ts";
import { IllegalTransition } from "../../src/protocol/state-table.ts";
import { nextTurn } from "../support/held-duplex.ts";
import { closeFrame } from "../support/raw-peer.ts";
import { ScriptedClock, ScriptedTransport } from "../support/scripted-transport.ts";
import { frameFrom, peerOf } from "../support/wire.ts";

/** The states that were seen, by the title of their table. */
const seen = new Map<string, Set<string>>(machines.map(({ title }) => [title, new Set<string>()]));

/** Promises that a test holds back, and lets go. */
class Gates {
  readonly #waiting: (() => void)[] = [];

  wait(): Promise<void> {
    return new Promise((resolve) => void this.#waiting.push(resolve));
  }

  open(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}

type Reading = "handler" | "async handler" | "loop" | "streams" | "nothing";

/** One connection, with all that can be done to it. */
class Play {
  readonly role: Role;
  readonly transport = new ScriptedTransport();
  readonly clock = new ScriptedClock();
  readonly connection: Connection;
  readonly core: ConnectionCore;
  readonly errors: unknown[] = [];
  readonly handlersHeld = new Gates();
  readonly closeHeld = new Gates();
  readonly publisherHeld = new Gates();
  readonly inflatingHeld = new Gates();
  readonly fragmentsHeld = new Gates();
  closings = 0;
  ends = 0;
  /** Done inside the next message handler. */
  inside: (() => void) | undefined;
  #loop: AsyncIterator<unknown> | undefined;

  constructor(role: Role, reading: Reading) {
    this.role = role;
    const handled = reading === "handler" || reading === "async handler";
    const handlers: ConnectionHandlers<Connection> = {
      ...(handled && {
        message: (_, data) => {
          this.inside?.();
          if (data === "throw") throw new Error("mine");
          return reading === "async handler" ? this.handlersHeld.wait() : undefined;
        },
      }),
      closing: () => {
        this.closings++;
        return this.closings > 1 ? undefined : this.handlersHeld.wait();
      },
      close: () => {
        this.ends++;
        return this.closeHeld.wait();
      },
      error: (_, error) => void this.errors.push(error),
      drain: () => {},
    };
    const deflate = {
      threshold: Number.POSITIVE_INFINITY,
      sharedKey: undefined,
      inflate: (payload: Uint8Array): InflateOutcome | Promise<InflateOutcome> =>
        payload.length > 1 ? this.inflatingHeld.wait().then(() => new Uint8Array(3)) : new Uint8Array(1),
      release: () => {},
    };
    this.connection = new Connection({
      endpoint: new Endpoint({ role, compression: true }),
      transport: this.transport,
      settings: {
        limits: { ...connectionLimits, inboundHighWaterMark: 300, maxOutboxSize: 4000, readBudget: 0 },
        handlers,
        keepalive: undefined,
        clock: this.clock,
      },
      deflate: deflate as unknown as MessageDeflate,
    });
    this.core = coreOf(this.connection);
    this.core.start();
    if (reading === "loop") this.next();
    if (reading === "streams") void this.#readStreams().catch(() => {});
  }

  async #readStreams(): Promise<void> {
    for await (const message of this.connection.messages()) for await (const _ of message) await nextTurn();
  }

  /** Does something as an application does, which may be refused, but not for an illegal transition. */
  tries(work: () => unknown): void {
    try {
      Promise.resolve(work()).catch((error: unknown) => void this.errors.push(error));
    } catch (error) {
      this.errors.push(error);
    }
  }

  next(): void {
    this.tries(() => {
      this.#loop ??= this.connection[Symbol.asyncIterator]();
      return this.#loop.next();
    });
  }

  leave(): void {
    this.tries(() => this.#loop?.return?.());
  }

  /** Frames arrive, in one chunk. */
  peer(...frames: Parameters<typeof frameFrom>[1][]): void {
    this.transport.arrive(Buffer.concat(frames.map((frame) => frameFrom(peerOf(this.role), frame))));
  }

  sample(): void {
    const states = [
      this.core.endpoint.state,
      this.core.receiving.state,
      this.core.receiving.delivery.state,
      this.core.closing.state,
      this.core.closing.peerEnd,
    ];
    for (const [index, { title }] of machines.entries()) seen.get(title)!.add(states[index]!);
  }

  open(): void {
    for (const held of [this.handlersHeld, this.publisherHeld, this.inflatingHeld, this.fragmentsHeld]) held.open();
    this.closeHeld.open();
    this.transport.flow();
  }

  /** Brings it to its end, whatever happened, and holds it to what must be true then. */
  async finish(): Promise<void> {
    for (let turn = 0; turn < 4; turn++) {
      this.open();
      await nextTurn();
    }
    this.tries(() => this.connection.terminate());
    for (let turn = 0; turn < 4; turn++) {
      await nextTurn();
      this.clock.pass(60_000);
      this.open();
    }
    this.sample();
    expect(this.errors.filter((error) => error instanceof IllegalTransition)).toEqual([]);
    expect([this.core.closing.state, this.ends, this.connection.readyState]).toEqual(["handled", 1, 3]);
  }
}

const text = { opcode: 1, payload: "text" };
const inflated = { opcode: 2, rsv: 4, payload: "x" };
const inflatedElsewhere = { opcode: 2, rsv: 4, payload: "xx" };

/** What can happen. */
const events: Readonly<Record<string, (play: Play) => unknown>> = {
  send: (play) => play.tries(() => play.connection.send("sent")),
  "send a Blob": (play) => play.tries(() => play.connection.send(new Blob(["blob"]))),
  "send fragments": (play) =>
    play.tries(() =>
      play.connection.sendFragments(
        (async function* () {
          yield "one";
          await play.fragmentsHeld.wait();
          yield "two";
        })(),
      ),
    ),
  "send too much": (play) => {
    for (let count = 0; count < 5; count++) play.tries(() => play.connection.send("x".repeat(1000)));
  },
  ping: (play) => play.tries(() => play.connection.ping()),
  close: (play) => play.tries(() => play.connection.close()),
  terminate: (play) => play.tries(() => play.connection.terminate()),
  "publish what waits": (play) => play.tries(() => play.core.receiving.holdUntil(play.publisherHeld.wait())),
  "ask for a message": (play) => play.next(),
  "leave the loop": (play) => play.leave(),
  "read as a stream": (play) =>
    play.tries(() => {
      const reader = play.connection.readable.getReader();
      reader.closed.catch(() => {});
      return reader.read();
    }),
  "message comes": (play) => play.peer(text),
  "message comes whose handler throws": (play) => play.peer({ opcode: 1, payload: "throw" }),
  "many messages come": (play) => play.peer(...Array<typeof text>(150).fill(text)),
  "half a message comes": (play) => play.peer({ opcode: 1, fin: false, payload: "half" }),
  "compressed message comes": (play) => play.peer(inflated),
  "compressed message comes, and takes long": (play) => play.peer(inflatedElsewhere),
  "Ping comes": (play) => play.peer({ opcode: 9, payload: "ping" }),
  "Close comes": (play) => play.peer(closeFrame(4001)),
  "message and Close come": (play) => play.peer(text, closeFrame(4001)),
  "peer breaks a rule": (play) => play.peer({ opcode: 3 }),
  "peer ends": (play) => play.transport.endArrives(),
  "transport breaks": (play) => play.transport.break(new Error("broken")),
  "transport is full": (play) => {
    play.transport.stalls = true;
    play.tries(() => play.connection.send("stalls"));
  },
  "transport takes more": (play) => play.transport.flow(),
  "two seconds pass": (play) => play.clock.pass(2000),
  "five seconds pass": (play) => play.clock.pass(5000),
  "a minute passes": (play) => play.clock.pass(60_000),
  "promises of handlers settle": (play) => play.handlersHeld.open(),
  "what was published is delivered": (play) => play.publisherHeld.open(),
  "message is inflated": (play) => play.inflatingHeld.open(),
  "process holds too much": (play) => play.core.receiving.letGo(),
  "turn ends": () => nextTurn(),
};

/** How a connection comes into a state, and which states of which table that is. */
interface Setting {
  readonly reading: Reading;
  readonly bring: (play: Play) => unknown;
  readonly states: Readonly<Record<string, string>>;
  /** The pair happens inside the message handler. */
  readonly inside?: boolean;
}

const pump = "The message pump";
const delivery = "Delivery";
const closing = "This side's end";
const peerEnd = "The peer's end";

const settings: Readonly<Record<string, Setting>> = {
  "open, with a handler": { reading: "handler", bring: () => {}, states: { [pump]: "idle", [delivery]: "delivering" } },
  "open, with a loop": { reading: "loop", bring: () => {}, states: { [closing]: "open", [peerEnd]: "none" } },
  "open, with streams": { reading: "streams", bring: () => {}, states: { [pump]: "idle" } },
  "open, without a reader": { reading: "nothing", bring: (play) => play.peer(text), states: { [pump]: "idle" } },
  "inside a handler": { reading: "handler", inside: true, bring: () => {}, states: { [pump]: "working" } },
  "inside a handler that published": {
    reading: "handler",
    inside: true,
    bring: events["publish what waits"]!,
    states: { [pump]: "holding" },
  },
  "inside an async handler": { reading: "async handler", inside: true, bring: () => {}, states: { [pump]: "working" } },
  "behind a publication": {
    reading: "handler",
    bring: events["publish what waits"]!,
    states: { [pump]: "held" },
  },
  "after its time in a turn": {
    reading: "handler",
    bring: events["many messages come"]!,
    states: { [pump]: "yielded" },
  },
  "after its time in a turn, behind a publication": {
    reading: "handler",
    bring: (play) => {
      play.peer(...Array<typeof text>(150).fill(text));
      play.tries(() => play.core.receiving.holdUntil(play.publisherHeld.wait()));
    },
    states: { [pump]: "heldYielded" },
  },
  "with an async handler at work": {
    reading: "async handler",
    bring: (play) => play.peer(text),
    states: { [delivery]: "awaiting" },
  },
  "with an async handler at work, and terminated": {
    reading: "async handler",
    bring: (play) => {
      play.peer(text);
      play.connection.terminate();
    },
    states: { [delivery]: "finishing", [closing]: "closeRequested" },
  },
  "closed without a reader": {
    reading: "nothing",
    bring: (play) => play.connection.close(),
    states: { [delivery]: "discarding", "The endpoint": "closing" },
  },
  "closed behind fragments": {
    reading: "handler",
    bring: (play) => {
      events["send fragments"]!(play);
      play.connection.close();
    },
    states: { [closing]: "closeRequested", "The endpoint": "open" },
  },
  "with the echo of the peer's Close behind fragments": {
    reading: "handler",
    bring: async (play) => {
      events["send fragments"]!(play);
      play.peer(closeFrame(4001));
      play.handlersHeld.open();
      await nextTurn();
    },
    states: { [closing]: "closeRequested", "The endpoint": "peerClosing" },
  },
  "with the peer's Close to answer": {
    reading: "async handler",
    bring: (play) => play.peer(text, closeFrame(4001)),
    states: { "The endpoint": "peerClosing", [delivery]: "awaiting" },
  },
  "with the peer's end behind what is not parsed": {
    reading: "async handler",
    bring: (play) => {
      play.peer(...Array<typeof text>(20).fill(text));
      play.core.receivedEnd();
    },
    states: { [peerEnd]: "received" },
  },
  "with the peer's end behind a handler": {
    reading: "async handler",
    bring: (play) => {
      play.peer(text);
      play.transport.endArrives();
    },
    states: { [peerEnd]: "withoutClose" },
  },
  "with the peer's end, reached": {
    reading: "loop",
    bring: async (play) => {
      play.transport.endArrives();
      play.handlersHeld.open();
      // In the next turn the transport is gone.
      for (let step = 0; step < 20; step++) await Promise.resolve();
    },
    states: { [peerEnd]: "answered", "The endpoint": "discarding" },
  },
  "with a message in the thread pool": {
    reading: "handler",
    bring: events["compressed message comes, and takes long"]!,
    states: { [pump]: "idle" },
  },
  "over, with a handler at work": {
    reading: "async handler",
    bring: async (play) => {
      play.peer(text);
      play.transport.break(new Error("broken"));
      await nextTurn();
    },
    states: { [closing]: "ended", "The endpoint": "closed" },
  },
  "over, with a reader that does not ask": {
    reading: "loop",
    bring: async (play) => {
      play.peer(text, text);
      await nextTurn();
      play.transport.break(new Error("broken"));
      await nextTurn();
    },
    states: { [closing]: "ended" },
  },
  "over, with its close handler at work": {
    reading: "handler",
    bring: async (play) => {
      play.transport.break(new Error("broken"));
      await nextTurn();
    },
    states: { [closing]: "told" },
  },
  "over and handled": {
    reading: "handler",
    bring: async (play) => {
      play.transport.break(new Error("broken"));
      await nextTurn();
      play.closeHeld.open();
      await nextTurn();
    },
    states: { [closing]: "handled" },
  },
};

/** The states of a connection by the title of their table. */
function statesOf({ core }: Play): Record<string, string> {
  return {
    "The endpoint": core.endpoint.state,
    [pump]: core.receiving.state,
    [delivery]: core.receiving.delivery.state,
    [closing]: core.closing.state,
    [peerEnd]: core.closing.peerEnd,
  };
}

/** Brings a new connection into the state, and lets the two things happen. */
async function playPair(
  role: Role,
  { reading, bring, states, inside }: Setting,
  pair: readonly string[],
): Promise<void> {
  const play = new Play(role, reading);
  const [first, second] = pair.map((name) => events[name]!);
  if (inside) {
    play.inside = () => {
      play.inside = undefined;
      bring(play);
      expect(statesOf(play)).toMatchObject(states);
      for (const event of [first!, second!]) {
        play.sample();
        event(play);
      }
    };
    play.peer(text);
  } else {
    await bring(play);
    expect(statesOf(play)).toMatchObject(states);
    play.sample();
    await first!(play);
    play.sample();
    await second!(play);
  }
  play.sample();
  await play.finish();
}

describe.each<{ role: Role; tags?: string }>([{ role: "server" }, { role: "client", tags: "slow" }])(
  "a connection as $role",
  ({ role, ...options }) => {
    test.each(Object.keys(settings))("comes to one end whatever pair of events happens: %s", options, async (name) => {
      const names = Object.keys(events);
      for (const first of names) {
        const plays = names.map((second) => playPair(role, settings[name]!, [first, second]));
        const failed = (await Promise.allSettled(plays)).flatMap((outcome, index) =>
          outcome.status === "rejected" ? [`${first}, then ${names[index]}: ${outcome.reason}`] : [],
        );
        expect(failed).toEqual([]);
      }
    });
  },
);

afterAll(() => {
  // `unread` is left in the call that enters it.
  const passing = ["unread"];
  for (const { title, table } of machines) {
    const missing = Object.keys(table).filter((state) => !seen.get(title)!.has(state) && !passing.includes(state));
    expect(missing, title).toEqual([]);
  }
});
