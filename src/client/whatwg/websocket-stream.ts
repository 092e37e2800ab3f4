/**
 * `WebSocketStream` as Chromium ships it: a connection as a pair of streams. It is not in the standard yet.
 *
 * Backpressure works both ways. A message is taken from the connection only when the readable stream asks for it. A
 * write is done when at most 64 KiB are still queued.
 */

import type { CloseReport } from "../../connection/closing/close-report.ts";
import { type Connection, coreOf } from "../../connection/connection.ts";
import type { MessageData } from "../../connection/options/delivery-options.ts";
import { copyUnlessAlone } from "../../protocol/bytes.ts";
import { CloseCode } from "../../protocol/close-code.ts";
import { setImmediate } from "../../transport/scheduling.ts";
import { isBufferSource, viewBufferSource } from "./buffer-source.ts";
import { defineInterface, requireArguments, toDictionary, toStrings, toUSVString } from "./webidl.ts";
import {
  checkProtocols,
  closedCleanly,
  closeStatus,
  mayBeSent,
  openConnection,
  parseUrl,
  reasonOf,
  toConnectOptions,
  type WebSocketOptions,
} from "./websocket-arguments.ts";
import { isWebSocketError, toCloseInfo, type WebSocketCloseInfo, webSocketErrorOf } from "./websocket-error.ts";

/** The options of a `WebSocketStream`; browsers have only `protocols` and `signal`. */
export interface WebSocketStreamOptions extends WebSocketOptions {
  /** The subprotocols to offer, in order of preference. Default: none. */
  readonly protocols?: Iterable<string>;
}

/** The data that the writable stream takes: a string is sent as text, everything else as binary. */
export type WebSocketStreamData = string | ArrayBuffer | ArrayBufferView;

/** An open connection, the value of `opened`. */
export interface WebSocketOpenInfo {
  /** The received messages: text as strings, binary as bytes. */
  readonly readable: ReadableStream<MessageData>;
  /** The messages to send. Closing it closes the connection. */
  readonly writable: WritableStream<WebSocketStreamData>;
  /** The agreed extensions; empty when there are none. */
  readonly extensions: string;
  /** The agreed subprotocol; empty when there is none. */
  readonly protocol: string;
}

/** The longest time that a write under way may still take after the server's Close, in milliseconds. */
const cutOffTime = 2000;
/** The number of queued bytes below which a write is done. */
const writtenBelow = 64 * 1024;

/** A promise with its functions; a rejection without a listener is no unhandled one. */
class Settled<Value> {
  readonly promise: Promise<Value>;
  resolve!: (value: Value) => void;
  reject!: (error: unknown) => void;

