/**
 * What an endpoint receives: chunks become events, one at each call.
 *
 * No parser is on the stack while the caller looks at an event. Where there is no memory for what was received, the
 * connection fails, and other connections go on (fault D23).
 */

import { viewPlain } from "../bytes.ts";
import { decodeClosePayload } from "../close-payload.ts";
import type { InflatedText } from "../deflate/short-messages.ts";
import { finBit, isControl, Opcode, rsv1Bit } from "../frames/frame.ts";
import { type FrameDecoder, giveDecoder, takeDecoder } from "../frames/frame-decoder.ts";
import { brokenFrameRule } from "../frames/frame-rules.ts";
import { freeMemory } from "../messages/free-memory.ts";
import { MessageAssembler } from "../messages/message-assembler.ts";
import { StreamedMessage } from "../messages/streamed-message.ts";
import type { Violation } from "../protocol-error.ts";
import { joinBytes } from "../runtime/memory.ts";
import { decodeUtf8, isUtf8 } from "../runtime/text.ts";
import { fail, failBetweenEvents, failForMemory } from "./closing.ts";
import type { CloseEvent, EndpointEvent, FailedEvent, MessageEvent, PartEvent } from "./endpoint-events.ts";
import type { AcceptedMessages } from "./endpoint-options.ts";
import { answerPing, sendOwedPong } from "./pongs.ts";
import type { EndpointRecord } from "./record.ts";

/**
 * Takes the first `length` bytes of a chunk from the transport. A borrowed chunk is used again after `releaseChunk`.
 */
export function receive(endpoint: EndpointRecord, chunk: Uint8Array, borrowed: boolean, length: number): void {
  if (!endpoint.isParsing) return;
  endpoint.decoder ??= takeDecoder();
  try {
    endpoint.decoder.push(chunk, length, borrowed);
  } catch (error) {
    failBetweenEvents(endpoint, error);
  }
}

/** Copies the unparsed rest of a borrowed chunk. */
export function releaseChunk(endpoint: EndpointRecord): void {
  try {
    endpoint.decoder?.keepUnread();
  } catch (error) {
    failBetweenEvents(endpoint, error);
  }
}

/** Notes that the peer has ended its side of the transport. */
export function receivePeerEnd(endpoint: EndpointRecord): void {
  if (!endpoint.isParsing) return;
  try {
    sendOwedPong(endpoint);
  } catch (error) {
    return failBetweenEvents(endpoint, error);
  }
  endpoint.move("peerEnded");
  endpoint.stopParsing();
}

/** Notes that the transport has ended. */
export function receiveEnd(endpoint: EndpointRecord): void {
  endpoint.move("transportEnded");
  endpoint.stopParsing();
  endpoint.clearOutput();
}

/** Parses up to the next event, and at most `mostFrames` frames without one. */
export function nextEvent(endpoint: EndpointRecord, mostFrames: number): EndpointEvent | undefined {
  const { decoder } = endpoint;
  if (decoder === undefined) return endpoint.failureUnreported ? reportFailure(endpoint) : undefined;
  try {
    return parse(endpoint, decoder, mostFrames);
  } catch (error) {
    return failForMemory(endpoint, error);
  }
}

/** Answers an `inflate` event with the inflated payload, its text, or the rule that it breaks. */
export function inflated(
  endpoint: EndpointRecord,
  outcome: Uint8Array | InflatedText | Violation,
): MessageEvent | FailedEvent {
  const message = endpoint.inflating;
  if (message === undefined) throw new Error("Cannot deliver: no message waits to be inflated");
  endpoint.inflating = undefined;
  if (endpoint.violation !== undefined) return { type: "failed", violation: endpoint.violation };
  if (typeof outcome === "string") return fail(endpoint, outcome);
  const isBytes = ArrayBuffer.isView(outcome);
  const { length } = isBytes ? outcome : outcome.text;
  if (length > endpoint.settings.maxMessageSize) return fail(endpoint, "message-too-big");
  if (!isBytes) return { type: "message", text: true, data: outcome.text };
  try {
    return deliver(endpoint, message.text, outcome, 0, outcome.length, 0x80, undefined);
  } catch (error) {
    return failForMemory(endpoint, error);
  }
}

/** Reports a failure that came between two events, once. */
function reportFailure(endpoint: EndpointRecord): FailedEvent {
  endpoint.failureUnreported = false;
  return { type: "failed", violation: endpoint.violation! };
}

