/**
 * Turns what an application sends into frames, in order, also when one message must wait for a Blob's bytes or a
 * compressor: while one is under way, everything behind it stands in line.
 */

import { Buffer } from "node:buffer";
import { types } from "node:util";
import type { Endpoint } from "../protocol/endpoint.ts";
import { lengthOf, longestCopied, plainView } from "../protocol/frame-encoder.ts";
import type { SendOptions } from "./handlers.ts";
import type { MessageDeflate } from "./message-deflate.ts";
import type { Outbox } from "./outbox.ts";
import { PreparedMessage } from "./prepared-message.ts";

/** What can be sent: text, bytes in any form, or a message prepared for many. */
export type Sendable = string | ArrayBuffer | ArrayBufferView | Blob | PreparedMessage;

/** The forms that are sent; every other one is a view of these. */
export type Outgoing = string | Uint8Array | Blob | PreparedMessage;

const blobSize = Object.getOwnPropertyDescriptor(Blob.prototype, "size")!.get! as (this: Blob) => number;

/** The data in a form that can be sent; a TypeError for what has none (fault D10). */
export function checkSendable(data: unknown): Outgoing {
  if (typeof data === "string" || data instanceof Uint8Array) return data;
  if (PreparedMessage.made(data)) return data;
  if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  if (types.isArrayBuffer(data)) return new Uint8Array(data);
  if (isBlob(data)) return data;
  const kind = data === null ? "null" : typeof data;
  throw new TypeError(`Cannot send: data must be a string, an ArrayBuffer, a view of one, or a Blob, not ${kind}`);
}

/** Whether it is a Blob, and does not only inherit from `Blob.prototype`: such a one has no size. */
export function isBlob(value: unknown): value is Blob {
  if (!(value instanceof Blob)) return false;
  try {
    return blobSize.call(value) >= 0;
  } catch {
    return false;
  }
}

/** A message that is sent over a while. */
export interface LongSend {
  run(): Promise<void>;
  /** The connection is over. */
  stop(): void;
}

/** The options of one send, as they were at the call. */
type Asked = { readonly [Option in keyof SendOptions]-?: SendOptions[Option] | undefined };

/** What a sender tells the connection it belongs to. */
export interface SenderOwner {
  /** A message could not be sent: its Blob could not be read, or it could not be compressed. */
  sendingFailed(error: unknown): void;
}

/** The way from `send` to the endpoint. */
export class MessageSender {
  readonly #endpoint: Endpoint;
  readonly #outbox: Outbox;
  readonly #deflate: MessageDeflate | undefined;
  readonly #owner: SenderOwner;
  /** What waits for the send under way; undefined while none is. */
  #line: (() => void)[] | undefined;
  #longSend: LongSend | undefined;
  #stopped = false;

  constructor(endpoint: Endpoint, outbox: Outbox, deflate: MessageDeflate | undefined, owner: SenderOwner) {
    this.#endpoint = endpoint;
    this.#outbox = outbox;
    this.#deflate = deflate;
    this.#owner = owner;
  }

  /** Whether a send is under way that others wait for. */
  get busy(): boolean {
    return this.#line !== undefined;
  }

