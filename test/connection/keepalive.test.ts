import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Keepalive } from "../../src/connection/keepalive.ts";
import { connectionLimits } from "../../src/connection/options/limits.ts";
import { Endpoint } from "../../src/protocol/endpoint/endpoint.ts";
import type { Role } from "../../src/protocol/frames/frame.ts";
import { realTime } from "../../src/transport/clock.ts";
import { feed, frameFrom, peerOf } from "../support/wire.ts";

// Here a turn of the event loop is a part of the time that is replaced.
vi.mock("../../src/transport/scheduling.ts", () => ({
  setImmediate: (task: () => void) => globalThis.setImmediate(task),
}));

const second = 1000;
const made: Keepalive[] = [];

beforeEach(() => {
  vi.useFakeTimers();
  // The fake one waits a millisecond; there are no sockets here that would have to be read before.
  vi.stubGlobal("setImmediate", (look: () => void) => look());
});

afterEach(() => {
  for (const keepalive of made.splice(0)) keepalive.stop();
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

/** A kept connection that notes what is done to it, and when. */
function keep(role: Role, options?: { interval: number; timeout: number }, limits = {}) {
  const begun = Date.now();
  const done: [what: string, after: number][] = [];
  const note = (what: string) => void done.push([what, (Date.now() - begun) / second]);
  const kept = {
    endpoint: new Endpoint({ role }),
    limits: { ...connectionLimits, ...limits },
    clock: realTime,
    keepalive: options,
    reading: true,
    isReading: () => kept.reading,
    probe: () => note("ping"),
    giveUpPings: () => {},
    sendPong: () => note("pong"),
    tooSlow: () => note("too slow"),
    giveUp: (because: string) => note(because),
  };
  const keepalive = new Keepalive(kept);
  made.push(keepalive);
  return { kept, keepalive, done };
}

const defaults = { interval: 25 * second, timeout: 20 * second };

describe.each<Role>(["client", "server"])("the keepalive of a %s", (role) => {
  test("a silent peer is asked after 25 s and given up 20 s later [D02]", () => {
    const { done } = keep(role, defaults);
    vi.advanceTimersByTime(600 * second);
    expect(done).toEqual([
      ["ping", 25],
      ["the peer was silent for 45000 ms and did not answer a Ping", 45],
    ]);
  });

  test("any byte that arrives after the Ping is an answer, and the next Ping comes 25 s after it", () => {
    const { keepalive, done } = keep(role, defaults);
    vi.advanceTimersByTime(44 * second);
    keepalive.received();
    expect(keepalive.idle).toBe(0);
    vi.advanceTimersByTime(24 * second);
    expect(keepalive.idle).toBe(24_000);
    expect(done).toEqual([["ping", 25]]);
    vi.advanceTimersByTime(2 * second);
    expect(done).toEqual([
      ["ping", 25],
      ["ping", expect.closeTo(69, 0)],
    ]);
  });

  test("a peer that sends is never asked", () => {
    const { keepalive, done } = keep(role, defaults);
    for (let i = 0; i < 100; i++) {
      vi.advanceTimersByTime(20 * second);
      keepalive.received();
    }
    expect(done).toEqual([]);
  });

  test("an answer counts also where the timeout is longer than the interval [D02]", () => {
    const { keepalive, done } = keep(role, { interval: 5 * second, timeout: 20 * second });
    for (let answered = 0, passed = 0; answered < 10 && passed < 300; passed++) {
      vi.advanceTimersByTime(1 * second);
      if (done.length === answered) continue;
      keepalive.received();
      answered++;
    }
    expect(done.map(([what]) => what)).toEqual(Array(10).fill("ping"));
    vi.advanceTimersByTime(60 * second);
    const [ping, end] = done.slice(10);
    expect(ping?.[0]).toBe("ping");
    expect(end?.[0]).toMatch(/^the peer was silent/);
    expect(end![1] - ping![1]).toBe(20);
    expect(end![1] - done[9]![1]).toBeLessThanOrEqual(30);
  });

  test("without options nobody is asked or given up", () => {
    const { done } = keep(role);
    vi.advanceTimersByTime(3600 * second);
    expect(done).toEqual([]);
  });

  test("while we do not read nobody is judged, and a Pong says every 20 s that we live", () => {
    const { kept, done } = keep(role, defaults);
    vi.advanceTimersByTime(30 * second);
    kept.reading = false;
    vi.advanceTimersByTime(100 * second);
    expect(new Set(done.slice(1).map(([what]) => what))).toEqual(new Set(["pong"]));
    const pongs = done.slice(1).map(([, after]) => after);
    expect(pongs.slice(1).map((after, index) => after - pongs[index]!)).toEqual(pongs.slice(1).map(() => 20));
    expect(pongs.length).toBeGreaterThanOrEqual(4);
    // Reading again, the peer has a whole timeout to answer a new Ping.
    kept.reading = true;
    const before = done.length;
    vi.advanceTimersByTime(60 * second);
    const [ping, end] = done.slice(before);
    expect(ping?.[0]).toBe("ping");
    expect(end?.[0]).toMatch(/did not answer a Ping$/);
    expect(end![1] - ping![1]).toBe(20);
  });

  test("a peer that is read by turns gets no Pong that it did not ask for", () => {
    const { kept, keepalive, done } = keep(role, defaults);
    kept.reading = false;
    for (let i = 0; i < 20; i++) {
      vi.advanceTimersByTime(5 * second);
      keepalive.received();
    }
    expect(done).toEqual([]);
    vi.advanceTimersByTime(21 * second);
    expect(done.map(([what]) => what)).toEqual(["pong"]);
  });

  test("while the peer has not read what it was sent, the write timeout judges, and no Ping is added [D05]", () => {
    const { kept, done } = keep(role, defaults);
    kept.endpoint.stalled = true;
    vi.advanceTimersByTime(300 * second);
    expect(done).toEqual([]);
    kept.endpoint.stalled = false;
    vi.advanceTimersByTime(16 * second);
    expect(done.map(([what]) => what)).toEqual(["ping"]);
  });

  test.each([
    ["a frame", frameFrom(peerOf(role), { opcode: 1, payload: "unfinished" }).subarray(0, 8)],
    ["a message", frameFrom(peerOf(role), { opcode: 1, fin: false, payload: "unfinished" })],
    ["a header", frameFrom(peerOf(role), { opcode: 1, payload: "unfinished" }).subarray(0, 1)],
  ])("%s that does not go on for a minute is too slow [A11]", (_, bytes) => {
    const { kept, keepalive, done } = keep(role);
    feed(kept.endpoint, bytes);
    keepalive.received();
    vi.advanceTimersByTime(60 * second);
    expect(done).toEqual([]);
    vi.advanceTimersByTime(16 * second);
    expect(done).toEqual([["too slow", 61]]);
  });

  test.each([0, 1, 1000, 1500, 2000, 14_999, 60_000])(
    "%i ms to go on are never cut short by a millisecond, wherever in a second they begin [A11]",
    (messageIdleTimeout) => {
      for (const into of [0, 1, 500, 999, 7001, 14_999]) {
        const { kept, keepalive, done } = keep(role, undefined, { messageIdleTimeout });
        vi.advanceTimersByTime(into);
        feed(kept.endpoint, frameFrom(peerOf(role), { opcode: 1, fin: false, payload: "unfinished" }));
        keepalive.received();
        vi.advanceTimersByTime(messageIdleTimeout);
        expect(done).toEqual([]);
        vi.advanceTimersByTime(2 * second);
        expect(done.map(([what]) => what)).toEqual(["too slow"]);
        keepalive.stop();
      }
    },
  );

  test("a message that stood while we did not read has its whole time from then on [A11]", () => {
    const { kept, keepalive, done } = keep(role);
    feed(kept.endpoint, frameFrom(peerOf(role), { opcode: 1, fin: false, payload: "unfinished" }));
    keepalive.received();
    kept.reading = false;
    vi.advanceTimersByTime(600 * second);
    kept.reading = true;
    done.length = 0;
    vi.advanceTimersByTime(41 * second);
    expect(done).toEqual([]);
    vi.advanceTimersByTime(41 * second);
    expect(done.map(([what]) => what)).toEqual(["too slow"]);
  });

  test("a message that goes on byte by byte is not too slow, and one that is whole is none [A11]", () => {
    const { kept, keepalive, done } = keep(role);
    const bytes = frameFrom(peerOf(role), { opcode: 1, payload: "drip" });
    for (const byte of bytes) {
      feed(kept.endpoint, Uint8Array.of(byte));
      keepalive.received();
      vi.advanceTimersByTime(59 * second);
    }
    vi.advanceTimersByTime(600 * second);
    expect(done).toEqual([]);
  });

  test("messages that are always as far when they are looked at are not one that stands still [A11]", () => {
    const { kept, keepalive, done } = keep(role);
    const fragment = (opcode: number, fin: boolean) => {
      keepalive.received();
      const events = feed(kept.endpoint, frameFrom(peerOf(role), { opcode, fin, payload: "same" }), "whole");
      if (events.length > 0) keepalive.messageEnded();
    };
    fragment(1, false);
    for (let i = 0; i < 600; i++) {
      vi.advanceTimersByTime(second);
      fragment(0, true);
      fragment(1, false);
    }
    expect(done).toEqual([]);
    vi.advanceTimersByTime(80 * second);
    expect(done.map(([what]) => what)).toEqual(["too slow"]);
  });

  test("Pings between its fragments do not keep an unfinished message alive [A11]", () => {
    const { kept, keepalive, done } = keep(role);
    feed(kept.endpoint, frameFrom(peerOf(role), { opcode: 1, fin: false, payload: "begun" }), "whole");
    for (let i = 0; i < 20; i++) {
      vi.advanceTimersByTime(5 * second);
      keepalive.received();
      feed(kept.endpoint, frameFrom(peerOf(role), { opcode: 9, payload: "" }), "whole");
    }
    expect(done).toEqual([["too slow", expect.closeTo(75, -1.2)]]);
  });

  test.each([
    ["1000 bytes in 10 s", 1000, ["too slow"]],
    ["1100 bytes in 10 s", 1100, []],
  ])("beyond 64 KiB a message goes on with 1 KiB in 10 s: %s [A11]", (_, bytes, verdict) => {
    const { kept, keepalive, done } = keep(role);
    const fragment = (opcode: number, length: number) => {
      keepalive.received();
      const payload = new Uint8Array(length);
      feed(kept.endpoint, frameFrom(peerOf(role), { opcode, fin: false, payload }), "whole");
    };
    fragment(2, 65_537);
    for (let i = 0; i < 12; i++) {
      vi.advanceTimersByTime(10 * second);
      fragment(0, bytes);
    }
    expect(done.map(([what]) => what)).toEqual(verdict);
  });

  test("a shorter limit is looked after as often as it asks [A11]", () => {
    const { kept, done } = keep(role, undefined, { messageIdleTimeout: 2 * second });
    feed(kept.endpoint, frameFrom(peerOf(role), { opcode: 1, fin: false, payload: "unfinished" }));
    vi.advanceTimersByTime(5 * second);
    expect(done).toEqual([["too slow", 3]]);
  });

  test("stopped, it does nothing and leaves no timer", () => {
    const { keepalive, done } = keep(role, defaults);
    keepalive.stop();
    expect(vi.getTimerCount()).toBe(0);
    vi.advanceTimersByTime(600 * second);
    expect(done).toEqual([]);
  });
});
