/**
 * One whole message through zlib by the public API alone: at once for a small one, in the thread pool for a large one.
 *
 * Nothing is kept between messages; a window that is carried over comes in as `history`. Large messages go piece by
 * piece, first come first served, so that none holds up the others for longer than a piece takes (RFC 7692 section
 * 7.2).
 */
import { availableParallelism } from "node:os";
import {
  constants,
  createDeflateRaw,
  createInflateRaw,
  type DeflateRaw,
  deflateRawSync,
  type InflateRaw,
  inflateRawSync,
} from "node:zlib";
import { freeMemory } from "../../protocol/messages/free-memory.ts";
import { poolJobBegins, poolJobEnds } from "../process-wide/pool-jobs.ts";
import { copyToSlab } from "./copy-to-slab.ts";
import type { ContextShape } from "./zlib-context.ts";
import { blocksAhead, storedBlocks, withHistory } from "./zlib-history.ts";

/**
 * The outcome of inflating a message: its bytes in memory of their own, or the name of the broken rule;
 * `inflate-failed` when zlib has no memory.
 */
export type InflateOutcome = Uint8Array | "message-too-big" | "invalid-deflate-data" | "inflate-failed";

/** The end of every message, which its sender took off: the rest of an empty stored block. */
export const removedTail: Uint8Array = Uint8Array.of(0x00, 0x00, 0xff, 0xff);

/**
 * The tail, an empty final block, and a byte beyond it: zlib leaves exactly that byte unread if the message was whole.
 */
export const finalTail: Uint8Array = Uint8Array.of(...removedTail, 0x01, 0x00, 0x00, 0xff, 0xff, 0x00);

/** Compresses at once; the trailing `00 00 ff ff` is taken off. */
export function deflateSync(shape: ContextShape, payload: Uint8Array, history: Uint8Array): Uint8Array {
  try {
    const options = { ...withHistory(shape.options, history), finishFlush: constants.Z_SYNC_FLUSH };
    return copyToSlab(deflateRawSync(payload, options).subarray(0, -removedTail.length));
  } catch {
    return uncompressed(payload);
  }
}

/**
 * Inflates at once; `undefined` when the message needs `inflateAsync`: it is longer than `most`, has blocks after a
 * final one, or ends in bytes that are those of the tail and so may not be its own.
 */
export function inflateSync(
  shape: ContextShape,
  payload: Uint8Array,
  history: Uint8Array,
  limit: number,
  most: number,
): InflateOutcome | undefined {
  const ahead = blocksAhead(history);
  const begin = ahead.length === 0 ? 0 : history.length;
  const maxOutputLength = begin + Math.max(1, Math.min(limit, most));
  try {
    const input = Buffer.concat([ahead, payload, finalTail]);
    const options = { ...withHistory(shape.options, history), maxOutputLength, info: true };
    const { buffer: whole, engine } = inflateRawSync(input, options) as unknown as InflatedWithEngine;
    const buffer = whole.subarray(begin);
    if (engine?.bytesWritten !== input.length - 1 || buffer.subarray(-4).equals(removedTail)) return undefined;
    return buffer.length > limit ? "message-too-big" : new Uint8Array(buffer);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ERR_BUFFER_TOO_LARGE") return outcomeOf(error);
    return limit > most ? undefined : "message-too-big";
  }
}

/** The result of the one-shot functions with the option `info`. */
interface InflatedWithEngine {
  readonly buffer: Buffer;
  readonly engine?: { readonly bytesWritten: number };
}

/**
 * Compresses in the thread pool; the trailing `00 00 ff ff` is taken off. The payload is read until the promise
 * resolves.
 */
export async function deflateAsync(shape: ContextShape, payload: Uint8Array, history: Uint8Array): Promise<Uint8Array> {
  poolJobBegins();
  await messages.enter();
  try {
    const output = new Output(Number.POSITIVE_INFINITY);
    const job = new StreamJob(createDeflateRaw({ ...withHistory(shape.options, history), chunkSize }), output);
    for (let start = 0; start < payload.length && !job.over; start += deflatePiece) {
      await job.write(payload.subarray(start, start + deflatePiece));
    }
    await job.flush();
    job.close();
    return job.failed ? uncompressed(payload) : output.join(removedTail.length);
  } catch {
    return uncompressed(payload);
  } finally {
    messages.leave();
    poolJobEnds();
  }
}

