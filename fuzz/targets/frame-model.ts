/**
 * What an endpoint must do with the bytes it receives, by RFC 6455 sections 5 to 8: written to be read beside the text.
 *
 * It sees all bytes at once, copies freely and knows nothing of the code under test but the names of its rules.
 */
import type { EndpointEvent } from "../../src/protocol/endpoint/endpoint-events.ts";
import type { Role } from "../../src/protocol/frames/frame.ts";
import type { Violation } from "../../src/protocol/protocol-error.ts";
import { canBecomeUtf8, isWholeUtf8 } from "../../test/support/utf8-table.ts";

/** How the endpoint is set up. */
export interface ModelOptions {
  readonly role: Role;
  readonly maxMessageSize: number;
  readonly maxEmptyFragments: number;
  readonly compression: boolean;
  /** Whether it has sent its Close already. */
  readonly closeFirst: boolean;
}

/** One event to come. */
export interface Step {
  readonly type: EndpointEvent["type"];
  readonly bytes?: Uint8Array;
  /** Of a text, or the reason of a Close. */
  readonly text?: string;
  readonly code?: number;
  /** The rules that are broken, of which one must be named. */
  readonly rules?: readonly Violation[];
}

/** All that must happen; a Close without a payload is the one that answers the broken rule. */
export interface Expected {
  readonly steps: Step[];
  readonly sent: { readonly opcode: number; readonly payload: Uint8Array | undefined }[];
}

interface Message {
  readonly text: boolean;
  readonly compressed: boolean;
  payload: Uint8Array;
  emptyFragments: number;
}

/** See the head of this file. */
export function model(wire: Uint8Array, options: ModelOptions): Expected {
  const steps: Step[] = [];
  const sent: { opcode: number; payload: Uint8Array | undefined }[] = [];
  if (options.closeFirst) sent.push({ opcode: 8, payload: Uint8Array.of(0x03, 0xe8) });
  const fail = (...rules: Violation[]): Expected => {
    steps.push({ type: "failed", rules });
    if (!options.closeFirst) sent.push({ opcode: 8, payload: undefined });
    return { steps, sent };
  };
  let message: Message | undefined;
  for (let at = 0; ; ) {
    const frame = readFrame(wire, at);
    if (frame === undefined) return { steps, sent };
    const { opcode, fin, payload, whole } = frame;
    const rules = brokenRules(frame, options, message);
    if (rules.length > 0) return fail(...rules);
    at = frame.end;

    if (opcode >= 8) {
      if (!whole) return { steps, sent };
      if (opcode === 8) {
        const close = readClose(payload);
        if (close.rules !== undefined) return fail(...close.rules);
        steps.push(close);
        if (!options.closeFirst) sent.push({ opcode: 8, payload: payload.subarray(0, 2) });
        return { steps, sent };
      }
      steps.push({ type: opcode === 9 ? "ping" : "pong", bytes: payload });
      if (opcode === 9) sent.push({ opcode: 10, payload });
      continue;
    }

    message ??= { text: opcode === 1, compressed: frame.rsv1, payload: new Uint8Array(0), emptyFragments: 0 };
    if (!fin && frame.length === 0) {
      if (++message.emptyFragments > options.maxEmptyFragments) return fail("too-many-empty-fragments");
    } else if (payload.length > 0) {
      message.emptyFragments = 0;
    }
    message.payload = message.payload.length === 0 ? payload : Buffer.concat([message.payload, payload]);
    const ends = whole && fin;
    if (message.text && !message.compressed) {
      const valid = isAscii(message.payload) || (ends ? isWholeUtf8 : canBecomeUtf8)(message.payload);
      if (!valid) return fail("text-not-utf8");
    }
    if (!whole) return { steps, sent };
    if (!ends) continue;
    if (message.compressed) {
      steps.push({ type: "inflate", bytes: message.payload });
      if (message.payload[0] === 0xff) return fail("invalid-deflate-data");
      if (message.text && !isWholeUtf8(message.payload)) return fail("text-not-utf8");
    }
    const { payload: bytes } = message;
    steps.push({ type: "message", bytes, ...(message.text && { text: Buffer.from(bytes).toString() }) });
    message = undefined;
  }
}

