/** What dependents of `ws` find at `_receiver`, made when it is asked for: there is no receiver of its own. */

import { EventEmitter } from "node:events";

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