/** A message that is being inflated: whether it is to become a string; how far it has come, and the way to stop it. */
export class Inflation {
  /** Whether a string will do, where one is as near as bytes. */
  readonly asText: boolean;
  /** Bytes put out so far. */
  length = 0;
  /** Called when there are more. */
  readonly grew: () => void;
  /** Set while there is output to let go of. */
  stop: (() => void) | undefined;

  constructor(grew: () => void = () => {}, asText = false) {
    this.grew = grew;
    this.asText = asText;
  }

  /** The message is not wanted any more: its memory is free at once, and its outcome says nothing. */
  cancel(): void {
    this.length = 0;
    this.stop?.();
  }
}

/**
 * Inflates in the thread pool, stopping at the first piece of output beyond `limit`. A final block ends neither the
 * message nor the window (RFC 7692 section 7.2.3.4): a new context goes on with what the old one had put out.
 */
export async function inflateAsync(
  shape: ContextShape,
  payload: Uint8Array,
  history: Uint8Array,
  limit: number,
  inflation: Inflation = new Inflation(),
): Promise<InflateOutcome> {
  poolJobBegins();
  await messages.enter();
  const output = new Output(limit, inflation);
  try {
    let rest = payload;
    for (let blocks = 0; blocks <= mostFinalBlocks; blocks++) {
      const window = blocks === 0 ? history : output.last(largestWindow, history);
      const job = new StreamJob(createInflateRaw({ ...withHistory(shape.options, window), chunkSize }), output);
      await job.feedAhead(blocksAhead(window), window.length);
      const end = await inflateStream(job, rest, output);
      job.close();
      if (output.stopped) return "inflate-failed";
      if (output.exceeded) return "message-too-big";
      if (end === "whole") return output.join(0);
      if (end === "invalid") return job.failed ? outcomeOf(job.error) : "invalid-deflate-data";
      rest = rest.subarray(end);
    }
    return "invalid-deflate-data";
  } catch (error) {
    return outcomeOf(error);
  } finally {
    messages.leave();
    poolJobEnds();
  }
}

/** The outcome that zlib's error stands for: only some errors are about the data. */
function outcomeOf(error: unknown): "invalid-deflate-data" | "inflate-failed" {
  return aboutData.has((error as NodeJS.ErrnoException).code) ? "invalid-deflate-data" : "inflate-failed";
}

const aboutData: ReadonlySet<string | undefined> = new Set(["Z_DATA_ERROR", "Z_BUF_ERROR", "Z_NEED_DICT"]);

/**
 * Feeds one context until the payload or the DEFLATE stream ends; a number is where in the payload a final block ended.
 */
async function inflateStream(
  job: StreamJob,
  payload: Uint8Array,
  output: Output,
): Promise<"whole" | "invalid" | number> {
  for (let start = 0; start < payload.length && !job.over; start += inflatePiece) {
    await job.write(payload.subarray(start, start + inflatePiece));
  }
  if (!job.over) {
    const lengthBefore = output.length;
    await job.write(finalTail);
    const read = job.bytesRead - payload.length;
    // With the tail alone the stream ends where the block that it belongs to is a final one.
    const ended = read === finalTail.length - 1 || read === removedTail.length;
    if (!job.failed && ended && output.length === lengthBefore) return "whole";
    if (read >= 0) return "invalid";
  }
  return job.failed ? "invalid" : job.bytesRead;
}

/** What is left when zlib has no memory: the payload as it is, and the empty block's header that ends each message. */
function uncompressed(payload: Uint8Array): Uint8Array {
  return copyToSlab(Buffer.concat([storedBlocks(payload), Uint8Array.of(0x00)]));
}

/** Bytes fed to a thread at a time. Inflating may multiply them by 1032, so its pieces are smaller. */
const deflatePiece = 64 * 1024;
const inflatePiece = 16 * 1024;
const chunkSize = 64 * 1024;

const largestWindow = 32 * 1024;

/** A final block costs a new context, and takes 10 bits to send. Senders that make them at all make one a message. */
const mostFinalBlocks = 256;

/** Lets a number of tasks in at a time, first come first served. */
class Turnstile {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(places: number) {
    this.#free = places;
  }

