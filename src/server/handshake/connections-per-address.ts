/**
 * How many connections and opening handshakes there are from each address, for the limit on them.
 *
 * An address is counted from its handshake's start, so that many handshakes at once do not pass the limit together; only
 * addresses with a connection are remembered.
 */

import { addressKey } from "./client-address.ts";

/** The counts; an undefined address, such as a Unix socket's, is not counted. */
export class ConnectionsPerAddress {
  readonly #counts = new Map<string, number>();

  /** How many there are from the address. */
  count(address: string | undefined): number {
    return address === undefined ? 0 : (this.#counts.get(addressKey(address)) ?? 0);
  }

  /** One more. */
  add(address: string | undefined): void {
    this.#change(address, 1);
  }

  /** One less. */
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
