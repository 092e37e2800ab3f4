/** How much is read and parsed while delivery waits, in both roles, over TCP. */
import { afterEach, beforeEach, describe, expect, type MockInstance, test, vi } from "vitest";
import { coreOf } from "../../../src/connection/connection.ts";
import type { MessageData } from "../../../src/connection/options/delivery-options.ts";
import { longestAnswerDelay } from "../../../src/connection/options/limits.ts";
import type { Role } from "../../../src/protocol/frames/frame.ts";
import { connectionOver, connectionPair, gate, until } from "../../support/connection-pair.ts";
import { HeldDuplex, nextTurn } from "../../support/held-duplex.ts";
import { RawPeer, socketPair } from "../../support/raw-peer.ts";
import { frameFrom, ownCopy, peerOf } from "../../support/wire.ts";

const numbered = (count: number): string[] => Array.from({ length: count }, (_, index) => `message ${index}`);

/** The bytes of what the peer of `role` sends. */
const fromPeer = (role: Role, ...frames: Parameters<typeof frameFrom>[1][]): Buffer =>
  Buffer.concat(frames.map((frame) => frameFrom(peerOf(role), frame)));

const texts = (messages: readonly string[]) => messages.map((payload) => ({ opcode: 1, payload }));

let stderr: MockInstance<typeof console.error>;

beforeEach(() => {
  stderr = vi.spyOn(console, "error").mockImplementation(() => {});
});

afterEach(() => {
  vi.useRealTimers();
  stderr.mockRestore();
});

