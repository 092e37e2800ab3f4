/**
 * Every rule of RFC 6455 section 5 that a frame's header can break, in the order in which the section states them.
 */

import type { Violation } from "../protocol-error.ts";
import { finBit, isControl, Opcode, type Role, rsv1Bit } from "./frame.ts";

/** The header of a frame as it was read from the wire. */
export interface FrameHeader {
  /** The first byte: FIN, RSV1 to RSV3 and the opcode. */
  readonly firstByte: number;
  /** Whether the frame has a masking key. */
  readonly masked: boolean;
  /** The payload's length in bytes. From 2^53 on it is not exact. */
  readonly payloadLength: number;
  /** The number of bits in which the length was written. */
  readonly lengthBits: 7 | 16 | 64;
  /** The top bit of a 64-bit length. */
  readonly lengthSign: boolean;
}

/** The state of the connection that the rules depend on. */
export interface FrameContext {
  /** The role of the endpoint that received the frame. */
  readonly role: Role;
  /** Whether permessage-deflate was agreed, so that RSV1 has a meaning. */
  readonly compression: boolean;
  /** Whether a fragmented message is under way. */
  readonly messageUnderWay: boolean;
}

/** Returns the name of the first rule that the header breaks; undefined when it breaks none. */
export function brokenFrameRule(header: FrameHeader, context: FrameContext): Violation | undefined {
  const opcode = header.firstByte & 0x0f;
  const fin = (header.firstByte & finBit) !== 0;
  const rsv1 = (header.firstByte & rsv1Bit) !== 0;
  const control = isControl(opcode);

  if ((header.firstByte & 0x30) !== 0 || (rsv1 && !context.compression)) return "reserved-bit-set";
  if (control ? opcode > Opcode.Pong : opcode > Opcode.Binary) return "reserved-opcode";
  if (rsv1 && (control || opcode === Opcode.Continuation)) return "compressed-continuation";
  if (context.role === "server" && !header.masked) return "unmasked-frame";
  if (context.role === "client" && header.masked) return "masked-frame";
  if (header.lengthSign) return "length-sign-bit";
  if (header.lengthBits === 16 && header.payloadLength < 126) return "length-not-minimal";
  if (header.lengthBits === 64 && header.payloadLength < 65536) return "length-not-minimal";
  if (control) {
    if (!fin) return "fragmented-control-frame";
    if (header.payloadLength > 125) return "control-frame-too-long";
    return undefined;
  }
  if (opcode === Opcode.Continuation) return context.messageUnderWay ? undefined : "nothing-to-continue";
  return context.messageUnderWay ? "message-interrupted" : undefined;
}
