/**
 * Which node of a Redis Cluster has a key: the key's slot, and the table of slots that nodes answer with.
 */

import { Buffer } from "node:buffer";

/** A node that has slots. */
export interface SlotRange {
  readonly first: number;
  readonly last: number;
  /** Empty where the node does not know its own: that by which it was asked. */
  readonly host: string;
  readonly port: number;
}

/** How many slots there are. */
export const slotCount = 16_384;
const escapes: Readonly<Record<string, string>> = { "%": "%25", "{": "%7B", "}": "%7D" };

/** The slot of a key: of what is between its first braces, where something is. */
export function slotOf(key: string): number {
  const tag = /^[^{]*\{([^}]+)\}/.exec(key)?.[1] ?? key;
  let crc = 0;
  for (const byte of Buffer.from(tag)) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1) & 0xffff;
  }
  return crc % slotCount;
}

/** The answer to CLUSTER SLOTS. */
export function slotRanges(answer: unknown): SlotRange[] {
  return (answer as [number, number, [Buffer | string | null, number]][]).map(([first, last, [host, port]]) => {
    const name = host === null ? "" : host.toString();
    return { first: Number(first), last: Number(last), host: name === "?" ? "" : name, port: Number(port) };
  });
}

/** Whether every slot has a node. */
export function isWhole(ranges: readonly SlotRange[]): boolean {
  return ranges.reduce((count, { first, last }) => count + last - first + 1, 0) === slotCount;
}

/** A topic as it stands between braces in keys and channels. */
export function escapeTopic(topic: string): string {
  // As it comes back: what is no text has no bytes of its own.
  return Buffer.from(topic)
    .toString()
    .replace(/[%{}]/g, (character) => escapes[character]!);
}