  /** Sends a message now, or after the one under way. */
  send(data: Outgoing, options: SendOptions | undefined): void {
    // Read here, where a getter that throws has somebody to throw to.
    const asked = options ? { compress: options.compress, copy: options.copy } : undefined;
    if (this.#line === undefined) return this.#sendNow(data, asked);
    const kept = data instanceof Uint8Array ? new Uint8Array(data) : data;
    this.afterwards(() => this.#sendNow(kept, asked), sizeOf(kept));
  }

  /** Runs a send that takes a while, alone; settles as its `run` does. */
  sendLong(longSend: LongSend): Promise<void> {
    return new Promise((resolve, reject) => {
      this.afterwards(() => {
        this.#longSend = longSend;
        if (this.#stopped) longSend.stop();
        const sending = longSend.run();
        sending.then(resolve, reject);
        this.#hold(sending.catch(() => {}));
      });
    });
  }

  /** The connection is over. */
  stop(): void {
    this.#stopped = true;
    this.#longSend?.stop();
  }

  /** Does something when all that was sent before is in the output; `size` bytes wait until then. */
  afterwards(step: () => void, size = 0): void {
    if (this.#line === undefined) return step();
    this.#outbox.waiting += size;
    this.#line.push(() => {
      this.#outbox.waiting -= size;
      step();
    });
  }

  #sendNow(data: Outgoing, options: Asked | undefined): void {
    if (data instanceof Blob) {
      return this.#hold(this.#sendBlob(data, options));
    }
    const sending = this.#encode(data, options);
    if (sending) this.#hold(sending);
  }

  async #sendBlob(data: Blob, options: Asked | undefined): Promise<void> {
    const size = sizeOf(data);
    this.#outbox.waiting += size;
    let bytes: unknown;
    try {
      bytes = await data.arrayBuffer();
    } finally {
      this.#outbox.waiting -= size;
    }
    if (!types.isArrayBuffer(bytes)) throw new TypeError("Cannot send: what the Blob gave is no ArrayBuffer");
    await this.#encode(new Uint8Array(bytes), options);
  }

  /** Lets later sends wait until `sending` has settled. */
  #hold(sending: Promise<void>): void {
    const line: (() => void)[] = [];
    this.#line = line;
    void sending
      .catch((error) => {
        // Once the connection is over nothing can be sent, and that is nobody's mistake.
        if (!this.#stopped) this.#owner.sendingFailed(error);
      })
      .then(() => {
        this.#line = this.#longSend = undefined;
        let next = 0;
        while (next < line.length && this.#line === undefined) line[next++]!();
        // A send of the line takes time itself: the rest waits for that one.
        for (; next < line.length; next++) this.#line!.push(line[next]!);
      });
  }

  /** Puts a message into the output; a promise when it has to be compressed elsewhere first. */
  #encode(data: string | Uint8Array | PreparedMessage, options: Asked | undefined): Promise<void> | undefined {
    const deflate = this.#deflate;
    if (deflate && options?.compress !== false && (options?.compress || sizeOf(data) >= deflate.threshold)) {
      return this.#encodeCompressed(deflate, data, options?.copy === true);
    }
    if (!(data instanceof PreparedMessage)) {
      const copy = options?.copy === true && typeof data !== "string";
      this.#endpoint.sendMessage(copy ? new Uint8Array(data) : data);
    } else if (this.#endpoint.role === "server") {
      this.#endpoint.sendEncoded(data.frame);
    } else {
      this.#endpoint.sendMessage(data.data);
    }
    this.#outbox.changed();
    return undefined;
  }

  #encodeCompressed(
    deflate: MessageDeflate,
    data: string | Uint8Array | PreparedMessage,
    copy: boolean,
  ): Promise<void> | undefined {
    const message = data instanceof PreparedMessage ? data.data : data;
    const text = typeof message === "string";
    const sendDeflated = (payload: Uint8Array) => {
      this.#endpoint.sendCompressed(text, payload);
      this.#outbox.changed();
    };
    const deflated = deflate.deflate(text ? Buffer.from(message) : this.#ownBytes(message, copy));
    if (!(deflated instanceof Promise)) {
      sendDeflated(deflated);
      return undefined;
    }
    const size = sizeOf(data);
    this.#outbox.waiting += size;
    return deflated.then((payload) => {
      this.#outbox.waiting -= size;
      sendDeflated(payload);
    });
  }

  /** Bytes that stay as they are while a compressor works: only a server may refer to the caller's, if they are many. */
  #ownBytes(data: Uint8Array, copy: boolean): Uint8Array {
    const refer = !copy && this.#endpoint.role === "server" && lengthOf(data) > longestCopied;
    return refer ? plainView(data) : new Uint8Array(data);
  }
}

function sizeOf(data: Outgoing): number {
  if (typeof data === "string") return Buffer.byteLength(data);
  if (data instanceof PreparedMessage) return sizeOf(data.data);
  return data instanceof Blob ? blobSize.call(data) : lengthOf(data);
}