function parse(endpoint: EndpointRecord, decoder: FrameDecoder, mostFrames: number): EndpointEvent | undefined {
  for (let frames = 0; frames < mostFrames && endpoint.isParsing && endpoint.inflating === undefined; frames++) {
    if (decoder.remaining === 0) {
      if (!decoder.readHeader()) break;
      const broken = judgeHeader(endpoint, decoder);
      if (broken !== undefined) {
        const { firstByte, payloadLength } = decoder;
        return fail(endpoint, broken, { firstByte, payloadLength });
      }
    }
    decoder.readPayload();
    const event = isControl(decoder.firstByte) ? readControl(endpoint, decoder) : readData(endpoint, decoder);
    if (event !== undefined) return event;
    if (decoder.remaining > 0) break;
  }
  if (decoder.unread > 0) return undefined;
  decoder.discard();
  if (decoder.remaining > 0 || decoder.headerProgress > 0) return undefined;
  endpoint.decoder = undefined;
  giveDecoder(decoder);
  return undefined;
}

/** Returns the rule that the frame whose header was read breaks; undefined when it breaks none. */
function judgeHeader(endpoint: EndpointRecord, decoder: FrameDecoder): Violation | undefined {
  const { settings, message } = endpoint;
  const first = decoder.firstByte;
  // A whole text or binary message with a 7-bit length is nearly all traffic and breaks no rule.
  const plain = (first === 0x81 || first === 0x82) && decoder.lengthBits === 7 && message === undefined;
  if (!plain || decoder.masked !== (settings.role === "server")) {
    const { role, compression } = settings;
    const broken = brokenFrameRule(decoder, { role, compression, messageUnderWay: message !== undefined });
    if (broken !== undefined) return broken;
  }
  if (isControl(first)) return undefined;
  if (!accepts(settings.accepts, first & 0x0f)) return "message-type-not-accepted";
  const length = decoder.payloadLength;
  if (length + (message?.length ?? 0) > settings.maxMessageSize && !isStreamed(endpoint, decoder)) {
    return "message-too-big";
  }
  if (length === 0 && (first & finBit) === 0) {
    endpoint.message ??= assemble(endpoint, decoder);
    return endpoint.message.addEmptyFragment(settings.maxEmptyFragments);
  }
  return undefined;
}

/** Whether a message of this opcode may begin or, for a continuation, go on. */
function accepts(accepted: AcceptedMessages, opcode: number): boolean {
  return accepted === "any" || opcode !== (accepted === "text" ? Opcode.Binary : Opcode.Text);
}

/** Whether the frame whose header was read is of a message that is handed on in parts, and so may be longer. */
function isStreamed({ message, streaming }: EndpointRecord, { firstByte, payloadLength }: FrameDecoder): boolean {
  // Larger numbers do not count bytes exactly.
  if (payloadLength > Number.MAX_SAFE_INTEGER) return false;
  if (message !== undefined) return message.parts !== undefined;
  return streaming && (firstByte & rsv1Bit) === 0;
}

/** Begins the message whose first header was read. */
function assemble(
  { streaming, settings }: EndpointRecord,
  { firstByte, payloadLength }: FrameDecoder,
): MessageAssembler {
  const text = (firstByte & 0x0f) === Opcode.Text;
  const compressed = (firstByte & rsv1Bit) !== 0;
  const short = firstByte === (finBit | Opcode.Text) && payloadLength <= settings.longestWhole;
  const parts = streaming && !compressed && !short ? new StreamedMessage(text, settings.textAsBytes) : undefined;
  return new MessageAssembler(text, compressed, settings.maxMessageSize, {
    parts,
    validates: settings.validatesText || !settings.textAsBytes,
    maxProcessAllotment: settings.maxProcessAllotment,
  });
}

/** Reads a part of a data frame; undefined when that completes nothing. */
function readData(endpoint: EndpointRecord, decoder: FrameDecoder): EndpointEvent | undefined {
  const ends = decoder.remaining === 0 && (decoder.firstByte & finBit) !== 0;
  if (ends && endpoint.message === undefined) {
    const text = (decoder.firstByte & 0x0f) === Opcode.Text;
    if ((decoder.firstByte & rsv1Bit) === 0) {
      return deliver(endpoint, text, decoder.chunk, decoder.start, decoder.end, decoder.seen, decoder);
    }
    endpoint.inflating = { text, length: decoder.end - decoder.start };
    return { type: "inflate", payload: decoder.viewPayload() };
  }
  endpoint.message ??= assemble(endpoint, decoder);
  const { message } = endpoint;
  if (message.parts !== undefined) return readStreamed(endpoint, decoder, message, message.parts, ends);
  const broken = message.add(decoder.chunk, decoder.start, decoder.end, decoder.remaining);
  if (broken !== undefined) return fail(endpoint, broken);
  if (!ends) return undefined;
  endpoint.message = undefined;
  return finish(endpoint, message);
}

