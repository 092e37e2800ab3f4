/** Each step towards the end of a connection, in both roles, over a stream in memory. */
import { Buffer } from "node:buffer";
import { once } from "node:events";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { CloseSequence } from "../../../src/connection/closing/close-sequence.ts";
import { connectionLimits, drainSize, drainTime, longestAnswerDelay } from "../../../src/connection/limits.ts";
import { Endpoint } from "../../../src/protocol/endpoint.ts";
import type { Role } from "../../../src/protocol/frames/frame.ts";
import { realTime } from "../../../src/transport/clock.ts";
import { transportOver } from "../../../src/transport/transport-over.ts";
import { HeldDuplex } from "../../support/held-duplex.ts";
import { closeFrame } from "../../support/raw-peer.ts";
import { drain, frameFrom, peerOf, takeBytes } from "../../support/wire.ts";

const closeTimeout = 5000;

beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] }));
afterEach(() => void vi.useRealTimers());

function begin(role: Role) {
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
  const owner = {
    endpoint,
    clock: realTime,
    limits: { ...connectionLimits, closeTimeout },
    bufferedAmount: 0,
    get leavingAmount() {
      return this.bufferedAmount;
    },
    sending: false,
    reading: undefined as boolean | undefined,
    read: (on: boolean) => {
      owner.reading = on;
    },
  };
  const peerCloses = () => {
    endpoint.receive(Buffer.from(frameFrom(peerOf(role), closeFrame(1000))));
    expect(drain(endpoint)).toMatchObject([{ type: "close" }]);
  };
  const fail = () => {
    endpoint.fail("text-not-utf8");
    takeBytes(endpoint);
  };
  /** Both Close frames were sent. */
  const settle = () => {
    peerCloses();
    endpoint.echoClose();
    takeBytes(endpoint);
  };
  return { ending: new CloseSequence(owner, transport), endpoint, socket, transport, owner, peerCloses, fail, settle };
}

