/** The end of the transport, in both roles, over a stream in memory. */
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { CloseDeadline } from "../../../src/connection/closing/close-deadline.ts";
import { TransportEnd } from "../../../src/connection/closing/transport-end.ts";
import { drainSize, drainTime } from "../../../src/connection/options/limits.ts";
import type { Role } from "../../../src/protocol/frames/frame.ts";
import { closeTimeout, closingOwner } from "../../support/closing-owner.ts";

beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] }));
afterEach(() => void vi.useRealTimers());

function begin(role: Role) {
  const closing = closingOwner(role);
  const cutOff: string[] = [];
  const deadline = new CloseDeadline(closing.owner, (why) => void cutOff.push(why));
  return { ...closing, cutOff, transport: new TransportEnd(closing.owner, deadline) };
}

describe.each<Role>(["client", "server"])("the end of the transport of a %s", (role) => {
  test("is the server's to begin; its client has the time of the closing handshake [R6455-7.1.1-1, R6455-7.1.1-2]", () => {
    const { transport, socket, settle, owner, cutOff } = begin(role);
    settle();
    transport.end(false);
    expect(socket.writableEnded).toBe(role === "server");
    expect(owner.receiving.reading).toBe(true);
    vi.advanceTimersByTime(closeTimeout - 1);
    expect(cutOff).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(cutOff).toHaveLength(1);
  });

  test("is either's where its settings say so", () => {
    const { transport, socket, settle, owner } = begin(role);
    owner.settings.endsAtOnce = true;
    settle();
    transport.end(false);
    expect(socket.writableEnded).toBe(true);
  });

  test("waits for what is to leave", () => {
    const { transport, socket, endpoint, peerCloses } = begin(role);
    peerCloses();
    endpoint.echoClose();
    transport.end(true);
    expect(socket.writableEnded).toBe(false);
  });

  test("is either's after a failure, and the drain is short [R6455-7.1.7-1]", () => {
    const { transport, socket, fail, cutOff } = begin(role);
    fail();
    transport.end(false);
    expect(socket.writableEnded).toBe(true);
    vi.advanceTimersByTime(drainTime);
    expect(cutOff).toHaveLength(1);
  });

  test("leaves the peer the whole of its time from when the last byte has left [D01]", () => {
    const { transport, owner, settle, cutOff } = begin(role);
    settle();
    owner.bufferedAmount = 1;
    transport.end(false);
    vi.advanceTimersByTime(closeTimeout - 1);
    owner.bufferedAmount = 0;
    transport.end(false);
    vi.advanceTimersByTime(closeTimeout - 1);
    expect(cutOff).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(cutOff).toHaveLength(1);
  });

  test("follows that of a peer that ended first, and comes once", () => {
    const { transport, socket, settle } = begin(role);
    const end = vi.spyOn(socket, "end");
    settle();
    transport.end(true);
    transport.end(true);
    expect(end).toHaveBeenCalledOnce();
  });

  test("drains so much and no more [A09]", () => {
    const { transport } = begin(role);
    expect(transport.drains(drainSize - 1)).toBe(true);
    expect(transport.drains(1)).toBe(true);
    expect(transport.drains(1)).toBe(false);
  });

  test("knows what had not left when the socket was destroyed", () => {
    const { transport, socket, owner } = begin(role);
    owner.bufferedAmount = 7;
    transport.destroy();
    owner.bufferedAmount = 0;
    expect(socket.destroyed).toBe(true);
    expect(transport.unsentBytes).toBe(7);
  });
});
