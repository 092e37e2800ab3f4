/**
 * The messages of the soak: each says what it is, carries its number in its series, and a checksum over all of it.
 *
 * A message is 16 characters of head and a body of any size, in text and binary alike. The checksum begins with a seed
 * that both ends know, such as the number of the connection, so that a message that reached the wrong one is seen.
 */
import { randomFillSync } from "node:crypto";
import { crc32 } from "node:zlib";

/**
 * What a message is. From a client: `ask`, answered by one message of a size drawn by chance; `publish`, published to the
 * client's topic and answered as well; `leave`, answered by `end`; `dismiss`, answered by `end` and a Close. From the
 * server: `start` and `end` tell how far the topic has come when the subscription begins and when the client leaves.
 */
export type Kind = keyof typeof letters;

const letters = {
  ask: "a",
  publish: "p",
  leave: "l",
  dismiss: "d",
  answer: "r",
  news: "n",
  start: "s",
  end: "e",
} as const;
const kinds = new Map(Object.entries(letters).map(([kind, letter]) => [letter as string, kind as Kind]));

/** The shortest message, in bytes. */
export const headLength = 16;

/** What one message is made from. */
export interface StreamedMessage {
  readonly kind: Kind;
  /** From 0 to 2^28 - 1. */
  readonly number: number;
  readonly seed: number;
  /** Binary where false. */
  readonly text: boolean;
  /** In bytes; text is made of this many UTF-16 units, and so is somewhat longer. Default 16, the head alone. */
  readonly size?: number;
  /** The body itself, instead of one of `size`. */
  readonly body?: string;
}

/** A message that was read. */
export interface ReadMessage {
  readonly kind: Kind;
  readonly number: number;
  readonly body: string | Buffer;
}

const poolLength = 1 << 21;
const bytePool = makeBytes();
const textPool = makeText();

/** Makes a message. */
export function makeMessage({ kind, number, seed, text, size = headLength, body }: StreamedMessage): string | Buffer {
  const length = Math.max(0, size - headLength);
  const from = Math.floor(Math.random() * (poolLength - length));
  const begin = letters[kind] + hex(number, 7);
  if (text) {
    const content = body ?? textPool.slice(from, from + length);
    return begin + hex(crc32(content, crc32(begin, seed)), 8) + content;
  }
  const content = body === undefined ? bytePool.subarray(from, from + length) : Buffer.from(body);
  return Buffer.concat([Buffer.from(begin + hex(crc32(content, crc32(begin, seed)), 8), "latin1"), content]);
}

/** Reads a message; undefined when it is none, or its checksum is not that of the seed. */
export function readMessage(data: string | Uint8Array, seed: number): ReadMessage | undefined {
  const head = typeof data === "string" ? data.slice(0, headLength) : asBuffer(data).toString("latin1", 0, headLength);
  const body = typeof data === "string" ? data.slice(headLength) : asBuffer(data).subarray(headLength);
  const kind = kinds.get(head.charAt(0));
  if (kind === undefined || head.length !== headLength) return undefined;
  const begin = head.slice(0, 8);
  if (crc32(body, crc32(begin, seed)) !== Number.parseInt(head.slice(8), 16)) return undefined;
  return { kind, number: Number.parseInt(begin.slice(1), 16), body };
}

/** A size by chance, in bytes: four of five up to 256, one in a hundred over 32 KiB, one in five thousand 1 MiB. */
export function drawSize(): number {
  const draw = Math.random();
  if (draw < 0.0002) return 1 << 20;
  if (draw < 0.8) return between(headLength, 256);
  if (draw < 0.95) return between(256, 4096);
  return between(4096, 65_536);
}

/** The seed of a topic's messages; no connection has it. */
export function topicSeed(topic: number): number {
  return 0x80000000 + topic;
}

/** By chance, each power of two as likely as the others. */
function between(low: number, high: number): number {
  return Math.floor(low * (high / low) ** Math.random());
}

function hex(value: number, length: number): string {
  return value.toString(16).padStart(length, "0");
}

function asBuffer(data: Uint8Array): Buffer {
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength);
}

/** Runs of noise and of zeros by turns, so that some of it compresses. */
function makeBytes(): Buffer {
  const pool = randomFillSync(Buffer.alloc(poolLength));
  for (let at = 0; at < poolLength; at += 1024) pool.fill(0, at, at + 512);
  return pool;
}

/** Words of characters of one, two and three bytes of UTF-8, none of them a surrogate. */
function makeText(): string {
  const words = [
    "socket",
    "frame",
    "payload",
    "größe",
    "fenêtre",
    "сообщение",
    "消息",
    "ひらがな",
    "0123456789",
    "\u0000\r\n",
  ];
  let text = "";
  while (text.length < poolLength) text += `${words[Math.floor(Math.random() * words.length)]} `;
  return text;
}