  enter(): Promise<void> {
    if (this.#free > 0) {
      this.#free--;
      return Promise.resolve();
    }
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  leave(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free++;
    else next();
  }
}

/** Messages that have a context, and pieces of them that are with a thread: both bound zlib's memory. */
const messages = new Turnstile(64);
const pieces = new Turnstile(2 * availableParallelism());

/** The pieces of a message's output, as long as they stay within the limit and are wanted. */
class Output {
  length = 0;
  /** Set when the output is not wanted any more. */
  stopped = false;
  /** Closes the stream that writes here. */
  close: (() => void) | undefined;
  readonly #limit: number;
  readonly #inflation: Inflation | undefined;
  #parts: Uint8Array[] = [];

  constructor(limit: number, inflation?: Inflation) {
    this.#limit = limit;
    this.#inflation = inflation;
    if (inflation === undefined) return;
    inflation.stop = () => {
      this.stopped = true;
      this.#free();
      this.close?.();
    };
  }

  get exceeded(): boolean {
    return this.length > this.#limit;
  }

  /** Adds a piece; false when no other is wanted. */
  add(part: Uint8Array): boolean {
    this.length += part.length;
    this.#parts.push(part);
    if (this.#inflation !== undefined && !this.stopped) {
      this.#inflation.length = this.length;
      this.#inflation.grew();
    }
    const goesOn = !this.exceeded && !this.stopped;
    if (!goesOn) this.#free();
    return goesOn;
  }

  /**
   * A part that fills its buffer has it alone; with many messages at once, the collector would come too late (fault
   * A02).
   */
  #free(): void {
    for (const part of this.#parts) if (part.length === part.buffer.byteLength) freeMemory(part);
    this.#parts = [];
  }

  /** The last `most` bytes of `before` and the output taken together. */
  last(most: number, before: Uint8Array): Uint8Array {
    const all = [before, ...this.#parts];
    let first = all.length;
    let length = 0;
    while (first > 0 && length < most) length += all[--first]!.length;
    return Buffer.concat(all.slice(first)).subarray(-most);
  }

  /** All bytes but the last `without`. */
  join(without: number): Uint8Array {
    const bytes = new Uint8Array(this.length);
    let end = 0;
    for (const part of this.#parts) {
      bytes.set(part, end);
      end += part.length;
    }
    this.#free();
    return bytes.subarray(0, this.length - without);
  }
}

/** A zlib stream that is fed one piece at a time and whose events set flags instead of escaping. */
class StreamJob {
  /** The stream takes no more: its DEFLATE data ended, it failed, or the output went over its limit. */
  over = false;
  /** The error that the stream failed with; undefined while it has not. */
  error: unknown;
  readonly #stream: DeflateRaw | InflateRaw;
  /** Bytes that were fed ahead, and those of the next output that are theirs. */
  #ahead = 0;
  #notOutput = 0;
  #wake: () => void = () => {};

  constructor(stream: DeflateRaw | InflateRaw, output: Output) {
    this.#stream = stream;
    output.close = () => this.close();
    stream.on("data", (part: Buffer) => {
      const skipped = Math.min(this.#notOutput, part.length);
      this.#notOutput -= skipped;
      if (skipped < part.length && !output.add(part.subarray(skipped))) this.close();
    });
    stream.on("error", (error) => {
      this.error = error;
      this.#end();
    });
    stream.on("end", () => this.#end());
    stream.on("close", () => this.#end());
  }

  get failed(): boolean {
    return this.error !== undefined;
  }

  /** Bytes of the input that were looked at, without those that were fed ahead. */
  get bytesRead(): number {
    return this.#stream.bytesWritten - this.#ahead;
  }

  /** Feeds what comes ahead of the message, whose output of that length is nobody's. */
  async feedAhead(blocks: Uint8Array, length: number): Promise<void> {
    if (blocks.length === 0) return;
    this.#ahead = blocks.length;
    this.#notOutput = length;
    await this.write(blocks);
  }

  write(piece: Uint8Array): Promise<void> {
    return this.#run((done) => this.#stream.write(piece, done));
  }

  flush(): Promise<void> {
    return this.#run((done) => this.#stream.flush(constants.Z_SYNC_FLUSH, done));
  }

  close(): void {
    this.#stream.destroy();
  }

  async #run(start: (done: () => void) => void): Promise<void> {
    await pieces.enter();
    try {
      if (this.over) return;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        start(resolve);
      });
    } finally {
      pieces.leave();
    }
  }

  #end(): void {
    this.over = true;
    this.#wake();
  }
}
