/**
 * Reads a piece of a topic's log from its stream, and tells what came before it.
 *
 * A stream removes messages from the oldest on: the ones beyond the size of the log, of which one more is kept than is
 * handed out, and those that are too old, in the order of their numbers. So a message that is missing while older ones of
 * its topic are there, or while the stream's oldest is older, was lost.
 */

import type { HistoryRule } from "../broker/broker.ts";
import { ClusterError } from "../broker/cluster-error.ts";
import { continuityOf, type Entry, type LogPage, type LogPosition } from "../broker/entry.ts";
import type { LogStream } from "./log-stream.ts";
import { epochOf, isOfStream, type Mark, type StoredMessage } from "./stored-message.ts";

/** What to read. */
export interface Reading {
  readonly token: string;
  readonly history: HistoryRule;
  readonly since: LogPosition | undefined;
  readonly limit: number;
  /** The offset that the log ended with, where nothing of it is there for its age alone. */
  oldEnd(mark: Mark | undefined): number | undefined;
}

/** A page, and the end of the log where it was read as well. */
export interface ReadPage extends LogPage {
  readonly mark: Mark | undefined;
  readonly newest: StoredMessage | undefined;
}

/** Stands for a position in another log. */
const elsewhere: LogPosition = { epoch: "", offset: 0 };
/** How often a log is read again that changes while it is read. */
const mostTries = 20;

/** Reads an end: with a limit of 0, or for the newest mark and message. */
export function endPage(
  stream: LogStream,
  reading: Reading,
  found: { mark: Mark | undefined; newest: StoredMessage | undefined },
): ReadPage {
  const { mark } = found;
  const newest = found.newest && found.newest.sequence > (mark?.from ?? 0) ? found.newest : undefined;
  const last = newest?.offset ?? reading.oldEnd(mark) ?? 0;
  return { epoch: epochOf({ nonce: stream.nonce, mark }), last, entries: [], mark, newest };
}

/** Reads a page. Rejects with a `ClusterError`. */
export async function readPage(stream: LogStream, reading: Reading): Promise<ReadPage> {
  const { token, limit } = reading;
  if (limit === 0) {
    // The mark is read behind the message: a message behind it is of its epoch.
    const [newest, mark] = await Promise.all([stream.newest(token), stream.mark(token)]);
    return endPage(stream, reading, { mark, newest });
  }
  let { since } = reading;
  if (since && !isOfStream(since.epoch, stream.nonce)) since = elsewhere;
  let isCertain = !stream.isReplicated;
  for (let tries = 0; tries < mostTries; tries++) {
    const page = await tryPage(stream, reading, since);
    if (page === "changed") continue;
    if (!isCertain && since && (page === "other epoch" || continuityOf(page, since) === "fork")) {
      // A leader of replicas may not know yet what another one has acknowledged.
      await stream.markStart({ anew: true });
      isCertain = true;
    } else if (page === "other epoch") since = elsewhere;
    else return page;
  }
  throw new ClusterError("unavailable", "NATS: the log changes faster than it can be read");
}

async function tryPage(
  stream: LogStream,
  reading: Reading,
  since: LogPosition | undefined,
): Promise<ReadPage | "other epoch" | "changed"> {
  const { token, limit, history } = reading;
  const start = since?.offset ? stream.offsets.sequenceOf(since.offset) : 1;
  // One more than is asked for in front, which is there to tell what came before, and one behind, to see whether more is there.
  const wanted = since === undefined ? stream.names.size + 1 : limit + 2;
  const found = await stream.from(token, start, wanted);
  const [still, mark] = await Promise.all([found[0] && stream.at(found[0].sequence), stream.mark(token)]);
  const epoch = epochOf({ nonce: stream.nonce, mark });
  if (since !== undefined && since.epoch !== epoch && start > 1) return "other epoch";
  // Messages go from the oldest on: where the first one is still there, none behind it has gone meanwhile.
  if (still?.offset !== found[0]?.offset) return "changed";
  const messages = found.filter(({ sequence }) => sequence > (mark?.from ?? 0));
  const here = since?.epoch === epoch && since.offset > 0 ? since : undefined;
  const before = await precedingOf(stream, reading, { since: here, messages, mark });
  const served = before.isFirst ? messages.slice(1) : messages;
  const isCut = found.length === wanted;
  const newest = isCut ? await stream.newest(token) : messages.at(-1);
  const last = newest?.offset ?? before.offset;
  const isOver = newest?.time !== undefined && newest.time + history.maxAge < stream.now;
  const entries = isOver ? [] : chain(served, epoch, before.offset);
  const page = since === undefined ? entries.slice(-limit) : entries.slice(0, limit);
  return { epoch, last, entries: page, mark, newest };
}

interface Preceding {
  /** The offset that comes before what is handed out. */
  readonly offset: number;
  /** Whether it is that of the first message found, which is then not handed out. */
  readonly isFirst: boolean;
}

/** What came before the messages that were found, from `since` on, or from the start of the log where that is undefined. */
async function precedingOf(
  stream: LogStream,
  { token, history, oldEnd }: Reading,
  {
    since,
    messages,
    mark,
  }: { since: LogPosition | undefined; messages: readonly StoredMessage[]; mark: Mark | undefined },
): Promise<Preceding> {
  const [first] = messages;
  if (since && first?.offset === since.offset) return { offset: since.offset, isFirst: true };
  if (first === undefined && since === undefined) return { offset: oldEnd(mark) ?? 0, isFirst: false };
  const [oldest, { count, firstSequence }] = await Promise.all([stream.oldest(token), stream.info(token)]);
  const at = since === undefined ? 0 : stream.offsets.sequenceOf(since.offset);
  const nothing = { offset: 0, isFirst: false };
  // Something older is there, or another in its place; or what is left of the epoch before.
  if (oldest && oldest.sequence <= Math.max(at, mark?.from ?? 0)) return nothing;
  if (first && count > history.size) return { offset: first.offset, isFirst: true };
  if (since === undefined || firstSequence <= at) return nothing;
  // It was too old.
  const isEnd = oldEnd(mark) === since.offset;
  return { offset: isEnd ? since.offset : stream.offsets.behind(firstSequence - 1), isFirst: false };
}

function chain(messages: readonly StoredMessage[], epoch: string, before: number): Entry[] {
  let prev = before;
  return messages.map(({ offset, id, payload }) => {
    const entry = { epoch, prev, offset, id, payload };
    prev = offset;
    return entry;
  });
}
