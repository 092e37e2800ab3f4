/**
 * `Receiver` of `ws`: a Writable that takes what a socket read, and emits the messages in it.
 *
 * Nothing in this package uses it; connections receive by `protocol/endpoint/`. As in `ws`, it takes lengths that are not
 * in their shortest form, judges text when it is complete, and masked chunks are unmasked where they lie.
 */

import { Writable } from "node:stream";
import { copyUnlessAlone } from "../../protocol/bytes.ts";
import { isSendableCloseCode } from "../../protocol/close-code.ts";
import { finBit, isControl, Opcode, rsv1Bit } from "../../protocol/frames/frame.ts";
import { FrameDecoder } from "../../protocol/frames/frame-decoder.ts";
import { brokenFrameRule } from "../../protocol/frames/frame-rules.ts";
import { MessageAssembler } from "../../protocol/messages/message-assembler.ts";
import { isUtf8 } from "../../protocol/runtime/text.ts";
import { setImmediate } from "../../transport/scheduling.ts";
import { asBuffer, emptyBuffer } from "./buffers.ts";
import { PerMessageDeflate } from "./permessage-deflate.ts";
import { codesOfRules, type ReceiverError, receiverError } from "./receiver-error.ts";

/** The form in which binary messages are given. */
export type BinaryType = "nodebuffer" | "arraybuffer" | "fragments" | "blob";

/** How a receiver works. */
export interface ReceiverOptions {
  /** Whether several events may be emitted in one turn of the event loop. Default true. */
  allowSynchronousEvents?: boolean | undefined;
  /** The form of binary messages. Default `"nodebuffer"`. */
  binaryType?: BinaryType | undefined;
  /** The extensions that were agreed, by name. */
  extensions?: Readonly<Record<string, unknown>> | undefined;
  /** Whether it receives what a client sends. Default false. */
  isServer?: boolean | undefined;
  /** The most chunks that are kept of an incomplete frame. Default 0: any number. */
  maxBufferedChunks?: number | undefined;
  /** The most fragments of a message. Default 0: any number. */
  maxFragments?: number | undefined;
  /** The most bytes of a message, also when inflated. Default 0: any number. */
  maxPayload?: number | undefined;
  /** Whether text and reasons may be other than UTF-8. Default false. */
  skipUTF8Validation?: boolean | undefined;
}

type WriteCallback = (error?: Error | null) => void;

/** What comes after a step: another one, nothing until there are more bytes, one that an event brings, or an error. */
type Next = "step" | "bytes" | "event" | Error;

/**
 * Reads frames, and emits `message` with the data and whether it is binary, `ping` and `pong` with the payload,
 * `conclude` with the code and the reason of a Close frame, behind which everything is ignored, and `error` with a
 * `ReceiverError`.
 */
export class Receiver extends Writable {
  /** Bytes that the frames of the message under way have announced. */
  _totalPayloadLength = 0;
  readonly #options: ReceiverOptions;
  readonly #maxBufferedChunks: number;
  readonly #maxFragments: number;
  readonly #maxPayload: number;
  readonly #decoder: FrameDecoder = new FrameDecoder();
  /** The first byte of a header whose second has not come. */
  #firstByte = 0;
  /** Whether the payload of a frame is being read. */
  #inPayload = false;
  /** The payload of a frame that came in several chunks; undefined while it has come in one. */
  #assembled: MessageAssembler | undefined;
  /** How many chunks it came in so far. */
  #chunks = 0;
  /** The opcode of the message under way; 0 between messages. */
  #opcode = 0;
  #compressed = false;
  #fragments = 0;
  #pieces: Buffer[] = [];
  #length = 0;
  #concluded = false;

  constructor(options: ReceiverOptions = {}) {
    super();
    this.#options = options;
    this.#maxBufferedChunks = (options.maxBufferedChunks ?? 0) | 0;
    this.#maxFragments = (options.maxFragments ?? 0) | 0;
    this.#maxPayload = (options.maxPayload ?? 0) | 0;
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: WriteCallback): void {
    if (this.#maxBufferedChunks > 0 && this.#chunks >= this.#maxBufferedChunks) {
      return callback(receiverError("WS_ERR_TOO_MANY_BUFFERED_PARTS", "buffered chunks"));
    }
    this.#decoder.push(chunk);
    this.#run("step", callback);
  }

