/**
 * One end of an established WebSocket connection, without any I/O: bytes in, events and bytes out (RFC 6455).
 *
 * The caller's duties: give every chunk from the transport to `receive`, call `nextEvent` until it returns undefined,
 * write what `takeOutput` returns, and call `receiveEnd` when the transport has ended. No parser is on the stack while
 * the caller looks at an event, so every method may be called between two events.
 */

import type { CloseStatus } from "../close-payload.ts";
import type { InflatedText } from "../deflate/short-messages.ts";
import { Opcode, type Role } from "../frames/frame.ts";
import type { Violation } from "../protocol-error.ts";
import * as closing from "./closing.ts";
import type { EndpointEvent, FailedEvent, MessageEvent } from "./endpoint-events.ts";
import { type EndpointOptions, EndpointSettings } from "./endpoint-options.ts";
import { type EndpointState, readyStates } from "./endpoint-state.ts";
import { answerPing, owedPongLength } from "./pongs.ts";
import * as receiving from "./receiving.ts";
import { type BrokenFrame, EndpointRecord } from "./record.ts";
import * as sending from "./sending.ts";

/**
 * One side of a WebSocket connection: it parses what the peer sent, judges it, answers Pings, and encodes what is sent.
 *
 * It opens no socket, starts no timer and calls nothing back.
 */
export class Endpoint {
  readonly #record: EndpointRecord;

  /** Throws a RangeError for a limit that is no number or is out of its range. */
  constructor(options: EndpointOptions) {
    this.#record = new EndpointRecord(options instanceof EndpointSettings ? options : new EndpointSettings(options));
  }

  /** Which side of the connection this is. */
  get role(): Role {
    return this.#record.settings.role;
  }

  /** Whether the bytes of messages are only lent, see `EndpointOptions`. */
  get lendsBytes(): boolean {
    return this.#record.settings.lendsBytes;
  }

  /** The state of the connection; the table `transitions` says how it changes. */
  get state(): EndpointState {
    return this.#record.state;
  }

