/** The option `timeout` of `send`: a message that has not left in time ends its connection. */
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { coreOf } from "../../../src/connection/connection.ts";
import type { SendOptions } from "../../../src/connection/sending/send-options.ts";
import type { Role } from "../../../src/protocol/frames/frame.ts";
import { connectionOver, connectionPair } from "../../support/connection-pair.ts";
import { HeldDuplex, nextTurn } from "../../support/held-duplex.ts";
import { readFrames } from "../../support/wire.ts";

const roles: readonly Role[] = ["client", "server"];
const late = "The connection was given up: a message did not leave within 1000 ms";

describe.each(roles)("send with a timeout, as %s", (role) => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] }));
  afterEach(() => void vi.useRealTimers());

  function begin(pace: HeldDuplex["pace"], compress = false) {
    const socket = new HeldDuplex();
    socket.pace = pace;
    const connection = connectionOver(socket, role, { compress });
    coreOf(connection).start();
    return { socket, connection };
  }

  test("a message that stays ends the connection, and the report says why [G81]", async () => {
    const { connection } = begin("stalled");
    expect(connection.send("stays", { timeout: 1000 })).toBe(true);
    await nextTurn();
    vi.advanceTimersByTime(999);
    expect(connection.readyState).toBe(1);
    vi.advanceTimersByTime(1);
    expect(connection.readyState).not.toBe(1);
    expect(await connection.closed).toMatchObject({
      code: 1006,
      initiator: "transport",
      phase: "open",
      error: { message: late },
    });
    expect(vi.getTimerCount()).toBe(0);
  });

  test("one that has left is safe, though others stay behind it [G81]", async () => {
    const { socket, connection } = begin("at once");
    connection.send("leaves", { timeout: 1000 });
    await nextTurn();
    socket.pace = "stalled";
    connection.send("stays");
    await nextTurn();
    vi.advanceTimersByTime(40_000);
    expect(connection.readyState).toBe(1);
    connection.terminate();
  });

  test("one that stays behind others that do ends the connection as well [G81]", async () => {
    const { connection } = begin("stalled");
    connection.send("x".repeat(50_000));
    await nextTurn();
    connection.send("y".repeat(50_000));
    connection.send("stays", { timeout: 1000 });
    await nextTurn();
    vi.advanceTimersByTime(1000);
    expect((await connection.closed).error?.message).toBe(late);
  });

  test("one that leaves behind what stood before is safe [G81]", async () => {
    const { socket, connection } = begin("stalled");
    connection.send("x".repeat(50_000));
    await nextTurn();
    connection.send("leaves", { timeout: 1000 });
    socket.flow();
    await nextTurn();
    vi.advanceTimersByTime(1000);
    expect(connection.readyState).toBe(1);
    expect(readFrames(socket.written)).toHaveLength(2);
    connection.terminate();
  });

  test.each<[string, SendOptions]>([
    ["a Blob that is never read", {}],
    ["a Blob that is never read, compressed", { compress: true }],
  ])("one in line behind %s has not left [G81]", async (_, options) => {
    const { connection } = begin("at once", true);
    connection.send(Object.assign(new Blob(["x"]), { arrayBuffer: () => new Promise<never>(() => {}) }));
    connection.send("in line", { ...options, timeout: 1000 });
    await nextTurn();
    vi.advanceTimersByTime(1000);
    expect((await connection.closed).error?.message).toBe(late);
  });

  test("a long message that is compressed elsewhere leaves in time [G81]", async () => {
    const { socket, connection } = begin("at once", true);
    connection.send("x".repeat(300_000), { timeout: 1000 });
    while (connection.bufferedAmount > 0) await nextTurn();
    vi.advanceTimersByTime(1000);
    expect(connection.readyState).toBe(1);
    expect(readFrames(socket.written)).toHaveLength(1);
    connection.terminate();
  });

  test("what ends before its time leaves no timer, and closing is held to it as well [G81]", async () => {
    const { connection } = begin("at once");
    connection.send("leaves", { timeout: 60_000 });
    connection.terminate();
    await connection.closed;
    expect(vi.getTimerCount()).toBe(0);

    const other = begin("stalled");
    other.connection.send("stays", { timeout: 1000 });
    other.connection.close();
    await nextTurn();
    vi.advanceTimersByTime(1000);
    expect((await other.connection.closed).error?.message).toBe(late);
  });

  test.each([0, -1, Number.NaN, "1000", null, true])("%s is no time, and nothing is sent [D10]", async (timeout) => {
    const { socket, connection } = begin("at once");
    expect(() => connection.send("x", { timeout: timeout as number })).toThrow(
      /^Cannot send: timeout must be a number from 1 on, not /,
    );
    connection.send("y", { timeout: undefined as never });
    connection.send("z", { timeout: Number.POSITIVE_INFINITY });
    await nextTurn();
    expect(readFrames(socket.written).map(({ payload }) => payload.toString())).toEqual(["y", "z"]);
    connection.terminate();
  });
});

test.each(roles)("over TCP a peer that does not read is let go after the time, as %s [G81]", async (role) => {
  const { connection, peer } = await connectionPair(role);
  peer.socket.pause();
  for (let sent = 0; sent < 16; sent++) connection.send("x".repeat(1024 * 1024), { timeout: 300 });
  expect((await connection.closed).error?.message).toContain("a message did not leave within 300 ms");
});
