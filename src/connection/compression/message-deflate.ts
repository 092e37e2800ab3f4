/**
 * Messages through permessage-deflate, RFC 7692 section 7.2: one object a connection, with no zlib context while idle.
 *
 * Without context takeover short messages need no context at all, see `protocol/deflate/`; for the others all
 * connections share one kept context of each shape, reset for each message. With it, a
 * kept context is a cache of the window, which this object remembers: a large message is worked on elsewhere from the
 * window, and the context is made again when it is next of use. So no path can leave the two sides with different
 * windows.
 */
import { copyUnlessAlone, lengthOf } from "../../protocol/bytes.ts";
import {
  canDeflateShort,
  deflateShort,
  type InflatedText,
  inflateShort,
} from "../../protocol/deflate/short-messages.ts";
import type { Role } from "../../protocol/frames/frame.ts";
import type { CompressionSettings, DeflateParameters } from "../../protocol/handshake/permessage-deflate.ts";
import { allocateInSlab, copyToSlab } from "./copy-to-slab.ts";
import { SlidingWindow } from "./sliding-window.ts";
import { type ContextShape, ContextSlot, canDriveSynchronously, type ZlibContext } from "./zlib-context.ts";
import {
  deflateAsync,
  deflateSync,
  finalTail,
  type InflateOutcome,
  type Inflation,
  inflateAsync,
  inflateSync,
  removedTail,
} from "./zlib-one-shot.ts";

export type { InflateOutcome } from "./zlib-one-shot.ts";

/** How a connection compresses what it sends. */
export interface MessageDeflateOptions extends Pick<CompressionSettings, "threshold" | "level" | "memLevel"> {
  /**
   * Uses the public zlib functions alone, at about twice the cost; by default where the runtime allows nothing else.
   */
  readonly publicZlibOnly?: boolean;
  /** Uses zlib for short messages, too; by default for those alone that go on from earlier ones. */
  readonly zlibOnly?: boolean;
}

/** What zlib is asked for where the settings do not say. */
const defaultLevel = 3;
const defaultMemLevel = 5;

/**
 * Payloads up to these lengths are worked on at once, and inflating up to this output: less than 2 ms of the loop each.
 */
const longestDeflatedSync = 32 * 1024;
const longestInflatedSync = 64 * 1024;
const mostOutputSync = 256 * 1024;

/** Payloads up to this length are inflated without zlib, which is faster for longer ones (measured on Node 20 and 26). */
const longestInflatedShort = 1024;

/**
 * Compresses and inflates the messages of one connection. A promise must have settled before the next call in the same
 * direction; the two directions are independent.
 */
export class MessageDeflate {
  /** Messages shorter than this many bytes are better sent as they are. */
  readonly threshold: number;
  /**
   * Names how this side compresses, the same for every connection whose compressed messages it can use as they are;
   * undefined with context takeover, where each message depends on the connection's earlier ones.
   */
  readonly sharedKey: string | undefined;
  readonly #deflating: Direction;
  readonly #inflating: Direction;
  /** The window of short messages that are compressed without zlib; undefined where none is. */
  readonly #shortBits: number | undefined;
  /** Whether short messages are inflated without zlib. */
  readonly #inflatesShort: boolean;

  /** Takes the side, what was agreed and how to compress; allocates no context. */
  constructor(role: Role, parameters: DeflateParameters, options: MessageDeflateOptions) {
    const { threshold, level, memLevel } = options;
    const server = { bits: parameters.serverMaxWindowBits, takeover: !parameters.serverNoContextTakeover };
    const client = { bits: parameters.clientMaxWindowBits, takeover: !parameters.clientNoContextTakeover };
    const [ours, theirs] = role === "server" ? [server, client] : [client, server];
    this.threshold = threshold;
    this.sharedKey = ours.takeover ? undefined : `${ours.bits} ${level} ${memLevel} ${threshold}`;
    const { publicZlibOnly = false, zlibOnly = publicZlibOnly } = options;
    const driven = !publicZlibOnly && canDriveSynchronously();
    const shape = deflateShape(ours.bits, level ?? defaultLevel, memLevel ?? defaultMemLevel);
    this.#deflating = new Direction(shape, ours.takeover, driven);
    // Without takeover, one shared inflater with the largest window reads whatever window the peer uses.
    this.#inflating = new Direction(inflateShape(theirs.takeover ? theirs.bits : 15), theirs.takeover, driven);
    const short = !zlibOnly && canDeflateShort();
    const asked = level !== undefined || memLevel !== undefined;
    this.#shortBits = short && !ours.takeover && !asked ? ours.bits : undefined;
    this.#inflatesShort = short && !theirs.takeover;
  }

