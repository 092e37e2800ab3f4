/** D04 and D05: peers that read slowly, or not at all, while they are sent more and more. */
import type { Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, onTestFinished, test } from "vitest";
import type { CloseReport } from "../../src/connection/closing/close-report.ts";
import type { Connection } from "../../src/connection/connection.ts";
import { connectionLimits } from "../../src/connection/options/limits.ts";
import { processOutbox } from "../../src/connection/sending/outbox.ts";
import { connect } from "../../src/index.ts";
import type { Role } from "../../src/protocol/frames/frame.ts";
import { connectionPair, until } from "../support/connection-pair.ts";
import { nextTurn } from "../support/held-duplex.ts";
import { openRaw } from "../support/raw-peer.ts";
import { acceptance, rawServer } from "../support/raw-server.ts";
import { afterwards, oldServing, serving } from "../support/serving.ts";
import { readFrames } from "../support/wire.ts";

const MiB = 1024 * 1024;
const message = "x".repeat(1024);
const count = 40_000;
/** With its header, as a server sends it. */
const frameLength = 1028;

/** Opens a connection, and counts what it reads. */
async function reader(port: number): Promise<{ socket: Socket; bytes: number }> {
  const { socket } = await openRaw(port);
  const reading = { socket, bytes: 0 };
  socket.removeAllListeners("data").on("data", (chunk: Buffer) => {
    reading.bytes += chunk.length;
  });
  return reading;
}

/** Calls `send` for each message, and waits for the reader now and then. */
async function broadcast(send: () => void, reading: { bytes: number }): Promise<void> {
  for (let sent = 1; sent <= count; sent++) {
    send();
    if (sent % 1000 === 0) await until(() => reading.bytes >= sent * frameLength);
  }
}

describe("D04 a client that does not read", () => {
  test("D04: of 40,000 messages to all it holds 16 MiB at most, is let go with 1013, and the others get each [G101]", async () => {
    const reports: CloseReport[] = [];
    const server = await serving({
      routes: {
        "/": { open: (connection) => connection.subscribe("all"), close: (_, report) => void reports.push(report) },
      },
    });
    const stalled = await openRaw(server.port);
    stalled.socket.pause();
    const reading = await reader(server.port);
    await until(() => server.subscriberCount("all") === 2);
    const [held] = server.connections;
    let most = 0;
    await broadcast(() => {
      server.publish("all", message);
      most = Math.max(most, held!.bufferedAmount);
    }, reading);
    expect(reading.bytes).toBe(count * frameLength);
    expect(most).toBeGreaterThan(connectionLimits.outboxHighWaterMark);
    // What one turn publishes comes on top.
    expect(most).toBeLessThanOrEqual(connectionLimits.maxOutboxSize + 1 * MiB);
    expect(held!.readyState).not.toBe(1);
    stalled.socket.destroy();
    await until(() => reports.length === 1);
    expect(reports[0]).toMatchObject({ initiator: "local", sent: { code: 1013 } });
    reading.socket.destroy();
  });

  test("D04 control: ws 8.17.0 holds all that the network did not take", async () => {
    const { server, port } = await oldServing();
    const stalled = await openRaw(port);
    stalled.socket.pause();
    const reading = await reader(port);
    await until(() => server.clients.size === 2);
    const [held] = server.clients;
    await broadcast(() => {
      for (const client of server.clients) client.send(message);
    }, reading);
    // The systems at both ends may have taken 20 MiB.
    expect(held!.bufferedAmount).toBeGreaterThan(connectionLimits.maxOutboxSize + 1 * MiB);
    for (const client of server.clients) client.terminate();
    reading.socket.destroy();
  });
});

describe("what has not left when a connection is over", () => {
  test.each([
    ["handles", {}],
    ["sockets", { bareHandles: false }],
  ])("is in the report, and waits no more, on %s", async (_, options) => {
    for (const end of ["reset", "terminate"] as const) {
      const reports: [report: CloseReport, waiting: number][] = [];
      const server = await serving({
        ...options,
        routes: { "/": { close: (connection, report) => void reports.push([report, connection.bufferedAmount]) } },
      });
      const { socket } = await openRaw(server.port);
      socket.pause();
      await until(() => server.connections.size === 1);
      const [connection] = server.connections;
      connection!.send(new Uint8Array(16 * MiB));
      await nextTurn();
      expect(connection!.bufferedAmount).toBeGreaterThan(MiB);
      if (end === "reset") socket.resetAndDestroy();
      else connection!.terminate();
      await until(() => reports.length === 1);
      expect(reports[0]![0].bufferedAmount).toBeGreaterThan(MiB);
      expect(reports[0]![1]).toBe(0);
      await nextTurn();
      expect(connection!.bufferedAmount).toBe(0);
    }
  });
});