interface Frame {
  readonly opcode: number;
  readonly fin: boolean;
  readonly rsv1: boolean;
  readonly rsv23: boolean;
  readonly masked: boolean;
  readonly minimal: boolean;
  readonly signBit: boolean;
  readonly length: number;
  /** What has come of the payload, unmasked. */
  readonly payload: Uint8Array;
  readonly whole: boolean;
  readonly end: number;
}

/** The frame at `at`, section 5.2; undefined while its header is not complete. */
function readFrame(wire: Uint8Array, at: number): Frame | undefined {
  const first = wire[at];
  const second = wire[at + 1];
  if (first === undefined || second === undefined) return undefined;
  let length = second & 0x7f;
  let start = at + 2;
  const lengthBytes = length === 126 ? 2 : length === 127 ? 8 : 0;
  const masked = second >= 128;
  if (start + lengthBytes + (masked ? 4 : 0) > wire.length) return undefined;
  const signBit = lengthBytes === 8 && wire[start]! >= 128;
  if (lengthBytes > 0) length = 0;
  for (let index = 0; index < lengthBytes; index++) length = length * 256 + wire[start++]!;
  const key = masked ? wire.subarray(start, start + 4) : undefined;
  if (masked) start += 4;
  const end = Math.min(wire.length, start + length);
  const payload = new Uint8Array(wire.subarray(start, end));
  if (key !== undefined) for (let index = 0; index < payload.length; index++) payload[index]! ^= key[index % 4]!;
  return {
    opcode: first & 0x0f,
    fin: first >= 128,
    rsv1: (first & 0x40) !== 0,
    rsv23: (first & 0x30) !== 0,
    masked,
    minimal: lengthBytes === 0 || length > (lengthBytes === 2 ? 125 : 65535),
    signBit,
    length,
    payload,
    whole: payload.length === length,
    end,
  };
}

/** Every rule that the header breaks; one that comes before others may hide them. */
function brokenRules(frame: Frame, options: ModelOptions, message: Message | undefined): Violation[] {
  const { opcode } = frame;
  const rules: Violation[] = [];
  if (frame.rsv23 || (frame.rsv1 && !options.compression)) rules.push("reserved-bit-set");
  if ((opcode >= 3 && opcode <= 7) || opcode >= 11) rules.push("reserved-opcode");
  if (frame.rsv1 && (opcode >= 8 || opcode === 0)) rules.push("compressed-continuation");
  if (options.role === "server" && !frame.masked) rules.push("unmasked-frame");
  if (options.role === "client" && frame.masked) rules.push("masked-frame");
  if (frame.signBit) rules.push("length-sign-bit");
  if (!frame.minimal) rules.push("length-not-minimal");
  if (opcode >= 8 && !frame.fin) rules.push("fragmented-control-frame");
  if (opcode >= 8 && frame.length > 125) rules.push("control-frame-too-long");
  if (opcode === 0 && message === undefined) rules.push("nothing-to-continue");
  if ((opcode === 1 || opcode === 2) && message !== undefined) rules.push("message-interrupted");
  const total = frame.length + (message?.payload.length ?? 0);
  if (rules.length === 0 && opcode < 8 && total > options.maxMessageSize) rules.push("message-too-big");
  return rules;
}

/** Sections 5.5.1 and 7.4. */
function readClose(payload: Uint8Array): Step {
  if (payload.length === 0) return { type: "close", code: 1005, text: "" };
  if (payload.length === 1) return { type: "failed", rules: ["close-payload-too-short"] };
  const code = payload[0]! * 256 + payload[1]!;
  const registered = code >= 1000 && code <= 1014 && ![1004, 1005, 1006].includes(code);
  const rules: Violation[] = [];
  if (!registered && (code < 3000 || code > 4999)) rules.push("close-code-invalid");
  const reason = payload.subarray(2);
  if (!isWholeUtf8(reason)) rules.push("close-reason-not-utf8");
  if (rules.length > 0) return { type: "failed", rules };
  return { type: "close", code, text: Buffer.from(reason).toString() };
}

function isAscii(bytes: Uint8Array): boolean {
  for (let index = 0; index < bytes.length; index++) if (bytes[index]! > 127) return false;
  return true;
}
