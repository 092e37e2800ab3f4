/** What dependents of `ws` find at `_receiver`, made when it is asked for: there is no receiver of its own. */

import { EventEmitter } from "node:events";
import type { Endpoint } from "../protocol/endpoint/endpoint.ts";
import { messageLimit } from "./terms.ts";

/** Stands for the receiver of a connection: it tells of the peer's Close, by `conclude`, and has the limit on messages. */
export class ReceiverView extends EventEmitter {
  /** The agreed extensions, each with the limit that was given first. */
  readonly _extensions: Readonly<Record<string, { readonly _maxPayload: number }>>;
  readonly #endpoint: Endpoint;
  #maxPayload: number;

  constructor(endpoint: Endpoint, maxPayload: number, extensions: object) {
    super();
    this.#endpoint = endpoint;
    this.#maxPayload = maxPayload;
    this._extensions = Object.fromEntries(Object.keys(extensions).map((name) => [name, { _maxPayload: maxPayload }]));
  }

  /** The limit on messages as it was given; who sets it gives the connection another, as for clients that have not logged in. */
  get _maxPayload(): number {
    return this.#maxPayload;
  }

  set _maxPayload(maxPayload: number) {
    this.#maxPayload = maxPayload;
    this.#endpoint.maxMessageSize = messageLimit(maxPayload);
  }
}
