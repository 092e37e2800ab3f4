/**
 * One end of an established WebSocket connection, without any I/O: bytes in, events and bytes out (RFC 6455).
 *
 * The caller's duties: give every chunk from the transport to `receive`, call `nextEvent` until it returns undefined,
 * write what `takeOutput` returns, and call `receiveEnd` when the transport has ended. No parser is on the stack while
 * the caller looks at an event, so every method may be called between two events.
 */

import { CloseCode, type CloseStatus, decodeClosePayload, encodeClosePayload } from "./close-code.ts";
import type { CloseEvent, EndpointEvent, FailedEvent, MessageEvent, PartEvent } from "./endpoint-events.ts";
import { type AcceptedMessages, type EndpointOptions, EndpointSettings } from "./endpoint-options.ts";
import { type EndpointState, readyStates, type Transition, transitions } from "./endpoint-state.ts";
import { isControl, Opcode, type Role } from "./frames/frame.ts";
import { type FrameDecoder, giveDecoder, plainBytes, takeDecoder } from "./frames/frame-decoder.ts";
import { encodeFrame, encodeTextFrame, lengthOf, requireBytes } from "./frames/frame-encoder.ts";
import { brokenFrameRule } from "./frames/frame-rules.ts";
import { giveOutput, type OutputBuffer, takeOutput } from "./frames/output-buffer.ts";
import { freeMemory } from "./messages/free-memory.ts";
import { MessageAssembler } from "./messages/message-assembler.ts";
import { StreamedMessage } from "./messages/streamed-message.ts";
import { type Violation, violations } from "./protocol-error.ts";
import { decodeLatin1, decodeUtf8, isUtf8 } from "./runtime/text.ts";

const fin = 0x80;
const rsv1 = 0x40;
/** Frames that are encoded already are copied up to this length where other output waits. */
const copiedFrames = 4096;

/** See the head of this file. What it needs only while bytes are under way, it holds only then: most connections idle. */
export class Endpoint {
  /** Set while the transport takes nothing: only the Pong for the latest Ping is then kept (section 5.5.3). */
  stalled = false;
  /**
   * Whether messages that begin from now on come as `part` events while they arrive, exempt from `maxMessageSize`; one
   * that is there as a whole, or compressed, is still a `message`.
   */
  streaming = false;

  #state: EndpointState = "open";
  readonly #settings: EndpointSettings;
  /** There from the first byte of a frame to its last. */
  #decoder: FrameDecoder | undefined;
  /** There while there is output. */
  #output: OutputBuffer | undefined;
  #message: MessageAssembler | undefined;
  #control: Uint8Array | undefined;
  #latestPing: Uint8Array | undefined;
  #inflating: MessageAssembler | undefined;
  /** Whether a fragmented message of ours has begun and not ended. */
  #sendingFragments = false;
  #closeSent: CloseStatus | undefined;
  #closeReceived: CloseStatus | undefined;
  #violation: Violation | undefined;
  /** Whether it failed between two events, so that the next one has to tell of it. */
  #untold = false;

  constructor(options: EndpointOptions) {
    this.#settings = options instanceof EndpointSettings ? options : new EndpointSettings(options);
  }

  /** Which side of the connection this is. */
  get role(): Role {
    return this.#settings.role;
  }

  /** Whether the bytes of messages are only lent, see `EndpointOptions`. */
  get lendsBytes(): boolean {
    return this.#settings.lendsBytes;
  }

  /** Where the connection stands, see `transitions`. */
  get state(): EndpointState {
    return this.#state;
  }

