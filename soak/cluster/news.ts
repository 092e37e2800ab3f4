/**
 * The messages of a cluster's soak: each says who published it, as which of its messages and when, and carries a checksum
 * that begins with the number of its topic, so that one that came to another topic is seen.
 */
import { crc32 } from "node:zlib";

/** One message. */
export interface News {
  readonly publisher: string;
  /** Counts the publisher's messages, of all topics. */
  readonly number: number;
  /** When it was published, in milliseconds since 1970. */
  readonly at: number;
}

const filling = "0123456789abcdefghijklmnopqrstuvwxyz größe 消息 ".repeat(200);

/** The message as text, as long as `size` says or a little longer. */
export function newsToText(topic: number, { publisher, number, at }: News, size: number): string {
  const body = `${publisher} ${number} ${at} ${filling.slice(0, size)}`;
  return `${checksum(topic, body)} ${body}`;
}

/** Reads a message; undefined for what is none of this topic, or damaged. */
export function newsFromText(topic: number, text: string): News | undefined {
  const body = text.slice(9);
  if (text.slice(0, 8) !== checksum(topic, body)) return undefined;
  const [publisher = "", number, at] = body.split(" ", 3);
  return { publisher, number: Number(number), at: Number(at) };
}

/** Most are short, one in a hundred takes some KiB. */
export function drawNewsSize(): number {
  return Math.random() < 0.01 ? 1000 + Math.floor(Math.random() * 7000) : Math.floor(Math.random() * 200);
}

function checksum(topic: number, body: string): string {
  return crc32(body, topic).toString(16).padStart(8, "0");
}
