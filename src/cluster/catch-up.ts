/**
 * Brings one subscriber that says where it was to where its node is.
 */

import type { Gap } from "../topics/subscription.ts";
import { realTime } from "../transport/clock.ts";
import type { Broker } from "./broker/broker.ts";
import type { Entry, LogPage, LogPosition } from "./broker/entry.ts";
import { type ClusterTopic, pageSize } from "./node/cluster-topic.ts";
import { inTime } from "./node/in-time.ts";
import { Replay, type ReplayState } from "./node/replay.ts";
import type { Turns } from "./node/turns.ts";

/** Who catches up. */
export interface CatchingUp {
  /** Whether it is still there. */
  isOver(): boolean;
  /** It is known where it begins; called once, before all others. */
  begins?(position: LogPosition): void;
  deliver(entry: Entry): void;
  gap(reason: Gap["reason"], position: LogPosition): void;
  /** Resolves when it may be given more. */
  ready(): Promise<void> | undefined;
  /** It has all that its node has, and reads on with the others from now on. */
  level(): void;
}

/** What catching up takes of a cluster. */
export interface CatchUpParts {
  readonly broker: Broker;
  readonly fills: Turns;
  readonly maxReplay: number;
  readonly maxReplaySize: number;
  readonly resumeTimeout: number;
  /** Reads that are under way, so that many who were at the same place share one. */
  readonly pages: Map<string, Promise<LogPage>>;
}

/** After how many milliseconds what could not be read is read again. */
const retryDelay = 100;

/** Delivers what was missed, until it is level or over. Never rejects. */
export async function catchUp(
  topic: ClusterTopic,
  since: LogPosition | { readonly last: number },
  subscriber: CatchingUp,
  parts: CatchUpParts,
): Promise<void> {
  let until = realTime.now() + parts.resumeTimeout;
  let count = 0;
  let size = 0;
  /** Whether an entry was more than it may be sent. */
  let isTooMuch = false;
  const owner = {
    deliver: (entry: Entry) => {
      isTooMuch ||= count >= parts.maxReplay || size >= parts.maxReplaySize;
      if (isTooMuch) return;
      count++;
      size += entry.payload.length;
      subscriber.deliver(entry);
    },
    gap: (reason: Gap["reason"]) => subscriber.gap(reason, replay!.position),
  };
  let replay: Replay | undefined;
  let isTold = false;
  while (!subscriber.isOver()) {
    const before = count;
    const state = await step();
    if (count > before) until = realTime.now() + parts.resumeTimeout;
    if (subscriber.isOver()) return;
    if (isTooMuch) return giveUp("too-many");
    if (state === "level") return;
    if (realTime.now() > until) {
      if (topic.reader!.position) return giveUp("unavailable");
      // Nobody here reads the topic yet, so nothing comes from now on: it is told, and gets what it missed when it can be read.
      if (!isTold) tell("unavailable");
      isTold = true;
      until = realTime.now() + parts.resumeTimeout;
    }
    await subscriber.ready();
  }

  async function step(): Promise<ReplayState> {
    const at = topic.reader!.position;
    // It is told when there is one: thousands that come back at once do not look again and again.
    if (at === undefined) return wait(Math.max(retryDelay, until - realTime.now()));
    try {
      if (replay === undefined) {
        replay = new Replay("last" in since ? await startOf(since.last) : since, owner);
        if (subscriber.isOver()) return "wait";
        subscriber.begins?.(replay.position);
      }
      return await advance(replay);
    } catch {
      // The broker cannot be asked; the topic itself says so, and goes on trying.
      return wait();
    }
  }

  async function advance(own: Replay): Promise<ReplayState> {
    let state = own.advance(topic.reader!.position!, topic.recent);
    if (state === "page") {
      const page = await read(own.position);
      if (subscriber.isOver()) return "wait";
      state = own.page(page, topic.reader!.position!);
      // Where the node and the log differ, the node has to look itself.
      if (state !== "level") topic.checked({ epoch: page.epoch, offset: page.last });
    }
    if (state === "level" && !isTooMuch) subscriber.level();
    return state === "wait" ? wait() : state;
  }

  async function wait(longest = retryDelay): Promise<"wait"> {
    await new Promise<void>((resolve) => {
      const cancel = realTime.after(longest, resolve, true);
      void topic.moved.then(() => {
        cancel();
        resolve();
      });
    });
    return "wait";
  }

  function read(position: LogPosition): Promise<LogPage> {
    const key = `${position.epoch} ${position.offset} ${topic.name}`;
    let page = parts.pages.get(key);
    if (page === undefined) {
      page = parts.fills
        .take(() => parts.broker.history!(topic.name, position, pageSize))
        .finally(() => parts.pages.delete(key));
      parts.pages.set(key, page);
    }
    return soon(page);
  }

  /** A broker that hangs is not waited for longer than the subscriber is. */
  function soon<Answer>(call: Promise<Answer>): Promise<Answer> {
    return inTime(call, Math.max(0, until - realTime.now()));
  }

  async function startOf(last: number): Promise<LogPosition> {
    const page = await soon(parts.fills.take(() => parts.broker.history!(topic.name, undefined, last)));
    return { epoch: page.epoch, offset: page.entries[0]?.prev ?? page.last };
  }

  function giveUp(reason: Gap["reason"]): void {
    tell(reason);
    subscriber.level();
  }

  function tell(reason: Gap["reason"]): void {
    const at = topic.reader!.position ?? ("last" in since ? { epoch: "-", offset: 0 } : since);
    if (replay === undefined) subscriber.begins?.(at);
    subscriber.gap(reason, at);
  }
}