describe.each<Role>(["client", "server"])("the ending of a %s", (role) => {
  describe("the report", () => {
    test("has the first thing that broke and who began, and is given once to those who wait", async () => {
      const { ending, socket, owner } = begin(role);
      const early = ending.closed;
      owner.bufferedAmount = 7;
      ending.giveUp("transport", "Given up");
      owner.bufferedAmount = 0;
      expect(socket.destroyed).toBe(true);
      ending.giveUp("local", "Too late");
      ending.transportFailed(new Error("Later still"));
      ending.unsentMessages = 2;
      expect(ending.report).toBeUndefined();
      const report = ending.finish(3000);
      expect(report).toMatchObject({ code: 1006, initiator: "transport", bufferedAmount: 7, unsentMessages: 2 });
      expect([report.error?.message, report.lastReceivedAgo]).toEqual(["Given up", 3000]);
      expect(ending.report).toBe(report);
      expect([await early, await ending.closed]).toEqual([report, report]);
    });

    test("resolves `closed` at once, and `handled` when the close handler is done", async () => {
      const { ending } = begin(role);
      const seen = vi.fn();
      void ending.handled.then(seen);
      ending.finish(0);
      expect(await ending.closed).toBe(ending.report);
      expect(seen).not.toHaveBeenCalled();
      ending.allHandled();
      await Promise.all([ending.handled, ending.handled]);
      expect(seen).toHaveBeenCalledOnce();
    });

    test("R6455-7.1.5-1 without a Close it says so, with one it has nothing to say", () => {
      const cut = begin(role);
      expect(cut.ending.finish(0)).toMatchObject({
        initiator: "transport",
        error: new Error("The stream was closed without a Close frame from the peer"),
      });
      const { ending, settle } = begin(role);
      settle();
      expect(ending.finish(0)).not.toHaveProperty("error");
      const broken = begin(role);
      broken.fail();
      expect(broken.ending.finish(0)).not.toHaveProperty("error");
    });

    test("what was left when the socket broke is what did not leave", () => {
      const { ending, owner } = begin(role);
      owner.bufferedAmount = 9;
      const error = new Error("Reset");
      ending.transportFailed(error);
      owner.bufferedAmount = 0;
      expect(ending.finish(0)).toMatchObject({ bufferedAmount: 9, error });
    });
  });

  describe("time", () => {
    test("R6455-5.5.1-4 the echo waits so long and no longer, however often it is put off", () => {
      const { ending } = begin(role);
      const echo = vi.fn();
      ending.limitAnswer(echo);
      vi.advanceTimersByTime(longestAnswerDelay - 1);
      ending.limitAnswer(echo);
      expect(echo).not.toHaveBeenCalled();
      vi.advanceTimersByTime(1);
      expect(echo).toHaveBeenCalledOnce();
    });

    test("D01 a peer that owes something is cut off after its time, which the last call counts from", () => {
      const { ending, socket } = begin(role);
      ending.limitPeer(100);
      vi.advanceTimersByTime(99);
      ending.limitPeer(200);
      vi.advanceTimersByTime(199);
      expect(socket.destroyed).toBe(false);
      vi.advanceTimersByTime(1);
      expect(socket.destroyed).toBe(true);
      expect(ending.error?.message).toBe("The closing handshake was cut off: the peer took more than 200 ms");
    });

    test("D04 bytes that leave put it off, whether what waits or the backlog tells", () => {
      const { ending, socket, transport, owner } = begin(role);
      let backlog = 1000;
      Object.defineProperty(transport, "backlog", { get: () => backlog });
      owner.bufferedAmount = 1000;
      ending.limitPeer(closeTimeout);
      for (let passed = 0; passed < 200_000; passed += 40_000) {
        vi.advanceTimersByTime(40_000);
        expect(socket.destroyed).toBe(false);
        if (passed < 80_000) owner.bufferedAmount--;
        else backlog--;
      }
      vi.advanceTimersByTime(50_000);
      expect(socket.destroyed).toBe(true);
    });

    test("D04 while our Close has not left the peer has more time, unless it failed the connection", () => {
      const { ending, socket, owner, fail } = begin(role);
      owner.bufferedAmount = 1;
      ending.limitPeer(100);
      vi.advanceTimersByTime(1000);
      expect(socket.destroyed).toBe(false);
      fail();
      vi.advanceTimersByTime(100);
      expect(socket.destroyed).toBe(true);
    });

    test.each([0, 100, closeTimeout, 60_000])(
      "D04 … as long as bytes leave: else the write timeout is the last of it, whatever we add: looked after each %i ms",
      (after) => {
        const { ending, socket, owner } = begin(role);
        owner.bufferedAmount = 1000;
        ending.limitPeer(after);
        for (let passed = 0; passed < 44_000; passed += 1000) {
          owner.bufferedAmount++;
          vi.advanceTimersByTime(1000);
          expect(socket.destroyed).toBe(false);
        }
        vi.advanceTimersByTime(Math.max(2000, after) + after);
        expect(socket.destroyed).toBe(true);
        expect(ending.error?.message).toBe("The closing handshake was cut off: no byte left for 45000 ms");
      },
    );

    test("D13 no timer is left when it is over", () => {
      const { ending } = begin(role);
      ending.limitPeer(100);
      ending.finish(0);
      ending.limitPeer(100);
      expect(vi.getTimerCount()).toBe(0);
    });
  });

  test("A09 what is thrown away is limited", () => {
    const { ending, socket } = begin(role);
    ending.drain(drainSize - 1);
    ending.drain(1);
    expect(socket.destroyed).toBe(false);
    ending.drain(1);
    expect(socket.destroyed).toBe(true);
  });

  describe("the end of the stream", () => {
    test("without a Close is what broke the connection, unless something did before", () => {
      const { ending } = begin(role);
      ending.endedWithoutClose();
      expect(ending.initiator).toBe("transport");
      expect(ending.error?.message).toBe("The peer ended the stream without a Close frame");
      const broken = begin(role).ending;
      broken.initiator = "local";
      broken.transportFailed(new Error("Reset"));
      broken.endedWithoutClose();
      expect([broken.initiator, broken.error?.message]).toEqual(["local", "Reset"]);
    });

    test("nothing waits for an answer once the report is there", () => {
      const { ending } = begin(role);
      ending.finish(0);
      ending.limitAnswer(() => {});
      expect(vi.getTimerCount()).toBe(0);
    });
  });

  describe("the end of the transport", () => {
    test("R6455-7.1.1-1 R6455-7.1.1-2 is the server's to begin; its client has the time of the closing handshake", () => {
      const { ending, socket, settle, owner } = begin(role);
      settle();
      ending.endTransport();
      expect(socket.writableEnded).toBe(role === "server");
      expect(owner.reading).toBe(true);
      vi.advanceTimersByTime(closeTimeout - 1);
      expect(socket.destroyed).toBe(false);
      vi.advanceTimersByTime(1);
      expect(socket.destroyed).toBe(true);
    });

    test("waits for what is to leave", () => {
      const { ending, socket, endpoint, peerCloses } = begin(role);
      peerCloses();
      endpoint.echoClose();
      ending.endTransport();
      expect(socket.writableEnded).toBe(false);
    });

    test("R6455-7.1.7-1 is either's after a failure, and the drain is short", () => {
      const { ending, socket, fail } = begin(role);
      fail();
      ending.endTransport();
      expect(socket.writableEnded).toBe(true);
      vi.advanceTimersByTime(drainTime);
      expect(socket.destroyed).toBe(true);
    });

    test("D01 leaves the peer the whole of its time from when the last byte has left", () => {
      const { ending, socket, owner, settle } = begin(role);
      settle();
      owner.bufferedAmount = 1;
      ending.endTransport();
      vi.advanceTimersByTime(closeTimeout - 1);
      owner.bufferedAmount = 0;
      ending.endTransport();
      vi.advanceTimersByTime(closeTimeout - 1);
      expect(socket.destroyed).toBe(false);
      vi.advanceTimersByTime(1);
      expect(socket.destroyed).toBe(true);
    });

    test("follows that of a peer that ended first, and comes once", async () => {
      const { ending, socket, settle } = begin(role);
      settle();
      ending.peerEnd = "received";
      ending.endTransport();
      expect(socket.writableEnded).toBe(true);
      vi.advanceTimersByTime(closeTimeout - 1);
      ending.endTransport();
      vi.advanceTimersByTime(1);
      expect(socket.destroyed).toBe(true);
      await once(socket, "close");
      ending.finish(0);
      expect(vi.getTimerCount()).toBe(0);
    });
  });
});
