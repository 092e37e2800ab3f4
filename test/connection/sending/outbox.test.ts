import { describe, expect, test } from "vitest";
import { connectionLimits } from "../../../src/connection/options/limits.ts";
import { newCounters } from "../../../src/connection/process-wide/diagnostics.ts";
import { Outbox, processOutbox } from "../../../src/connection/sending/outbox.ts";
import { Endpoint } from "../../../src/protocol/endpoint/endpoint.ts";
import type { Role } from "../../../src/protocol/frames/frame.ts";
import { realTime } from "../../../src/transport/clock.ts";
import { transportOver } from "../../../src/transport/streams/transport-over.ts";
import { HeldDuplex, nextTurn } from "../../support/held-duplex.ts";
import { RawPeer, socketPair } from "../../support/raw-peer.ts";
import { peerOf, readFrames } from "../../support/wire.ts";

const roles: readonly Role[] = ["client", "server"];

function make(role: Role, limits = {}, socket = new HeldDuplex()) {
  const endpoint = new Endpoint({ role });
  const counters = newCounters();
  const told = { low: 0, stuck: 0, late: [] as number[], tooLarge: 0, spoiled: [] as string[] };
  const owner = {
    limits: { ...connectionLimits, ...limits },
    counters,
    outboxLow: () => void told.low++,
    clock: realTime,
    outboxStuck: () => void told.stuck++,
    outboxLate: (timeout: number) => void told.late.push(timeout),
    outboxTooLarge: () => {
      told.tooLarge++;
      endpoint.discardOutput();
    },
    outboxSpoiled: (error: unknown) => {
      told.spoiled.push((error as Error).message);
      endpoint.discardOutput();
    },
  };
  const transport = transportOver(socket, false);
  const outbox = new Outbox(endpoint, transport, owner);
  transport.listen({
    received: () => {},
    receivedEnd: () => {},
    transportDrained: () => outbox.drained(),
    transportFailed: () => {},
    transportClosed: () => {},
  });
  const send = (data: string | Uint8Array) => {
    endpoint.sendMessage(data);
    outbox.changed();
  };
  return { endpoint, socket, outbox, send, told, counters };
}

/** How many bytes of memory outside of the heap are allocated meanwhile. */
function memoryOf(act: () => void): number {
  const before = process.memoryUsage().arrayBuffers;
  act();
  return process.memoryUsage().arrayBuffers - before;
}

test("the control: outputs that nothing makes smaller hold room for long messages each [D08]", () => {
  const many = Array.from({ length: 500 }, () => new Endpoint({ role: "server" }));
  const grown = memoryOf(() => {
    for (const endpoint of many) endpoint.sendMessage("first");
  });
  expect(grown).toBeGreaterThan(16 * 1024 * 1024);
  for (const endpoint of many) endpoint.discardOutput();
});

