/**
 * A WebSocket connection as applications have it. All that happens in it is the work of `ConnectionCore`, which the
 * other parts of the library reach by `coreOf`.
 */

import type { Duplex } from "node:stream";
import { describe } from "../protocol/check-options.ts";
import { CloseCode } from "../protocol/close-code.ts";
import { encodeClosePayload } from "../protocol/close-payload.ts";
import type { Role } from "../protocol/frames/frame.ts";
import type { CloseReport } from "./closing/close-report.ts";
import { ConnectionCore, type ConnectionParts } from "./connection-core.ts";
import type { MessageData } from "./options/delivery-options.ts";
import type { MessageStream } from "./receiving/message-stream.ts";
import type { Fragments, SendFragmentsOptions } from "./sending/fragment-sender.ts";
import { nextPingPayload } from "./sending/pings.ts";
import type { SendOptions } from "./sending/send-options.ts";
import type { Sendable } from "./sending/sendable.ts";
import { duplexOf } from "./streams/node-duplex.ts";
import { WebStreams } from "./streams/web-streams.ts";

/** The inner object of a connection, for the rest of the library. */
export let coreOf: (connection: Connection) => ConnectionCore;

/**
 * An established WebSocket connection, on either side.
 *
 * Messages go to the `message` handler that the connection was opened with, or to one reader: `for await`,
 * `messages()`, `readable` or `toDuplex()`. None is lost before there is one.
 */
export class Connection {
  /** The agreed subprotocol; empty when none was. */
  readonly subprotocol: string;
  /** The agreed extensions as in `Sec-WebSocket-Extensions`; empty when none were. */
  readonly extensions: string;
  /** The last round trip that a Ping measured, in milliseconds; undefined before the first. */
  latency: number | undefined;
  readonly #core: ConnectionCore;
  /** Made for who asks for `readable` or `writable` first. */
  #webStreams: WebStreams | undefined;

  static {
    coreOf = (connection) => connection.#core;
  }

  /** Applications make none: `connect`, `serve` and `accept` do. */
  constructor(parts: ConnectionParts<Connection>) {
    this.subprotocol = parts.subprotocol ?? "";
    this.extensions = parts.extensions ?? "";
    this.latency = undefined;
    this.#core = new ConnectionCore(parts as ConnectionParts<object>, this);
  }

