/** What dependents of `ws` find at `_receiver`. */

import { Buffer } from "node:buffer";
import type { EventEmitter } from "node:events";
import { once } from "node:events";
import { describe, expect, test } from "vitest";
import type { WebSocket } from "../../src/ws/index.ts";
import { both } from "./implementations.ts";
import { dial, openPair, urlOf } from "./pairs.ts";

interface Receiving extends EventEmitter {
  _maxPayload: number;
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

describe.each(both)("the limit that is set in %s", (_, exports) => {
  const compressed = { perMessageDeflate: { threshold: 0 } };

  test.each([{}, compressed])("holds for the messages that come then: %j", async (options) => {
    const { client, server } = await openPair(exports, { ...options, maxPayload: 100 }, options);
    receiverOf(server)._maxPayload = 50;
    expect(receiverOf(server)._maxPayload).toBe(50);
    client.send("x".repeat(50));
    expect(String((await once(server, "message"))[0])).toHaveLength(50);
    const failed = once(server, "error") as Promise<[NodeJS.ErrnoException]>;
    const closed = once(client, "close");
    client.send("x".repeat(51));
    expect((await failed)[0]).toMatchObject({ code: "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH" });
    expect((await closed)[0]).toBe(1009);
  });

  test("may be higher than before, or none, and is that of one connection", async () => {
    const { client, server, listener } = await openPair(exports, { maxPayload: 5 });
    for (const [maxPayload, length] of [
      [6, 6],
      [0, 200_000],
    ] as const) {
      receiverOf(server)._maxPayload = maxPayload;
      client.send("x".repeat(length));
      expect(String((await once(server, "message"))[0])).toHaveLength(length);
    }
    const other = dial(exports, urlOf(listener));
    const [[peer]] = (await Promise.all([once(listener, "connection"), once(other, "open")])) as [[WebSocket], unknown];
    const failed = once(peer, "error");
    other.send("123456");
    await failed;
  });
});
