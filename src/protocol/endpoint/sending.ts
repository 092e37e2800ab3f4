/**
 * What an endpoint sends: messages, fragments, Pings and Pongs become frames in its output, which the caller takes.
 *
 * Frames of one message follow one another (RFC 6455 section 5.4), and nothing follows our Close. Each function that
 * sends returns false, and sends nothing, unless the state is `open` or `peerClosing`.
 */

import { lengthOf, requireBytes } from "../bytes.ts";
import { finBit, Opcode, rsv1Bit } from "../frames/frame.ts";
import { encodeFrame, encodeTextFrame } from "../frames/frame-encoder.ts";
import { failBetweenEvents } from "./closing.ts";
import { sendOwedPong } from "./pongs.ts";
import type { EndpointRecord } from "./record.ts";

/** Encoded frames up to this many bytes are copied where other output waits, so that all leaves in one write. */
const longestCopiedBehind = 4096;

/**
 * Sends a whole message. `copy` says that the caller may change long bytes at once, `text` that bytes are text in UTF-8.
 */
export function sendMessage(
  endpoint: EndpointRecord,
  data: string | Uint8Array,
  copy: boolean,
  text: boolean,
): boolean {
  if (!endpoint.isSending) return false;
  refuseInside(endpoint.sendingFragments);
  const output = endpoint.openOutput();
  const { role } = endpoint.settings;
  if (typeof data === "string") {
    encodeTextFrame(output, role, finBit | Opcode.Text, data);
  } else {
    const firstByte = finBit | (text ? Opcode.Text : Opcode.Binary);
    encodeFrame(output, role, firstByte, data, copy || endpoint.stalled ? "copied" : "referred");
  }
  output.messages++;
  return true;
}

/** Sends a whole message that was deflated; its memory is the endpoint's from then on. */
export function sendCompressed(endpoint: EndpointRecord, text: boolean, payload: Uint8Array): boolean {
  if (!endpoint.isSending) return false;
  refuseInside(endpoint.sendingFragments);
  const output = endpoint.openOutput();
  const opcode = text ? Opcode.Text : Opcode.Binary;
  encodeFrame(output, endpoint.settings.role, finBit | rsv1Bit | opcode, payload);
  output.messages++;
  return true;
}

/** Where a fragment stands in its message. */
export interface FragmentPosition {
  readonly first: boolean;
  readonly last: boolean;
  /** Whether the message is compressed: the payload was deflated, and its memory is the endpoint's from then on. */
  readonly compressed?: boolean;
}

/** Sends one fragment: a copy of it, unless it is compressed. */
export function sendFragment(
  endpoint: EndpointRecord,
  text: boolean,
  payload: Uint8Array,
  { first, last, compressed = false }: FragmentPosition,
): boolean {
  if (!endpoint.isSending) return false;
  refuseInside(first === endpoint.sendingFragments);
  const output = endpoint.openOutput();
  const opcode = first ? (text ? Opcode.Text : Opcode.Binary) : Opcode.Continuation;
  const firstByte = (last ? finBit : 0) | (first && compressed ? rsv1Bit : 0) | opcode;
  encodeFrame(output, endpoint.settings.role, firstByte, payload, compressed ? "given" : "copied");
  endpoint.sendingFragments = !last;
  if (last) output.messages++;
  return true;
}

/** Sends whole, unmasked frames that other connections may send as well. */
export function sendEncoded(endpoint: EndpointRecord, frames: Uint8Array, messageCount: number): boolean {
  if (endpoint.settings.role === "client") {
    throw new Error("Cannot send: a client must mask each frame with a key of its own");
  }
  if (!endpoint.isSending) return false;
  refuseInside(endpoint.sendingFragments);
  const output = endpoint.openOutput();
  if (frames.length <= longestCopiedBehind && output.length > 0) {
    const at = output.reserve(frames.length);
    output.slab.set(frames, at);
    output.position = at + frames.length;
  } else {
    requireBytes(frames);
    output.append(frames, true);
  }
  output.messages += messageCount;
  return true;
}

/** Sends a Ping or a Pong. Throws a RangeError for more than 125 bytes; without memory, the connection fails. */
export function sendControl(
  endpoint: EndpointRecord,
  opcode: typeof Opcode.Ping | typeof Opcode.Pong,
  payload: Uint8Array,
): boolean {
  const length = lengthOf(payload);
  if (length > 125) {
    throw new RangeError(`Cannot send: a control frame carries at most 125 bytes, not ${length}`);
  }
  if (!endpoint.isSending) return false;
  try {
    encodeFrame(endpoint.openOutput(), endpoint.settings.role, finBit | opcode, payload);
  } catch (error) {
    failBetweenEvents(endpoint, error);
    return false;
  }
  return true;
}

/** Returns the bytes to write, in order, see `OutputBuffer.take`. */
export function takeOutput(endpoint: EndpointRecord, copied: boolean, waits: boolean): Uint8Array[] {
  sendOwedPong(endpoint);
  return endpoint.output?.take(copied, waits) ?? [];
}

/** Notes whether all that was taken has left the process, see `OutputBuffer.taken`. */
export function outputTaken(endpoint: EndpointRecord, left: boolean, comesBack: boolean): void {
  endpoint.output?.taken(left, comesBack);
  endpoint.releaseOutput();
}

/** All that was ever taken has left the process. */
export function outputLeft(endpoint: EndpointRecord): void {
  endpoint.output?.left();
  endpoint.releaseOutput();
}

/** Drops the output that was not taken, and the Pong that is owed. */
export function discardOutput(endpoint: EndpointRecord): void {
  endpoint.latestPing = undefined;
  endpoint.clearOutput();
}

function refuseInside(inside: boolean): void {
  if (inside) throw new Error("Cannot send: the frames of one message must follow one another");
}
