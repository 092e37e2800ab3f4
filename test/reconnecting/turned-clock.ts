/** A clock that tests turn, chance that they fix, and sockets that do what tests say. */
import type { Clock } from "../../src/reconnecting/clock.ts";
import type { SocketData } from "../../src/reconnecting/message-queue.ts";
import {
  ReconnectingWebSocket,
  type ReconnectingWebSocketOptions,
  type SocketLike,
  type SocketSurroundings,
} from "../../src/reconnecting/reconnecting-websocket.ts";
import type { WakeListener } from "../../src/reconnecting/retry-triggers.ts";

interface Timer {
  readonly run: () => void;
  readonly at: number;
}

/** What a date is while the clock stands at 0. */
export const epoch = 1_000_000_000_000;

/** Everything that promises have still to do is done. */
export async function settled(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

/** See the head of this file. */
export class TurnedClock implements Clock {
  /** What `random` gives. */
  chance = 0.5;
  readonly #timers = new Set<Timer>();
  #now = 0;
  #shift = epoch;

  now(): number {
    return this.#now;
  }

  date(): number {
    return this.#now + this.#shift;
  }

  random(): number {
    return this.chance;
  }

  setTimer(run: () => void, delay: number, replaced: unknown): Timer {
    this.clearTimer(replaced);
    const timer = { run, at: this.#now + delay };
    this.#timers.add(timer);
    return timer;
  }

  clearTimer(timer: unknown): void {
    this.#timers.delete(timer as Timer);
  }

  /** How many timers are set. */
  get timers(): number {
    return this.#timers.size;
  }

  /** Lets time pass; each timer runs in its moment. */
  async turn(milliseconds: number): Promise<void> {
    const until = this.#now + milliseconds;
    await settled();
    for (;;) {
      const due = [...this.#timers].filter(({ at }) => at <= until).sort((one, other) => one.at - other.at)[0];
      if (due === undefined) break;
      this.#timers.delete(due);
      this.#now = Math.max(this.#now, due.at);
      due.run();
      await settled();
    }
    this.#now = until;
  }

  /** The machine sleeps: the date goes on, timers and the clock that never goes back do not. */
  sleep(milliseconds: number): void {
    this.#shift += milliseconds;
  }
}

/** A socket of a test. */
export class FakeSocket implements SocketLike {
  readyState = 0;
  bufferedAmount = 0;
  readonly extensions = "";
  protocol = "";
  binaryType: unknown = "blob";
  onopen: unknown = null;
  onmessage: unknown = null;
  onerror: unknown = null;
  onclose: unknown = null;
  readonly sent: SocketData[] = [];
  readonly url: string;
  readonly protocols: readonly string[];
  /** What `close` was called with. */
  closedWith: readonly unknown[] | undefined;

  constructor(url: string | URL, protocols: readonly string[]) {
    this.url = String(url);
    this.protocols = protocols;
  }

  send(data: SocketData): void {
    if (this.readyState === 1) this.sent.push(data);
  }

  close(...status: unknown[]): void {
    this.closedWith ??= status;
    if (this.readyState < 2) this.readyState = 2;
  }

  // What the server, or the network, does

  open(protocol = ""): void {
    if (this.readyState !== 0) return;
    this.readyState = 1;
    this.protocol = protocol;
    this.#tell(this.onopen, {});
  }

  message(data: unknown): void {
    this.#tell(this.onmessage, { data, origin: "ws://server" });
  }

  end(code = 1006, reason = "", error?: unknown): void {
    this.readyState = 3;
    if (code === 1006) this.#tell(this.onerror, { error });
    this.#tell(this.onclose, { code, reason, wasClean: code !== 1006 });
  }

  #tell(handler: unknown, event: object): void {
    if (typeof handler === "function") handler(event);
  }
}

/** A `ReconnectingWebSocket` on a turned clock, with all that it made and told. */
export interface Stage {
  readonly socket: ReconnectingWebSocket;
  readonly clock: TurnedClock;
  /** All that were dialled. */
  readonly dialled: FakeSocket[];
  /** A word for each event. */
  readonly told: string[];
  /** How many listen for wakes. */
  readonly watching: () => number;
  wake(online?: boolean): void;
  /** Lets the wait pass: the next attempt begins. */
  due(): Promise<void>;
  /** The socket that was dialled last. */
  last(): FakeSocket;
  /** Takes the words that were told since. */
  take(): string[];
}

/** What a stage is made of besides the options. */
export interface StageParts extends ReconnectingWebSocketOptions {
  readonly url?: ConstructorParameters<typeof ReconnectingWebSocket>[0];
  readonly protocols?: ConstructorParameters<typeof ReconnectingWebSocket>[1];
  readonly surroundings?: Partial<SocketSurroundings>;
}

/** Makes a socket that has not begun its first attempt. */
export function stage({ url = "ws://server/", protocols = [], surroundings = {}, ...options }: StageParts = {}): Stage {
  const clock = new TurnedClock();
  const dialled: FakeSocket[] = [];
  const listeners = new Set<WakeListener>();
  const told: string[] = [];
  const socket = new ReconnectingWebSocket(url, protocols, options, {
    clock,
    dial: async (_given, to, offered) => {
      const made = new FakeSocket(to, offered);
      dialled.push(made);
      return made;
    },
    watchWakes: (woken) => {
      listeners.add(woken);
      return () => void listeners.delete(woken);
    },
    ...surroundings,
  });
  socket.addEventListener("statechange", () => told.push(socket.state));
  socket.addEventListener("open", ({ prepared }) => told.push(prepared === undefined ? "open!" : `open! ${prepared}`));
  socket.addEventListener("message", ({ data }) => told.push(`message ${data}`));
  socket.addEventListener("error", ({ message }) => told.push(`error ${message}`.trim()));
  socket.addEventListener("close", ({ code, final }) => told.push(`close ${code}${final ? " final" : ""}`));
  socket.addEventListener("unsent", ({ data, reason }) => told.push(`unsent ${data} ${reason}`));
  return {
    ...{ socket, clock, dialled, told, watching: () => listeners.size },
    wake: (online = false) => {
      for (const listener of listeners) listener(online);
    },
    due: () => clock.turn(Math.ceil(socket.retryAt - clock.date())),
    last: () => dialled.at(-1)!,
    take: () => told.splice(0),
  };
}

/** A stage whose first connection is open. */
export async function openStage(parts: StageParts = {}): Promise<Stage> {
  const made = stage(parts);
  await settled();
  made.last().open();
  await settled();
  made.take();
  return made;
}