describe.each(roles)("the outbox of a %s", (role) => {
  test("all that is sent in one turn leaves in one write at its end", async () => {
    const { socket, send, outbox } = make(role);
    for (let i = 0; i < 100; i++) send(`message ${i}`);
    expect(socket.writes).toHaveLength(0);
    await nextTurn();
    expect(socket.writes).toHaveLength(1);
    expect(readFrames(socket.written)).toHaveLength(100);
    expect(outbox.size).toBe(0);
    send("another turn");
    await nextTurn();
    expect(socket.writes).toHaveLength(2);
  });

  test("a loop over many connections holds the memory of few, and all leaves in one write of each [D08]", async () => {
    const many = Array.from({ length: 500 }, () => make(role));
    // A stream keeps what is written first; from then on it is given copies.
    for (const { send } of many) send("before");
    await nextTurn();
    const grown = memoryOf(() => {
      for (const { send } of many) for (const text of ["first", "second"]) send(text);
    });
    expect(grown).toBeLessThan(8 * 1024 * 1024);
    expect(many.filter(({ socket }) => socket.writes.length === 1)).toHaveLength(32);
    await nextTurn();
    for (const { socket, outbox } of many) {
      expect(socket.writes).toHaveLength(2);
      const payloads = readFrames(socket.written).map(({ payload }) => payload.toString());
      expect([payloads, outbox.size]).toEqual([["before", "first", "second"], 0]);
    }
  });

  test("long payloads leave in one write with what is before them, a caller's as soon as it is sent [D12, G95]", async () => {
    const { socket, send } = make(role, {}, new HeldDuplex(10_000_000));
    const long = Buffer.alloc(300_000, "x");
    for (const data of ["before", long, "between", long]) send(data);
    expect(socket.writes).toHaveLength(role === "client" ? 0 : 2);
    send("after");
    await nextTurn();
    expect(socket.writes).toHaveLength(role === "client" ? 1 : 3);
    expect(readFrames(socket.written).map(({ payload }) => payload.length)).toEqual([6, 300_000, 7, 300_000, 5]);
  });

  test("inside a chunk nothing leaves before its end", async () => {
    const { socket, send, outbox } = make(role);
    outbox.insideChunk = true;
    send("a");
    send("b");
    await nextTurn();
    expect(socket.writes).toHaveLength(0);
    outbox.insideChunk = false;
    outbox.flush();
    expect(socket.writes).toHaveLength(1);
    outbox.flush();
    expect(socket.writes).toHaveLength(1);
  });

  test("while the socket is full output waits, and then leaves in one write", async () => {
    const { socket, send, endpoint, outbox } = make(role);
    socket.pace = "stalled";
    send(Buffer.alloc(20_000));
    await nextTurn();
    expect(endpoint.stalled).toBe(true);
    for (let i = 0; i < 50; i++) send("waits");
    await nextTurn();
    expect(socket.writes).toHaveLength(1);
    expect(outbox.size).toBeGreaterThan(20_000);
    socket.flow();
    await nextTurn();
    expect(socket.writes).toHaveLength(2);
    expect(readFrames(socket.written)).toHaveLength(51);
    expect(endpoint.stalled).toBe(false);
    expect(outbox.size).toBe(0);
  });

  test("frames that others share are written at once and as they are, where nothing is before them", async () => {
    const { endpoint, socket, send, outbox, counters } = make(role);
    const frames = Buffer.from([0x82, 1, 7]);
    // A client masks each frame.
    if (role === "client") return expect(outbox.writeShared(frames)).toBeUndefined();
    expect(outbox.writeShared(frames)).toBeDefined();
    expect(socket.writes).toEqual([frames]);
    expect(counters.bytesSent).toBe(3);
    outbox.insideChunk = true;
    expect(outbox.writeShared(frames)).toBeUndefined();
    outbox.insideChunk = false;
    send("before them");
    expect(outbox.writeShared(frames)).toBeUndefined();
    await nextTurn();
    socket.pace = "stalled";
    expect(outbox.writeShared(Buffer.alloc(100_000))).toBeDefined();
    expect(endpoint.stalled).toBe(true);
    expect(outbox.writeShared(frames)).toBeUndefined();
    expect(socket.writes).toHaveLength(3);
  });

  test("shared frames are not written into a message in fragments [R6455-5.4-3]", async () => {
    const { endpoint, socket, outbox } = make(role);
    if (role === "client") return;
    endpoint.sendFragment(true, Buffer.from("a"), { first: true, last: false });
    outbox.flush();
    expect(outbox.writeShared(Buffer.of(0x81, 0))).toBeUndefined();
    endpoint.sendFragment(true, Buffer.from("b"), { first: false, last: true });
    outbox.flush();
    expect(outbox.writeShared(Buffer.of(0x81, 0))).toBeDefined();
    expect(readFrames(socket.written).map(({ payload }) => payload.toString())).toEqual(["a", "b", ""]);
  });

  test("a stream that throws ends its own connection, and the others of the turn leave [D09]", async () => {
    const [before, throwing, behind] = [make(role), make(role), make(role)];
    const errors: Error[] = [];
    throwing.socket.on("error", (error) => errors.push(error));
    throwing.socket._write = () => {
      throw new Error("No stream at all");
    };
    for (const each of [before, throwing, behind]) each.send("sent");
    await nextTurn();
    expect([before, behind].map(({ socket }) => readFrames(socket.written).length)).toEqual([1, 1]);
    expect([errors, throwing.socket.destroyed]).toEqual([[new Error("No stream at all")], true]);
    behind.send("goes on");
    await nextTurn();
    expect(readFrames(behind.socket.written)).toHaveLength(2);
  });

  test("the owner is told once when the size is below the mark again", async () => {
    const { socket, send, outbox, told } = make(role, { outboxHighWaterMark: 30_000 });
    socket.pace = "stalled";
    send(Buffer.alloc(20_000));
    expect(outbox.reachesHigh()).toBe(false);
    expect(outbox.high).toBe(false);
    send(Buffer.alloc(20_000));
    expect(outbox.reachesHigh()).toBe(true);
    await nextTurn();
    expect(outbox.high).toBe(true);
    expect(told).toMatchObject({ low: 0, stuck: 0 });
    socket.flow();
    await nextTurn();
    expect(told).toMatchObject({ low: 1, stuck: 0 });
    expect(outbox.high).toBe(false);
  });

  test("a mark below the socket's own is reported too, though no drain comes", async () => {
    const { socket, send, outbox, told } = make(role, { outboxHighWaterMark: 100 });
    let drains = 0;
    socket.on("drain", () => drains++);
    socket.pace = "later";
    send(Buffer.alloc(500));
    expect(outbox.reachesHigh()).toBe(true);
    await nextTurn();
    await nextTurn();
    expect(told.low).toBe(1);
    expect(drains).toBe(0);
  });

  test("a stream that is gone is not reported to take bytes again", async () => {
    const { socket, send, outbox, told } = make(role, { outboxHighWaterMark: 100 });
    socket.on("error", () => {});
    socket.pace = "stalled";
    send(Buffer.alloc(500));
    outbox.reachesHigh();
    await nextTurn();
    socket.destroy(new Error("Gone"));
    await nextTurn();
    expect(told.low).toBe(0);
    send("nothing happens");
    await nextTurn();
    expect(socket.writes).toHaveLength(1);
  });

  test("what waits for a Blob or a compressor counts", () => {
    const { outbox } = make(role, { outboxHighWaterMark: 100 });
    outbox.waiting = 99;
    expect(outbox.size).toBe(99);
    expect(outbox.reachesHigh()).toBe(false);
    outbox.waiting = 100;
    expect(outbox.reachesHigh()).toBe(true);
    outbox.release();
  });

  test("beyond the process's cap the one that holds most lets go [D04]", async () => {
    const limits = { maxProcessOutboxSize: 100_000 };
    const [small, large, last] = [make(role, limits), make(role, limits), make(role, limits)];
    const sizes = [20_000, 60_000, 30_000];
    for (const [index, each] of [small, large, last].entries()) {
      each.socket.pace = "stalled";
      each.send(Buffer.alloc(sizes[index]!));
      await nextTurn();
    }
    expect([small.told.tooLarge, large.told.tooLarge, last.told.tooLarge]).toEqual([0, 1, 0]);
    expect(processOutbox.total).toBeLessThanOrEqual(100_000);
    for (const each of [small, large, last]) each.outbox.release();
    expect(processOutbox.total).toBe(0);
  });

  test("bytes that leave are counted", async () => {
    const { socket, send, counters } = make(role);
    send("counted");
    await nextTurn();
    expect(counters.bytesSent).toBe(socket.written.length);
  });

  test("another stream may keep what it was given: its memory is not used again", async () => {
    const kept: Buffer[] = [];
    const socket = new HeldDuplex();
    // As a transform in between does: done at once, while the chunk is still to be read.
    socket._write = (chunk, _encoding, done) => {
      kept.push(chunk);
      done();
    };
    const { send } = make(role, {}, socket);
    for (const text of ["first", "second", "third"]) {
      send(text);
      await nextTurn();
    }
    const texts = readFrames(Buffer.concat(kept)).map(({ payload }) => payload.toString());
    expect(texts).toEqual(["first", "second", "third"]);
  });

  test("over a real socket the bytes are the same, written at once or not", async () => {
    const [near, far] = await socketPair();
    const peer = new RawPeer(far, peerOf(role));
    const { send } = make(role, {}, near as unknown as HeldDuplex);
    const sizes = [0, 1, 70_000, 5, 1_000_000, 125, 126, 65_536];
    for (const [index, size] of sizes.entries()) {
      send(Buffer.alloc(size, index + 1));
      if (index % 3 === 2) await nextTurn();
    }
    const frames = await peer.nextFrames(sizes.length);
    expect(frames.map(({ payload }) => payload.length)).toEqual(sizes);
    expect(frames.every(({ payload }, index) => payload.every((byte) => byte === index + 1))).toBe(true);
    near.destroy();
    far.destroy();
  });
});
