/**
 * A message that is handed on part by part while it arrives, so that it need not fit into memory; RFC 6455 section 5.4.
 *
 * Text is judged byte by byte as in a whole message (section 8.1) and cut only between characters.
 */

import type { Violation } from "../protocol-error.ts";
import { Utf8Validator } from "./utf8.ts";

/** The state of one message that is handed on in parts. */
export class StreamedMessage {
  /** Whether no part of the message was handed on yet. */
  first = true;
  readonly #utf8: Utf8Validator | undefined;
  /**
   * The decoder, which holds back the bytes of a character that a part cuts off; undefined where bytes are handed on.
   */
  readonly #decoder: InstanceType<typeof TextDecoder> | undefined;

  /** Text is handed on as strings, or with `asBytes` as validated bytes; binary always as bytes. */
  constructor(text: boolean, asBytes: boolean) {
    if (!text) return;
    this.#utf8 = new Utf8Validator();
    if (!asBytes) this.#decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  }

  /** Returns the name of the broken rule if `chunk[start..end)` cannot continue the text or, being the last, end it. */
  judge(chunk: Uint8Array, start: number, end: number, last: boolean): Violation | undefined {
    if (this.#utf8 === undefined) return undefined;
    return this.#utf8.write(chunk, start, end) && (!last || this.#utf8.complete) ? undefined : "text-not-utf8";
  }

  /** Returns the characters that `chunk[start..end)` completes; undefined where bytes are handed on. */
  decode(chunk: Uint8Array, start: number, end: number): string | undefined {
    return this.#decoder?.decode(chunk.subarray(start, end), { stream: true });
  }
}