  #run(first: Next, callback: WriteCallback): void {
    let next = first;
    while (next === "step") next = this.#concluded || this.destroyed ? "bytes" : this.#step(callback);
    if (next === "bytes") {
      this.#decoder.discard();
      callback();
    } else if (next !== "event") {
      callback(next);
    }
  }

  /** Reads up to the end of a header or a frame. */
  #step(callback: WriteCallback): Next {
    const decoder = this.#decoder;
    if (!this.#inPayload) {
      const problem = this.#judgeStart();
      if (problem !== undefined) return problem;
      if (!decoder.readHeader()) return "bytes";
      this.#inPayload = true;
      return this.#judgeHeader() ?? "step";
    }
    decoder.readPayload();
    if (decoder.remaining > 0) {
      this.#keepPart();
      return "bytes";
    }
    this.#inPayload = false;
    const payload = this.#takePayload();
    const opcode = decoder.firstByte & 0x0f;
    return isControl(opcode) ? this.#receiveControl(opcode, payload, callback) : this.#receiveData(payload, callback);
  }

  /** Judges the first two bytes of a header, as soon as they are there. */
  #judgeStart(): ReceiverError | undefined {
    const { chunk, limit, unread, headerProgress } = this.#decoder;
    if (unread === 0 || headerProgress > 1) return undefined;
    if (headerProgress === 0) this.#firstByte = chunk[limit - unread]!;
    const secondAt = limit - unread + 1 - headerProgress;
    return secondAt < limit ? this.#judgeBytes(this.#firstByte, chunk[secondAt]!) : undefined;
  }

  #judgeBytes(firstByte: number, second: number): ReceiverError | undefined {
    const opcode = firstByte & 0x0f;
    const payloadLength = second & 0x7f;
    const isServer = this.#options.isServer === true;
    const masked = second > 0x7f;
    // The mask comes last, as in ws; so it is taken for right until then.
    const header = { firstByte, payloadLength, masked: isServer, lengthBits: 7, lengthSign: false } as const;
    const rule =
      brokenFrameRule(header, {
        role: isServer ? "server" : "client",
        compression: this.#deflate !== undefined,
        messageUnderWay: this.#opcode !== 0,
      }) ?? (opcode === Opcode.Close && payloadLength === 1 ? "close-payload-too-short" : undefined);
    if (rule !== undefined) {
      if (rule === "reserved-bit-set" && (firstByte & 0x30) === 0) return receiverError("WS_ERR_UNEXPECTED_RSV_1");
      return receiverError(codesOfRules[rule]!, isControl(opcode) && opcode <= Opcode.Pong ? payloadLength : opcode);
    }
    if (masked === isServer) return undefined;
    return receiverError(isServer ? "WS_ERR_EXPECTED_MASK" : "WS_ERR_UNEXPECTED_MASK");
  }

  #judgeHeader(): ReceiverError | undefined {
    const { firstByte, payloadLength } = this.#decoder;
    const opcode = firstByte & 0x0f;
    if (payloadLength > Number.MAX_SAFE_INTEGER) return receiverError("WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH");
    if (isControl(opcode)) return undefined;
    if (opcode !== Opcode.Continuation) {
      this.#opcode = opcode;
      this.#compressed = (firstByte & rsv1Bit) !== 0;
    }
    this._totalPayloadLength += payloadLength;
    return this.#tooLong(this._totalPayloadLength);
  }

  #tooLong(length: number): ReceiverError | undefined {
    if (this.#maxPayload <= 0 || length <= this.#maxPayload) return undefined;
    return receiverError("WS_ERR_UNSUPPORTED_MESSAGE_LENGTH");
  }

  #keepPart(): void {
    const { chunk, start, end, payloadLength, remaining } = this.#decoder;
    if (start === end) return;
    this.#chunks++;
    this.#assembled ??= new MessageAssembler(false, false, payloadLength);
    this.#assembled.add(chunk, start, end, remaining);
  }

  #takePayload(): Buffer {
    const { chunk, start, end, payloadLength } = this.#decoder;
    this.#chunks = 0;
    if (payloadLength === 0) return emptyBuffer;
    const assembled = this.#assembled;
    if (assembled === undefined) return asBuffer(this.#decoder.takePayload());
    this.#assembled = undefined;
    assembled.add(chunk, start, end, 0);
    return asBuffer(assembled.finish() as Uint8Array);
  }

  #receiveControl(opcode: number, payload: Buffer, callback: WriteCallback): Next {
    if (opcode !== Opcode.Close) return this.#emitNext(callback, opcode === Opcode.Ping ? "ping" : "pong", payload);
    const code = payload.length === 0 ? 1005 : payload.readUInt16BE();
    if (payload.length > 0 && !isSendableCloseCode(code)) return receiverError("WS_ERR_INVALID_CLOSE_CODE", code);
    const reason = payload.length > 2 ? payload.subarray(2) : emptyBuffer;
    if (!this.#isText(reason)) return receiverError("WS_ERR_INVALID_UTF8");
    this.#concluded = true;
    this.emit("conclude", code, reason);
    this.end();
    return "bytes";
  }

  #receiveData(payload: Buffer, callback: WriteCallback): Next {
    if (this.#maxFragments > 0 && ++this.#fragments > this.#maxFragments) {
      return receiverError("WS_ERR_TOO_MANY_BUFFERED_PARTS", "message fragments");
    }
    const fin = (this.#decoder.firstByte & finBit) !== 0;
    if (!this.#compressed) return this.#addPiece(payload, fin, callback);
    this.#deflate!.decompress(payload, fin, (error, output) => {
      this.#run(error ?? this.#addPiece(output!, fin, callback), callback);
    });
    return "event";
  }

  #addPiece(piece: Buffer, fin: boolean, callback: WriteCallback): Next {
    this.#length += piece.length;
    const problem = this.#tooLong(this.#length);
    if (problem !== undefined) return problem;
    if (piece.length > 0) this.#pieces.push(piece);
    return fin ? this.#finishMessage(callback) : "step";
  }

  #finishMessage(callback: WriteCallback): Next {
    const pieces = this.#pieces;
    const binary = this.#opcode === Opcode.Binary;
    this.#pieces = [];
    this.#length = this.#fragments = this.#opcode = this._totalPayloadLength = 0;
    if (binary) return this.#emitNext(callback, "message", this.#binaryData(pieces), true);
    const text = join(pieces);
    return this.#isText(text) ? this.#emitNext(callback, "message", text, false) : receiverError("WS_ERR_INVALID_UTF8");
  }

  #binaryData(pieces: Buffer[]): Buffer | Buffer[] | ArrayBuffer | Blob {
    switch (this.#options.binaryType ?? "nodebuffer") {
      case "nodebuffer":
        return join(pieces);
      case "arraybuffer":
        return copyUnlessAlone(join(pieces)).buffer as ArrayBuffer;
      case "blob":
        return new Blob(pieces);
      default:
        return pieces;
    }
  }

  #isText(bytes: Buffer): boolean {
    return this.#options.skipUTF8Validation === true || isUtf8(bytes);
  }

  /** Emits an event, now or in a turn of its own. */
  #emitNext(callback: WriteCallback, event: string, ...details: unknown[]): Next {
    if (this.#options.allowSynchronousEvents !== false) {
      this.emit(event, ...details);
      return "step";
    }
    setImmediate(() => {
      if (!this.destroyed) this.emit(event, ...details);
      this.#run("step", callback);
    });
    return "event";
  }

  get #deflate(): PerMessageDeflate | undefined {
    return this.#options.extensions?.[PerMessageDeflate.extensionName] as PerMessageDeflate | undefined;
  }
}

function join(pieces: readonly Buffer[]): Buffer {
  if (pieces.length === 0) return emptyBuffer;
  return pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces);
}
