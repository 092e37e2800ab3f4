/** Each step towards the end of a connection, in both roles, over a stream in memory. */
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { CloseSequence } from "../../../src/connection/closing/close-sequence.ts";
import { drainSize, longestAnswerDelay } from "../../../src/connection/options/limits.ts";
import type { Role } from "../../../src/protocol/frames/frame.ts";
import { closeTimeout, closingOwner } from "../../support/closing-owner.ts";
import { takeBytes } from "../../support/wire.ts";

beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] }));
afterEach(() => void vi.useRealTimers());

function begin(role: Role) {
  const closing = closingOwner(role);
  return { ...closing, sequence: new CloseSequence(closing.owner) };
}

describe.each<Role>(["client", "server"])("the end of a %s", (role) => {
  describe("our Close", () => {
    test("leaves behind what is being sent, and nothing more is sent from the call on", () => {
      const { sequence, owner, endpoint } = begin(role);
      const line: (() => unknown)[] = [];
      owner.sending.afterwards = (step) => void line.push(step);
      sequence.close(1000, "");
      expect([sequence.state, endpoint.closeSent]).toEqual(["closeRequested", undefined]);
      line[0]!();
      expect(endpoint.closeSent?.code).toBe(1000);
    });

    test("comes in place of what stands in line after a failure to send", () => {
      const { sequence, owner, endpoint } = begin(role);
      const stop = vi.spyOn(owner.sending, "stop");
      sequence.closeInstead(1011, "");
      expect(endpoint.closeSent?.code).toBe(1011);
      expect(stop).toHaveBeenCalledOnce();
    });

    test("comes in place of the output a peer does not read, whose messages count as unsent [D04]", () => {
      const { sequence, endpoint } = begin(role);
      endpoint.sendMessage("one");
      endpoint.sendMessage("two");
      sequence.closeInsteadOfOutput(1013, "", new Error("Too much"));
      expect(endpoint.closeSent?.code).toBe(1013);
      expect(sequence.transportClosed(0)).toMatchObject({ unsentMessages: 2, error: new Error("Too much") });
    });

    test("a second reason to discard the output destroys the transport", () => {
      const { sequence, socket } = begin(role);
      sequence.close(1000, "");
      sequence.closeInsteadOfOutput(1013, "", new Error("Too much"));
      expect(socket.destroyed).toBe(true);
    });
  });

  describe("the report", () => {
    test("has the first thing that broke and who began, and is given once to those who wait", async () => {
      const { sequence, socket, owner } = begin(role);
      const early = sequence.closed;
      owner.bufferedAmount = 7;
      sequence.giveUp("transport", "Given up");
      owner.bufferedAmount = 0;
      expect(socket.destroyed).toBe(true);
      sequence.giveUp("local", "Too late");
      sequence.transportFailed(new Error("Later still"));
      owner.sending.unsentMessages = 2;
      expect(sequence.report).toBeUndefined();
      const report = sequence.transportClosed(3000);
      expect(report).toMatchObject({ code: 1006, initiator: "transport", bufferedAmount: 7, unsentMessages: 2 });
      expect([report.error?.message, report.lastReceivedAgo]).toEqual(["Given up", 3000]);
      expect(sequence.report).toBe(report);
      expect([await early, await sequence.closed]).toEqual([report, report]);
    });

    test("resolves `closed` at once, and `handled` when the close handler is done", async () => {
      const { sequence, owner } = begin(role);
      const seen = vi.fn();
      let done = () => {};
      owner.callClose = (_, handled) => {
        done = handled;
      };
      void sequence.handled.then(seen);
      sequence.transportClosed(0);
      sequence.progress();
      expect(await sequence.closed).toBe(sequence.report);
      expect([sequence.state, seen.mock.calls.length]).toEqual(["told", 0]);
      done();
      await Promise.all([sequence.handled, sequence.handled]);
      expect(seen).toHaveBeenCalledOnce();
      expect(sequence.state).toBe("handled");
    });

    test("goes to the close handler when what came before is handled, and once", () => {
      const { sequence, owner, calls } = begin(role);
      owner.receiving.delivery.isHandling = () => true;
      sequence.transportClosed(0);
      sequence.progress();
      expect(calls).toEqual([]);
      owner.receiving.delivery.isHandling = () => false;
      sequence.progress();
      sequence.progress();
      expect(calls).toEqual(["close"]);
    });

    test("waits for a reader, but not for one that asks for nothing during the closeTimeout", () => {
      const { sequence, owner, calls } = begin(role);
      owner.receiving.delivery.isBeingRead = () => true;
      sequence.transportClosed(0);
      sequence.progress();
      vi.advanceTimersByTime(closeTimeout - 1);
      sequence.progress();
      vi.advanceTimersByTime(closeTimeout - 1);
      expect([calls, sequence.state]).toEqual([[], "ended"]);
      vi.advanceTimersByTime(1);
      expect(calls).toEqual(["close"]);
    });

    test("leaves no timer where the reader is done first [D13]", () => {
      const { sequence, owner, calls } = begin(role);
      owner.receiving.delivery.isBeingRead = () => true;
      sequence.transportClosed(0);
      sequence.progress();
      owner.receiving.delivery.isBeingRead = () => false;
      sequence.progress();
      expect(calls).toEqual(["close"]);
      expect(vi.getTimerCount()).toBe(0);
    });

    test("says so when there was no Close, and has no error with one [R6455-7.1.5-1]", () => {
      expect(begin(role).sequence.transportClosed(0)).toMatchObject({
        initiator: "transport",
        error: new Error("The stream was closed without a Close frame from the peer"),
      });
      const { sequence, settle } = begin(role);
      settle();
      expect(sequence.transportClosed(0)).not.toHaveProperty("error");
      const broken = begin(role);
      broken.fail();
      expect(broken.sequence.transportClosed(0)).not.toHaveProperty("error");
    });

    test("counts what was left when the socket broke", () => {
      const { sequence, owner } = begin(role);
      owner.bufferedAmount = 9;
      const error = new Error("Reset");
      sequence.transportFailed(error);
      owner.bufferedAmount = 0;
      expect(sequence.transportClosed(0)).toMatchObject({ bufferedAmount: 9, error });
    });
  });

  test("destroys the transport when more arrives after the end than is drained [A09]", () => {
    const { sequence, socket } = begin(role);
    sequence.drain(drainSize);
    expect(socket.destroyed).toBe(false);
    sequence.drain(1);
    expect(socket.destroyed).toBe(true);
  });

  describe("the peer's end", () => {
    test("without a Close is what broke the connection, unless something did before", () => {
      const { sequence, endpoint, calls } = begin(role);
      sequence.receivedEnd();
      expect([endpoint.state, calls]).toEqual(["discarding", ["closing"]]);
      expect(sequence.transportClosed(0)).toMatchObject({
        initiator: "transport",
        error: new Error("The peer ended the stream without a Close frame"),
      });
      const broken = begin(role).sequence;
      broken.failed();
      broken.transportFailed(new Error("Reset"));
      broken.receivedEnd();
      expect(broken.transportClosed(0)).toMatchObject({ initiator: "local", error: new Error("Reset") });
    });

    test("waits for what came before it, but no longer than an answer may", () => {
      const { sequence, endpoint, owner } = begin(role);
      owner.receiving.delivery.isReached = () => false;
      sequence.receivedEnd();
      vi.advanceTimersByTime(longestAnswerDelay - 1);
      expect(endpoint.state).toBe("open");
      vi.advanceTimersByTime(1);
      expect(endpoint.state).toBe("discarding");
    });

    test("told of twice is one", () => {
      const { sequence, calls } = begin(role);
      sequence.receivedEnd();
      sequence.receivedEnd();
      expect(calls).toEqual(["closing"]);
    });

    test("behind a Close is none of its own: the Close is answered when its time has come", () => {
      const { sequence, endpoint, peerCloses } = begin(role);
      peerCloses();
      sequence.receivedEnd();
      expect(endpoint.state).toBe("peerClosing");
      sequence.peerCloseReached();
      takeBytes(endpoint);
      expect(endpoint.closeSent?.code).toBe(1000);
    });
  });
});
