/**
 * The judge's own frame encoder and decoder, RFC 6455 section 5.2.
 *
 * The encoder writes whatever it is told, legal or not: lying lengths, wide length forms, any RSV bit,
 * masks where none belong. The decoder is strict about nothing; it reports what stood on the wire and
 * leaves the verdict to the observer. Nothing here is shared with the library under test.
 */

/** The opcodes of RFC 6455, section 11.8. */
export const Op = { Continuation: 0, Text: 1, Binary: 2, Close: 8, Ping: 9, Pong: 10 } as const;

const OP_NAMES: Record<number, string> = {
  0: "Continuation",
  1: "Text",
  2: "Binary",
  8: "Close",
  9: "Ping",
  10: "Pong",
};

/** The name of an opcode, or `Reserved 0xN`. */
export function opName(opcode: number): string {
  return OP_NAMES[opcode] ?? `Reserved 0x${opcode.toString(16).toUpperCase()}`;
}

/** How many bits the payload length takes: 7, 7+16 or 7+64. */
export type LengthForm = 7 | 16 | 64;

/** A frame to write; what is left out is what a correct sender would write. */
export interface FrameSpec {
  readonly opcode: number;
  readonly payload?: Uint8Array | string;
  readonly fin?: boolean;
  /** RSV1 is 4, RSV2 is 2, RSV3 is 1. */
  readonly rsv?: number;
  /** Overrides the role's rule: clients mask, servers do not. */
  readonly mask?: boolean;
  readonly maskingKey?: Uint8Array;
  readonly lengthForm?: LengthForm;
  /** The length to declare, when it is to differ from the payload's own. */
  readonly declaredLength?: bigint;
}

/** A frame as it stood on the wire, its payload unmasked. */
export interface Frame {
  readonly fin: boolean;
  readonly rsv: number;
  readonly opcode: number;
  readonly maskingKey: Buffer | undefined;
  readonly lengthForm: LengthForm;
  readonly header: Buffer;
  readonly payload: Buffer;
}

/** The shortest form that holds `length`. */
export function shortestForm(length: bigint): LengthForm {
  return length < 126n ? 7 : length < 65536n ? 16 : 64;
}

/** XORs `payload` in place, RFC 6455 section 5.3. */
export function applyMask(payload: Uint8Array, key: Uint8Array): void {
  for (let i = 0; i < payload.length; i++) payload[i]! ^= key[i & 3]!;
}

/** The bytes of a payload given as text or bytes. */
export function bytesOf(payload: Uint8Array | string | undefined): Buffer {
  if (payload === undefined) return Buffer.alloc(0);
  return typeof payload === "string"
    ? Buffer.from(payload, "utf8")
    : Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
}

/** The bytes of a frame; `masked` is the role's rule, `nextKey` gives the masking key when the spec has none. */
export function encodeFrame(spec: FrameSpec, masked: boolean, nextKey: () => Uint8Array): Buffer {
  const payload = bytesOf(spec.payload);
  const length = spec.declaredLength ?? BigInt(payload.length);
  const form = spec.lengthForm ?? shortestForm(length);
  const mask = spec.mask ?? masked;
  const header = Buffer.alloc(2 + (form === 7 ? 0 : form / 8) + (mask ? 4 : 0));
  header[0] = ((spec.fin ?? true) ? 0x80 : 0) | ((spec.rsv ?? 0) << 4) | spec.opcode;
  header[1] = (mask ? 0x80 : 0) | (form === 7 ? Number(length) : form === 16 ? 126 : 127);
  if (form === 16) header.writeUInt16BE(Number(length), 2);
  if (form === 64) header.writeBigUInt64BE(length, 2);
  if (!mask) return Buffer.concat([header, payload]);
  const key = spec.maskingKey ?? nextKey();
  header.set(key, header.length - 4);
  const frame = Buffer.concat([header, payload]);
  applyMask(frame.subarray(header.length), key);
  return frame;
}

/** Turns a byte stream into frames; keeps every byte until its frame is whole. */
export class FrameReader {
  #chunks: Buffer[] = [];
  #buffered = 0;

  /** Takes bytes from the network. */
  push(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#buffered += chunk.length;
  }

  /** Bytes of a frame that is not whole yet. */
  get buffered(): number {
    return this.#buffered;
  }

  /** The next whole frame, if there is one. */
  next(): Frame | undefined {
    const start = this.#peek(14);
    if (start.length < 2) return undefined;
    const lengthForm: LengthForm = (start[1]! & 127) === 126 ? 16 : (start[1]! & 127) === 127 ? 64 : 7;
    const extended = lengthForm === 7 ? 0 : lengthForm / 8;
    const headerLength = 2 + extended + (start[1]! & 0x80 ? 4 : 0);
    if (start.length < headerLength) return undefined;
    const length = readLength(start, lengthForm);
    if (this.#buffered < headerLength + length) return undefined;
    const whole = this.#take(headerLength + length);
    const payload = Buffer.from(whole.subarray(headerLength));
    const maskingKey = start[1]! & 0x80 ? Buffer.from(whole.subarray(headerLength - 4, headerLength)) : undefined;
    if (maskingKey !== undefined) applyMask(payload, maskingKey);
    const header = Buffer.from(whole.subarray(0, headerLength));
    return {
      fin: (start[0]! & 0x80) !== 0,
      rsv: (start[0]! >> 4) & 7,
      opcode: start[0]! & 15,
      maskingKey,
      lengthForm,
      header,
      payload,
    };
  }

  #peek(length: number): Buffer {
    while (this.#chunks.length > 1 && this.#chunks[0]!.length < length) {
      this.#chunks.splice(0, 2, Buffer.concat([this.#chunks[0]!, this.#chunks[1]!]));
    }
    return this.#chunks[0] ?? Buffer.alloc(0);
  }

  #take(length: number): Buffer {
    const all = this.#chunks.length === 1 ? this.#chunks[0]! : Buffer.concat(this.#chunks);
    this.#chunks = all.length > length ? [all.subarray(length)] : [];
    this.#buffered -= length;
    return all.subarray(0, length);
  }
}

function readLength(start: Buffer, form: LengthForm): number {
  if (form === 16) return start.readUInt16BE(2);
  return form === 64 ? Number(start.readBigUInt64BE(2)) : start[1]! & 127;
}
