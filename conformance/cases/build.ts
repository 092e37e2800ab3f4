/**
 * The vocabulary in which cases are written: frames by name, payloads of a given length, and messages in pieces.
 */
import type { Case, Group } from "../case.ts";
import { bytesOf, type FrameSpec, Op } from "../wire/frame.ts";

/** What a family of cases has in common is left to its maker; this adds the group to each id. */
export function family(group: Group, cases: readonly Omit<Case, "group">[]): Case[] {
  return cases.map((test) => ({ ...test, group, id: `${group}.${test.id}` }));
}

type Payload = Uint8Array | string;
type More = Partial<FrameSpec>;

/** A text frame. */
export function text(payload: Payload = "", more: More = {}): FrameSpec {
  return { opcode: Op.Text, payload, ...more };
}
/** A binary frame. */
export function binary(payload: Payload = "", more: More = {}): FrameSpec {
  return { opcode: Op.Binary, payload, ...more };
}
/** A continuation frame. */
export function continuation(payload: Payload = "", more: More = {}): FrameSpec {
  return { opcode: Op.Continuation, payload, ...more };
}
/** A ping. */
export function ping(payload: Payload = "", more: More = {}): FrameSpec {
  return { opcode: Op.Ping, payload, ...more };
}
/** A pong. */
export function pong(payload: Payload = "", more: More = {}): FrameSpec {
  return { opcode: Op.Pong, payload, ...more };
}
/** A Close with a code and a reason, or an empty one. */
export function close(code?: number, reason: Payload = "", more: More = {}): FrameSpec {
  return { opcode: Op.Close, payload: code === undefined ? "" : closePayload(code, reason), ...more };
}

/** The payload of a Close. */
export function closePayload(code: number, reason: Payload = ""): Buffer {
  return Buffer.concat([Buffer.from([code >> 8, code & 255]), bytesOf(reason)]);
}

/** `length` letters that repeat with period 26, so that a byte lost or moved is seen. */
export function letters(length: number): string {
  const known = LETTERS.get(length);
  if (known !== undefined) return known;
  const made = "abcdefghijklmnopqrstuvwxyz".repeat(Math.ceil(length / 26)).slice(0, length);
  LETTERS.set(length, made);
  return made;
}

const LETTERS = new Map<number, string>();

/** `length` bytes of every value. */
export function octets(length: number): Buffer {
  return Buffer.from(Uint8Array.from({ length }, (_, i) => (i * 7 + (i >> 8)) & 255));
}

const FILLING = new Map<string, Buffer>();

/** The bytes of a large message, made once for all cases that send it. */
export function fillingBytes(kind: "text" | "binary", length: number): Buffer {
  const key = `${kind} ${length}`;
  const known = FILLING.get(key);
  if (known !== undefined) return known;
  const made = kind === "text" ? Buffer.from(letters(length)) : Buffer.alloc(length, octets(997));
  FILLING.set(key, made);
  return made;
}

/** A large message: letters, or bytes of every value. */
export function filling(kind: "text" | "binary", length: number): string | Buffer {
  return kind === "text" ? letters(length) : fillingBytes(kind, length);
}

/** A message as frames, one a piece. */
export function pieces(opcode: number, parts: readonly Payload[], more: More = {}): FrameSpec[] {
  return parts.map((payload, i) => ({
    opcode: i === 0 ? opcode : Op.Continuation,
    payload,
    fin: i === parts.length - 1,
    ...(i === 0 ? more : {}),
  }));
}

/** Bytes from hexadecimal, blanks ignored. */
export function hexBytes(hex: string): Buffer {
  return Buffer.from(hex.replaceAll(" ", ""), "hex");
}

/** Cuts bytes at offsets. */
export function cutAt(bytes: Uint8Array, ...offsets: number[]): Buffer[] {
  const whole = bytesOf(bytes);
  return [...offsets, whole.length].map((end, i) => whole.subarray(i === 0 ? 0 : offsets[i - 1], end));
}

/** Cuts bytes into parts of `size`. */
export function parts(bytes: Uint8Array, size: number): Buffer[] {
  const whole = bytesOf(bytes);
  return Array.from({ length: Math.max(1, Math.ceil(whole.length / size)) }, (_, i) =>
    whole.subarray(i * size, (i + 1) * size),
  );
}
