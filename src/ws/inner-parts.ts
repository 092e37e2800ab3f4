/**
 * What dependents of `ws` reach by `_sender` and `_receiver`, made when it is asked for.
 */

import { Buffer } from "node:buffer";
import { EventEmitter } from "node:events";
import type { ConnectionCore } from "../connection/connection-core.ts";

/** The frames of each list, joined once for all connections that it is sent to. */
const joined = new WeakMap<readonly (Uint8Array | string)[], Buffer>();

/** Sends whole frames on one connection of a server. */
export class FrameSender {
  readonly #core: ConnectionCore;
  readonly #whenWritten: (callback: (error?: Error) => void) => void;

  constructor(core: ConnectionCore, whenWritten: (callback: (error?: Error) => void) => void) {
    this.#core = core;
    this.#whenWritten = whenWritten;
  }

  /**
   * Sends the pieces of one or more whole frames, which may not change any more. Throws an Error on a client's side, whose
   * frames need masks of their own.
   */
  sendFrame(list: readonly (Uint8Array | string)[], callback?: (error?: Error) => void): void {
    let frames = joined.get(list);
    if (frames === undefined) {
      frames = Buffer.concat(list.map((piece) => (typeof piece === "string" ? Buffer.from(piece) : piece)));
      joined.set(list, frames);
    }
    this.#core.sending.sendFrames(frames, 1);
    if (callback !== undefined) this.#whenWritten(callback);
  }
}

/** Stands for the receiver of a connection: it tells of the peer's Close, by `conclude`, and knows the limit. */
export class ReceiverView extends EventEmitter {
  /** The limit on messages, as it was given. */
  readonly _maxPayload: number;
  /** The agreed extensions, each with the limit. */
  readonly _extensions: Readonly<Record<string, { readonly _maxPayload: number }>>;

  constructor(maxPayload: number, extensions: object) {
    super();
    this._maxPayload = maxPayload;
    this._extensions = Object.fromEntries(Object.keys(extensions).map((name) => [name, { _maxPayload: maxPayload }]));
  }
}
