/**
 * `WebSocketStream` as Chromium ships it: a connection as a pair of streams.
 *
 * Backpressure works both ways: a message is taken from the connection only when the readable stream asks for it, and a
 * write is done when what is queued has left but for a small rest. The standard does not have it yet.
 */

import { types } from "node:util";
import type { CloseReport } from "../../connection/closing/close-report.ts";
import type { Connection } from "../../connection/connection.ts";
import type { MessageData } from "../../connection/handlers.ts";
import { CloseCode } from "../../protocol/close-code.ts";
import { setImmediate } from "../../transport/scheduling.ts";
import { defineInterface, requireArguments, toDictionary, toStrings, toUSVString } from "./webidl.ts";
import {
  bytesOf,
  checkProtocols,
  closedCleanly,
  closeStatus,
  mayBeSent,
  open,
  parseUrl,
  reasonOf,
  toConnectOptions,
  type WebSocketOptions,
} from "./websocket-arguments.ts";
import { isWebSocketError, toCloseInfo, type WebSocketCloseInfo, webSocketErrorOf } from "./websocket-error.ts";

/** The options of a `WebSocketStream`; all but `protocols` and `signal` exist in Node only. */
export interface WebSocketStreamOptions extends WebSocketOptions {
  /** Offered in order of preference. Default none. */
  readonly protocols?: Iterable<string>;
}

/** What is sent: a string as text, everything else as binary. */
export type WebSocketStreamData = string | ArrayBuffer | ArrayBufferView;

/** An open connection. */
export interface WebSocketOpenInfo {
  /** Text as strings, binary as bytes. */
  readonly readable: ReadableStream<MessageData>;
  readonly writable: WritableStream<WebSocketStreamData>;
  /** The agreed extensions; empty when there are none. */
  readonly extensions: string;
  /** The agreed subprotocol; empty when there is none. */
  readonly protocol: string;
}

/** How long the rest of a write may still leave after the server's Close, in milliseconds. */
const longestCutOff = 2000;
/** So much may be queued when a write is done. */
const writtenBelow = 64 * 1024;

/** A promise with its ends in hand, which may be rejected without anybody listening. */
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
 * The constructor throws a SyntaxError for a URL that is not ws, wss, http or https or has a fragment and for subprotocols
 * that are no tokens or are given twice; a TypeError or a RangeError for options that cannot be.
 */
