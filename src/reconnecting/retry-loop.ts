/**
 * What comes back: the state, the failures in a row, and when the next attempt is due.
 *
 * How to dial, and what to tell the program, is its host's part. Each attempt that the loop begins comes to `opened` or to
 * `ended`, once; the host looks at the attempt's signal before it reports, since a given up one has ended already. It is one
 * function, not a class: minifiers make a letter of its variables, and pages have few bytes (scripts/check-sizes.ts).
 */

import { type Clock, sleptPast } from "./clock.ts";
import type { Attempt, End } from "./policy/attempt.ts";
import type { ReconnectSettings } from "./policy/backoff.ts";
import { backoffAfter, type Row, waitAfter } from "./policy/close-policy.ts";
import { nextState, type RetryState, type RetryTransition } from "./policy/retry-states.ts";
import type { WakeListener } from "./retry-triggers.ts";

/** Who dials, and is told. */
export interface RetryHost {
  /** Begins an attempt. */
  dial(attempt: Attempt): void;
  /** The attempt under way has failed without its socket: the host drops that, and reports the end. */
  failed(error: unknown): void;
  /** `shouldReconnect` threw, or its promise was rejected. */
  complained(error: unknown): void;
  /** A connection or an attempt has ended; the state says whether another follows. */
  lost?(end: End): void;
  /** There is no next attempt. */
  gaveUp(end: End): void;
  /** The state has changed. */
  changed?(): void;
  /** This machine woke while the connection is open. */
  woken?(): void;
}

/** What a loop is made of. */
export interface RetryParts {
  readonly settings: ReconnectSettings;
  readonly clock: Clock;
  /** Whether a provider may give another token. */
  readonly provides: boolean;
  /** Asked once before each attempt. */
  readonly resume?: { attempt(): unknown } | undefined;
  /** The table of statuses, where the runtime tells any. */
  readonly statusRules?: readonly Row[] | undefined;
  /** Tells of wakes until the returned function is called. */
  readonly watchWakes?: ((woken: WakeListener) => () => void) | undefined;
}

/** See the head of this file. */
export interface RetryLoop {
  readonly state: RetryState;
  /** When the next attempt is due, in milliseconds since the epoch; 0 unless waiting. */
  readonly retryAt: number;
  /** Failures in a row; none once a connection is stable. */
  readonly failures: number;
  /** Begins the first attempt, unless it is closed already. */
  start(): void;
  /** The attempt under way has come to a connection. */
  opened(): void;
  /** The attempt under way, or the connection, has ended; nothing when closed. */
  ended(end: End): void;
  /** Tries at once, and forgets failures and hints; `left` is told where it says that it was open. Not once closing. */
  reconnect(left: End): void;
  /** A timer came so late that this machine must have slept. */
  slept(): void;
  /** The program closes the connection, whose end is still to come. */
  leave(): void;
  /** Ends at once; nothing when closed. */
  close(): void;
}