describe("D04 a server that does not read", () => {
  const perTurn = 1000;

  async function sendingTo(
    maxOutboxSize: number,
    messages = count,
  ): Promise<{ most: number; report: Promise<CloseReport> }> {
    const server = await rawServer((request, socket) => {
      process.nextTick(() => socket.pause());
      return acceptance(request);
    });
    afterwards(() => server.close());
    const limits = { maxOutboxSize, closeTimeout: 100, writeTimeout: 1000 };
    const connection = await connect(`ws://127.0.0.1:${server.port}/`, { limits, compression: false });
    const report = connection.closed;
    let most = 0;
    for (let sent = 1; sent <= messages; sent++) {
      connection.send(message);
      most = Math.max(most, connection.bufferedAmount);
      if (sent % perTurn === 0) await nextTurn();
    }
    if (connection.readyState === 1) connection.terminate();
    return { most, report };
  }

  test("D04: our client holds 16 MiB at most, and closes", async () => {
    const { most, report } = await sendingTo(connectionLimits.maxOutboxSize);
    expect(most).toBeLessThanOrEqual(connectionLimits.maxOutboxSize + (perTurn + 1) * frameLength);
    expect(await report).toMatchObject({ initiator: "local", code: 1006 });
    expect((await report).error?.message).toMatch(/does not read/);
  });

  test("D04 control: without the limit it holds all that the network did not take", async () => {
    const { most } = await sendingTo(Number.POSITIVE_INFINITY, 2 * count);
    expect(most).toBeGreaterThan(connectionLimits.maxOutboxSize + (perTurn + 1) * frameLength);
  });
});

describe.each<Role>(["server", "client"])("D04 a peer that reads nothing and sends on: as %s", (role) => {
  /** A connection that is closed for it; `heard` says whether the peer's messages went on being handled. */
  async function closing(writeTimeout: number): Promise<{ connection: Connection; heard: () => boolean }> {
    let handled = 0;
    const limits = { maxOutboxSize: 1 * MiB, closeTimeout: 100, writeTimeout };
    const handlers = { message: () => void handled++ };
    const { connection, peer } = await connectionPair(role, { limits, handlers });
    peer.socket.pause();
    while (connection.readyState === 1) {
      connection.send(new Uint8Array(60_000));
      await nextTurn();
    }
    const timer = setInterval(() => peer.send({ opcode: 1, payload: "on and on" }), 50);
    onTestFinished(() => clearInterval(timer));
    return { connection, heard: () => handled > 0 };
  }

  test("D04: it is let go writeTimeout after the 1013 that it does not read; control: without the limit it is not", async () => {
    const unlimited = await closing(Number.POSITIVE_INFINITY);
    const limited = await closing(500);
    const report = { initiator: "local", code: 1006, sent: { code: 1013 } };
    expect(await limited.connection.closed).toMatchObject(report);
    await delay(500);
    expect(unlimited.connection.readyState).toBe(2);
    expect([limited.heard(), unlimited.heard()]).toEqual([true, true]);
  });
});

describe.each<Role>(["server", "client"])("D05 a peer that takes nothing: as %s", (role) => {
  /** A connection with full buffers; the peer sends a Pong so often, while it reads nothing. */
  async function standing(writeTimeout: number, pongEvery?: number): Promise<Connection> {
    const { connection, peer } = await connectionPair(role, { limits: { writeTimeout } });
    peer.socket.pause();
    connection.send(new Uint8Array(12 * MiB));
    const timer = pongEvery === undefined ? undefined : setInterval(() => peer.send({ opcode: 10 }), pongEvery);
    onTestFinished(() => clearInterval(timer));
    return connection;
  }

  test("D05: it is given up after writeTimeout, one that sends is not; control: without the limit neither", async () => {
    expect(connectionLimits.writeTimeout).toBe(45_000);
    const unlimited = await standing(Number.POSITIVE_INFINITY);
    const sending = await standing(1500, 50);
    const report = await (await standing(1000)).closed;
    expect(report).toMatchObject({ code: 1006, wasClean: false });
    expect(report.bufferedAmount).toBeGreaterThan(0);
    expect(report.error?.message).toMatch(/no byte left or arrived for 1000 ms/);
    await delay(1000);
    expect([sending.readyState, unlimited.readyState]).toEqual([1, 1]);
  });
});

