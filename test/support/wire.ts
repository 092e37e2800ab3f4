/**
 * Frames as RFC 6455 section 5.2 draws them, built and read without the code under test, and ways to feed them to it.
 *
 * Everything wrong can be built as well: other lengths than the payload's, any RSV bits, masked or not.
 */

import { Buffer } from "node:buffer";
import type { Endpoint } from "../../src/protocol/endpoint/endpoint.ts";
import type { EndpointEvent } from "../../src/protocol/endpoint/endpoint-events.ts";
import type { Role } from "../../src/protocol/frames/frame.ts";

/** A frame to build; what is left out is what a correct single frame has. */
export interface WireFrame {
  readonly opcode: number;
  readonly payload?: string | Uint8Array;
  readonly fin?: boolean;
  /** RSV1 to RSV3 as a number from 0 to 7; RSV1 is 4. */
  readonly rsv?: number;
  /** The masking key; undefined for an unmasked frame. */
  readonly key?: readonly [number, number, number, number] | undefined;
  /** The form of the length; the shortest that fits when left out. */
  readonly lengthBits?: 7 | 16 | 64;
  /** The length that the header announces. */
  readonly announced?: bigint;
}

/** A frame that was read. */
export interface ReadFrame {
  readonly fin: boolean;
  readonly rsv: number;
  readonly opcode: number;
  readonly key: readonly number[] | undefined;
  readonly lengthBits: 7 | 16 | 64;
  readonly payload: Buffer;
}

/** The key of the frames that `frameFrom` builds for a client: the bytes differ, so that a wrong phase shows. */
export const testKey = [0x37, 0xfa, 0x21, 0x3d] as const;

/** The bytes of a frame. */
export function buildFrame(frame: WireFrame): Buffer {
  const payload = Buffer.from(frame.payload ?? "");
  const announced = frame.announced ?? BigInt(payload.length);
  const bits = frame.lengthBits ?? (announced < 126n ? 7 : announced < 65536n ? 16 : 64);
  const bytes = [(frame.fin === false ? 0 : 0x80) + (frame.rsv ?? 0) * 16 + frame.opcode];
  const maskBit = frame.key === undefined ? 0 : 0x80;
  bytes.push(maskBit + (bits === 7 ? Number(announced) : bits === 16 ? 126 : 127));
  const lengthBytes = bits === 7 ? 0 : bits / 8;
  for (let i = lengthBytes - 1; i >= 0; i--) bytes.push(Number((announced >> BigInt(8 * i)) & 0xffn));
  if (frame.key !== undefined) bytes.push(...frame.key);
  const masked = frame.key === undefined ? payload : Buffer.from(payload.map((byte, i) => byte ^ frame.key![i % 4]!));
  return Buffer.concat([Buffer.from(bytes), masked]);
}

/** The bytes of a frame as `sender` must send it: masked from a client, unmasked from a server. */
export function frameFrom(sender: Role, frame: Omit<WireFrame, "key">): Buffer {
  return buildFrame(sender === "client" ? { ...frame, key: testKey } : frame);
}

/** The frames in `bytes`, unmasked; throws when they do not end with a whole frame. */
export function readFrames(bytes: Uint8Array): ReadFrame[] {
  const frames: ReadFrame[] = [];
  let at = 0;
  const next = (): number => {
    const byte = bytes[at++];
    if (byte === undefined) throw new Error("The bytes end inside a frame");
    return byte;
  };
  while (at < bytes.length) {
    const first = next();
    const second = next();
    const short = second % 128;
    let length = BigInt(short);
    const lengthBits = short === 126 ? 16 : short === 127 ? 64 : 7;
    if (short >= 126) {
      length = 0n;
      for (let i = 0; i < lengthBits / 8; i++) length = length * 256n + BigInt(next());
    }
    const key = second >= 128 ? [next(), next(), next(), next()] : undefined;
    if (at + Number(length) > bytes.length) throw new Error("The bytes end inside a payload");
    const payload = Buffer.from(bytes.subarray(at, at + Number(length)));
    at += Number(length);
    if (key !== undefined) for (let i = 0; i < payload.length; i++) payload[i] = payload[i]! ^ key[i % 4]!;
    frames.push({ fin: first >= 128, rsv: (first >> 4) & 7, opcode: first & 15, key, lengthBits, payload });
  }
  return frames;
}

/** How bytes are cut into chunks: not at all, after each, or before each of these indices. */
export type Cuts = "whole" | "bytewise" | readonly number[];

/** The bytes in chunks, each in memory of its own as a socket gives it. */
export function cut(bytes: Uint8Array, cuts: Cuts): Buffer[] {
  if (cuts === "whole") return [ownCopy(bytes)];
  if (cuts === "bytewise") return Array.from(bytes, (_, i) => ownCopy(bytes.subarray(i, i + 1)));
  const edges = [0, ...[...cuts].sort((a, b) => a - b), bytes.length];
  return edges.slice(1).map((end, i) => ownCopy(bytes.subarray(edges[i]!, end)));
}

/** A copy that shares its memory with nothing. */
export function ownCopy(bytes: Uint8Array): Buffer {
  const copy = Buffer.from(new ArrayBuffer(bytes.length));
  copy.set(bytes);
  return copy;
}

/** Gives the bytes to the endpoint and returns every event; `onEvent` is called before the next one is asked for. */
export function feed(
  endpoint: Endpoint,
  bytes: Uint8Array,
  cuts: Cuts = "whole",
  onEvent: (event: EndpointEvent) => void = () => {},
): EndpointEvent[] {
  const events: EndpointEvent[] = [];
  for (const chunk of cut(bytes, cuts)) {
    endpoint.receive(chunk);
    events.push(...drain(endpoint, onEvent));
  }
  return events;
}

/** Every event that the endpoint finds in what it has received. */
export function drain(endpoint: Endpoint, onEvent: (event: EndpointEvent) => void = () => {}): EndpointEvent[] {
  const events: EndpointEvent[] = [];
  for (let event = endpoint.nextEvent(); event !== undefined; event = endpoint.nextEvent()) {
    events.push(event);
    onEvent(event);
  }
  return events;
}

/** Takes the output as one run of bytes, and says that it has left. */
export function takeBytes(endpoint: Endpoint): Buffer {
  const bytes = Buffer.concat(endpoint.takeOutput());
  endpoint.outputTaken(true);
  return ownCopy(bytes);
}

/** Takes the output and reads its frames. */
export function takeFrames(endpoint: Endpoint): ReadFrame[] {
  return readFrames(takeBytes(endpoint));
}

/** The other role. */
export function peerOf(role: Role): Role {
  return role === "client" ? "server" : "client";
}
