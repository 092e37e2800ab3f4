/** A connection as the parts see it that end one: a real endpoint and a stream in memory, all else as a test says. */
import { Buffer } from "node:buffer";
import { expect } from "vitest";
import { connectionLimits } from "../../src/connection/options/limits.ts";
import { Endpoint } from "../../src/protocol/endpoint/endpoint.ts";
import type { Role } from "../../src/protocol/frames/frame.ts";
import { realTime } from "../../src/transport/clock.ts";
import { transportOver } from "../../src/transport/streams/transport-over.ts";
import { HeldDuplex } from "./held-duplex.ts";
import { closeFrame } from "./raw-peer.ts";
import { drain, frameFrom, peerOf, takeBytes } from "./wire.ts";

/** The time of each step. */
export const closeTimeout = 5000;

/** Makes the connection of a role. */
export function closingOwner(role: Role) {
  const endpoint = new Endpoint({ role });
  const socket = new HeldDuplex();
  const transport = transportOver(socket, false);
  transport.listen({
    received: () => {},
    receivedEnd: () => {},
    transportDrained: () => {},
    transportFailed: () => {},
    transportClosed: () => {},
  });
  const calls: string[] = [];
  const owner = {
    endpoint,
    transport,
    clock: realTime,
    limits: { ...connectionLimits, closeTimeout },
    settings: {} as { endsAtOnce?: boolean },
    bufferedAmount: 0,
    isOpen: () => endpoint.state === "open" || endpoint.state === "peerClosing",
    sending: {
      outbox: { changed: () => {}, flush: () => {} },
      isBusy: false,
      get leavingAmount(): number {
        return owner.bufferedAmount;
      },
      unsentMessages: 0,
      afterwards: (step: () => unknown) => void step(),
      stop: () => {},
    },
    receiving: {
      delivery: {
        isReached: () => true,
        isHandling: () => false,
        isBeingRead: () => false,
        endReaders: () => {},
      },
      inflates: false,
      reading: undefined as boolean | undefined,
      read: (on: boolean) => {
        owner.receiving.reading = on;
      },
      closeSent: () => {},
      noteHeld: () => {},
    },
    callClosing: () => void calls.push("closing"),
    callClose: (_: unknown, done: () => void) => {
      calls.push("close");
      done();
    },
  };
  return {
    owner,
    endpoint,
    socket,
    transport,
    calls,
    peerCloses: () => {
      endpoint.receive(Buffer.from(frameFrom(peerOf(role), closeFrame(1000))));
      expect(drain(endpoint)).toMatchObject([{ type: "close" }]);
    },
    fail: () => {
      endpoint.fail("text-not-utf8");
      takeBytes(endpoint);
    },
    /** Both Close frames were sent. */
    settle: () => {
      endpoint.receive(Buffer.from(frameFrom(peerOf(role), closeFrame(1000))));
      drain(endpoint);
      endpoint.echoClose();
      takeBytes(endpoint);
    },
  };
}
