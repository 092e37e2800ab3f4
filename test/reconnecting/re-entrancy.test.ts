/** What a program does inside its own listeners and functions: whatever it calls there, no rule of the events is broken. */
import { describe, expect, test } from "vitest";
import { openStage, type Stage, settled, stage } from "./turned-clock.ts";

const calls = {
  "close()": ({ socket }: Stage) => socket.close(),
  "reconnect()": ({ socket }: Stage) => socket.reconnect(),
  "reconnect() twice": ({ socket }: Stage) => {
    socket.reconnect();
    socket.reconnect();
  },
  "reconnect() and close()": ({ socket }: Stage) => {
    socket.reconnect();
    socket.close();
  },
  "send()": ({ socket }: Stage) => void socket.send("from inside"),
  "the server's Close": ({ dialled }: Stage) => {
    const last = dialled.at(-1);
    // Events never come inside one another.
    queueMicrotask(() => last?.readyState === 1 && last.end(4000));
  },
};

const thrown = () => {
  throw new Error("of the program");
};
/** In a listener they would be errors that nobody catches, as of any event's. */
const callsThatThrow = {
  "an exception": thrown,
  "reconnect() and an exception": ({ socket }: Stage) => {
    socket.reconnect();
    thrown();
  },
  "close() and an exception": ({ socket }: Stage) => {
    socket.close();
    thrown();
  },
};

const states = ["connecting", "open", "waiting", "closing", "closed"] as const;
const listeners = ["open", "message", "error", "close", "unsent", ...states, "abort"] as const;
const functions = ["url", "protocols", "attempt", "offer", "first", "receive", "prepare", "shouldReconnect"] as const;
type Place = (typeof listeners)[number] | (typeof functions)[number];

/** Plays what a server may do, with a call at one place, the first `times` times that it is reached. */
async function play(place: Place, call: (made: Stage) => void, times: number): Promise<void> {
  let left = times;
  const at = (reached: Place) => {
    if (reached === place && left-- > 0) call(made);
  };
  const made = stage({
    queue: { maxSize: 8, overflow: "drop-oldest" },
    reconnect: {
      firstDelay: 100,
      shouldReconnect: () => {
        at("shouldReconnect");
        return true;
      },
    },
    url: ({ signal, number }) => {
      signal.addEventListener("abort", () => at("abort"));
      at("url");
      if (number === 2) thrown();
      return "ws://server/";
    },
    protocols: () => {
      at("protocols");
      return [];
    },
    resume: {
      attempt: () => at("attempt"),
      offer: (subprotocols) => {
        at("offer");
        return [...subprotocols];
      },
      first: () => at("first"),
      receive: (data) => {
        at("receive");
        return data;
      },
    },
    prepare: async () => {
      await settled();
      at("prepare");
    },
  });
  const { socket, clock, dialled, told, watching } = made;
  for (const type of ["open", "message", "error", "close", "unsent"] as const) {
    socket.addEventListener(type, () => at(type));
  }
  socket.addEventListener("statechange", () => at(socket.state));
  const live = () => dialled.filter(({ readyState }) => readyState < 2).length;
  for (let step = 0; step < 12; step++) {
    await settled();
    expect(live(), told.join()).toBeLessThan(2);
    const last = dialled.at(-1);
    last?.open();
    last?.message("early");
    await settled();
    await settled();
    last?.message("late");
    socket.send("too long for it");
    socket.send("queued");
    if (step === 2) socket.reconnect();
    else if (step === 4) await clock.turn(10_000);
    else if (last && last.readyState < 2) last.end();
    await clock.turn(200);
  }
  socket.close();
  const last = dialled.at(-1);
  if (last && last.readyState < 3) last.end(1000);
  await settled();
  let open = false;
  for (const word of told) {
    if (word.startsWith("open!")) {
      expect(open, told.join()).toBe(false);
      open = true;
    } else if (word.startsWith("close ")) {
      if (!word.endsWith("final")) expect(open, told.join()).toBe(true);
      open = false;
    }
  }
  expect(told.filter((word) => word.endsWith("final"))).toHaveLength(1);
  expect(told.at(-1), told.join()).toMatch(/final$/);
  expect([socket.state, live(), clock.timers, watching(), socket.bufferedAmount]).toEqual(["closed", 0, 0, 0, 0]);
}

describe.each([...listeners, ...functions])("at %s", (place) => {
  const all = { ...calls, ...((functions as readonly string[]).includes(place) && callsThatThrow) };
  test.each(Object.entries(all))("%s breaks no rule", async (_name, call) => {
    await play(place, call, 1);
    await play(place, call, 3);
  });
});

test("reconnect() in a listener of `connecting` begins one attempt", async () => {
  const { socket, dialled, last, due } = await openStage();
  last().end();
  socket.addEventListener("statechange", () => socket.reconnect(), { once: true });
  await due();
  expect([socket.state, dialled.length]).toEqual(["connecting", 2]);
});

test("a connection that a listener of the state `open` leaves was never told, so its close is not, either", async () => {
  const made = stage();
  made.socket.addEventListener("statechange", () => made.socket.reconnect(), { once: true });
  await settled();
  made.last().open();
  await settled();
  expect(made.take()).toEqual(["open", "waiting", "connecting"]);
});

test("a listener of the attempt's signal finds the next state", async () => {
  const seen: string[] = [];
  const made: Stage = stage({
    url: ({ signal }) => {
      signal.addEventListener("abort", () => {
        seen.push(made.socket.state);
        made.socket.close();
      });
      return new Promise<string>(() => {});
    },
  });
  await settled();
  made.socket.close();
  await settled();
  expect([seen, made.take()]).toEqual([["closed"], ["closed", "close 1006 final"]]);
});

test("a socket that is closing when `prepare` is done was never open", async () => {
  let go = () => {};
  const prepare = () =>
    new Promise<void>((resolve) => {
      go = resolve;
    });
  const made = stage({ prepare });
  await settled();
  made.last().open();
  await settled();
  // The server's Close has come, the end of the connection has not.
  made.last().readyState = 2;
  go();
  await settled();
  expect(made.take()).toEqual([]);
  made.last().end(4000);
  expect(made.take()).toEqual(["waiting", "error"]);
});

test.each(["early", "late"])(
  "what `resume.receive` throws at a message that came %s ends the connection",
  async (when) => {
    const error = new Error("out of step");
    const made = stage({
      resume: {
        attempt: () => undefined,
        offer: () => [],
        first: () => {},
        receive: () => {
          throw error;
        },
      },
    });
    const ends: unknown[] = [];
    made.socket.addEventListener("close", ({ error: why }) => ends.push(why));
    await settled();
    made.last().open();
    if (when === "early") made.last().message("x");
    await settled();
    if (when === "late") made.last().message("x");
    expect(made.take()).toEqual(["open", "open!", "waiting", "close 1006"]);
    expect([ends, made.last().readyState]).toEqual([[error], 2]);
  },
);

test("`wire.next()` that is awaited after the connection has ended rejects then, and is nobody's error before", async () => {
  const made = stage({
    prepare: async (wire) => {
      const reply = wire.next();
      await settled();
      await settled();
      await reply;
    },
  });
  await settled();
  made.last().open();
  await settled();
  made.last().end(4000);
  for (let turn = 0; turn < 3; turn++) await settled();
  expect(made.take()).toEqual(["waiting", "error"]);
});
