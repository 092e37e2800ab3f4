/** The options that connections of both roles have. */

import type { OptionTable } from "../../protocol/check-options.ts";
import type { KeepaliveOptions } from "./keepalive-options.ts";

/** The options that connections of both roles have. */
export interface ConnectionOptions {
  /** Pings for a peer that is silent. Default on: after 25 s, given up 20 s later. */
  readonly keepalive?: boolean | KeepaliveOptions;
  /** Whether text is delivered as strings or, validated, as bytes. Default `"string"`. */
  readonly text?: TextForm;
  /**
   * Whether the `message` handler only borrows the bytes of a message: they lie in the memory that sockets are read
   * into, and change once the handler has returned or, if it is async, reached its first await. Halves the cost of a
   * message of 16 KiB; `send`, `publish` and copying are safe. `sendFragments` reads later, so give it a copy. The
   * `buffer` under the bytes cannot be transferred, and holds what was not parsed yet: write to nothing but the bytes
   * themselves. Default false: they are the application's, as for every other reader.
   */
  readonly borrow?: boolean;
}

/** In which form text is delivered. */
export type TextForm = "string" | "bytes";

/** The options that connections of both roles have, by name. */
export const connectionOptionTable: OptionTable<ConnectionOptions> = {
  keepalive: ["boolean", "object"],
  text: "string",
  borrow: "boolean",
};
