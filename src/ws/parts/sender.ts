/**
 * `Sender` of `ws`: writes frames to a socket, in the order of the calls.
 *
 * Of this package only `frame` is used; connections send by `connection/sending/`. While a message is compressed or a Blob is
 * read, what is sent meanwhile waits.
 */

import type { Duplex } from "node:stream";
import { isSendableCloseCode } from "../../protocol/close-code.ts";
import { maxReasonLength } from "../../protocol/close-payload.ts";
import { finBit, Opcode, rsv1Bit } from "../../protocol/frames/frame.ts";
import { writeHeader } from "../../protocol/frames/frame-encoder.ts";
import { createMaskingKey, mask } from "../../protocol/frames/mask.ts";
import { emptyBuffer, type Payload, toPayload } from "./buffers.ts";
import { generateKey, type MaskGenerator } from "./mask-generator.ts";
import { PerMessageDeflate } from "./permessage-deflate.ts";

/** What one frame is like. */
export interface FrameOptions {
  /** The opcode, RFC 6455 section 11.8. */
  opcode: number;
  /** Whether it is the last frame of its message. */
  fin?: boolean | undefined;
  /** Whether RSV1 is set: the message is compressed. */
  rsv1?: boolean | undefined;
  /** Whether it is masked. */
  mask?: boolean | undefined;
  /** Whether the payload must not be changed; else it is masked where it lies. */
  readOnly?: boolean | undefined;
  /** Fills the four bytes of the masking key. Default: random. */
  generateMask?: MaskGenerator | undefined;
  /** The four bytes that `generateMask` fills. */
  maskBuffer?: Buffer | undefined;
}

/** How a message, or a fragment of one, is sent. */
export interface SenderOptions {
  /** Whether it is binary. Default false: text. */
  binary?: boolean | undefined;
  /** Whether the message is compressed. The first fragment decides. */
  compress?: boolean | undefined;
  /** Whether this is the message's last fragment. */
  fin?: boolean | undefined;
  /** Whether it is masked. */
  mask?: boolean | undefined;
}

/** Called when the bytes were written, or with the reason why they were not. */
export type SenderCallback = (error?: Error | null) => void;

/** A frame as it is written: the header, and the payload where it was not copied behind it. */
export type FrameList = (Buffer | string)[];

/** Something to send that may have to wait. */
interface Outgoing {
  readonly payload: Payload;
  readonly compress: boolean;
  readonly options: FrameOptions;
  readonly callback: SenderCallback | undefined;
}

const longestHeader = 14;
const longestControl = 125;

/** Writes frames to a socket. */
export class Sender {
  /** Called with the error of what could not be compressed or read. */
  onerror: (error: Error) => void = () => {};
  readonly _socket: Duplex;
  /** Bytes that wait here. */
  _bufferedBytes = 0;
  readonly #extensions: Readonly<Record<string, unknown>>;
  readonly #masking: Pick<FrameOptions, "generateMask" | "maskBuffer">;
  readonly #queue: Outgoing[] = [];
  /** Whether something is being compressed or read. */
  #busy = false;
  /** Whether the message under way, of which some fragments were sent, is compressed; undefined between messages. */
  #compressing: boolean | undefined;

  /** Takes a socket, the extensions that were agreed by name, and what fills masking keys instead of random bytes. */
  constructor(socket: Duplex, extensions: Readonly<Record<string, unknown>> = {}, generateMask?: MaskGenerator) {
    this._socket = socket;
    this.#extensions = extensions;
    this.#masking = generateMask === undefined ? {} : { generateMask, maskBuffer: Buffer.alloc(4) };
  }

  /** Returns the bytes of a frame as a list of one or two pieces. */
  static frame(data: Buffer | string, options: FrameOptions): FrameList {
    const bytes = typeof data === "string" ? Buffer.from(data) : data;
    return frameOf(bytes, bytes.length, options);
  }

