/**
 * The number of connections and opening handshakes from each address, for the limit `maxConnectionsPerAddress`.
 *
 * A connection counts from the start of its handshake, so that many handshakes at once cannot pass the limit together.
 * An address without connections is forgotten.
 */

import { addressKey } from "./client-address.ts";

/** The counts by address. An undefined address, such as a Unix socket's, is not counted. */
export class ConnectionsPerAddress {
  readonly #counts = new Map<string, number>();

  /** The number of connections and handshakes from the address. */
  count(address: string | undefined): number {
    return address === undefined ? 0 : (this.#counts.get(addressKey(address)) ?? 0);
  }

  /** Counts one more from the address. */
  add(address: string | undefined): void {
    this.#change(address, 1);
  }

  /** Counts one less from the address. */
  remove(address: string | undefined): void {
    this.#change(address, -1);
  }

  #change(address: string | undefined, by: 1 | -1): void {
    if (address === undefined) return;
    const key = addressKey(address);
    const count = (this.#counts.get(key) ?? 0) + by;
    if (count === 0) this.#counts.delete(key);
    else this.#counts.set(key, count);
  }
}
