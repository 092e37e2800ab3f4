/**
 * Reads the head of an opening handshake that came in one piece and leaves no room for two opinions (RFC 9112).
 *
 * Whatever is unusual is not read here but left to `node:http`, which answers it: this grammar is a part of what that
 * takes, so nothing gets in that it would have refused (faults C01, C02).
 */

import type { Buffer } from "node:buffer";

/** What an opening handshake's head says. */
export interface RequestHead {
  /** The request target in origin form. */
  readonly target: string;
  /** Names and values in turn, as in `node:http`. */
  readonly rawHeaders: readonly string[];
}

/**
 * A GET for a path, fields of ASCII without folding, CRLF behind every line, and nothing behind the empty one. No class
 * of characters meets the one that follows it, so the pattern is matched without going back.
 */
const shape = /^GET (\/[!-~]*) HTTP\/1\.1\r\n(?:[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t -~]*\r\n)+\r\n$/;
/** What gives a request a body, or asks for something before the answer. */
const unusual = /\r\n(?:content-length|transfer-encoding|expect|trailer|te):/i;
const longest = 4096;
const firstLineRest = " HTTP/1.1\r\n".length;

/** The head in `chunk`, or undefined when the chunk is anything but one whole, regular head of at most `maxSize` bytes. */
export function readRequestHead(chunk: Buffer, maxSize: number): RequestHead | undefined {
  if (chunk.length > longest || chunk.length > maxSize) return undefined;
  const text = chunk.toString("latin1");
  const target = shape.exec(text)?.[1];
  if (target === undefined || unusual.test(text)) return undefined;
  const rawHeaders: string[] = [];
  let at = "GET ".length + target.length + firstLineRest;
  while (at < text.length - 2) {
    const colon = text.indexOf(":", at);
    const end = text.indexOf("\r\n", colon);
    rawHeaders.push(text.slice(at, colon), text.slice(colon + 1, end).trim());
    at = end + 2;
  }
  return { target, rawHeaders };
}
