/** The limits that all connections of a process share, with slow clients over real sockets. */
import { expect, test } from "vitest";
import type { CloseReport } from "../../../src/connection/closing/close-report.ts";
import { processAssembly } from "../../../src/connection/receiving/message-pump.ts";
import { processOutbox } from "../../../src/connection/sending/outbox.ts";
import { until } from "../../support/connection-pair.ts";
import { closeStatus, openRaw } from "../../support/raw-peer.ts";
import { serving } from "../../support/serving.ts";
import { frameFrom } from "../../support/wire.ts";

test("unfinished messages of all clients together stay below the limit; the longest is closed with 1013 [A02]", async () => {
  const most = 1024 * 1024;
  const reports: CloseReport[] = [];
  const heard: number[] = [];
  const server = await serving({
    limits: { maxProcessAssemblySize: most, maxMessageSize: most },
    routes: {
      "/": {
        message: (_, data) => void heard.push(data.length),
        close: (_, report) => void reports.push(report),
      },
    },
  });
  const part = 60_000;
  const begin = { opcode: 2, fin: false, payload: new Uint8Array(part) };
  const longest = await openRaw(server.port);
  longest.send(begin, { ...begin, opcode: 0 });
  await until(() => processAssembly.total === 2 * part);
  // With the first message, 16 more would exceed 1 MiB.
  const others = await Promise.all(Array.from({ length: 16 }, () => openRaw(server.port)));
  for (const [index, peer] of others.entries()) {
    peer.send(begin);
    await until(() => server.metrics().bytesReceived > (index + 3) * part);
    expect(processAssembly.total).toBeLessThanOrEqual(most);
  }
  expect(closeStatus(await longest.nextFrame())?.code).toBe(1013);
  longest.end();
  await until(() => reports.length === 1);
  expect(reports[0]).toMatchObject({ violation: "too-much-unfinished", initiator: "local" });
  expect(processAssembly.total).toBe(16 * part);
  // The other clients noticed nothing.
  for (const peer of others) peer.send({ opcode: 0, payload: "end" });
  await until(() => heard.length === 16);
  expect(new Set(heard)).toEqual(new Set([part + 3]));
  expect(processAssembly.total).toBe(0);
});

test("who has memory ahead of a long frame goes before who has sent more, and keeps nothing of it [A02]", async () => {
  const MiB = 1024 * 1024;
  const reports: CloseReport[] = [];
  const server = await serving({
    limits: { maxProcessAssemblySize: 8 * MiB, maxMessageSize: 8 * MiB },
    routes: { "/": { message: () => {}, close: (_, report) => void reports.push(report) } },
  });
  const [ahead, other, last] = [await openRaw(server.port), await openRaw(server.port), await openRaw(server.port)];
  const part = new Uint8Array(2 * MiB);
  // A frame of 4 MiB, half of which comes: half of the cap may be given ahead.
  ahead.socket.write(frameFrom("client", { opcode: 2, payload: new Uint8Array(4 * MiB) }).subarray(0, 2 * MiB + 14));
  await until(() => processAssembly.total === 2 * MiB);
  const begin = { opcode: 2, fin: false, payload: part };
  other.send(begin, { ...begin, opcode: 0, payload: part.subarray(0, MiB) });
  await until(() => processAssembly.total === 5 * MiB);
  last.send(begin, { ...begin, opcode: 0, payload: part.subarray(0, MiB + 1) });
  expect(closeStatus(await ahead.nextFrame())?.code).toBe(1013);
  await until(() => processAssembly.total === 6 * MiB + 1);
  expect(reports).toEqual([]);
  ahead.end();
  await until(() => reports.length === 1);
  for (const peer of [other, last]) peer.socket.destroy();
  await until(() => processAssembly.total === 0);
});

test.each([
  ["its own topic each", (name: string) => name, 1],
  ["one topic for all", () => "all", 3],
])(
  "published messages count as sent ones do, and once where they are shared: %s [D04]",
  async (_, topicOf, holders) => {
    const most = 8 * 1024 * 1024;
    const server = await serving({
      limits: { maxProcessOutboxSize: most, maxOutboxSize: 64 * 1024 * 1024, closeTimeout: 100 },
      routes: { "/:name": { open: (connection) => connection.subscribe(topicOf(connection.params.name!)) } },
    });
    const names = ["a", "b", "c"];
    const stalled = await Promise.all(names.map((name) => openRaw(server.port, { path: `/${name}` })));
    for (const { socket } of stalled) socket.pause();
    await until(() => server.connections.size === 3);
    const letGo = () => [...server.connections].filter(({ readyState }) => readyState !== 1);
    const held = () => [...server.connections].reduce((sum, { bufferedAmount }) => sum + bufferedAmount, 0);
    let before = 0;
    while (letGo().length === 0) {
      before = held();
      for (const topic of new Set(names.map(topicOf))) server.publish(topic, new Uint8Array(250_000));
      await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
    }
    // Bytes that a socket holds already are not shared.
    expect(before).toBeGreaterThan((most * holders) / 2);
    expect(before).toBeLessThan(most * holders + 2 * 1024 * 1024);
    expect(processOutbox.total).toBeLessThanOrEqual(most);
  },
);

test("output for clients that do not read stays below the limit together, and clients that read notice nothing [D04]", async () => {
  const most = 4 * 1024 * 1024;
  const reports = new Map<string, CloseReport>();
  const server = await serving({
    limits: { maxProcessOutboxSize: most, closeTimeout: 100 },
    routes: { "/:name": { close: ({ params }, report) => void reports.set(params.name!, report) } },
  });
  const stalled = await Promise.all(["a", "b", "c"].map((name) => openRaw(server.port, { path: `/${name}` })));
  for (const { socket } of stalled) socket.pause();
  const reader = await openRaw(server.port, { path: "/reader" });
  await until(() => server.connections.size === 4);
  const size = 60_000;
  const letGo = () => [...server.connections].filter(({ readyState }) => readyState !== 1);
  let number = 0;
  let highest = 0;
  // The kernel's buffers hold some megabytes for each client first.
  for (; letGo().length === 0; number++) {
    for (const connection of server.connections) connection.send(new Uint8Array(size).fill(number & 255));
    const frame = await reader.nextFrame();
    expect(frame?.payload.length).toBe(size);
    expect(frame?.payload[size - 1]).toBe(number & 255);
    highest = Math.max(highest, processOutbox.total);
  }
  expect(highest).toBeGreaterThan(most / 2);
  expect(highest).toBeLessThanOrEqual(most);
  expect(letGo().map(({ path }) => path)).not.toContain("/reader");
  const [loser] = letGo();
  for (const peer of stalled) peer.socket.resume();
  const frames = await stalled[["/a", "/b", "/c"].indexOf(loser!.path)]!.allFrames();
  // The messages that left before are whole, and nothing follows the Close.
  expect(frames.length).toBeLessThan(number);
  expect(closeStatus(frames.at(-1))).toEqual({ code: 1013, reason: "Too much output is waiting" });
  for (const frame of frames.slice(0, -1)) expect(frame.payload.length).toBe(size);
  await until(() => reports.size === 1);
  const report = reports.get(loser!.path.slice(1));
  expect(report).toMatchObject({ initiator: "local", sent: { code: 1013 } });
  expect(report?.error?.message).toMatch(
    /bytes wait for a peer that does not read: it has taken none for \d+ ms \(maxProcessOutboxSize is/,
  );
});
