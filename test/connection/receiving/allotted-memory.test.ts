/** What long messages are given ahead of what comes is given back, however their connections end. */
import { describe, expect, test } from "vitest";
import type { Connection } from "../../../src/connection/connection.ts";
import { processAssembly } from "../../../src/connection/receiving/message-pump.ts";
import { Endpoint } from "../../../src/protocol/endpoint/endpoint.ts";
import type { Role } from "../../../src/protocol/frames/frame.ts";
import { connectionPair, until } from "../../support/connection-pair.ts";
import type { RawPeer } from "../../support/raw-peer.ts";
import { feed, frameFrom, peerOf } from "../../support/wire.ts";

const MiB = 1024 * 1024;

/** Whether nothing is allotted: a frame of exactly what may be has memory for all of it. */
function nothingAllotted(): boolean {
  const endpoint = new Endpoint({ role: "client", maxProcessAllotment: 2 * MiB });
  const frame = frameFrom("server", { opcode: 2, payload: new Uint8Array(2 * MiB) });
  for (let at = 0; at < MiB; at += 65_536) feed(endpoint, frame.subarray(at, at + 65_536));
  const { allottedAhead } = endpoint;
  feed(endpoint, frame.subarray(MiB));
  return allottedAhead > MiB - 65_536;
}

const endings: Readonly<Record<string, (connection: Connection, peer: RawPeer) => void>> = {
  "the peer's reset": (_, peer) => peer.reset(),
  "the peer's end": (_, peer) => peer.end(),
  terminate: (connection) => connection.terminate(),
  "a Close that is not answered": (connection) => connection.close(),
  "a Close inside of the message": (_, peer) => peer.close(1000),
  "a broken rule": (_, peer) => peer.send({ opcode: 1, payload: "no continuation" }),
};

describe.each<Role>(["server", "client"])("what a %s has allotted", (role) => {
  /** A message of 4 MiB of which 2 have come: in one frame, or the first fragments of it. */
  const beginnings: Readonly<Record<string, (peer: RawPeer) => void>> = {
    "a long frame"(peer) {
      const frame = frameFrom(peerOf(role), { opcode: 2, payload: new Uint8Array(4 * MiB) });
      peer.socket.write(frame.subarray(0, frame.length - 2 * MiB));
    },
    fragments: (peer) => peer.send({ opcode: 2, fin: false, payload: new Uint8Array(2 * MiB) }),
  };

  test.each(Object.keys(beginnings).flatMap((beginning) => Object.keys(endings).map((ending) => [beginning, ending])))(
    "for %s is given back after %s [A02]",
    async (beginning, ending) => {
      expect(nothingAllotted()).toBe(true);
      const { connection, peer } = await connectionPair(role, {
        limits: { closeTimeout: 100 },
        handlers: { message: () => {} },
      });
      beginnings[beginning!]!(peer);
      await until(() => processAssembly.total === 2 * MiB);
      expect(nothingAllotted()).toBe(false);
      endings[ending!]!(connection, peer);
      if (beginning === "a long frame" && ending !== "terminate" && ending !== "the peer's reset") peer.end();
      await connection.closed;
      expect(nothingAllotted()).toBe(true);
      expect(processAssembly.total).toBe(0);
    },
  );
});