  /** The WHATWG number of the state: 1 open, 2 closing, 3 closed. */
  get readyState(): 1 | 2 | 3 {
    return readyStates[this.#state];
  }

  /** What our Close frame said, once it is in the output. */
  get closeSent(): CloseStatus | undefined {
    return this.#closeSent;
  }

  /** What the peer's Close frame said; section 7.1.5 takes the connection's close code from it. */
  get closeReceived(): CloseStatus | undefined {
    return this.#closeReceived;
  }

  /** The rule that the peer broke, or what failed here, if that failed the connection. */
  get violation(): Violation | undefined {
    return this.#violation;
  }

  /** Bytes in the output that were not taken yet, with the Pong that is kept while the transport is stalled. */
  get outputLength(): number {
    const pong = this.#latestPing === undefined ? 0 : this.#latestPing.length + (this.role === "client" ? 6 : 2);
    return (this.#output?.length ?? 0) + pong;
  }

  /** Whole messages in the output. */
  get waitingMessages(): number {
    return this.#output?.messages ?? 0;
  }

  /** Whether the output refers to memory of callers, see `sendMessage`: the sooner it is taken the better. */
  get outputRefers(): boolean {
    return this.#output?.refers ?? false;
  }

  /** Whether a fragmented message of ours has begun and not ended: only its next fragment and control frames may follow. */
  get sendingFragments(): boolean {
    return this.#sendingFragments;
  }

  /** How many bytes of the output belong to others as well, see `sendEncoded`. */
  get sharedOutputLength(): number {
    return this.#output?.sharedLength ?? 0;
  }

  /** Bytes received and not parsed yet. */
  get unparsedLength(): number {
    return this.#decoder?.unread ?? 0;
  }

  /** Bytes received of a message that is not complete, or not inflated. */
  get unfinishedLength(): number {
    return (this.#message?.length ?? 0) + (this.#inflating?.length ?? 0);
  }

  /** Whether an `inflate` event waits for its answer. */
  get inflating(): boolean {
    return this.#inflating !== undefined;
  }

  /**
   * What has come of a message and of a header that are not complete: as long as it changes, they go on. Counts what was
   * handed on in parts as well.
   */
  get messageProgress(): number {
    return this.unfinishedLength + (this.#message?.handedOn ?? 0) + (this.#decoder?.headerProgress ?? 0);
  }

  /** Whether a message or a frame has begun and not ended. */
  get insideMessage(): boolean {
    const decoder = this.#decoder;
    return (
      this.#message !== undefined || (decoder !== undefined && (decoder.remaining > 0 || decoder.headerProgress > 0))
    );
  }

  /**
   * Takes bytes from the transport. They become the endpoint's: it unmasks them in place, and may hand out the chunk's own
   * `ArrayBuffer` with the last message in it. No two messages share one, nor does a message with bytes that are not
   * parsed.
   *
   * A borrowed chunk is unmasked in place as well, but at most lent; call `releaseChunk` before its memory is used again.
   */
  receive(chunk: Uint8Array, borrowed = false, length: number = chunk.length): void {
    if (!this.#isParsing()) return;
    this.#decoder ??= takeDecoder();
    try {
      this.#decoder.push(chunk, length, borrowed);
    } catch (error) {
      this.#failUntold(error);
    }
  }

  /** Copies what is left of a borrowed chunk. */
  releaseChunk(): void {
    try {
      this.#decoder?.keepUnread();
    } catch (error) {
      this.#failUntold(error);
    }
  }

  /**
   * The peer has ended its side of the transport, and this one has nothing to add: what is in the output is the last,
   * unless a Close is owed an answer.
   */
  receivePeerEnd(): void {
    if (!this.#isParsing()) return;
    try {
      this.#sendLatestPong();
    } catch (error) {
      return this.#failUntold(error);
    }
    this.#move("peerEnded");
    this.#stopParsing();
  }

  /** The transport has ended, in whatever way; events not asked for before are lost, but for a message to be inflated. */
  receiveEnd(): void {
    this.#move("transportEnded");
    this.#stopParsing();
    this.#clearOutput();
  }

  /**
   * Parses up to the next event; undefined when more bytes are needed or nothing more will be parsed.
   *
   * It is also undefined after `mostFrames` frames that came to no event: if `unparsedLength` is not 0 then, and no message
   * is being inflated, another call goes on. Default: no limit. Where there is no memory for what was received, the
   * connection fails (`no-memory`).
   */
  nextEvent(mostFrames: number = Number.POSITIVE_INFINITY): EndpointEvent | undefined {
    if (this.#decoder === undefined) return this.#untold ? this.#tellOfFailure() : undefined;
    try {
      return this.#parse(this.#decoder, mostFrames);
    } catch (error) {
      return this.#failForMemory(error);
    }
  }

  #parse(decoder: FrameDecoder, mostFrames: number): EndpointEvent | undefined {
    for (let frames = 0; frames < mostFrames && this.#isParsing() && this.#inflating === undefined; frames++) {
      if (decoder.remaining === 0) {
        if (!decoder.readHeader()) break;
        const broken = this.#judgeHeader(decoder);
        if (broken !== undefined) return this.fail(broken);
      }
      decoder.readPayload();
      const event = isControl(decoder.firstByte) ? this.#readControl(decoder) : this.#readData(decoder);
      if (event !== undefined) return event;
      if (decoder.remaining > 0) break;
    }
    if (decoder.unread > 0) return undefined;
    decoder.discard();
    if (decoder.remaining > 0 || decoder.headerProgress > 0) return undefined;
    this.#decoder = undefined;
    giveDecoder(decoder);
    return undefined;
  }

  /**
   * Answers an `inflate` event with the inflated payload, whose memory becomes the application's, or the rule that it
   * breaks; returns what came of it, which is `failed` once more if the connection has failed meanwhile.
   */
  inflated(outcome: Uint8Array | Violation): MessageEvent | FailedEvent {
    const message = this.#inflating;
    if (message === undefined) throw new Error("Cannot deliver: no message waits to be inflated");
    this.#inflating = undefined;
    if (this.#violation !== undefined) return { type: "failed", violation: this.#violation };
    if (typeof outcome === "string") return this.fail(outcome);
    if (outcome.length > this.#settings.maxMessageSize) return this.fail("message-too-big");
    try {
      return this.#deliver(message.text, outcome, 0, outcome.length, 0x80, undefined);
    } catch (error) {
      return this.#failForMemory(error);
    }
  }

  /**
   * Sends a whole message; false, and nothing sent, unless the state is `open` or `peerClosing`.
   *
   * Throws inside a fragmented message, and a TypeError for other data. A server refers to more than 64 KiB of bytes until
   * they have left, and they must not change before, unless `copy` is set or the transport is stalled. Everything else is
   * copied.
   */
  sendMessage(data: string | Uint8Array, copy = false): boolean {
    if (!this.#isSending()) return false;
    this.#refuseInterleaving(this.#sendingFragments);
    const output = this.#gather();
    if (typeof data === "string") encodeTextFrame(output, this.role, fin | Opcode.Text, data);
    else encodeFrame(output, this.role, fin | Opcode.Binary, data, copy || this.stalled ? "copied" : "referred");
    output.messages++;
    return true;
  }

  /**
   * Sends a whole message that was deflated according to RFC 7692 section 7.2.1; its memory is the endpoint's from then
   * on.
   */
  sendCompressed(text: boolean, payload: Uint8Array): boolean {
    if (!this.#isSending()) return false;
    this.#refuseInterleaving(this.#sendingFragments);
    const output = this.#gather();
    encodeFrame(output, this.role, fin | rsv1 | (text ? Opcode.Text : Opcode.Binary), payload);
    output.messages++;
    return true;
  }

  /**
   * Sends one fragment, of which it takes a copy: the first carries the type, the last ends the message (section 5.4).
   *
   * Throws for a first fragment inside a fragmented message, and for a later one outside.
   */
  sendFragment(text: boolean, payload: Uint8Array, position: { first: boolean; last: boolean }): boolean {
    if (!this.#isSending()) return false;
    this.#refuseInterleaving(position.first === this.#sendingFragments);
    const opcode = position.first ? (text ? Opcode.Text : Opcode.Binary) : Opcode.Continuation;
    const output = this.#gather();
    encodeFrame(output, this.role, (position.last ? fin : 0) | opcode, payload, "copied");
    this.#sendingFragments = !position.last;
    if (position.last) output.messages++;
    return true;
  }

  /**
   * Sends bytes that are whole, unmasked frames already, of `messageCount` messages; for a server, which may share them
   * between connections.
   */
  sendEncoded(frames: Uint8Array, messageCount = 1): boolean {
    if (this.role === "client") throw new Error("Cannot send: a client must mask each frame with a key of its own");
    if (!this.#isSending()) return false;
    this.#refuseInterleaving(this.#sendingFragments);
    // Behind other small output they are copied, so that all leaves in one write; alone they go out as they are.
    const output = this.#gather();
    if (frames.length <= copiedFrames && output.length > 0) {
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

  /** Sends a Ping with at most 125 bytes, a RangeError beyond; without memory for it, the connection fails. */
  ping(payload: Uint8Array): boolean {
    return this.#sendControl(Opcode.Ping, payload);
  }

  /** Sends a Pong that nobody asked for (section 5.5.3), as `ping` does. */
  pong(payload: Uint8Array): boolean {
    return this.#sendControl(Opcode.Pong, payload);
  }

  /**
   * Sends Close, which starts the closing handshake or, after the peer's Close, ends it; no-op when Close was sent. Where
   * there is no memory for it, the connection fails (`no-memory`).
   *
   * Throws a RangeError for a code or a reason that a Close frame cannot carry; 1005 sends an empty Close.
   */
  close(code: number = CloseCode.NoStatusReceived, reason = ""): void {
    const payload = encodeClosePayload(code, reason);
    if (!this.#isSending()) return;
    try {
      this.#sendClose({ code, reason }, payload);
    } catch (error) {
      this.#failUntold(error);
    }
  }

  #sendClose(status: CloseStatus, payload: Uint8Array): void {
    this.#sendLatestPong();
    encodeFrame(this.#gather(), this.role, fin | Opcode.Close, payload);
    this.#closeSent = status;
    this.#move("closeSent");
  }

  /** Answers the peer's Close with its own code (section 5.5.1). */
  echoClose(): void {
    if (this.#state === "peerClosing") this.close(this.#closeReceived!.code);
  }

  /** Fails the connection (section 7.1.7): sends Close with the rule's code unless one was sent, and parses no more. */
  fail(violation: Violation): FailedEvent {
    const { closeCode: code, text: reason } = violations[violation];
    try {
      if (this.#isSending()) this.#sendClose({ code, reason }, encodeClosePayload(code, reason));
    } catch (error) {
      // Not even for a Close: the connection ends without one.
      if (!isForMemory(error)) throw error;
    }
    this.#violation ??= violation;
    this.#move("failed");
    this.#stopParsing();
    return { type: "failed", violation: this.#violation };
  }

  /**
   * The bytes to write now, in order; `outputTaken` must follow before anything else is sent. With `copied`, none lies in
   * memory that a caller may change.
   *
   * Throws, and takes nothing, when a caller has given away or made shorter what he sent: discard the output then.
   */
  takeOutput(copied = false): Uint8Array[] {
    this.#sendLatestPong();
    return this.#output?.take(copied) ?? [];
  }

  /** Says whether all that was taken has left the process, so that its memory can be used again. */
  outputTaken(left: boolean): void {
    this.#output?.taken(left);
    this.#letGoOfOutput();
  }

  /** Forgets the output that was not taken. */
  discardOutput(): void {
    this.#latestPing = undefined;
    this.#clearOutput();
  }

  /** Fails the connection when that is what the error means: the peer broke no rule, and others go on. */
  #failForMemory(error: unknown): FailedEvent {
    if (!isForMemory(error)) throw error;
    return this.fail("no-memory");
  }

  /** The same between two events: the next one tells of it. */
  #failUntold(error: unknown): void {
    this.#failForMemory(error);
    this.#untold = true;
  }

  #tellOfFailure(): FailedEvent {
    this.#untold = false;
    return { type: "failed", violation: this.#violation! };
  }

  #gather(): OutputBuffer {
    this.#output ??= takeOutput();
    return this.#output;
  }

  #clearOutput(): void {
    this.#output?.clear();
    this.#letGoOfOutput();
  }

  #letGoOfOutput(): void {
    const output = this.#output;
    if (output === undefined || !output.asNew) return;
    this.#output = undefined;
    giveOutput(output);
  }

  #isParsing(): boolean {
    return this.#state === "open" || this.#state === "closing";
  }

  #isSending(): boolean {
    return this.#state === "open" || this.#state === "peerClosing";
  }

  #move(transition: Transition): void {
    this.#state = transitions[this.#state][transition] ?? this.#state;
  }

  /** Nothing more will be parsed: lets go of all that was received and not delivered, and of the Pong owed for it. */
  #stopParsing(): void {
    this.#decoder = undefined;
    this.#message?.discard();
    this.#message = undefined;
    this.#control = undefined;
    this.#latestPing = undefined;
  }

  #refuseInterleaving(interleaved: boolean): void {
    if (interleaved) throw new Error("Cannot send: the frames of one message must follow one another");
  }

  #judgeHeader(decoder: FrameDecoder): Violation | undefined {
    const messageUnderWay = this.#message !== undefined;
    const first = decoder.firstByte;
    // A whole text or binary message with a 7-bit length is nearly all traffic and breaks no rule.
    const plain = (first === 0x81 || first === 0x82) && decoder.lengthBits === 7 && !messageUnderWay;
    if (!plain || decoder.masked !== (this.role === "server")) {
      const broken = brokenFrameRule(decoder, {
        role: this.role,
        compression: this.#settings.compression,
        messageUnderWay,
      });
      if (broken !== undefined) return broken;
    }
    if (isControl(first)) return undefined;
    if (!accepts(this.#settings.accepts, first & 0x0f)) return "message-type-not-accepted";
    const length = decoder.payloadLength;
    if (length + (this.#message?.length ?? 0) > this.#settings.maxMessageSize && !this.#streams(decoder))
      return "message-too-big";
    if (length === 0 && (first & fin) === 0) {
      this.#message ??= this.#assemble(decoder);
      return this.#message.addEmptyFragment(this.#settings.maxEmptyFragments);
    }
    return undefined;
  }

  /** Whether the frame whose header was read, and which may be long, is of a message that is handed on in parts. */
  #streams({ firstByte, payloadLength }: FrameDecoder): boolean {
    // Beyond this, numbers do not count bytes any more.
    if (payloadLength > Number.MAX_SAFE_INTEGER) return false;
    if (this.#message !== undefined) return this.#message.parts !== undefined;
    return this.streaming && (firstByte & rsv1) === 0;
  }

  #assemble({ firstByte: first }: FrameDecoder): MessageAssembler {
    const text = (first & 0x0f) === Opcode.Text;
    const compressed = (first & rsv1) !== 0;
    const parts = this.streaming && !compressed ? new StreamedMessage(text, this.#settings.textAsBytes) : undefined;
    return new MessageAssembler(text, compressed, this.#settings.maxMessageSize, parts);
  }

  #readData(decoder: FrameDecoder): EndpointEvent | undefined {
    const ends = decoder.remaining === 0 && (decoder.firstByte & fin) !== 0;
    if (ends && this.#message === undefined && (decoder.firstByte & rsv1) === 0) {
      const text = (decoder.firstByte & 0x0f) === Opcode.Text;
      return this.#deliver(text, decoder.chunk, decoder.start, decoder.end, decoder.seen, decoder);
    }
    this.#message ??= this.#assemble(decoder);
    const message = this.#message;
    if (message.parts !== undefined) return this.#readPart(decoder, message, ends);
    const broken = message.add(decoder.chunk, decoder.start, decoder.end, decoder.remaining);
    if (broken !== undefined) return this.fail(broken);
    if (!ends) return undefined;
    this.#message = undefined;
    const payload = message.finish();
    if (typeof payload === "string") return this.fail(payload);
    if (message.compressed) {
      this.#inflating = message;
      return { type: "inflate", payload };
    }
    if (!message.text || this.#settings.textAsBytes)
      return { type: "message", text: message.text, data: plainBytes(payload) };
    const data = decodeUtf8(payload, 0, payload.length);
    freeMemory(payload);
    return { type: "message", text: true, data };
  }

  /** What has arrived of a message in parts; undefined when that is no whole character. */
  #readPart(decoder: FrameDecoder, message: MessageAssembler, last: boolean): PartEvent | FailedEvent | undefined {
    const { chunk, start, end } = decoder;
    const parts = message.parts!;
    message.handOn(end - start);
    const broken = parts.judge(chunk, start, end, last);
    if (broken !== undefined) return this.fail(broken);
    if (last) this.#message = undefined;
    const characters = parts.decode(chunk, start, end);
    if (!last && (characters === undefined ? start === end : characters === "")) return undefined;
    const { first } = parts;
    parts.first = false;
    return { type: "part", text: message.text, data: characters ?? decoder.takePayload(), first, last };
  }

  /**
   * The message event for `chunk[start..end)`, whose UTF-8 is judged here; without a decoder, nothing else uses the
   * memory.
   */
  #deliver(
    text: boolean,
    chunk: Uint8Array,
    start: number,
    end: number,
    seen: number,
    decoder: FrameDecoder | undefined,
  ): MessageEvent | FailedEvent {
    if (text && !this.#settings.textAsBytes) {
      if ((seen & 0x80) === 0) return { type: "message", text, data: decodeLatin1(chunk, start, end) };
      const data = decodeUtf8(chunk, start, end);
      // Decoding turns what is not UTF-8 into U+FFFD, so most text needs no second pass.
      if (data.includes("\ufffd") && !isUtf8(chunk.subarray(start, end))) return this.fail("text-not-utf8");
      return { type: "message", text, data };
    }
    if (text && (seen & 0x80) !== 0 && !isUtf8(chunk.subarray(start, end))) return this.fail("text-not-utf8");
    if (decoder === undefined) return { type: "message", text, data: plainBytes(chunk) };
    return { type: "message", text, data: this.#settings.lendsBytes ? decoder.lendPayload() : decoder.takePayload() };
  }

  #readControl(decoder: FrameDecoder): EndpointEvent | undefined {
    const part = decoder.takePayload();
    const payload = this.#control === undefined ? part : joined(this.#control, part);
    this.#control = decoder.remaining > 0 ? payload : undefined;
    if (decoder.remaining > 0) return undefined;
    const opcode = decoder.firstByte & 0x0f;
    if (opcode === Opcode.Close) return this.#readClose(payload);
    if (opcode === Opcode.Pong) return { type: "pong", payload };
    // A Ping is answered until a Close was received, also after our own Close (section 5.5.2).
    if (this.stalled) this.#keepPing(payload);
    else encodeFrame(this.#gather(), this.role, fin | Opcode.Pong, payload);
    return { type: "ping", payload };
  }

  /** A peer that sends Pings and reads nothing costs no memory for each (fault A03). */
  #keepPing(payload: Uint8Array): void {
    if (this.#latestPing?.length === payload.length) this.#latestPing.set(payload);
    else this.#latestPing = new Uint8Array(payload);
  }

  #readClose(payload: Uint8Array): CloseEvent | FailedEvent {
    const status = decodeClosePayload(payload);
    if (typeof status === "string") return this.fail(status);
    this.#closeReceived = status;
    this.#move("closeReceived");
    this.#stopParsing();
    return { type: "close", code: status.code, reason: status.reason };
  }

  #sendControl(opcode: Opcode, payload: Uint8Array): boolean {
    const length = lengthOf(payload);
    if (length > 125) {
      throw new RangeError(`Cannot send: a control frame carries at most 125 bytes, not ${length}`);
    }
    if (!this.#isSending()) return false;
    try {
      encodeFrame(this.#gather(), this.role, fin | opcode, payload);
    } catch (error) {
      this.#failUntold(error);
      return false;
    }
    return true;
  }

  #sendLatestPong(): void {
    if (this.#latestPing === undefined) return;
    encodeFrame(this.#gather(), this.role, fin | Opcode.Pong, this.#latestPing);
    this.#latestPing = undefined;
  }
}

function joined(first: Uint8Array, second: Uint8Array): Uint8Array {
  const both = new Uint8Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}

/** Whether an error says that memory could not be allocated: V8's own has no code, Node's of a string has this one. */
function isForMemory(error: unknown): boolean {
  const { code } = error as { readonly code?: unknown };
  return (error instanceof RangeError && code === undefined) || code === "ERR_MEMORY_ALLOCATION_FAILED";
}

/** Whether a message of an opcode may begin or, being a continuation, go on. */
function accepts(accepted: AcceptedMessages, opcode: number): boolean {
  return accepted === "any" || opcode !== (accepted === "text" ? Opcode.Binary : Opcode.Text);
}
