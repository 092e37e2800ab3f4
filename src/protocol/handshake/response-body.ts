/**
 * The beginning of a response's body, RFC 9112 section 6.3: of a given length, in chunks, or up to the end of the
 * stream.
 *
 * The stream is not read beyond the body, so wrong framing ends the reading and does no harm.
 */

import { joinBytes } from "../runtime/memory.ts";
import { fieldValues, parseTokenList } from "./header-fields.ts";
import type { HandshakeResponse } from "./response.ts";

/** The next part of a body in chunks. */
type ChunkStep = "size" | "rest of the size's line" | "data" | "end of the data";

/** Reads the beginning of one body. */
export class ResponseBodyReader {
  readonly #most: number;
  readonly #chunked: boolean;
  #parts: Uint8Array[] = [];
  #length = 0;
  /** The number of bytes of the body, or of the chunk, that are still to come. */
  #left: number;
  #over: boolean;
  #step: ChunkStep = "size";
  #digits = 0;

  /** Keeps at most `most` bytes of the body. */
  constructor(response: HandshakeResponse, most: number) {
    const length = lengthOf(response);
    this.#most = most;
    this.#chunked = length === "chunked";
    this.#left = length === "chunked" ? 0 : length;
    this.#over = length === 0;
  }

  /** Whether no more bytes are read: the body is over, broken, or longer than what is kept. */
  get over(): boolean {
    return this.#over || this.#length === this.#most;
  }

  /** The bytes of the body that were read, without the framing. */
  get bytes(): Uint8Array {
    return joinBytes(this.#parts);
  }

  /** Takes the next bytes of the stream behind the head. */
  read(chunk: Uint8Array): void {
    for (let at = 0; at < chunk.length && !this.over; ) {
      if (this.#chunked && this.#step !== "data") this.#takeFraming(chunk[at++]!);
      else at += this.#takeData(chunk.subarray(at));
    }
  }

  /** Takes bytes of the body and returns their number. */
  #takeData(bytes: Uint8Array): number {
    const taken = bytes.subarray(0, Math.min(this.#left, this.#most - this.#length));
    this.#parts.push(taken);
    this.#length += taken.length;
    this.#left -= taken.length;
    if (this.#left === 0 && this.#chunked) this.#step = "end of the data";
    else if (this.#left === 0) this.#over = true;
    return taken.length;
  }

  #takeFraming(byte: number): void {
    const digit = this.#step === "size" ? Number.parseInt(String.fromCharCode(byte), 16) : Number.NaN;
    if (!Number.isNaN(digit)) {
      this.#digits++;
      // The exact length does not matter beyond the bytes that are kept.
      this.#left = Math.min(this.#left * 16 + digit, Number.MAX_SAFE_INTEGER / 16);
    } else if (this.#step === "end of the data") {
      if (byte === LINE_FEED) this.#step = "size";
      else if (byte !== CARRIAGE_RETURN) this.#over = true;
    } else if (this.#digits === 0 || (byte === LINE_FEED && this.#left === 0)) {
      this.#over = true;
    } else {
      this.#step = byte === LINE_FEED ? "data" : "rest of the size's line";
      if (byte === LINE_FEED) this.#digits = 0;
    }
  }
}

const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;

/** Returns the length of the body in bytes; 0 where lengths contradict each other. */
function lengthOf({ status, rawHeaders }: HandshakeResponse): number | "chunked" {
  if (status < 200 || status === 204 || status === 304) return 0;
  const codings = fieldValues(rawHeaders, "transfer-encoding");
  if (codings.length > 0) {
    const list = parseTokenList(codings);
    return typeof list !== "string" && list.at(-1)!.toLowerCase() === "chunked" ? "chunked" : Number.POSITIVE_INFINITY;
  }
  const [length, ...others] = fieldValues(rawHeaders, "content-length");
  if (length === undefined) return Number.POSITIVE_INFINITY;
  return /^\d+$/.test(length) && others.every((other) => other === length) ? Number(length) : 0;
}
