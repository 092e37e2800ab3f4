/** Pings and Pongs of both ends, in both roles, over TCP. */
import { afterEach, beforeEach, describe, expect, type MockInstance, test, vi } from "vitest";
import { coreOf } from "../../../src/connection/connection.ts";
import type { Role } from "../../../src/protocol/frames/frame.ts";
import { connectionOver, connectionPair, until } from "../../support/connection-pair.ts";
import { HeldDuplex, nextTurn } from "../../support/held-duplex.ts";
import { frameFrom, peerOf, readFrames } from "../../support/wire.ts";

/** The bytes of what the peer of `role` sends. */
const fromPeer = (role: Role, ...frames: Parameters<typeof frameFrom>[1][]): Buffer =>
  Buffer.concat(frames.map((frame) => frameFrom(peerOf(role), frame)));

let stderr: MockInstance<typeof console.error>;

beforeEach(() => {
  stderr = vi.spyOn(console, "error").mockImplementation(() => {});
});

afterEach(() => {
  vi.useRealTimers();
  stderr.mockRestore();
});

describe.each<Role>(["client", "server"])("a connection as %s", (role) => {
  test("a Ping is answered with its payload, and seen by its handler [R6455-5.5.2-2, R6455-5.5.3-1, G87, G92]", async () => {
    const seen: string[] = [];
    const { peer } = await connectionPair(role, {
      handlers: { ping: (_, payload) => seen.push(Buffer.from(payload).toString()) },
    });
    peer.send({ opcode: 9, payload: "one" }, { opcode: 9 });
    const pongs = await peer.nextFrames(2);
    expect(pongs.map(({ opcode, payload }) => [opcode, payload.toString()])).toEqual([
      [10, "one"],
      [10, ""],
    ]);
    expect(seen).toEqual(["one", ""]);
  });

  test("ping measures the round trip; a Pong settles every earlier one [G29 G80 G89]", async () => {
    const seen: Uint8Array[] = [];
    const { peer, connection } = await connectionPair(role, {
      handlers: { pong: (_, payload) => seen.push(payload) },
    });
    expect(connection.latency).toBeUndefined();
    const roundTrips = [connection.ping(), connection.ping(Buffer.from("mine"))];
    const [, second] = await peer.nextFrames(2);
    expect(second!.payload.toString()).toBe("mine");
    peer.send({ opcode: 10, payload: "mine" }, { opcode: 10, payload: "unasked" });
    const [first, last] = await Promise.all(roundTrips);
    expect(first).toBeGreaterThanOrEqual(last!);
    expect(connection.latency).toBe(last);
    await until(() => seen.length === 2);
    expect(seen.map((payload) => Buffer.from(payload).toString())).toEqual(["mine", "unasked"]);
  });

  test("a Ping that is still out when the connection ends is rejected", async () => {
    const { peer, connection } = await connectionPair(role);
    const roundTrip = connection.ping();
    await peer.nextFrame();
    peer.reset();
    await expect(roundTrip).rejects.toThrow("the connection is closed");
  });

  test("more than 125 bytes are refused [R6455-5.5.1]", async () => {
    const { peer, connection } = await connectionPair(role);
    expect(() => connection.ping(new Uint8Array(126))).toThrow(RangeError);
    expect(() => connection.pong(new Uint8Array(126))).toThrow(RangeError);
    connection.pong(new Uint8Array(125));
    expect(await peer.nextFrame()).toMatchObject({ opcode: 10, payload: Buffer.alloc(125) });
  });

  test("a peer that pings and does not read gets the latest Pong alone [A03, R6455-5.5.3-2]", async () => {
    const answer = async (pace: "at once" | "stalled") => {
      const socket = new HeldDuplex(100);
      const connection = connectionOver(socket, role);
      coreOf(connection).start();
      socket.pace = pace;
      connection.send(new Uint8Array(200));
      await nextTurn();
      for (let i = 0; i < 1000; i++) {
        socket.push(fromPeer(role, { opcode: 9, payload: Buffer.alloc(125, i) }));
        if (i % 100 === 99) await nextTurn();
      }
      const { bufferedAmount } = connection;
      socket.flow();
      await nextTurn();
      const pongs = readFrames(socket.written).filter(({ opcode }) => opcode === 10);
      return { bufferedAmount, pongs };
    };
    const stalled = await answer("stalled");
    expect(stalled.bufferedAmount).toBeLessThan(400);
    expect(stalled.pongs.map(({ payload }) => payload[0])).toEqual([999 & 255]);
    // The control: who reads gets every one, 127 bytes and more each.
    expect((await answer("at once")).pongs).toHaveLength(1000);
  });
});