describe.each<Role>(["server", "client"])("D04 much in one turn: as %s", (role) => {
  test.each([
    [17, MiB],
    [200, MiB],
    [17 * 1024, 1024],
    [2000, 10_000],
  ])("D04: %i messages of %i bytes sent in one turn all reach a peer that reads", async (messages, size) => {
    const { connection, peer } = await connectionPair(role);
    // What waits is put together once, not with each chunk.
    const chunks: Buffer[] = [];
    peer.socket.removeAllListeners("data").on("data", (chunk: Buffer) => void chunks.push(chunk));
    for (let sent = 0; sent < messages; sent++) connection.send(new Uint8Array(size).fill(sent));
    expect(connection.readyState).toBe(1);
    await until(() => connection.bufferedAmount === 0);
    connection.send("the end");
    const overhead = size < 126 ? 2 : size < 65_536 ? 4 : 10;
    const all = messages * (size + overhead + (role === "client" ? 4 : 0));
    await until(() => chunks.reduce((sum, { length }) => sum + length, 0) > all);
    const last = Buffer.concat(chunks).subarray(all);
    expect(readFrames(last).map(({ payload }) => payload.toString())).toEqual(["the end"]);
    expect(connection.readyState).toBe(1);
  });

  test.each([1, 1000])(
    "D04: from the next turn on it counts, so that %i messages a turn end at the limit",
    async (perTurn) => {
      const limits = { maxOutboxSize: 2 * MiB, closeTimeout: 100 };
      const { connection, peer } = await connectionPair(role, { limits });
      peer.socket.pause();
      let most = 0;
      const size = perTurn === 1 ? 100_000 : 1000;
      while (connection.readyState === 1) {
        for (let sent = 0; sent < perTurn; sent++) connection.send(new Uint8Array(size));
        most = Math.max(most, connection.bufferedAmount);
        await nextTurn();
      }
      // What stood below the limit, one turn's sends, and what the socket itself holds.
      expect(most).toBeLessThan(2 * MiB + 2 * perTurn * (size + 14) + MiB);
      connection.terminate();
      const { error } = await connection.closed;
      expect(error?.message).toMatch(
        /^Cannot send: \d+ bytes wait for a peer that does not read: it has taken none for \d+ ms \(maxOutboxSize is 2097152\)$/,
      );
    },
  );

  test("D04: a peer that reads slowly is told apart from one that does not read", async () => {
    const limits = { maxOutboxSize: 2 * MiB, closeTimeout: 100 };
    const { connection, peer } = await connectionPair(role, { limits });
    peer.socket.pause();
    connection.send(new Uint8Array(16 * MiB));
    await nextTurn();
    const before = connection.bufferedAmount;
    peer.socket.resume();
    await until(() => connection.bufferedAmount < before || connection.bufferedAmount === 0);
    peer.socket.pause();
    connection.send("too much");
    connection.terminate();
    const { error } = await connection.closed;
    expect(error?.message).toMatch(/a peer that reads more slowly than it is sent to \(maxOutboxSize/);
  });

  test("D04: for the process it counts at once, whether a socket is full yet or not", async () => {
    const limits = { maxProcessOutboxSize: 8 * MiB, closeTimeout: 100 };
    const { connection } = await connectionPair(role, { limits });
    let sent = 0;
    while (connection.readyState === 1) {
      connection.send("x".repeat(60_000));
      sent++;
    }
    expect(sent).toBeLessThan((8 * MiB) / 60_000 + 2);
    connection.terminate();
    const { error } = await connection.closed;
    expect(error?.message).toMatch(/\(maxProcessOutboxSize is 8388608 for all connections of the process\)$/);
    expect(processOutbox.total).toBe(0);
  });
});
