/**
 * A message that is handed on part by part while it arrives, so that it need not fit into memory; RFC 6455 section 5.4.
 *
 * Text is judged byte by byte as in a whole message (section 8.1) and cut only between characters.
 */

import type { Violation } from "../protocol-error.ts";
import { Utf8Validator } from "./utf8.ts";

/** What one message in parts has to remember. */
export class StreamedMessage {
  /** Whether nothing of the message was handed on yet. */
  first = true;
  readonly #utf8: Utf8Validator | undefined;
  /** Holds back the bytes of a character that the end of a part cuts off. */
  readonly #decoder: InstanceType<typeof TextDecoder> | undefined;

  /** Text is handed on as strings, or with `asBytes` as its validated bytes; binary always as bytes. */
  constructor(text: boolean, asBytes: boolean) {
    if (!text) return;
    this.#utf8 = new Utf8Validator();
    if (!asBytes) this.#decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  }

  /** Names the broken rule when `chunk[start..end)` cannot go on the text, or not end it if it is the last part. */
  judge(chunk: Uint8Array, start: number, end: number, last: boolean): Violation | undefined {
    if (this.#utf8 === undefined) return undefined;
    return this.#utf8.write(chunk, start, end) && (!last || this.#utf8.complete) ? undefined : "text-not-utf8";
  }

  /** The characters that `chunk[start..end)`, which was judged, completes; undefined where bytes are handed on. */
  decode(chunk: Uint8Array, start: number, end: number): string | undefined {
    return this.#decoder?.decode(chunk.subarray(start, end), { stream: true });
  }
}