  /**
   * Sends a Close frame. Throws a TypeError for a code that must not be sent, and a RangeError for a reason of more than
   * 123 bytes.
   */
  close(code?: number, data?: string | Uint8Array, mask?: boolean, callback?: SenderCallback): void {
    this.#send(
      toPayload(closePayload(code, data)),
      false,
      { opcode: Opcode.Close, fin: true, mask, readOnly: false },
      callback,
    );
  }

  /** Sends a Ping. Throws a RangeError for more than 125 bytes. */
  ping(data: unknown, mask?: boolean, callback?: SenderCallback): void {
    this.#sendControl(Opcode.Ping, data, mask, callback);
  }

  /** Sends a Pong. Throws a RangeError for more than 125 bytes. */
  pong(data: unknown, mask?: boolean, callback?: SenderCallback): void {
    this.#sendControl(Opcode.Pong, data, mask, callback);
  }

  /** Sends a message, or without `fin` a fragment of one, which the next call goes on with. */
  send(data: unknown, options: SenderOptions, callback?: SenderCallback): void {
    const payload = toPayload(data);
    const first = this.#compressing === undefined;
    this.#compressing ??= this.#decideCompression(payload.length, options.compress);
    const compress = this.#compressing;
    if (options.fin) this.#compressing = undefined;
    const opcode = first ? (options.binary ? Opcode.Binary : Opcode.Text) : Opcode.Continuation;
    this.#send(payload, compress, { opcode, fin: options.fin, rsv1: first && compress, mask: options.mask }, callback);
  }

  /** Writes frames that `frame` made, at once. */
  sendFrame(list: FrameList, callback?: SenderCallback): void {
    const last = list.length - 1;
    if (last > 0) this._socket.cork();
    for (let index = 0; index < last; index++) this._socket.write(list[index]);
    this._socket.write(list[last], callback as SenderCallback);
    if (last > 0) this._socket.uncork();
  }

  #sendControl(opcode: number, data: unknown, mask: boolean | undefined, callback: SenderCallback | undefined): void {
    const payload = toPayload(data);
    if (payload.length > longestControl) {
      throw new RangeError(`The data size must not be greater than ${longestControl} bytes`);
    }
    this.#send(payload, false, { opcode, fin: true, mask }, callback);
  }

  #send(payload: Payload, compress: boolean, frame: FrameOptions, callback: SenderCallback | undefined): void {
    const options = { readOnly: payload.readOnly, ...frame, ...this.#masking };
    const outgoing = { payload, compress, options, callback };
    if (!this.#busy) return this.#start(outgoing);
    this._bufferedBytes += payload.length;
    this.#queue.push(outgoing);
  }

  #start(outgoing: Outgoing): void {
    const { payload, compress, options, callback } = outgoing;
    const { data, length } = payload;
    if (data instanceof Blob) void this.#read(data, outgoing);
    else if (compress) this.#compress(data, outgoing);
    else this.sendFrame(frameOf(data, length, options), callback);
  }

  async #read(blob: Blob, outgoing: Outgoing): Promise<void> {
    this.#wait(outgoing);
    let bytes: ArrayBuffer;
    try {
      bytes = await blob.arrayBuffer();
    } catch (error) {
      process.nextTick(() => this.#fail(outgoing, error as Error, true));
      return;
    }
    if (this._socket.destroyed) {
      const error = new Error("The socket was closed while the blob was being read");
      process.nextTick(() => this.#fail(outgoing, error, false));
      return;
    }
    // Out of the promise, where what a callback or the socket throws would be a rejection.
    process.nextTick(() => this.#goOn({ ...outgoing, payload: { ...toPayload(bytes), readOnly: false } }, outgoing));
  }

  #compress(data: Buffer | string, outgoing: Outgoing): void {
    this.#wait(outgoing);
    this.#deflate!.compress(data, outgoing.options.fin === true, (error, output) => {
      if (this._socket.destroyed) {
        this.#fail(outgoing, new Error("The socket was closed while data was being compressed"), false);
      } else if (error !== null) {
        this.#fail(outgoing, error, true);
      } else {
        const options = { ...outgoing.options, readOnly: false };
        this.#goOn({ ...outgoing, payload: toPayload(output), options, compress: false }, outgoing);
      }
    });
  }

  #wait(outgoing: Outgoing): void {
    this.#busy = true;
    this._bufferedBytes += outgoing.payload.length;
  }

  /** Sends what has become of `waited`, and then what waits behind it. */
  #goOn(ready: Outgoing, waited: Outgoing): void {
    this.#busy = false;
    this._bufferedBytes -= waited.payload.length;
    this.#start(ready);
    while (!this.#busy) {
      const next = this.#queue.shift();
      if (next === undefined) return;
      this._bufferedBytes -= next.payload.length;
      this.#start(next);
    }
  }

  /** Gives up what waits, in the order in which it was sent. */
  #fail(outgoing: Outgoing, error: Error, report: boolean): void {
    const given = [outgoing, ...this.#queue.splice(0)];
    this.#busy = false;
    this._bufferedBytes = 0;
    for (const { callback } of given) callback?.(error);
    if (report) this.onerror(error);
  }

  /** Whether a message of this length, or one whose first fragment is, is compressed. */
  #decideCompression(length: number, wanted: boolean | undefined): boolean {
    const deflate = this.#deflate;
    return wanted === true && deflate !== undefined && deflate.pays(length);
  }

  get #deflate(): PerMessageDeflate | undefined {
    return this.#extensions[PerMessageDeflate.extensionName] as PerMessageDeflate | undefined;
  }
}

function closePayload(code: number | undefined, data: string | Uint8Array = ""): Uint8Array {
  if (code === undefined) return emptyBuffer;
  if (typeof code !== "number" || !isSendableCloseCode(code)) {
    throw new TypeError("First argument must be a valid error code number");
  }
  if (data.length > 0 && typeof data !== "string" && !(data instanceof Uint8Array)) {
    throw new TypeError("Second argument must be a string or a Uint8Array");
  }
  const reason = typeof data === "string" ? Buffer.from(data) : data;
  if (reason.length > maxReasonLength) {
    throw new RangeError(`The message must not be greater than ${maxReasonLength} bytes`);
  }
  return Buffer.concat([Uint8Array.of(code >> 8, code), reason]);
}

/** Returns a frame whose payload takes `length` bytes. A string stays one where it need not be masked. */
function frameOf(data: Buffer | string, length: number, options: FrameOptions): FrameList {
  const { opcode, fin, rsv1, readOnly } = options;
  const key = options.mask ? keyOf(options) : 0;
  const copied = key !== 0 && readOnly === true;
  const frame = Buffer.allocUnsafe(longestHeader + (copied ? length : 0));
  const firstByte = opcode | (fin ? finBit : 0) | (rsv1 ? rsv1Bit : 0);
  const start = writeHeader(frame, 0, options.mask ? "client" : "server", firstByte, length, key);
  const header = frame.subarray(0, start);
  if (length === 0) return [header];
  if (key === 0) return [header, data];
  const payload = typeof data === "string" ? Buffer.from(data) : data;
  if (!copied) {
    mask(payload, 0, length, key, 0);
    return [header, payload];
  }
  frame.set(payload, start);
  mask(frame, start, start + length, key, 0);
  return [frame.subarray(0, start + length)];
}

function keyOf({ generateMask, maskBuffer }: FrameOptions): number {
  return generateMask === undefined ? createMaskingKey() : generateKey(generateMask, maskBuffer);
}
