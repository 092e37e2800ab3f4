/**
 * A connection of a page: the browser's WebSocket as an iterable of messages, or with handlers that are awaited.
 *
 * Messages are delivered in order, each when the one before it was handled. The browser reads on meanwhile: there is no
 * backpressure for what is received. What a browser cannot do, such as pings, is not there.
 */

import type { Resume, ResumedSocket } from "../reconnecting/resume.ts";

/** What can be sent: text as a string, everything else as binary. */
export type Sendable = string | ArrayBuffer | ArrayBufferView | Blob;

/** Text as a string, binary as bytes. */
export type MessageData = string | Uint8Array;

/** How a connection ended. */
export interface CloseReport {
  /** The code of the Close frame received; 1005 if it had none, 1006 if none was received. */
  readonly code: number;
  /** The reason of the Close frame received, else empty. */
  readonly reason: string;
  /** Whether both Close frames were exchanged. */
  readonly wasClean: boolean;
  /** Who began: this side, the server by its Close, or neither, when the transport broke. */
  readonly initiator: "local" | "peer" | "transport";
  /** Bytes that were given to the browser and never left. */
  readonly bufferedAmount: number;
}

/** Handlers of a connection; a promise that `open` or `message` returns is awaited before the next message. */
export interface ConnectionHandlers {
  /** The connection is established; called before the promise of `connect` resolves. */
  readonly open?: (connection: Connection) => unknown;
  /** A whole message. With this handler there is no loop over the connection. */
  readonly message?: (connection: Connection, data: MessageData, info: { readonly text: boolean }) => unknown;
  /** The connection is over, and its last message was handled. */
  readonly close?: (connection: Connection, report: CloseReport) => unknown;
  /**
   * A handler threw: the connection is closed with 4500, since a page may not send 1011. Without this handler the error is
   * one of the page, as from any listener.
   */
  readonly error?: (connection: Connection, error: unknown) => unknown;
}

/** What is needed of the browser's WebSocket. */
export interface PageSocket {
  readonly readyState: number;
  readonly bufferedAmount: number;
  readonly protocol: string;
  readonly extensions: string;
  binaryType: string;
  onopen: unknown;
  onmessage: unknown;
  onerror: unknown;
  onclose: unknown;
  send(data: Sendable): void;
  close(code?: number, reason?: string): void;
}

/** How often `bufferedAmount` is looked at while `ready` is awaited, in milliseconds: no event tells it. */
const lookEvery = 20;

/**
 * An established connection of a page or worker. Messages go to the `message` handler that it was opened with, or to loops
 * over it; none is lost before there is one.
 */
export class Connection {
  /** The agreed subprotocol; empty when none was. */
  readonly subprotocol: string;
  /** The agreed extensions; empty when none were. */
  readonly extensions: string;
  /** Resolves with the report when the connection is over; never rejects. */
  readonly closed: Promise<CloseReport>;

  readonly #socket: PageSocket;
  readonly #highWaterMark: number;
  readonly #handled: boolean;
  readonly #resume: Resume<MessageData> | undefined;
  readonly #messages: MessageData[] = [];
  /** Called when there is a message, or will be none. */
  #wake: (() => void)[] = [];
  #initiator: CloseReport["initiator"] | undefined;
  #over = false;

  /** @internal For `connect`, within the `open` event of the socket. */
  constructor(
    socket: PageSocket,
    handlers: ConnectionHandlers & { readonly resume?: Resume<MessageData> },
    highWaterMark: number,
  ) {
    this.#resume = handlers.resume;
    this.#socket = socket;
    this.#highWaterMark = highWaterMark;
    this.#handled = !!handlers.message;
    this.subprotocol = socket.protocol;
    this.extensions = socket.extensions;
    const changed = () => {
      for (const wake of this.#wake.splice(0)) wake();
    };
    socket.onmessage = ({ data }: { readonly data: string | ArrayBuffer }) => {
      this.#messages.push(typeof data === "string" ? data : new Uint8Array(data));
      changed();
    };
    this.closed = new Promise((resolve) => {
      socket.onclose = ({ code, reason, wasClean }: CloseReport) => {
        const initiator = this.#initiator ?? (code === 1006 ? "transport" : "peer");
        resolve({ code, reason, wasClean, initiator, bufferedAmount: socket.bufferedAmount });
        this.#over = true;
        changed();
      };
    });
    void this.#serve(handlers);
  }

  /** The WHATWG number of the state: 1 open, 2 closing, 3 closed. */
  get readyState(): 1 | 2 | 3 {
    return this.#socket.readyState as 1 | 2 | 3;
  }

  /** Bytes of payload that were sent and have not left. */
  get bufferedAmount(): number {
    return this.#socket.bufferedAmount;
  }

  /** Resolves when less than the high-water mark is queued, or the connection is over. */
  get ready(): Promise<void> {
    const look = (resolve: () => void) => {
      if (this.readyState !== 1 || this.bufferedAmount < this.#highWaterMark) resolve();
      else setTimeout(look, lookEvery, resolve);
    };
    return new Promise(look);
  }

  /**
   * Sends one message: a string as text, everything else as binary.
   *
   * Returns true while less than the high-water mark (1 MiB by default) is queued, else false, also when the connection is
   * closing or closed, where nothing is sent.
   */
  send(data: Sendable): boolean {
    if (this.readyState !== 1) return false;
    this.#socket.send(data);
    return this.bufferedAmount < this.#highWaterMark;
  }

  /**
   * Starts the closing handshake after all that was sent; no-op when it has begun.
   *
   * `code` is 1000 by default; throws an InvalidAccessError for one that is neither 1000 nor from 3000 to 4999, and a
   * SyntaxError for a reason of more than 123 bytes of UTF-8.
   */
  close(code = 1000, reason = ""): void {
    const { readyState } = this;
    this.#socket.close(code, reason);
    if (readyState === 1) this.#initiator = "local";
  }

  /**
   * Messages in order, until the connection is over; leaving the loop does not close it: another loop goes on where it
   * ended. Throws an Error when the messages go to a handler.
   */
  [Symbol.asyncIterator](): AsyncIterator<MessageData, undefined, undefined> {
    if (this.#handled) throw new Error("Cannot read: the messages go to the handler");
    return this.#read();
  }

  async *#read(): AsyncGenerator<MessageData, undefined, undefined> {
    for (;;) {
      while (this.#messages.length > 0) {
        const data = this.#messages.shift()!;
        const given = this.#resume ? this.#resume.receive(data, this.#socket as ResumedSocket) : data;
        if (given !== undefined) yield given;
      }
      if (this.#over) return;
      await new Promise<void>((resolve) => this.#wake.push(resolve));
    }
  }

  async #serve({ open, message, close, error }: ConnectionHandlers): Promise<void> {
    const guarded = async (work: () => unknown) => {
      try {
        await work();
      } catch (thrown) {
        if (this.readyState === 1) this.close(4500);
        // Outside of every promise: what the handler throws, or without one the error itself, is the page's.
        setTimeout(() => {
          if (!error) throw thrown;
          error(this, thrown);
        });
      }
    };
    await guarded(async () => {
      await open?.(this);
      if (!message) return;
      for await (const data of this.#read()) await message(this, data, { text: typeof data === "string" });
    });
    const report = await this.closed;
    await guarded(() => close?.(this, report));
  }
}
