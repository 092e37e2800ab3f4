/** Each kind of event as an endpoint makes it: what `type` says, and that it carries this and nothing else. */
import { Buffer } from "node:buffer";
import { describe, expect, test } from "vitest";
import { Endpoint } from "../../../src/protocol/endpoint/endpoint.ts";
import type { EndpointEvent } from "../../../src/protocol/endpoint/endpoint-events.ts";
import type { Role } from "../../../src/protocol/frames/frame.ts";
import { type Cuts, feed, frameFrom, peerOf, type WireFrame } from "../../support/wire.ts";

type Kinds = { readonly [Type in EndpointEvent["type"]]: readonly [frames: WireFrame[], events: EndpointEvent[]] };

const bytes = new Uint8Array([1, 2, 3]);

/** Frames by the kind of the first event that comes of them; a kind that is missing does not typecheck. */
const kinds: Kinds = {
  message: [
    [
      { opcode: 1, payload: "é" },
      { opcode: 2, payload: bytes },
    ],
    [
      { type: "message", text: true, data: "é" },
      { type: "message", text: false, data: bytes },
    ],
  ],
  part: [
    [
      { opcode: 1, fin: false, payload: "a" },
      { opcode: 0, payload: "" },
    ],
    [
      { type: "part", text: true, data: "a", first: true, last: false },
      { type: "part", text: true, data: "", first: false, last: true },
    ],
  ],
  ping: [[{ opcode: 9, payload: bytes }], [{ type: "ping", payload: bytes }]],
  pong: [[{ opcode: 10, payload: bytes }], [{ type: "pong", payload: bytes }]],
  close: [
    [{ opcode: 8, payload: Buffer.from("\x03\xe8bye", "latin1") }],
    [{ type: "close", code: 1000, reason: "bye" }],
  ],
  inflate: [[{ opcode: 2, rsv: 4, payload: bytes }], [{ type: "inflate", payload: Uint8Array.from(bytes) }]],
  failed: [[{ opcode: 3 }], [{ type: "failed", violation: "reserved-opcode" }]],
};

describe.each(["client", "server"] as const)("a %s", (role: Role) => {
  describe.each<Cuts>(["whole", "bytewise"])("of %s chunks", (cuts) => {
    test.each(Object.entries(kinds))("makes %s", (type, [frames, events]) => {
      const endpoint = new Endpoint({ role, compression: true });
      endpoint.streaming = type === "part";
      const input = Buffer.concat(frames.map((frame) => frameFrom(peerOf(role), frame)));
      expect(feed(endpoint, input, cuts)).toStrictEqual(events);
    });
  });
});