  /** The state as the WHATWG standard numbers it: 1 open, 2 closing, 3 closed. */
  get readyState(): 1 | 2 | 3 {
    return readyStates[this.#record.state];
  }

  /** The code and reason of our Close frame; undefined until it is in the output. */
  get closeSent(): CloseStatus | undefined {
    return this.#record.closeSent;
  }

  /** The code and reason of the peer's Close frame (section 7.1.5); undefined until it was received. */
  get closeReceived(): CloseStatus | undefined {
    return this.#record.closeReceived;
  }

  /** The rule that the peer broke, or what failed here; undefined while the connection has not failed. */
  get violation(): Violation | undefined {
    return this.#record.violation;
  }

  /** The frame that broke the rule, by its header or, a Close, by its payload; undefined where no single one did. */
  get brokenFrame(): BrokenFrame | undefined {
    return this.#record.failure?.frame;
  }

  // What is received.

  /**
   * Whether messages that begin from now on come as `part` events while they arrive, exempt from `maxMessageSize`. A
   * message that has arrived as a whole or is compressed is still a `message` event. Default false.
   */
  get streaming(): boolean {
    return this.#record.streaming;
  }

  set streaming(streaming: boolean) {
    this.#record.streaming = streaming;
  }

  /**
   * Takes the first `length` bytes of a chunk from the transport; by default all of it.
   *
   * The chunk becomes the endpoint's: it is unmasked in place, and its `ArrayBuffer` may be handed out with the last
   * message in it. No two messages share an `ArrayBuffer`, nor does a message share one with unparsed bytes. A
   * `borrowed` chunk is unmasked in place as well, but never handed out for good; call `releaseChunk` before its memory
   * is used again.
   */
  receive(chunk: Uint8Array, borrowed = false, length: number = chunk.length): void {
    receiving.receive(this.#record, chunk, borrowed, length);
  }

  /**
   * The longest message in bytes, inclusive, as `EndpointOptions` has it. When it is set, it holds from the next frame on.
   * Setting throws a RangeError for an invalid limit.
   */
  get maxMessageSize(): number {
    return this.#record.settings.maxMessageSize;
  }

  set maxMessageSize(maxMessageSize: number) {
    this.#record.settings = new EndpointSettings({ ...this.#record.settings, maxMessageSize });
  }

  /** Copies the unparsed rest of a borrowed chunk, so that the chunk's memory can be used again. */
  releaseChunk(): void {
    receiving.releaseChunk(this.#record);
  }

  /**
   * Notes that the peer has ended its side of the transport, and that this side has nothing to add: what is in the
   * output is the last, unless a Close is owed an answer.
   */
  receivePeerEnd(): void {
    receiving.receivePeerEnd(this.#record);
  }

  /**
   * Notes that the transport has ended, in whatever way. Events not asked for before are lost, except that of a message
   * that is being inflated.
   */
  receiveEnd(): void {
    receiving.receiveEnd(this.#record);
  }

  /**
   * Parses up to the next event; undefined when more bytes are needed or nothing more will be parsed.
   *
   * It is also undefined after `mostFrames` frames without an event: if `unparsedLength` is not 0 then, and no message
   * is being inflated, another call goes on. Default: no limit. Where there is no memory for what was received, the
   * connection fails (`no-memory`).
   */
  nextEvent(mostFrames: number = Number.POSITIVE_INFINITY): EndpointEvent | undefined {
    return receiving.nextEvent(this.#record, mostFrames);
  }

  /**
   * Answers an `inflate` event with the inflated payload, whose memory becomes the application's; where `inflatesText`
   * says so, with its text, if all of it is valid UTF-8; or with the rule that it breaks. Returns the event that
   * follows, which is `failed` if the connection has failed meanwhile.
   *
   * Throws an Error when no message waits to be inflated.
   */
  inflated(outcome: Uint8Array | InflatedText | Violation): MessageEvent | FailedEvent {
    return receiving.inflated(this.#record, outcome);
  }

  /** Whether the message that waits to be inflated is delivered as a string. */
  get inflatesText(): boolean {
    return this.#record.inflating?.text === true && !this.#record.settings.textAsBytes;
  }

  /** Whether an `inflate` event waits for its answer. */
  get inflating(): boolean {
    return this.#record.inflating !== undefined;
  }

  /** Bytes received and not parsed yet. */
  get unparsedLength(): number {
    return this.#record.decoder?.unread ?? 0;
  }

  /** Bytes received of a message that is not complete, or not inflated. */
  get unfinishedLength(): number {
    return (this.#record.message?.length ?? 0) + (this.#record.inflating?.length ?? 0);
  }

  /** Bytes of memory that the incomplete message has for what is to come. */
  get allottedAhead(): number {
    return this.#record.message?.ahead ?? 0;
  }

  /**
   * Bytes received of an incomplete message and of an incomplete header, those handed on in parts included: as long as
   * this number changes, the message goes on.
   */
  get messageProgress(): number {
    const { message, decoder } = this.#record;
    return this.unfinishedLength + (message?.handedOn ?? 0) + (decoder?.headerProgress ?? 0);
  }

  /** Whether a message or a frame has begun and not ended. */
  get insideMessage(): boolean {
    const { message, decoder } = this.#record;
    return message !== undefined || (decoder !== undefined && (decoder.remaining > 0 || decoder.headerProgress > 0));
  }

  // What is sent.

  /** Set while the transport takes nothing: of all Pings, only the latest is then answered, later (section 5.5.3). */
  get stalled(): boolean {
    return this.#record.stalled;
  }

  set stalled(stalled: boolean) {
    this.#record.stalled = stalled;
  }

  /**
   * Sends a whole message; false, and nothing sent, unless the state is `open` or `peerClosing`.
   *
   * Throws an Error inside a fragmented message, and a TypeError for other data. A server refers to more than 64 KiB of
   * bytes until they have left, and they must not change before, unless `copy` is set or the transport is stalled.
   * Everything else is copied. `text` says that bytes are the UTF-8 of a text message, which is not checked.
   */
  sendMessage(data: string | Uint8Array, copy = false, text = false): boolean {
    return sending.sendMessage(this.#record, data, copy, text);
  }

  /**
   * Sends a whole message that was deflated according to RFC 7692 section 7.2.1; its memory is the endpoint's from then
   * on. Returns and throws as `sendMessage` does.
   */
  sendCompressed(text: boolean, payload: Uint8Array): boolean {
    return sending.sendCompressed(this.#record, text, payload);
  }

  /**
   * Sends one fragment: the first carries the type, the last ends the message (section 5.4). It takes a copy, unless the
   * message is compressed: of such a one, `payload` is the part that it was deflated to, without the tail where it is the
   * last (RFC 7692 section 7.2.1), and its memory is the endpoint's from then on. Returns false as `sendMessage` does.
   *
   * Throws an Error for a first fragment inside a fragmented message, and for a later one outside.
   */
  sendFragment(
    text: boolean,
    payload: Uint8Array,
    position: { first: boolean; last: boolean; compressed?: boolean },
  ): boolean {
    return sending.sendFragment(this.#record, text, payload, position);
  }

  /**
   * Sends bytes that are whole, unmasked frames already, of `messageCount` messages. Connections may share the bytes.
   * Returns false as `sendMessage` does.
   *
   * Throws an Error for a client, whose frames need keys of their own, and inside a fragmented message.
   */
  sendEncoded(frames: Uint8Array, messageCount = 1): boolean {
    return sending.sendEncoded(this.#record, frames, messageCount);
  }

  /**
   * Sends a Ping with at most 125 bytes; false, and nothing sent, as with `sendMessage`. Without memory for it, the
   * connection fails.
   *
   * Throws a RangeError for more bytes.
   */
  ping(payload: Uint8Array): boolean {
    return sending.sendControl(this.#record, Opcode.Ping, payload);
  }

  /** Sends a Pong that answers no Ping (section 5.5.3), as `ping` does. */
  pong(payload: Uint8Array): boolean {
    return sending.sendControl(this.#record, Opcode.Pong, payload);
  }

  /**
   * Answers a Ping that `answersPings` leaves to the application, as it would be answered without: also after our own
   * Close, and only the latest one while the transport is stalled. Nothing happens in `discarding` and `closed`.
   *
   * Throws a RangeError where there is no memory for it.
   */
  answerPing(payload: Uint8Array): void {
    const { state } = this.#record;
    if (state !== "discarding" && state !== "closed") answerPing(this.#record, payload);
  }

  /**
   * Sends Close, which starts the closing handshake or, after the peer's Close, ends it; nothing happens when Close was
   * sent before. Default: an empty Close, which `code` 1005 stands for. Without memory for it, the connection fails.
   *
   * Throws a RangeError for a code that must not be sent and a reason of more than 123 bytes, a TypeError for a code or
   * a reason of another type.
   */
  close(code?: number, reason?: string): void {
    closing.close(this.#record, code, reason);
  }

  /**
   * Answers the peer's Close with its own code (section 5.5.1); nothing happens in any other state than `peerClosing`.
   */
  echoClose(): void {
    closing.echoClose(this.#record);
  }

  /** Fails the connection (section 7.1.7): sends Close with the rule's code unless one was sent, and parses no more. */
  fail(violation: Violation): FailedEvent {
    return closing.fail(this.#record, violation);
  }

  /**
   * Whether a fragmented message of ours has begun and not ended: only its next fragment and control frames may follow.
   */
  get sendingFragments(): boolean {
    return this.#record.sendingFragments;
  }

  // What is to be written.

  /**
   * Returns the bytes to write now, in order; `outputTaken` must follow before anything else is sent. With `copied`,
   * none of them lies in memory that a caller may change. With `waits`, it is known beforehand that they will not leave at
   * once, as over TLS: few bytes are copied then, and long memory does not wait with them. Both default to false.
   *
   * Throws an Error, and takes nothing, when a caller has given away or made shorter what was sent: discard the output
   * then.
   */
  takeOutput(copied = false, waits = false): Uint8Array[] {
    return sending.takeOutput(this.#record, copied, waits);
  }

  /**
   * Notes whether all that was taken has left the process, so that its memory can be used again. With `comesBack`, it also can
   * when `outputLeft` says that it has; default false.
   */
  outputTaken(left: boolean, comesBack = false): void {
    sending.outputTaken(this.#record, left, comesBack);
  }

  /** Notes that all that was ever taken has left the process. */
  outputLeft(): void {
    sending.outputLeft(this.#record);
  }

  /** Drops the output that was not taken. */
  discardOutput(): void {
    sending.discardOutput(this.#record);
  }

  /** Bytes in the output that were not taken yet, with the Pong that is owed while the transport is stalled. */
  get outputLength(): number {
    return (this.#record.output?.length ?? 0) + owedPongLength(this.#record);
  }

  /** Whole messages in the output. */
  get waitingMessages(): number {
    return this.#record.output?.messages ?? 0;
  }

  /** Whether the output refers to memory of callers, see `sendMessage`: the sooner it is taken the better. */
  get outputRefers(): boolean {
    return this.#record.output?.refers ?? false;
  }

  /** Bytes of the output that other connections may hold as well, see `sendEncoded`. */
  get sharedOutputLength(): number {
    return this.#record.output?.sharedLength ?? 0;
  }
}