export class WebSocketStream {
  readonly #url: string;
  readonly #opened = new Settled<WebSocketOpenInfo>();
  readonly #closed = new Settled<Required<WebSocketCloseInfo>>();
  readonly #giveUp = new AbortController();
  #closing = false;
  #connection: Connection | undefined;
  #messages: AsyncIterator<MessageData, undefined> | undefined;
  #readableController: ReadableStreamDefaultController<MessageData> | undefined;
  #writableController: WritableStreamDefaultController | undefined;
  /** The writable stream has been closed or aborted, and waits for the end of the connection. */
  #writeEnded: Settled<void> | undefined;
  #pendingWrite: Settled<void> | undefined;
  #cutOff = false;
  /** Bytes of messages in the readable stream that nobody has taken. */
  #held = 0;
  #cancelled = false;

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
    open(
      target,
      {
        ...connectOptions,
        subprotocols,
        ...(signal && { signal }),
        open: (connection) => this.#established(connection),
        closing: ({ endpoint }) => (endpoint.closeReceived ? this.#closingByPeer() : undefined),
        close: (_, report) => this.#ended(report),
      },
      { face: WebSocketStream, giveUp: this.#giveUp.signal },
    ).catch((error: Error) => this.#failed(error, signal));
  }

  /** The URL, serialised; its scheme is ws or wss. */
  get url(): string {
    return this.#url;
  }

  /** Resolves when the connection is open; rejects with a `WebSocketError` or the signal's reason. */
  get opened(): Promise<WebSocketOpenInfo> {
    if (!(#opened in this)) return Promise.reject(wrongObject());
    return this.#opened.promise;
  }

  /** Resolves when the connection was closed cleanly; rejects with a `WebSocketError` or the signal's reason. */
  get closed(): Promise<Required<WebSocketCloseInfo>> {
    if (!(#closed in this)) return Promise.reject(wrongObject());
    return this.#closed.promise;
  }

  /**
   * Starts the closing handshake, after all that was written; gives up a connection that is not open yet.
   *
   * Throws an InvalidAccessError for a code that is neither 1000 nor from 3000 to 4999, and a SyntaxError for a reason of
   * more than 123 bytes.
   */
  close(closeInfo: WebSocketCloseInfo = {}): void {
    const connection = this.#connection;
    const { closeCode, reason } = toCloseInfo(closeInfo);
    const status = closeStatus(closeCode, reason);
    this.#closing = true;
    if (connection) connection.close(status.code, status.reason);
    else this.#giveUp.abort(new Error("Cannot open the connection: it was closed before"));
  }

  /** The connection was never open. */
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
    // What was taken ahead is gone when more is asked for.
    this.#hold(0);
    const { done, value } = await this.#messages!.next();
    if (!done && !this.#closing) this.#enqueue(value);
  }

  #enqueue(data: MessageData): void {
    const controller = this.#readableController!;
    controller.enqueue(ownBytes(data));
    this.#hold(controller.desiredSize === 1 ? 0 : this.#held + data.length);
  }

  /** Lets the connection count what its reader has not taken (fault A12). */
  #hold(length: number): void {
    this.#held = length;
    this.#connection!.holdInStream(length);
  }

  async #write(chunk: unknown): Promise<void> {
    const connection = this.#connection!;
    const message = toMessage(chunk);
    if (this.#closing || connection.send(message) || connection.readyState !== 1) return;
    const pending = new Settled<void>();
    this.#pendingWrite = pending;
    void connection.ready.then(() => {
      // At the end of the connection, or once the server's Close has come, it stays pending.
      if (connection.readyState === 3 || this.#cutOff) return;
      this.#pendingWrite = undefined;
      pending.resolve();
    });
    await pending.promise;
  }

  /** Closes with the code and reason of a `WebSocketError` that a program may send; without, where it is anything else. */
  #closeBecause(error: unknown): void {
    if (!isWebSocketError(error)) return this.close();
    const { closeCode, reason } = error;
    if (closeCode === null || mayBeSent(closeCode)) this.close({ closeCode: closeCode ?? undefined, reason });
    else this.close();
  }

  /** A write that is under way when the server's Close comes has failed; one that begins at once may still be. */
  #closingByPeer(): Promise<void> {
    return new Promise((resolve) => {
      setImmediate(() => {
        this.#cutOff = this.#pendingWrite !== undefined;
        if (this.#cutOff) setTimeout(() => this.#connection!.terminate(), longestCutOff).unref();
        resolve();
        // What came before the Close is little, and the Close is answered when all of it was taken.
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

  /** Hands over what had arrived before the Close, then closes. */
  async #endReadable(): Promise<void> {
    await this.#takeRest();
    if (!this.#cancelled) this.#readableController!.close();
  }

  async #takeRest(): Promise<void> {
    for (let rest = await this.#messages!.next(); !rest.done; rest = await this.#messages!.next()) {
      if (!this.#closing) this.#enqueue(rest.value);
    }
  }
}

defineInterface(WebSocketStream);

/** What a getter whose value is a promise rejects with, where others throw. */
function wrongObject(): TypeError {
  return new TypeError("Cannot read: the object is not a WebSocketStream");
}

/** Text as it is, bytes in memory of their own, so that they can be transferred. */
function ownBytes(data: MessageData): MessageData {
  return typeof data === "string" || data.byteLength === data.buffer.byteLength ? data : data.slice();
}

function toMessage(chunk: unknown): string | Uint8Array {
  if (ArrayBuffer.isView(chunk) || types.isArrayBuffer(chunk)) return bytesOf(chunk);
  return toUSVString(chunk);
}