  constructor() {
    this.promise = new Promise<Value>((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    this.promise.catch(() => {});
  }
}

/**
 * A connection to a WebSocket server, as streams.
 *
 * The constructor throws a SyntaxError for a URL that is not ws, wss, http or https or has a fragment, and for
 * subprotocols that are no tokens or are given twice. It throws a TypeError or a RangeError for options that cannot be.
 */
export class WebSocketStream {
  readonly #url: string;
  readonly #opened = new Settled<WebSocketOpenInfo>();
  readonly #closed = new Settled<Required<WebSocketCloseInfo>>();
  /** Aborts when the object is closed before the connection is open. */
  readonly #giveUp = new AbortController();
  /** Whether the object is being closed, or has failed. */
  #closing = false;
  /** Undefined while the opening handshake is under way. */
  #connection: Connection | undefined;
  #messages: AsyncIterator<MessageData, undefined> | undefined;
  #readableController: ReadableStreamDefaultController<MessageData> | undefined;
  #writableController: WritableStreamDefaultController | undefined;
  /** The promise of closing the writable stream; undefined while it is not being closed. */
  #writeEnded: Settled<void> | undefined;
  /** The write that waits for queued bytes to leave; undefined while none does. */
  #pendingWrite: Settled<void> | undefined;
  /** Whether the server's Close came while a write was pending; that write fails. */
  #cutOff = false;
  /** Bytes of messages in the readable stream that its reader has not taken. */
  #held = 0;
  /** Whether the readable stream was cancelled. */
  #cancelled = false;

  /** Connects to a URL. */
  constructor(url: string | URL, options: WebSocketStreamOptions = {}) {
    // biome-ignore lint/complexity/noArguments: Web IDL counts them
    requireArguments("WebSocketStream", arguments.length, 1);
    const given = toUSVString(url);
    const dictionary = toDictionary(options) as WebSocketStreamOptions;
    const { protocols, signal, ...rest } = dictionary;
    const subprotocols = protocols === undefined ? [] : toStrings(protocols).map(toUSVString);
    if (signal !== undefined && !(signal instanceof AbortSignal)) throw new TypeError("signal is not an AbortSignal");
    const target = parseUrl(given);
    checkProtocols(subprotocols);
    const connectOptions = toConnectOptions({
      ...rest,
      limits: { outboxHighWaterMark: writtenBelow, ...rest.limits },
    });
    this.#url = target.href;
    openConnection(
      target,
      {
        ...connectOptions,
        subprotocols,
        ...(signal && { signal }),
        open: (connection) => this.#established(connection),
        closing: (connection) => (coreOf(connection).endpoint.closeReceived ? this.#closingByPeer() : undefined),
        close: (_, report) => this.#ended(report),
      },
      { entry: WebSocketStream, giveUp: this.#giveUp.signal },
    ).catch((error: Error) => this.#failed(error, signal));
  }

  /** The serialised URL; its scheme is ws or wss. */
  get url(): string {
    return this.#url;
  }

  /** Resolves with the streams when the connection is open. Rejects with a `WebSocketError` or the signal's reason. */
  get opened(): Promise<WebSocketOpenInfo> {
    if (!(#opened in this)) return Promise.reject(wrongObject());
    return this.#opened.promise;
  }

  /** Resolves when the connection was closed cleanly. Rejects with a `WebSocketError` or the signal's reason. */
  get closed(): Promise<Required<WebSocketCloseInfo>> {
    if (!(#closed in this)) return Promise.reject(wrongObject());
    return this.#closed.promise;
  }

  /**
   * Starts the closing handshake behind the messages that were written. Gives up a connection that is not open yet.
   *
   * Throws an InvalidAccessError for a code that is neither 1000 nor from 3000 to 4999, and a SyntaxError for a reason
   * of more than 123 bytes of UTF-8.
   */
  close(closeInfo: WebSocketCloseInfo = {}): void {
    const connection = this.#connection;
    const { closeCode, reason } = toCloseInfo(closeInfo);
    const status = closeStatus(closeCode, reason);
    this.#closing = true;
    if (connection) connection.close(status.code, status.reason);
    else this.#giveUp.abort(new Error("Cannot open the connection: it was closed before"));
  }

  /** Settles the promises of a connection that was never open. */
  #failed(error: Error, signal?: AbortSignal): void {
    this.#closing = true;
    if (signal?.aborted) {
      this.#opened.reject(signal.reason);
      this.#closed.reject(signal.reason);
    } else {
      this.#opened.reject(webSocketErrorOf(error.message, null, "", error));
      this.#closed.reject(webSocketErrorOf(error.message, CloseCode.AbnormalClosure, "", error));
    }
  }

  #established(connection: Connection): void {
    this.#connection = connection;
    if (this.#closing) return connection.terminate();
    this.#messages = connection[Symbol.asyncIterator]();
    const readable = new ReadableStream<MessageData>({
      start: (controller) => {
        this.#readableController = controller;
      },
      pull: () => this.#pull(),
      cancel: (reason) => {
        this.#cancelled = true;
        this.#closeBecause(reason);
      },
    });
    const writable = new WritableStream<WebSocketStreamData>({
      start: (controller) => {
        this.#writableController = controller;
      },
      write: (chunk) => this.#write(chunk),
      close: () => {
        this.#writeEnded = new Settled();
        this.close();
        return this.#writeEnded.promise;
      },
      abort: (reason) => this.#closeBecause(reason),
    });
    const { extensions, subprotocol: protocol } = connection;
    this.#opened.resolve({ readable, writable, extensions, protocol });
  }

  async #pull(): Promise<void> {
    // The stream asks for more only when its reader has taken everything.
    this.#hold(0);
    const { done, value } = await this.#messages!.next();
    if (!done && !this.#closing) this.#enqueue(value);
  }

  #enqueue(data: MessageData): void {
    const controller = this.#readableController!;
    // The reader may transfer the memory.
    controller.enqueue(typeof data === "string" ? data : copyUnlessAlone(data));
    this.#hold(controller.desiredSize === 1 ? 0 : this.#held + data.length);
  }

  /** Tells the connection how many bytes its reader has not taken (fault A12). */
  #hold(length: number): void {
    this.#held = length;
    coreOf(this.#connection!).receiving.holdInStream(length);
  }

  async #write(chunk: unknown): Promise<void> {
    const connection = this.#connection!;
    const message = toMessage(chunk);
    if (this.#closing || connection.send(message) || connection.readyState !== 1) return;
    const pending = new Settled<void>();
    this.#pendingWrite = pending;
    void connection.ready.then(() => {
      // After the end of the connection and after the server's Close, the write stays pending.
      if (connection.readyState === 3 || this.#cutOff) return;
      this.#pendingWrite = undefined;
      pending.resolve();
    });
    await pending.promise;
  }

  /**
   * Closes with the code and reason of a `WebSocketError` that a program may send; with neither for any other value.
   */
  #closeBecause(error: unknown): void {
    if (!isWebSocketError(error)) return this.close();
    const { closeCode, reason } = error;
    if (closeCode === null || mayBeSent(closeCode)) this.close({ closeCode: closeCode ?? undefined, reason });
    else this.close();
  }

  /** Lets the write that is pending when the server's Close comes fail; a write that begins then may still be sent. */
  #closingByPeer(): Promise<void> {
    return new Promise((resolve) => {
      setImmediate(() => {
        this.#cutOff = this.#pendingWrite !== undefined;
        if (this.#cutOff) setTimeout(() => this.#connection!.terminate(), cutOffTime).unref();
        resolve();
        // The Close is answered once the messages before it are taken; those are few, since reading had paused.
        void this.#takeRest();
      });
    });
  }

  async #ended(report: CloseReport): Promise<void> {
    const { code, reason } = report;
    if (!this.#readableController) return this.#failed(reasonOf(report));
    const unclean = webSocketErrorOf("The connection was not closed cleanly", code, reason, reasonOf(report));
    if (report.wasClean) await this.#endReadable();
    else this.#readableController.error(unclean);
    if (closedCleanly(report) && !this.#pendingWrite) {
      this.#endWritable(new DOMException("Cannot write: the connection is closed", "InvalidStateError"), true);
      this.#closed.resolve({ closeCode: code, reason });
    } else {
      this.#endWritable(unclean, false);
      this.#closed.reject(unclean);
    }
  }

  #endWritable(error: Error, clean: boolean): void {
    if (this.#pendingWrite) {
      this.#pendingWrite.reject(
        new DOMException("Cannot write: the connection was closed before all was sent", "InvalidStateError"),
      );
    } else if (!this.#writeEnded) {
      this.#writableController!.error(error);
    } else if (clean) {
      this.#writeEnded.resolve();
    } else {
      this.#writeEnded.reject(error);
    }
  }

  /** Hands over the messages before the Close, then closes the readable stream. */
  async #endReadable(): Promise<void> {
    await this.#takeRest();
    if (!this.#cancelled) this.#readableController!.close();
  }

  /** Takes all messages that are left. */
  async #takeRest(): Promise<void> {
    for (let rest = await this.#messages!.next(); !rest.done; rest = await this.#messages!.next()) {
      if (!this.#closing) this.#enqueue(rest.value);
    }
  }
}

defineInterface(WebSocketStream);

/** The error of a getter for an object of another class; a getter of a promise rejects with it. */
function wrongObject(): TypeError {
  return new TypeError("Cannot read: the object is not a WebSocketStream");
}

function toMessage(chunk: unknown): string | Uint8Array {
  if (isBufferSource(chunk)) return viewBufferSource(chunk);
  return toUSVString(chunk);
}