/** Returns the event for a message whose last fragment was added. */
function finish(endpoint: EndpointRecord, message: MessageAssembler): EndpointEvent {
  const payload = message.finish();
  if (typeof payload === "string") return fail(endpoint, payload);
  if (message.compressed) {
    endpoint.inflating = message;
    return { type: "inflate", payload: viewPlain(payload) };
  }
  if (!message.text || endpoint.settings.textAsBytes) {
    return { type: "message", text: message.text, data: viewPlain(payload) };
  }
  const data = decodeUtf8(payload, 0, payload.length);
  freeMemory(payload);
  return { type: "message", text: true, data };
}

/** Hands on the part that was read of a streamed message; undefined when it holds no whole character. */
function readStreamed(
  endpoint: EndpointRecord,
  decoder: FrameDecoder,
  message: MessageAssembler,
  parts: StreamedMessage,
  last: boolean,
): PartEvent | FailedEvent | undefined {
  const { chunk, start, end } = decoder;
  message.handOn(end - start);
  const broken = parts.judge(chunk, start, end, last);
  if (broken !== undefined) return fail(endpoint, broken);
  if (last) endpoint.message = undefined;
  const characters = parts.decode(chunk, start, end);
  if (!last && (characters === undefined ? start === end : characters === "")) return undefined;
  const { first } = parts;
  parts.first = false;
  return { type: "part", text: message.text, data: characters ?? decoder.takePayload(), first, last };
}

/**
 * Returns the event for a whole message in `chunk[start..end)`, whose UTF-8 is judged here. Bit 7 of `seen` is clear
 * only if all bytes are known to be ASCII. Without a decoder, the chunk is the message and is used by nothing else.
 */
function deliver(
  endpoint: EndpointRecord,
  text: boolean,
  chunk: Uint8Array,
  start: number,
  end: number,
  seen: number,
  decoder: FrameDecoder | undefined,
): MessageEvent | FailedEvent {
  const { textAsBytes, lendsBytes, validatesText } = endpoint.settings;
  if (text && !textAsBytes) {
    if ((seen & 0x80) === 0) return { type: "message", text, data: decoder!.takeAscii() };
    const data = decodeUtf8(chunk, start, end);
    // Decoding turns what is not UTF-8 into U+FFFD, so most text needs no second pass.
    if (data.includes("\ufffd") && !isUtf8(chunk.subarray(start, end))) return fail(endpoint, "text-not-utf8");
    return { type: "message", text, data };
  }
  if (text && (seen & 0x80) !== 0 && validatesText && !isUtf8(chunk.subarray(start, end))) {
    return fail(endpoint, "text-not-utf8");
  }
  if (decoder === undefined) return { type: "message", text, data: viewPlain(chunk) };
  return { type: "message", text, data: lendsBytes ? decoder.lendPayload() : decoder.takePayload() };
}

/** Reads a part of a control frame; undefined while its payload is incomplete. */
function readControl(endpoint: EndpointRecord, decoder: FrameDecoder): EndpointEvent | undefined {
  const part = decoder.takePayload();
  const payload = endpoint.controlPart === undefined ? part : viewPlain(joinBytes([endpoint.controlPart, part]));
  endpoint.controlPart = decoder.remaining > 0 ? payload : undefined;
  if (decoder.remaining > 0) return undefined;
  const opcode = decoder.firstByte & 0x0f;
  if (opcode === Opcode.Close) return readClose(endpoint, payload);
  if (opcode === Opcode.Pong) return { type: "pong", payload };
  if (endpoint.settings.answersPings) answerPing(endpoint, payload);
  return { type: "ping", payload };
}

function readClose(endpoint: EndpointRecord, payload: Uint8Array): CloseEvent | FailedEvent {
  const status = decodeClosePayload(payload);
  if (typeof status === "string") {
    return fail(endpoint, status, { firstByte: finBit | Opcode.Close, payloadLength: payload.length, payload });
  }
  endpoint.closeReceived = status;
  endpoint.move("closeReceived");
  endpoint.stopParsing();
  return { type: "close", code: status.code, reason: status.reason };
}
