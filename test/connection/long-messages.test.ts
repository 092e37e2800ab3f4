import { afterEach, beforeEach, describe, expect, type MockInstance, test, vi } from "vitest";
import type { Role } from "../../src/protocol/frame.ts";
import { frameFrom, peerOf } from "../support/wire.ts";

/** What `keepFreedMemory` takes, to free it. */
const block = 32 * 1024 * 1024 - 64 * 1024;
let taken: MockInstance<(size: number) => Buffer>;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["performance"] });
  vi.resetModules();
  taken = vi.spyOn(Buffer, "allocUnsafeSlow");
});

afterEach(() => {
  taken.mockRestore();
  vi.useRealTimers();
});

const blocks = () => taken.mock.calls.filter(([size]) => size === block).length;

test("memory is kept once a hundred long messages came within a second, and for good", async () => {
  const { countLongMessage } = await import("../../src/connection/long-messages.ts");
  for (let call = 0; call < 99; call++) countLongMessage();
  vi.advanceTimersByTime(1000);
  for (let call = 0; call < 99; call++) countLongMessage();
  expect(blocks()).toBe(0);
  vi.advanceTimersByTime(999);
  for (let call = 0; call < 200; call++) countLongMessage();
  expect(blocks()).toBe(1);
});

describe.each<Role>(["server", "client"])("a %s", (role) => {
  test.each([
    ["counts each message of 128 KiB once, however many reads it takes", 128 * 1024, 1],
    ["does not count a shorter one", 100_000, 0],
  ])("%s", async (_, length, kept) => {
    const { connectionPair, until } = await import("../support/connection-pair.ts");
    let seen = 0;
    const { peer } = await connectionPair(role, { handlers: { message: () => void seen++ } });
    const send = async (messages: number) => {
      const frame = frameFrom(peerOf(role), { opcode: 2, payload: Buffer.alloc(length + 10) });
      const wanted = seen + messages;
      for (let message = 0; message < messages; message++) {
        peer.socket.write(frame.subarray(0, length / 2));
        await new Promise((resolve) => setImmediate(resolve));
        peer.socket.write(frame.subarray(length / 2, -1));
        await new Promise((resolve) => setImmediate(resolve));
        await new Promise((resolve) => setImmediate(resolve));
        peer.socket.write(frame.subarray(-1));
      }
      await until(() => seen === wanted);
    };
    await send(60);
    expect(blocks()).toBe(0);
    await send(60);
    expect(blocks()).toBe(kept);
  });
});
