/**
 * The three ways to follow one feed, each as plain as its kind allows. A reader calls `take` with what came and is done
 * when it has had event number `total`, or when it is told to stop.
 */
import type { FeedEvent, Mode } from "../../server/messages.ts";
import { socketUrl } from "../parts/format.ts";

/** What a reader is told: which run, how far it goes, how often to poll, and where events go. */
export interface Reading {
  readonly run: string;
  readonly total: number;
  /** Milliseconds between two short polls. */
  readonly every: number;
  readonly take: (events: readonly FeedEvent[]) => void;
  readonly signal: AbortSignal;
}

/** The readers by mode; each rejects when the server answers with anything else, or goes away. */
export const READERS: Readonly<Record<Mode, (reading: Reading) => Promise<void>>> = {
  short: shortPoll,
  long: longPoll,
  socket: follow,
};

/** Asks at fixed times whether there is something new. */
async function shortPoll(reading: Reading): Promise<void> {
  const began = performance.now();
  let seen = 0;
  for (let turn = 1; seen < reading.total && !reading.signal.aborted; turn += 1) {
    seen = await poll("short", seen, reading);
    const missed = Math.floor((performance.now() - began) / reading.every);
    turn = Math.max(turn, missed);
    if (seen < reading.total) await pause(began + turn * reading.every - performance.now(), reading.signal);
  }
}

/** Asks, waits until there is something new, asks again at once. */
async function longPoll(reading: Reading): Promise<void> {
  let seen = 0;
  while (seen < reading.total && !reading.signal.aborted) seen = await poll("long", seen, reading);
}

/** Connects once and listens. */
function follow({ run, total, take, signal }: Reading): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(socketUrl(`/compare/${run}/socket`));
    let seen = 0;
    const stop = (): void => socket.close();
    signal.addEventListener("abort", stop);
    socket.onmessage = (message: MessageEvent<string>) => {
      const event = JSON.parse(message.data) as FeedEvent;
      seen = event.seq;
      take([event]);
      if (seen >= total) socket.close();
    };
    socket.onclose = () => {
      signal.removeEventListener("abort", stop);
      if (seen >= total || signal.aborted) resolve();
      else reject(new Error("The WebSocket was closed before the feed ended"));
    };
  });
}

/** One request; the number of the last event seen after it. */
async function poll(mode: "short" | "long", seen: number, reading: Reading): Promise<number> {
  try {
    const answer = await fetch(`/compare/${reading.run}/${mode}?after=${seen}`, { signal: reading.signal });
    if (answer.status === 204) return seen;
    if (!answer.ok) throw new Error(`The server answered ${answer.status}`);
    const events = (await answer.json()) as FeedEvent[];
    reading.take(events);
    return events.at(-1)?.seq ?? seen;
  } catch (error) {
    if (reading.signal.aborted) return seen;
    throw error;
  }
}

function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, Math.max(0, milliseconds));
    signal.addEventListener("abort", done);
    function done(): void {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    }
  });
}
