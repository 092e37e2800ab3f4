/** What dependents of `ws` find at `_receiver`. */

import { Buffer } from "node:buffer";
import type { EventEmitter } from "node:events";
import { once } from "node:events";
import { expect, test } from "vitest";
import type { WebSocket } from "../../src/ws/index.ts";
import { both } from "./implementations.ts";
import { openPair } from "./pairs.ts";

interface Receiving extends EventEmitter {
  readonly _maxPayload: number;
  readonly _extensions: Record<string, { readonly _maxPayload?: number }>;
}

function receiverOf(socket: WebSocket): Receiving {
  return (socket as unknown as { readonly _receiver: Receiving })._receiver;
}

test.each(both)("in %s it knows the limit, and tells of the peer's Close", async (_, exports) => {
  const options = { maxPayload: 4096, perMessageDeflate: true };
  const { client, server } = await openPair(exports, options, options);
  const receiver = receiverOf(server);
  expect(receiver).toBe(receiverOf(server));
  expect(receiver._maxPayload).toBe(4096);
  expect(Object.keys(receiver._extensions)).toEqual(["permessage-deflate"]);
  const concluded = once(receiver, "conclude");
  client.close(4000, "bye");
  expect(await concluded).toEqual([4000, Buffer.from("bye")]);
});
