/**
 * zlib contexts that are kept between messages and driven synchronously.
 *
 * The public zlib classes stream only through the thread pool, and their one-shot functions make a new context each
 * time, which doubles the cost of a small message. So this drives the handle below the class, if a trial at first use
 * shows that the runtime has it. A kept context is only a cache, and can be dropped at any time.
 */
import { constants, createDeflateRaw, createInflateRaw, type ZlibOptions } from "node:zlib";
import { blocksAhead, withHistory } from "./zlib-history.ts";

/**
 * Contexts kept at once in the whole process, about 55 KiB each at the default window; the least recently used goes.
 */
export const mostContextsKept = 1024;

/** Which way a context works, and with which window and tables. */
export interface ContextShape {
  readonly direction: "deflate" | "inflate";
  readonly options: Readonly<Pick<ZlibOptions, "windowBits" | "level" | "memLevel">>;
}

/** The object under a zlib stream, as far as it is used; no part of the public API of `node:zlib`. */
interface ZlibHandle {
  onerror: (message: string, errorNumber: number, code: string) => void;
  reset(): void;
  writeSync(
    flush: number,
    input: Uint8Array,
    inputStart: number,
    inputLength: number,
    output: Uint8Array,
    outputStart: number,
    outputLength: number,
  ): void;
}

/** One zlib context under synchronous control; throws where the runtime has no such handle. */
export class ZlibContext {
  /** How many bytes of the last input were left: the output was full, or the DEFLATE stream had ended. */
  unread = 0;
  readonly #stream: { close(): void };
  readonly #handle: ZlibHandle;
  /** The handle leaves here the free bytes of the output and the unread bytes of the input. */
  readonly #left: Uint32Array;
  #failed = false;

  constructor(shape: ContextShape, history: Uint8Array = noBytes) {
    const create = shape.direction === "deflate" ? createDeflateRaw : createInflateRaw;
    // A small chunk, since the stream's own output buffer is never used.
    const options = { ...shape.options, chunkSize: constants.Z_MIN_CHUNK };
    const stream = create(withHistory(options, history));
    const { _handle, _writeState } = stream as unknown as { _handle: ZlibHandle; _writeState: Uint32Array };
    if (typeof _handle?.writeSync !== "function" || !(_writeState instanceof Uint32Array)) {
      throw new Error("Cannot drive zlib synchronously: the runtime has no such handle");
    }
    this.#stream = stream;
    this.#handle = _handle;
    this.#left = _writeState;
    _handle.onerror = () => {
      this.#failed = true;
    };
    const ahead = shape.direction === "inflate" ? blocksAhead(history) : noBytes;
    if (ahead.length > 0) this.write(ahead, 0, new Uint8Array(history.length + 1), 0);
  }

  /**
   * Feeds `input` from `start` and fills `output` from `outputStart`; returns how many bytes it wrote there, or -1 when
   * zlib failed, as it does for invalid data, after which the context is of no use.
   */
  write(input: Uint8Array, start: number, output: Uint8Array, outputStart: number): number {
    const room = output.length - outputStart;
    this.#handle.writeSync(constants.Z_SYNC_FLUSH, input, start, input.length - start, output, outputStart, room);
    if (this.#failed) return -1;
    this.unread = this.#left[1]!;
    return room - this.#left[0]!;
  }

  /** Forgets everything fed so far; of a history that came by a dictionary, zlib keeps it. */
  reset(): void {
    this.#handle.reset();
  }

  /** Frees the context's memory. */
  close(): void {
    this.#stream.close();
  }
}

const noBytes = new Uint8Array(0);

/** A place for at most one kept context, filled when it is needed. */
export class ContextSlot {
  readonly #shape: ContextShape;
  #context: ZlibContext | undefined;

  constructor(shape: ContextShape) {
    this.#shape = shape;
  }

  /** Whether a context is kept here now. */
  get occupied(): boolean {
    return this.#context !== undefined;
  }

  /** The kept context as it was left, or a new one that has seen what `history` returns. */
  take(history?: () => Uint8Array): ZlibContext {
    if (this.#context === undefined) {
      this.#context = new ZlibContext(this.#shape, history?.());
      occupied.add(this);
      newest = this;
      if (occupied.size > mostContextsKept) oldest()?.empty();
    } else if (newest !== this) {
      occupied.delete(this);
      occupied.add(this);
      newest = this;
    }
    return this.#context;
  }

  /** Frees the kept context, if there is one. */
  empty(): void {
    this.#context?.close();
    this.#context = undefined;
    occupied.delete(this);
    if (newest === this) newest = undefined;
  }
}

/** How many contexts are kept in the whole process now. */
export function countKeptContexts(): number {
  return occupied.size;
}

/** The occupied slots, least recently used first. */
const occupied = new Set<ContextSlot>();
let newest: ContextSlot | undefined;

function oldest(): ContextSlot | undefined {
  for (const slot of occupied) return slot;
  return undefined;
}

let synchronous: boolean | undefined;

/** Whether this runtime lets contexts be driven synchronously; tried once, by compressing, inflating and failing. */
export function canDriveSynchronously(): boolean {
  synchronous ??= tryRoundTrip();
  return synchronous;
}

function tryRoundTrip(): boolean {
  try {
    const deflater = new ZlibContext({ direction: "deflate", options: { windowBits: 9, memLevel: 1 } });
    const inflater = new ZlibContext({ direction: "inflate", options: { windowBits: 9 } });
    const text = new Uint8Array(300).map((_, index) => index & 7);
    const compressed = new Uint8Array(400);
    const inflated = new Uint8Array(400);
    const compressedLength = deflater.write(text, 0, compressed, 0);
    const inflatedLength = inflater.write(compressed.subarray(0, compressedLength), 0, inflated, 0);
    const whole = inflater.unread === 0 && Buffer.compare(inflated.subarray(0, inflatedLength), text) === 0;
    inflater.reset();
    const refused = inflater.write(Uint8Array.of(0xff, 0xff), 0, inflated, 0) === -1;
    deflater.close();
    inflater.close();
    return whole && compressedLength < text.length && refused;
  } catch {
    return false;
  }
}
