/**
 * Runs the comparison: the modes one after another (or at once), the server's figures read four times a second, each
 * event's way timed from the server's clock to the frame that shows it.
 */
import type { FeedEvent, Figures, Mode } from "../../server/messages.ts";
import { MODES } from "../../server/messages.ts";
import type { ClockOffset, Control } from "./control.ts";
import { pageTime } from "./control.ts";
import { READERS } from "./readers.ts";
import type { Result, Results } from "./statistics.ts";

/** What the reader of the page chose. */
export interface Settings {
  /** Events a second, and for how many seconds. */
  readonly rate: number;
  readonly seconds: number;
  /** Short polls for each event. */
  readonly polls: number;
  readonly order: "after" | "once";
}

/** Bytes so far in each mode, on a common grid of time. */
export interface Curves {
  readonly seconds: readonly number[];
  readonly bytes: Readonly<Record<Mode, readonly (number | null)[]>>;
}

/** Everything the view shows; replaced, never changed. */
export interface Progress {
  readonly running: readonly Mode[];
  readonly results: Results;
  readonly curves: Curves;
  readonly last: Readonly<Partial<Record<Mode, FeedEvent>>>;
  readonly clock: ClockOffset | undefined;
  /** Milliseconds of CPU a second the server uses when no mode runs. */
  readonly idleCpu: number | undefined;
  /** The page was hidden during the run: frames stood still, so latencies say nothing. */
  readonly hidden: boolean;
}

const TICK = 250;
const IDLE = 1000;
const WARM_UP_RATE = 20;

/** Nothing yet. */
export const NOTHING: Progress = {
  running: [],
  results: {},
  curves: { seconds: [], bytes: { short: [], long: [], socket: [] } },
  last: {},
  clock: undefined,
  idleCpu: undefined,
  hidden: false,
};

/** One comparison, from the start to the end or to `signal`; `show` gets each step. Rejects when the server is lost. */
export async function compare(
  control: Control,
  { settings, signal, show }: { settings: Settings; signal: AbortSignal; show: (progress: Progress) => void },
): Promise<void> {
  const session = new Session(settings, control, show);
  try {
    await session.prepare(signal);
    const turns: readonly (readonly Mode[])[] = settings.order === "once" ? [MODES] : MODES.map((mode) => [mode]);
    for (const modes of turns) if (!signal.aborted) await session.turn(modes, signal);
  } finally {
    session.finish();
  }
}

