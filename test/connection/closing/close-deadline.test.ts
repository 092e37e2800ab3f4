/** How long each step of the end may take, in both roles. */
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { CloseDeadline } from "../../../src/connection/closing/close-deadline.ts";
import { longestAnswerDelay } from "../../../src/connection/options/limits.ts";
import type { Role } from "../../../src/protocol/frames/frame.ts";
import { closeTimeout, closingOwner } from "../../support/closing-owner.ts";

beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] }));
afterEach(() => void vi.useRealTimers());

function begin(role: Role) {
  const closing = closingOwner(role);
  const cutOff: string[] = [];
  const deadline = new CloseDeadline(closing.owner, (why) => void cutOff.push(why));
  return { ...closing, cutOff, deadline };
}

describe.each<Role>(["client", "server"])("the deadlines of a %s", (role) => {
  test("delays the echo so long and no longer, however often it is put off [R6455-5.5.1-4]", () => {
    const { deadline } = begin(role);
    const echo = vi.fn();
    deadline.limitAnswer(echo);
    vi.advanceTimersByTime(longestAnswerDelay - 1);
    deadline.limitAnswer(echo);
    expect(echo).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1);
    expect(echo).toHaveBeenCalledOnce();
  });

  test("cuts off a peer that owes something after its time, which the last call counts from [D01]", () => {
    const { deadline, cutOff } = begin(role);
    deadline.limitPeer(100);
    vi.advanceTimersByTime(99);
    deadline.limitPeer(200);
    vi.advanceTimersByTime(199);
    expect(cutOff).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(cutOff).toEqual(["The closing handshake was cut off: the peer took more than 200 ms"]);
  });

  test("waits while bytes leave, whether what waits or the backlog tells [D04]", () => {
    const { deadline, cutOff, transport, owner } = begin(role);
    let backlog = 1000;
    Object.defineProperty(transport, "backlog", { get: () => backlog });
    owner.bufferedAmount = 1000;
    deadline.limitPeer(closeTimeout);
    for (let passed = 0; passed < 200_000; passed += 40_000) {
      vi.advanceTimersByTime(40_000);
      expect(cutOff).toEqual([]);
      if (passed < 80_000) owner.bufferedAmount--;
      else backlog--;
    }
    vi.advanceTimersByTime(50_000);
    expect(cutOff).toHaveLength(1);
  });

  test("gives the peer more time while our Close has not left, unless it failed the connection [D04]", () => {
    const { deadline, cutOff, owner, fail } = begin(role);
    owner.bufferedAmount = 1;
    deadline.limitPeer(100);
    vi.advanceTimersByTime(1000);
    expect(cutOff).toEqual([]);
    fail();
    vi.advanceTimersByTime(100);
    expect(cutOff).toHaveLength(1);
  });

  test.each([0, 100, closeTimeout, 60_000])(
    "ends with the write timeout where no byte leaves, whatever we add: looked after each %i ms [D04]",
    (after) => {
      const { deadline, cutOff, owner } = begin(role);
      owner.bufferedAmount = 1000;
      deadline.limitPeer(after);
      for (let passed = 0; passed < 44_000; passed += 1000) {
        owner.bufferedAmount++;
        vi.advanceTimersByTime(1000);
        expect(cutOff).toEqual([]);
      }
      vi.advanceTimersByTime(Math.max(2000, after) + after);
      expect(cutOff).toEqual(["The closing handshake was cut off: no byte left for 45000 ms"]);
    },
  );

  test("waits while a send before our Close moves, and for its time after that", () => {
    const { deadline, cutOff, owner } = begin(role);
    owner.sending.isBusy = true;
    deadline.moved();
    deadline.limitPeer(100);
    for (let fragment = 0; fragment < 5; fragment++) {
      vi.advanceTimersByTime(90);
      deadline.moved();
    }
    expect(cutOff).toEqual([]);
    vi.advanceTimersByTime(200);
    expect(cutOff).toEqual(["The closing handshake was cut off: what was sent before it stood still for 100 ms"]);
  });

  test("takes a reader to have left that asks for nothing so long", () => {
    const { deadline } = begin(role);
    const late = vi.fn();
    deadline.limitReader(100, late);
    vi.advanceTimersByTime(99);
    deadline.limitReader(100, late);
    vi.advanceTimersByTime(99);
    expect(late).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1);
    expect(late).toHaveBeenCalledOnce();
  });

  test("leaves no timer when the transport is gone, and when it is cleared [D13]", () => {
    const { deadline } = begin(role);
    deadline.limitPeer(100);
    deadline.transportClosed();
    deadline.limitPeer(100);
    deadline.limitAnswer(() => {});
    expect(vi.getTimerCount()).toBe(0);
    deadline.limitReader(100, () => {});
    deadline.clear();
    expect(vi.getTimerCount()).toBe(0);
  });
});