  /**
   * The compressed payload of a message, without its trailing `00 00 ff ff` (RFC 7692 section 7.2.1): at once for a
   * small message, else as a promise. Never fails, and never aliases its input, of which a copy is taken where it is
   * used for longer than the call.
   */
  deflate(message: string | Uint8Array): Uint8Array | Promise<Uint8Array> {
    const short = this.#deflateShort(message);
    if (short !== undefined) return short;
    const payload = bytesOf(message);
    if (payload.length > longestDeflatedSync) return this.#deflateAsync(payload);
    const ours = this.#deflating;
    const compressed = deflateKept(ours, payload) ?? deflateSync(ours.shape, payload, ours.history());
    ours.window?.push(payload);
    return compressed;
  }

  /** The same, at once whatever the message's size, for bytes that many connections share. */
  deflateShared(message: string | Uint8Array): Uint8Array {
    const short = this.#deflateShort(message);
    if (short !== undefined) return short;
    const payload = bytesOf(message);
    return deflateKept(this.#deflating, payload) ?? deflateSync(this.#deflating.shape, payload, noBytes);
  }

  /** Compresses without zlib; undefined where that cannot be. */
  #deflateShort(message: string | Uint8Array): Uint8Array | undefined {
    const length = typeof message === "string" ? message.length : lengthOf(message);
    // zlib puts out nothing for an empty message after another; section 7.2.3.6 gives the byte to send.
    if (length === 0) return Uint8Array.of(0x00);
    return this.#shortBits === undefined ? undefined : deflateShort(message, this.#shortBits, allocateInSlab);
  }

  async #deflateAsync(payload: Uint8Array): Promise<Uint8Array> {
    const ours = this.#deflating;
    const compressed = await deflateAsync(ours.shape, payload, ours.history());
    ours.outrun(payload);
    return compressed;
  }

  /**
   * The message whose fragments' payloads, joined, are `payload` (RFC 7692 section 7.2.2), or the rule it breaks: it is
   * longer than `limit` bytes, or not whole, valid DEFLATE data; or zlib has no memory for it. At once for a small
   * message unless something is wrong with it, else as a promise, until whose end `inflation` says how far it has come.
   * A payload that is alone in its memory must not change until then; of any other, a copy is taken. After a broken
   * rule the connection has failed: inflate no more.
   */
  inflate(payload: Uint8Array, limit: number): InflateOutcome | Promise<InflateOutcome>;
  /** The same, also as text where `inflation` asks for it. */
  inflate(
    payload: Uint8Array,
    limit: number,
    inflation: Inflation,
  ): InflateOutcome | InflatedText | Promise<InflateOutcome>;
  inflate(
    payload: Uint8Array,
    limit: number,
    inflation?: Inflation,
  ): InflateOutcome | InflatedText | Promise<InflateOutcome> {
    // Peers that forget section 7.2.3.6 send an empty message after another as no bytes at all.
    if (payload.length === 0) return new Uint8Array(0);
    if (this.#inflatesShort && payload.length <= longestInflatedShort) {
      const short = inflateShortSafely(payload, limit, inflation?.asText === true);
      if (short !== "needs-zlib") return short;
    }
    const theirs = this.#inflating;
    if (payload.length <= longestInflatedSync) {
      const outcome =
        theirs.slot === undefined
          ? inflateSync(theirs.shape, payload, theirs.history(), limit, mostOutputSync)
          : inflateKept(theirs, theirs.slot, payload, limit);
      if (typeof outcome === "object") theirs.window?.push(outcome);
      if (outcome !== undefined) return outcome;
    }
    return this.#inflateAsync(copyUnlessAlone(payload), limit, inflation);
  }

  async #inflateAsync(payload: Uint8Array, limit: number, inflation?: Inflation): Promise<InflateOutcome> {
    const theirs = this.#inflating;
    const outcome = await inflateAsync(theirs.shape, payload, theirs.history(), limit, inflation);
    if (typeof outcome === "object") theirs.outrun(outcome);
    return outcome;
  }

  /** Frees what the connection keeps, once it is over. */
  release(): void {
    this.#deflating.forget();
    this.#inflating.forget();
  }
}

/**
 * One direction of a connection: its shape, where its context is kept if one can be, its window if it is taken over.
 */
class Direction {
  readonly shape: ContextShape;
  readonly slot: ContextSlot | undefined;
  readonly window: SlidingWindow | undefined;

  constructor(shared: SharedShape, takeover: boolean, driven: boolean) {
    this.shape = shared.shape;
    if (takeover) this.window = new SlidingWindow(2 ** (shared.shape.options.windowBits ?? 15));
    if (driven) this.slot = takeover ? new ContextSlot(shared.shape) : shared.slot;
  }

  history(): Uint8Array {
    return this.window?.contents() ?? noBytes;
  }

  /** The context that stands where the next message begins. */
  context(slot: ContextSlot): ZlibContext {
    const { window } = this;
    if (window !== undefined) return slot.take(() => window.contents());
    const context = slot.take();
    context.reset();
    return context;
  }

  /** Takes note of a message that did not go through the kept context. */
  outrun(message: Uint8Array): void {
    this.window?.push(message);
    this.forget();
  }

