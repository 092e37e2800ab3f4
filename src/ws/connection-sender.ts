/**
 * What one connection sends: messages, whole and in fragments, Pings, Pongs, and frames that are made already. Dependents
 * of `ws` reach it by `_sender`.
 */

import { Buffer } from "node:buffer";
import type { Duplex } from "node:stream";
import type { ConnectionCore } from "../connection/connection-core.ts";
import { captureContext } from "../connection/event-loop/async-context.ts";
import { nextTick } from "../transport/scheduling.ts";
import type { SendCallback, SendOptions } from "./arguments.ts";
import { throwLater } from "./events/tell.ts";
import { lengthOf } from "./parts/message-data.ts";
import { Sender } from "./parts/sender.ts";

/** The frames of each list, joined once for all connections that it is sent to. */
const joined = new WeakMap<readonly (Uint8Array | string)[], Buffer>();

/** Sends on one connection, made for what is sent first. */
export class ConnectionSender {
  /** Makes the frames that `sendFrame` takes. */
  static readonly frame: typeof Sender.frame = Sender.frame;

  readonly #core: ConnectionCore;
  readonly #socket: Duplex;
  /** Set while a message of several fragments has begun and not ended. */
  #fragmenting = false;
  /** Whether it is compressed. */
  #compressing = false;
  #sentBlob = false;

  constructor(core: ConnectionCore, socket: Duplex) {
    this.#core = core;
    this.#socket = socket;
  }

  /** Sends a message or a fragment of one. */
  send(message: string | Buffer | Blob, text: boolean, options: SendOptions): void {
    const { sending, deflate } = this.#core;
    if (message instanceof Blob) this.#sentBlob = true;
    if (options.fin === false || this.#fragmenting) return this.#sendFragment(message, text, options);
    // To ask for compression says no more than to be silent: short messages are still left alone.
    const compress = deflate !== undefined && options.compress === false ? false : undefined;
    if (typeof message !== "string") sending.sendAs(text, message, compress);
    else if (text) sending.send(message, compress === undefined ? undefined : { compress });
    else sending.sendAs(false, Buffer.from(message), compress);
  }

  #sendFragment(message: string | Buffer | Blob, text: boolean, { fin = true, compress = true }: SendOptions): void {
    const { sending, deflate } = this.#core;
    const first = !this.#fragmenting;
    if (first) this.#compressing = compress && deflate !== undefined && lengthOf(message) >= deflate.threshold;
    this.#fragmenting = !fin;
    const data = typeof message === "string" ? Buffer.from(message) : message;
    sending.sendFragment(text, data, { first, last: fin, compressed: this.#compressing });
  }

  /** Sends a Ping or a Pong, behind all that was sent. Throws a RangeError for more than 125 bytes and a TypeError for a Blob. */
  sendControl(opcode: "ping" | "pong", payload: string | Buffer | Blob): void {
    if (payload instanceof Blob) throw new TypeError("Cannot send: a control frame does not carry a Blob");
    const bytes = typeof payload === "string" ? Buffer.from(payload) : payload;
    if (bytes.length > 125) throw new RangeError("The data size must not be greater than 125 bytes");
    const { sending } = this.#core;
    const kept = sending.isBusy ? Buffer.from(bytes) : bytes;
    sending.afterwards(() => sending.sendControl(opcode, kept), { size: kept.length, messages: 0 });
  }

  /**
   * Sends the pieces of one or more whole frames, which may not change any more. Those of a client have masks of their
   * own, so they are written to its socket as they are, behind all that was sent; nothing looks at them.
   */
  sendFrame(list: readonly (Uint8Array | string)[], callback?: SendCallback): void {
    let frames = joined.get(list);
    if (frames === undefined) {
      frames = Buffer.concat(list.map((piece) => (typeof piece === "string" ? Buffer.from(piece) : piece)));
      joined.set(list, frames);
    }
    if (this.#core.endpoint.role === "client") return this.#write(frames, callback);
    this.#core.sending.sendFrames(frames, 1);
    if (typeof callback === "function") this.whenWritten(callback);
  }

  #write(frames: Buffer, callback: SendCallback | undefined): void {
    const { sending } = this.#core;
    const step = () => {
      sending.outbox.flush();
      this.#socket.write(frames, (error) => callback?.(error as Error));
    };
    sending.afterwards(step, { size: frames.length, messages: 0 });
  }

  /** Calls back when what was sent last has left, or with the error for which it cannot, in the async context of the caller. */
  whenWritten(callback: SendCallback): void {
    // What socket.io sends to all its clients has, and to remember so many callbacks would cost a fifth more.
    if (this.#core.sending.hasLeft) return nextTick(callback, null);
    const inContext = captureContext();
    this.#core.sending.afterWritten((outcome) => {
      try {
        const error = outcome === "written" ? null : this.#lossOf();
        inContext(() => callback(error as Error));
      } catch (error) {
        throwLater(error);
      }
    });
  }

  /** Why something that was sent has not left. */
  #lossOf(): Error {
    const { deflate, closing } = this.#core;
    if (this.#sentBlob || deflate !== undefined) {
      const what = this.#sentBlob ? "the blob was being read" : "data was being compressed";
      return new Error(`The socket was closed while ${what}`);
    }
    return closing.report?.error ?? new Error("The socket was closed before the data was written");
  }
}
