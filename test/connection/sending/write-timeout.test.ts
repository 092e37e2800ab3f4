/** What counts as movement of a transport that is full, and when its connection is given up. */
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { coreOf } from "../../../src/connection/connection.ts";
import { connectionLimits } from "../../../src/connection/options/limits.ts";
import { WriteTimeout } from "../../../src/connection/sending/write-timeout.ts";
import { type Clock, realTime } from "../../../src/transport/clock.ts";
import { connectionOver, until } from "../../support/connection-pair.ts";
import { HeldDuplex } from "../../support/held-duplex.ts";
import { socketPair } from "../../support/raw-peer.ts";

describe("a write timeout", () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] }));
  afterEach(() => void vi.useRealTimers());

  function begin() {
    const transport = { backlog: 1000, bytesReceived: 0 };
    const expired = vi.fn();
    return { transport, expired, timeout: new WriteTimeout(transport as never, realTime, 100, expired) };
  }

  test("expires once where no byte leaves or arrives", () => {
    const { expired, timeout } = begin();
    vi.advanceTimersByTime(99);
    expect(expired).not.toHaveBeenCalled();
    expect(timeout.silence).toBe(99);
    vi.advanceTimersByTime(1000);
    expect(expired).toHaveBeenCalledOnce();
    expect(vi.getTimerCount()).toBe(0);
  });

  test.each(["backlog", "bytesReceived"] as const)("begins again where the %s has changed", (figure) => {
    const { transport, expired, timeout } = begin();
    for (let look = 0; look < 10; look++) {
      transport[figure] += figure === "backlog" ? -1 : 1;
      vi.advanceTimersByTime(100);
    }
    expect(expired).not.toHaveBeenCalled();
    // What arrives is no sign that the peer reads.
    expect(timeout.silence).toBe(figure === "backlog" ? 0 : 1000);
    transport.backlog--;
    expect(timeout.silence).toBeUndefined();
    vi.advanceTimersByTime(200);
    expect(expired).toHaveBeenCalledOnce();
  });

  test("ends when it is canceled", () => {
    const { expired, timeout } = begin();
    timeout.cancel();
    vi.advanceTimersByTime(1000);
    expect(expired).not.toHaveBeenCalled();
    expect(vi.getTimerCount()).toBe(0);
  });
});

test("a peer that reads slowly is not dead: what it takes gives it the write timeout again [D05]", async () => {
  const [near, far] = await socketPair();
  // Looks come when the test says so: no machine is too slow for it.
  const looks: (() => void)[] = [];
  const clock: Clock = {
    now: () => 0,
    after: (delay, look) => {
      if (delay === connectionLimits.writeTimeout) looks.push(look);
      return () => {};
    },
  };
  const connection = connectionOver(near, "server", { own: true, clock });
  coreOf(connection).start();
  const size = 60_000_000;
  coreOf(connection).sending.sendFrames(Buffer.alloc(size), 1);
  far.on("data", () => far.pause());
  for (let times = 1; times <= 5; times++) {
    const before = connection.bufferedAmount;
    await until(() => {
      far.resume();
      return connection.bufferedAmount < before;
    });
    expect(looks).toHaveLength(1);
    looks.shift()!();
    expect(connection.readyState).toBe(1);
  }
  far.pause();
  await until(() => {
    looks.shift()?.();
    return near.destroyed;
  });
  const report = await connection.closed;
  expect(report.error?.message).toBe("The connection was given up: no byte left or arrived for 45000 ms");
  expect(report.bufferedAmount).toBeGreaterThan(0);
  expect(report.bufferedAmount).toBeLessThan(size);
  far.destroy();
});

test("a stream that knows no timeout of its own has the write timeout, too [D04]", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  const socket = new HeldDuplex();
  socket.pace = "stalled";
  const connection = connectionOver(socket, "server");
  coreOf(connection).start();
  connection.send("s".repeat(20_000));
  await until(() => coreOf(connection).endpoint.stalled);
  vi.advanceTimersByTime(connectionLimits.writeTimeout);
  expect((await connection.closed).error?.message).toContain("no byte left or arrived for 45000 ms");
  vi.useRealTimers();
});