/** Makes a loop that has not started. */
export function retryLoop(host: RetryHost, parts: RetryParts): RetryLoop {
  const { clock, resume, watchWakes } = parts;
  const { handshakeTimeout, maxAttempts, shouldReconnect, stableAfter } = parts.settings;
  let state: RetryState = "connecting";
  let number = 0;
  let failures = 0;
  let last: End | undefined;
  let begunAt = 0;
  /** Undefined before the first connection. */
  let openedAt: number | undefined;
  /** When this machine last woke; at first long before the clock began. */
  let wokeAt = -60_000;
  /** While waiting: when the next attempt is due, 0 once it is; before when no wake brings it on; the first as a date. */
  let dueAt = 0;
  let earliest = 0;
  let retryAt = 0;
  /** The end for which `shouldReconnect` is being asked. */
  let undecided: End | undefined;
  let timer: unknown;
  /** Of the attempt under way, or that was; undefined before it and once it is open. */
  let giveUp: AbortController | undefined;
  let unwatch: (() => void) | undefined;

  const move = (transition: RetryTransition) => {
    const left = giveUp;
    state = nextState(state, transition);
    host.changed?.();
    // Behind all else, since listeners of the signal may call what they like.
    left?.abort();
  };
  const isStable = () => state === "open" && clock.now() - openedAt! >= stableAfter;
  const slept = () => {
    wokeAt = clock.now();
  };
  const after = (delay: number, run: () => void) => {
    timer = clock.setTimer(run, delay, timer);
  };
  /** No timer and no decision of before counts any more. */
  const stop = () => {
    clock.clearTimer(timer);
    undecided = undefined;
  };
  const finish = () => {
    stop();
    unwatch?.();
    move("ended");
  };

  const begin = () => {
    const attempt = new AbortController();
    giveUp = attempt;
    begunAt = clock.now();
    after(handshakeTimeout, () => {
      host.failed(new DOMException(`Cannot connect: it took longer than ${handshakeTimeout} ms`, "TimeoutError"));
    });
    try {
      host.dial({ number: ++number, last, signal: attempt.signal, resume: resume?.attempt() });
    } catch (error) {
      if (giveUp === attempt) host.failed(error);
    }
  };
  const due = () => {
    stop();
    giveUp = undefined;
    move("due");
    // A listener may have closed, or begun an attempt by `reconnect`.
    if (state === "connecting" && !giveUp) begin();
  };
  const wait = (delay: number) => {
    dueAt = clock.now() + delay;
    retryAt = clock.date() + delay;
    after(delay, () => {
      if (sleptPast(clock, retryAt)) slept();
      dueAt = 0;
      if (!undecided) due();
    });
  };
  const wake = (online: boolean) => {
    slept();
    if (state === "open") host.woken?.();
    if (state !== "waiting") return;
    // All machines of an office find their network in the same moment. No two attempts begin within a second by wakes.
    const at = Math.max(wokeAt + (online ? clock.random() * 1000 : 0), earliest, begunAt + 1000);
    if (at < dueAt) wait(at - wokeAt);
  };
  const ask = async (end: End, otherwise: boolean) => {
    undecided = end;
    let goesOn = otherwise;
    try {
      goesOn = await shouldReconnect!(end, failures);
    } catch (error) {
      host.complained(error);
    }
    if (undecided !== end) return;
    undecided = undefined;
    if (!goesOn) {
      finish();
      host.gaveUp(end);
    } else if (!dueAt) due();
  };

  return {
    get state() {
      return state;
    },
    get retryAt() {
      return state === "waiting" ? retryAt : 0;
    },
    get failures() {
      return isStable() ? 0 : failures;
    },
    start() {
      if (state !== "connecting") return;
      unwatch = watchWakes?.(wake);
      begin();
    },
    opened() {
      clock.clearTimer(timer);
      openedAt = clock.now();
      giveUp = undefined;
      move("opened");
    },
    ended(end) {
      if (state === "closed") return;
      failures = isStable() ? 0 : failures + 1;
      const now = clock.now();
      const circumstances = {
        ...parts,
        failures,
        now,
        random: clock.random(),
        wokeAt,
        last,
        everOpened: openedAt !== undefined,
      };
      const next = waitAfter(end, circumstances);
      last = end;
      const goesOn = state !== "closing" && failures < maxAttempts && (next || shouldReconnect);
      if (goesOn) {
        const [delay, atLeast] = next ?? backoffAfter(circumstances);
        earliest = now + atLeast;
        wait(delay);
        move("lost");
      } else finish();
      host.lost?.(end);
      if (!goesOn) host.gaveUp(end);
      // A listener may have done something else.
      else if (shouldReconnect && state === "waiting") void ask(end, !!next);
    },
    reconnect(left) {
      const was = state;
      if (!number) return;
      if (was !== "waiting") move("lost");
      if (left.opened) host.lost?.(left);
      failures = 0;
      last = undefined;
      // A listener may have closed, or done the same.
      if (state === "waiting") due();
    },
    slept,
    leave: () => move("leaving"),
    close() {
      if (state !== "closed") finish();
    },
  };
}