class Session {
  readonly #settings: Settings;
  readonly #control: Control;
  readonly #show: (progress: Progress) => void;
  readonly #latencies: Record<Mode, number[]> = { short: [], long: [], socket: [] };
  readonly #events: Record<Mode, number> = { short: 0, long: 0, socket: 0 };
  readonly #noteHidden = (): void => {
    if (document.hidden) this.#set({ hidden: true });
  };
  #progress: Progress;

  constructor(settings: Settings, control: Control, show: (progress: Progress) => void) {
    this.#settings = settings;
    this.#control = control;
    this.#show = show;
    const slots = Math.ceil((settings.seconds * 1000) / TICK) + 1;
    const seconds = Array.from({ length: slots }, (_, slot) => (slot * TICK) / 1000);
    const empty = (): null[] => new Array<null>(slots).fill(null);
    const bytes = { short: empty(), long: empty(), socket: empty() };
    this.#progress = { ...NOTHING, hidden: document.hidden, curves: { seconds, bytes } };
    document.addEventListener("visibilitychange", this.#noteHidden);
  }

  /** A second of all modes that counts for none, the clocks, and what the server's process uses when nothing runs. */
  async prepare(signal: AbortSignal): Promise<void> {
    const { run, total } = await this.#control.start(WARM_UP_RATE, 1);
    const every = 1000 / WARM_UP_RATE;
    const take = (): void => undefined;
    await Promise.all(MODES.map((mode) => READERS[mode]({ run, total, every, take, signal })));
    this.#set({ clock: await this.#control.clock() });
    await this.#control.start(1, 1);
    const before = await this.#control.figures();
    await new Promise((resolve) => setTimeout(resolve, IDLE));
    const after = await this.#control.stop();
    this.#set({ idleCpu: ((after.cpu - before.cpu) * 1000) / (after.at - before.at) });
  }

  /** Runs `modes` at once on one feed. */
  async turn(modes: readonly Mode[], outer: AbortSignal): Promise<void> {
    const { rate, seconds, polls } = this.#settings;
    const { run, total } = await this.#control.start(rate, seconds);
    const failed = new AbortController();
    const late = AbortSignal.timeout((seconds + 10) * 1000);
    const signal = AbortSignal.any([outer, failed.signal, late]);
    const first = await this.#control.figures();
    const began = performance.now();
    const { seconds: grid, bytes } = this.#progress.curves;
    const begun = Object.fromEntries(modes.map((mode) => [mode, bytes[mode].with(0, 0)]));
    this.#set({ running: modes, curves: { seconds: grid, bytes: { ...bytes, ...begun } } });
    const every = 1000 / (rate * polls);
    const readers = modes.map((mode) => {
      const take = (events: readonly FeedEvent[]): void => this.#take(mode, events);
      return READERS[mode]({ run, total, every, take, signal });
    });
    let done = false;
    const all = Promise.all(readers).finally(() => {
      done = true;
    });
    const watch = async (): Promise<void> => {
      for (let tick = 1; !done; tick += 1) {
        await Promise.race([
          all,
          new Promise((resolve) => setTimeout(resolve, began + tick * TICK - performance.now())),
        ]);
        this.#note(modes, first, await this.#control.figures(), (performance.now() - began) / 1000);
      }
    };
    try {
      await Promise.all([all, watch()]);
      await nextFrame();
    } finally {
      failed.abort();
    }
    this.#note(modes, first, await this.#control.stop(), (performance.now() - began) / 1000);
    if (late.aborted && !outer.aborted) throw new Error("The feed took ten seconds longer than it should");
  }

  finish(): void {
    document.removeEventListener("visibilitychange", this.#noteHidden);
    this.#set({ running: [] });
  }

  /** An event is on screen when the frame after its arrival has been handed over. */
  #take(mode: Mode, events: readonly FeedEvent[]): void {
    const newest = events.at(-1);
    if (newest === undefined) return;
    this.#events[mode] += events.length;
    this.#set({ last: { ...this.#progress.last, [mode]: newest } });
    void nextFrame().then(() => {
      const shown = pageTime() + (this.#progress.clock?.offset ?? 0);
      for (const event of events) this.#latencies[mode][event.seq - 1] = shown - event.at;
    });
  }

  #note(modes: readonly Mode[], first: Figures, now: Figures, elapsed: number): void {
    const results: Partial<Record<Mode, Result>> = { ...this.#progress.results };
    const { seconds, bytes } = this.#progress.curves;
    const grown = { ...bytes };
    const slot = Math.min(Math.max(1, Math.round((elapsed * 1000) / TICK)), seconds.length - 1);
    for (const mode of modes) {
      const tally = now.tallies[mode];
      const cpu = modes.length === 1 ? now.cpu - first.cpu : undefined;
      const latencies = this.#latencies[mode].filter((one) => one !== undefined);
      results[mode] = { tally, events: this.#events[mode], latencies, cpu };
      grown[mode] = bytes[mode].with(slot, tally.bytesIn + tally.bytesOut);
    }
    this.#set({ results, curves: { seconds, bytes: grown } });
  }

  #set(change: Partial<Progress>): void {
    this.#progress = { ...this.#progress, ...change };
    this.#show(this.#progress);
  }
}

/** Resolves in the first task after the next frame's callbacks, when what was changed has been drawn; a hidden page has no frames. */
function nextFrame(): Promise<void> {
  if (document.hidden) return Promise.resolve();
  return new Promise((resolve) => {
    requestAnimationFrame(() => {
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = () => {
        port1.close();
        resolve();
      };
      port2.postMessage(undefined);
    });
  });
}