describe.each<Role>(["client", "server"])("a connection as %s receives", (role) => {
  test("reading stops at the mark while a handler is behind, and goes on after it; nothing is lost", async () => {
    const { opened, open } = gate();
    const seen: MessageData[] = [];
    const { peer, connection } = await connectionPair(role, {
      limits: { inboundHighWaterMark: 1000 },
      handlers: {
        message: (_, data) => {
          seen.push(data);
          return seen.length === 1 ? opened : undefined;
        },
      },
    });
    peer.text(...numbered(2000));
    await until(() => !coreOf(connection).isReading());
    expect(seen).toHaveLength(1);
    open();
    await until(() => seen.length === 2000);
    expect(seen).toEqual(numbered(2000));
    expect(coreOf(connection).isReading()).toBe(true);
  });

  test("below the mark Pings and the end are seen while a handler is behind [G92]", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const { opened, open } = gate();
    const seen: unknown[] = [];
    const { peer, connection } = await connectionPair(role, {
      handlers: {
        message: async (_, data) => {
          await opened;
          seen.push(data);
        },
        close: () => seen.push("close"),
      },
    });
    peer.send(...texts(["a", "b"]), { opcode: 9, payload: "still there?" });
    expect(await peer.nextFrame()).toMatchObject({ opcode: 10, payload: Buffer.from("still there?") });
    peer.end();
    // An answer has this long to come; another timer is that of keepalive.
    await until(() => vi.getTimerCount() > 1);
    vi.advanceTimersByTime(longestAnswerDelay);
    await peer.closed;
    await until(() => coreOf(connection).endpoint.state === "closed");
    expect(seen).toEqual([]);
    open();
    await until(() => seen.length === 3);
    expect(seen).toEqual(["a", "b", "close"]);
  });

  test("nothing is parsed or delivered from hold to release, by itself or inside a handler", async () => {
    const seen: MessageData[] = [];
    const { peer, connection } = await connectionPair(role, {
      handlers: {
        message: (self, data) => {
          seen.push(data);
          if (data === "hold") coreOf(self).receiving.hold();
          if (data !== "both") return;
          coreOf(self).receiving.hold();
          coreOf(self).receiving.release();
        },
      },
    });
    const { receiving } = coreOf(connection);
    receiving.release();
    expect(receiving.hold()).toBe(true);
    expect(receiving.hold()).toBe(false);
    peer.text("both", "a", "hold", "b");
    await until(() => !coreOf(connection).isReading());
    expect(seen).toEqual([]);
    receiving.release();
    expect(seen).toEqual(["both", "a", "hold"]);
    receiving.release();
    expect(seen).toEqual(["both", "a", "hold", "b"]);
    peer.text("c");
    await until(() => seen.length === 5);
  });

  test("a failure is told when it happens, whichever side found it", async () => {
    const failures: unknown[] = [];
    const failed = (_: object, violation: string) => failures.push(violation);
    const { peer, connection } = await connectionPair(role, { failed });
    peer.send({ opcode: 3, payload: "" });
    expect(await peer.nextFrame()).toMatchObject({ opcode: 8 });
    expect(failures).toEqual(["reserved-opcode"]);
    const other = await connectionPair(role, { failed });
    coreOf(other.connection).fail("too-much-unfinished");
    expect(failures).toEqual(["reserved-opcode", "too-much-unfinished"]);
    connection.terminate();
  });

  test("a flood in one chunk lets others have their turn [A04]", async () => {
    const seen: number[] = [];
    let turns = 0;
    const socket = new HeldDuplex();
    const connection = connectionOver(socket, role, {
      limits: { readBudget: 0 },
      handlers: { message: () => seen.push(turns) },
    });
    coreOf(connection).start();
    const tick = () => {
      turns++;
      if (seen.length < 1000) setImmediate(tick);
    };
    socket.push(fromPeer(role, ...texts(numbered(1000))));
    setImmediate(tick);
    await until(() => seen.length === 1000);
    expect(turns).toBeGreaterThan(5);
    const perTurn = Math.max(...seen.map((turn) => seen.filter((other) => other === turn).length));
    expect(perTurn).toBeLessThanOrEqual(256);
  });

  test("a flood of fragments, of which no message comes, takes one long read a turn [A07]", async () => {
    const fragments = (opcode: number): Buffer =>
      fromPeer(
        role,
        { opcode, fin: false, payload: "x" },
        ...Array(30_000).fill({ opcode: 0, fin: false, payload: "x" }),
      );
    const turnsOf = async (readBudget: number): Promise<number[]> => {
      const seen: number[] = [];
      let turns = 0;
      const socket = new HeldDuplex();
      const connection = connectionOver(socket, role, { limits: { readBudget }, handlers: { message: () => {} } });
      coreOf(connection).start();
      socket.on("data", () => seen.push(turns));
      const tick = () => {
        turns++;
        if (seen.length < 4) setImmediate(tick);
      };
      for (const opcode of [2, 0, 0, 0]) socket.push(fragments(opcode));
      setImmediate(tick);
      await until(() => seen.length === 4);
      expect(coreOf(connection).endpoint.state).toBe("open");
      return seen;
    };
    expect(new Set(await turnsOf(0)).size).toBe(4);
    expect(new Set(await turnsOf(Number.POSITIVE_INFINITY)).size).toBe(1);
  });

  test("empty messages fill the queue as well [A07]", async () => {
    const { opened } = gate();
    const { peer, connection } = await connectionPair(role, {
      limits: { inboundHighWaterMark: 10_000 },
      handlers: { message: () => opened },
    });
    peer.text(...Array<string>(5000).fill(""));
    await until(() => !coreOf(connection).isReading());
  });

  test("over reads that are shared, data and unfinished frames stay what they were", async () => {
    const seen: Buffer[] = [];
    const ends = await Promise.all([socketPair(), socketPair()]);
    const peers = ends.map(([near, far]) => {
      const connection = connectionOver(near, role, {
        own: true,
        handlers: { message: (_, data) => seen.push(data as Buffer) },
      });
      coreOf(connection).start();
      expect(near.listenerCount("data")).toBe(0);
      return new RawPeer(far, peerOf(role));
    });
    const payload = (index: number) => Buffer.alloc(200 + index * 40, index);
    for (let index = 0; index < 60; index++) {
      const bytes = fromPeer(role, { opcode: 2, payload: payload(index) });
      const peer = peers[index % 2]!;
      peer.socket.write(bytes.subarray(0, 100 + index));
      await nextTurn();
      peer.socket.write(bytes.subarray(100 + index));
      await until(() => seen.length === index + 1);
    }
    expect(seen.every((data, index) => Buffer.compare(data, payload(index)) === 0)).toBe(true);
    for (const peer of peers) peer.socket.destroy();
  });

  test("a stream that is no socket keeps the memory it gave as it was", async () => {
    const seen: MessageData[] = [];
    const socket = new HeldDuplex();
    const connection = connectionOver(socket, role, { handlers: { message: (_, data) => seen.push(data) } });
    coreOf(connection).start();
    const bytes = ownCopy(fromPeer(role, { opcode: 2, payload: "unmasked elsewhere" }));
    const before = Buffer.from(bytes);
    socket.push(bytes);
    await nextTurn();
    expect(Buffer.from(seen[0] as Uint8Array).toString()).toBe("unmasked elsewhere");
    expect(bytes.equals(before)).toBe(true);
  });
});
