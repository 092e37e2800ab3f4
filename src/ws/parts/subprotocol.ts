/** `subprotocol` of `ws`: the names in `Sec-WebSocket-Protocol`, RFC 6455 section 4.1. */

import { HeaderCursor } from "./header-cursor.ts";

/** Reads the header field `Sec-WebSocket-Protocol`. */
export const subprotocol: {
  /**
   * Returns the names in wire order. Throws a SyntaxError for what breaks the grammar, and for a name that comes twice.
   */
  parse(header: string): Set<string>;
} = { parse };

function parse(header: string): Set<string> {
  const names = new Set<string>();
  const cursor = new HeaderCursor(header);
  for (;;) {
    const name = cursor.nextToken();
    cursor.skipTrailing();
    const last = cursor.atEnd;
    if (!last) cursor.require(",");
    if (names.has(name)) throw new SyntaxError(`The "${name}" subprotocol is duplicated`);
    names.add(name);
    if (last) return names;
  }
}
