/**
 * Notices a connection that is silent, in words of the application, since pages cannot ping.
 *
 * Every message that comes counts, not the reply alone. Timers are set anew from each message and never from one another,
 * since a hidden page may have those only once a minute; a late one asks again instead of judging.
 */

import { type Clock, sleptPast } from "./clock.ts";
import { withDefaults } from "./policy/with-defaults.ts";

/** When a silent connection is asked, and when it is given up; times in milliseconds. */
export interface HeartbeatOptions {
  /** Sent after `interval` without a message. Without it nothing is sent, and silence alone counts. */
  readonly message?: string;
  /** What the server answers to it; such a message is not delivered. */
  readonly reply?: string;
  /** Default 25 s. */
  readonly interval?: number;
  /** How long after `interval` the connection is lost if still no message came. Default 10 s. */
  readonly timeout?: number;
}

/** What a heartbeat is of. */
export interface HeartbeatParts {
  readonly clock: Clock;
  send(message: string): void;
  /** The connection is silent. */
  silent(): void;
  /** A timer was so late that this machine must have slept. */
  slept(): void;
}

/** The heartbeat of one connection at a time. */
export interface Heartbeat {
  /** The connection is open, or a message came; whether it is the reply, which is not the application's. */
  received(data?: unknown): boolean;
  /** Asks at once: this machine woke. */
  beat(): void;
  /** The connection is over, or left. */
  stop(): void;
}

/** Makes a heartbeat that begins with `received`; throws a RangeError for a time that cannot be. */
export function makeHeartbeat(options: HeartbeatOptions, { clock, send, silent, slept }: HeartbeatParts): Heartbeat {
  const defaults = { interval: 25_000, timeout: 10_000 };
  const { message, reply, interval, timeout } = withDefaults(options, defaults);
  let timer: unknown;
  const after = (delay: number, run: (late: boolean) => void) => {
    const due = clock.date() + delay;
    const expire = () => {
      const late = sleptPast(clock, due);
      if (late) slept();
      run(late);
    };
    timer = clock.setTimer(expire, delay, timer);
  };
  const beat = () => {
    if (message !== undefined) send(message);
    after(timeout, (late) => (late ? beat() : silent()));
  };
  return {
    received(data) {
      after(interval, beat);
      return data !== undefined && data === reply;
    },
    beat,
    stop: () => clock.clearTimer(timer),
  };
}
