import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type Connection, coreOf } from "../../../src/connection/connection.ts";
import { ReadPace } from "../../../src/connection/receiving/read-pace.ts";
import type { Role } from "../../../src/protocol/frames/frame.ts";
import { connectionOver, until } from "../../support/connection-pair.ts";
import { HeldDuplex } from "../../support/held-duplex.ts";
import { frameFrom, peerOf } from "../../support/wire.ts";

describe("ReadPace", () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ["performance"] }));
  afterEach(() => void vi.useRealTimers());

  test("reads the clock each 64 steps, or when it is told to, and is over after the budget", () => {
    const pace = new ReadPace();
    const steps = (count: number) => Array.from({ length: count }, () => pace.isOver(2, false)).filter(Boolean).length;
    expect(steps(64)).toBe(0);
    vi.advanceTimersByTime(2);
    expect([steps(63), steps(1)]).toEqual([0, 1]);
    pace.restart();
    expect([pace.isOver(2, true), steps(62)]).toEqual([false, 0]);
    vi.advanceTimersByTime(1);
    expect(pace.isOver(2, true)).toBe(false);
    vi.advanceTimersByTime(1);
    expect(pace.isOver(2, true)).toBe(true);
  });

  test("is not over by the first look, whatever the budget", () => {
    const pace = new ReadPace();
    expect(pace.isOver(0, true)).toBe(false);
    vi.advanceTimersByTime(1);
    expect(pace.isOver(0, true)).toBe(true);
    expect(pace.isOver(Number.POSITIVE_INFINITY, true)).toBe(false);
  });
});

const count = 3000;
type Reader = (taken: () => void) => {
  readonly message?: (connection: Connection, data: unknown) => unknown;
  readonly read?: (connection: Connection) => unknown;
};

const readers: Readonly<Record<string, Reader>> = {
  "an async handler": (taken) => ({ message: async () => taken() }),
  "a handler that returns a promise": (taken) => ({ message: () => Promise.resolve(taken()) }),
  "a loop": (taken) => ({
    read: async (connection) => {
      for await (const _ of connection) taken();
    },
  }),
  "streams of messages": (taken) => ({
    read: async (connection) => {
      for await (const message of connection.messages()) for await (const _ of message) taken();
    },
  }),
  "a web stream": (taken) => ({
    read: async (connection) => {
      for await (const _ of connection.readable) taken();
    },
  }),
  "a stream of Node's": (taken) => ({
    // An end without a Close is an error to a stream.
    read: (connection) =>
      connection
        .toDuplex()
        .on("data", taken)
        .on("error", () => {}),
  }),
};

describe.each<Role>(["server", "client"])("%s", (role) => {
  test.each(Object.keys(readers))(
    "a flood of tiny messages to %s leaves the others their turns [A04]",
    async (name) => {
      // With a budget of nothing each look ends the turn; without one all is done in a few, which is the control.
      const turnsWith = async (readBudget: number): Promise<number> => {
        let taken = 0;
        const { message, read } = readers[name]!(() => void taken++);
        const socket = new HeldDuplex();
        const connection = connectionOver(socket, role, {
          limits: { readBudget },
          handlers: message ? { message } : {},
        });
        coreOf(connection).start();
        const reading = read?.(connection);
        if (reading instanceof Promise) reading.catch(() => {});
        socket.push(Buffer.concat(Array(count).fill(frameFrom(peerOf(role), { opcode: 1, payload: "x" }))));
        let turns = 0;
        await until(() => {
          turns++;
          return taken === count;
        });
        return turns;
      };
      expect(await turnsWith(0)).toBeGreaterThan(count / 200);
      expect(await turnsWith(Number.POSITIVE_INFINITY)).toBeLessThan(10);
    },
  );
});