  forget(): void {
    if (this.window !== undefined) this.slot?.empty();
  }
}

/** The bytes of a message, in memory that the caller does not change. */
function bytesOf(message: string | Uint8Array): Uint8Array {
  return typeof message === "string" ? Buffer.from(message) : new Uint8Array(message);
}

/** As `inflateShort`; where there is no memory for what came out, zlib's functions will tell that, too. */
function inflateShortSafely(payload: Uint8Array, limit: number, asText: boolean): ReturnType<typeof inflateShort> {
  try {
    return inflateShort(payload, limit, asText);
  } catch {
    return "needs-zlib";
  }
}

/** Compresses with the kept context; `undefined` when there is none or it failed. */
function deflateKept(ours: Direction, payload: Uint8Array): Uint8Array | undefined {
  if (ours.slot === undefined) return undefined;
  try {
    const produced = ours.context(ours.slot).write(payload, 0, scratch, 0);
    if (produced >= removedTail.length && produced < scratch.length) {
      return copyToSlab(scratch.subarray(0, produced - removedTail.length));
    }
  } catch {
    // No context to be had; the one-shot function has the last word.
  }
  ours.slot.empty();
  return undefined;
}

/**
 * Inflates with the kept context; `undefined` for a message that needs jobs: too much output, an unusual end, a
 * failure.
 */
function inflateKept(
  theirs: Direction,
  slot: ContextSlot,
  payload: Uint8Array,
  limit: number,
): InflateOutcome | undefined {
  let outcome: InflateOutcome | undefined;
  try {
    outcome = inflateWith(theirs, slot, payload, limit);
  } catch {
    // Where there is no memory for what came out, the job will tell that, too.
  }
  if (typeof outcome !== "object") slot.empty();
  return outcome;
}

function inflateWith(
  theirs: Direction,
  slot: ContextSlot,
  payload: Uint8Array,
  limit: number,
): InflateOutcome | undefined {
  let context: ZlibContext;
  try {
    context = theirs.context(slot);
  } catch {
    return undefined;
  }
  const parts: Uint8Array[] = [];
  let length = 0;
  let produced = context.write(payload, 0, scratch, 0);
  while (produced === scratch.length) {
    length += produced;
    if (length > limit) return "message-too-big";
    if (length >= mostOutputSync) return undefined;
    parts.push(scratch.slice());
    produced = context.write(payload, payload.length - context.unread, scratch, 0);
  }
  // Why it failed, the job will tell.
  if (produced < 0) return undefined;
  if (length + produced > limit) return "message-too-big";
  if (context.unread > 0) return undefined;
  if (!endsWhole(context, theirs.window !== undefined, produced)) return undefined;
  if (parts.length === 0) return scratch.slice(0, produced);
  return new Uint8Array(Buffer.concat([...parts, scratch.subarray(0, produced)]));
}

/**
 * Whether the message ended where a block does, which zlib does not tell. A context that is reset anyway is brought to
 * its end: a truncated message swallows part of the tail and does not get there, or puts out some of it. One that is
 * kept is fed empty stored blocks: they leave the window alone, but what stands inside a block or its header stumbles
 * over them.
 */
function endsWhole(context: ZlibContext, kept: boolean, outputStart: number): boolean {
  const produced = context.write(kept ? emptyBlocks : finalTail, 0, scratch, outputStart);
  return produced === 0 && context.unread === (kept ? 0 : 1);
}

/** The tail, then more empty stored blocks than the longest header of a dynamic block has room for. */
const emptyBlocks: Uint8Array = Buffer.concat([
  removedTail,
  ...Array<Uint8Array>(64).fill(Uint8Array.of(0, ...removedTail)),
]);

const noBytes = new Uint8Array(0);

/** Where kept contexts put their output; empty again before any other code runs. */
const scratch = new Uint8Array(64 * 1024);

/** A shape and the slot that all connections without context takeover share for it. */
interface SharedShape {
  readonly shape: ContextShape;
  readonly slot: ContextSlot;
}

const sharedShapes = new Map<string, SharedShape>();

function deflateShape(bits: number, level: number, memLevel: number): SharedShape {
  return shared({ direction: "deflate", options: { windowBits: zlibBits(bits), level, memLevel } });
}

function inflateShape(bits: number): SharedShape {
  return shared({ direction: "inflate", options: { windowBits: zlibBits(bits) } });
}

function shared(shape: ContextShape): SharedShape {
  const { windowBits, level, memLevel } = shape.options;
  const key = `${shape.direction} ${windowBits} ${level} ${memLevel}`;
  const known = sharedShapes.get(key) ?? { shape, slot: new ContextSlot(shape) };
  sharedShapes.set(key, known);
  return known;
}

/**
 * zlib has no raw window of 8 bits and takes 9 for it, with which it refers back 250 bytes at most: within 8 bits too.
 */
function zlibBits(bits: number): number {
  return Math.max(9, bits);
}