  /** The WHATWG number of the state: 1 open, 2 closing, 3 closed; a Close counts when it is reached in the queue. */
  get readyState(): 1 | 2 | 3 {
    if (this.#core.isOpen()) return 1;
    return this.#core.endpoint.readyState === 3 ? 3 : 2;
  }

  /** Whether this side is the client or the server of the connection. */
  get role(): Role {
    return this.#core.endpoint.role;
  }

  /**
   * The IP address of the other end of the transport; undefined when that is not TCP, or was closed before the first
   * look at it.
   */
  get remoteAddress(): string | undefined {
    return this.#core.transport.remoteAddress;
  }

  /** The port of the other end of the transport; undefined as `remoteAddress` is. */
  get remotePort(): number | undefined {
    return this.#core.transport.remotePort;
  }

  /** The IP address of this end of the transport; undefined as `remoteAddress` is. */
  get localAddress(): string | undefined {
    return this.#core.transport.localAddress;
  }

  /** The port of this end of the transport; undefined as `remoteAddress` is. */
  get localPort(): number | undefined {
    return this.#core.transport.localPort;
  }

  /**
   * Bytes that were sent and have not left the process, framing included. 0 once the connection is over: its report says
   * how many never left.
   */
  get bufferedAmount(): number {
    return this.#core.bufferedAmount;
  }

  /**
   * Whether messages are compressed, where permessage-deflate was agreed: those from the threshold on whose `send` does
   * not say, and what is published to this connection. Default true; it holds for what is sent from then on, and the
   * peer's messages are its own. Throws a TypeError for what is no boolean.
   */
  get compress(): boolean {
    return this.#core.sending.compress;
  }

  set compress(compress: boolean) {
    if (typeof compress !== "boolean") {
      throw new TypeError(`Cannot compress: compress must be a boolean, not ${describe(compress)}`);
    }
    this.#core.sending.compress = compress;
  }

  /** Resolves with the report when the transport is gone, also while handlers are still at work; never rejects. */
  get closed(): Promise<CloseReport> {
    return this.#core.closing.closed;
  }

  /** Resolves when less than the high-water mark is queued after `send` returned false, or the connection is over. */
  get ready(): Promise<void> {
    return this.#core.sending.ready;
  }

  /**
   * Sends one message: a string as text, everything else as binary.
   *
   * Returns true while the outbox is below its high-water mark (1 MiB by default), else false, also when the connection
   * is closing or closed, where nothing is sent. Bytes are copied, but see `SendOptions.copy` for more than 64 KiB on a
   * server. Throws a TypeError for any other kind of data and for what are no options of it, and a
   * RangeError for a `timeout` that cannot be and where there is no memory for a copy.
   */
  send(data: Sendable, options?: SendOptions): boolean {
    return this.#core.sending.send(data, options);
  }

  /**
   * Sends the fragments that an iterable gives as one message, each as it comes; later sends stand in line behind it.
   *
   * Waits while the outbox is above its high-water mark; what stands in line counts for `maxOutboxSize` as in `send`,
   * 16 KiB for each. When the iterable throws, or gives what is no string or bytes or no UTF-8 in a text message, or
   * when its iterator gives no result, the connection fails with 1011 and the error goes to the `error` handler and
   * rejects the promise; it also rejects when the connection ends first. Either may be left unhandled. Fragments are
   * not compressed. Each is copied before the next is asked for, but not at the call: give it no message that is only
   * borrowed. Throws a TypeError for what is not iterable.
   */
  sendFragments(fragments: Fragments, options: SendFragmentsOptions = {}): Promise<void> {
    return this.#core.sending.sendFragments(fragments, options);
  }

  /**
   * Sends a Ping; resolves with the round trip in milliseconds when its Pong, or that of a later Ping, has come.
   *
   * Throws a TypeError when the payload is not a Uint8Array and a RangeError when it is over 125 bytes. Is held against
   * `maxOutboxSize` as `send` is. Rejects when the connection is closing, or closed before the Pong, or when nothing has
   * been read for 20 s because messages wait for their handler, as for one that awaits the Pong itself; either may be
   * left unhandled.
   */
  ping(payload: Uint8Array = nextPingPayload()): Promise<number> {
    return this.#core.sending.ping(payload);
  }

  /** Sends a Pong that the peer did not ask for; throws, and is held against the limit, as `ping` is. */
  pong(payload: Uint8Array = new Uint8Array(0)): void {
    this.#core.sending.pong(payload);
  }

  /**
   * Starts the closing handshake after all that was sent, or answers the peer's Close; no-op when it has begun.
   *
   * `code` is 1000 by default, and 1005 sends an empty Close; throws a TypeError for other types, a RangeError for a
   * code that a Close frame cannot carry (RFC 6455 section 7.4) or a reason of more than 123 bytes of UTF-8. Messages
   * that still arrive go to the handler, if there is one.
   */
  close(code: number = CloseCode.NormalClosure, reason = ""): void {
    encodeClosePayload(code, reason);
    if (this.#core.isOpen()) this.#core.closing.close(code, reason);
  }

  /** Destroys the transport at once; what was not sent or not delivered is lost. */
  terminate(): void {
    this.#core.terminate();
  }

  /** Lets the process end although this connection is open. */
  unref(): void {
    this.#core.transport.unref();
  }

  /** Closes with 1000 and waits until the connection is over. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
    await this.closed;
  }

  /**
   * Messages in order, until the connection is over; a message counts as handled when the next one is asked for.
   *
   * Leaving the loop does not close the connection: another loop goes on where it ended.
   */
  [Symbol.asyncIterator](): AsyncIterator<MessageData, undefined, undefined> {
    return this.#core.receiving.delivery.inbox.loop();
  }

  /**
   * Messages in order as streams, each from its first part on, until the connection is over; for messages larger than
   * memory, which `maxMessageSize` does not bound. Compressed ones come in one part, within that limit.
   *
   * A message that has begun to arrive comes in one part, too. From then on all messages are taken in this way; throws
   * when they go to a handler or another reader.
   */
  messages(): AsyncIterable<MessageStream> {
    return this.#core.receiving.delivery.inbox.streams();
  }

  /**
   * The messages as a web stream that takes one only when it is asked to; throws when they go to another reader.
   *
   * Ends when the connection is over, with an error unless it closed cleanly with 1000, 1001, no code or a code of the
   * application's (3000 on). Canceling it closes with 1000.
   */
  get readable(): ReadableStream<MessageData> {
    this.#webStreams ??= new WebStreams(this, this.#core.receiving);
    return this.#webStreams.readable;
  }

  /**
   * A web stream of messages to send, whose writes are done when the outbox is below its high-water mark.
   *
   * Closing it closes with 1000 and waits for the end, aborting it closes with 1011; it fails when the connection is
   * over.
   */
  get writable(): WritableStream<Sendable> {
    this.#webStreams ??= new WebStreams(this, this.#core.receiving);
    return this.#webStreams.writable;
  }

  /**
   * A Node stream of bytes: reads what the messages hold, text as UTF-8, and sends each write as a binary message.
   *
   * Ending it closes with 1000 and it finishes when the connection is over; it fails unless that closed cleanly with
   * 1000 or no code. Destroying it destroys the transport. Throws when the messages go to another reader.
   */
  toDuplex(): Duplex {
    return duplexOf(this, this.#core.receiving);
  }
}
