/** D01 to D03: peers that do not answer a Close, that vanish, and networks that forget who is silent; on a fake clock. */
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { CloseReport } from "../../src/connection/closing/close-report.ts";
import { type Connection, coreOf } from "../../src/connection/connection.ts";
import { resolveKeepalive } from "../../src/connection/options/keepalive-options.ts";
import { connectionLimits } from "../../src/connection/options/limits.ts";
import type { Role } from "../../src/protocol/frames/frame.ts";
import { type ConnectionOptions, connectionOver, until } from "../support/connection-pair.ts";
import { HeldDuplex, nextTurn } from "../support/held-duplex.ts";
import { leftovers, noteResources } from "../support/resources.ts";
import { frameFrom, peerOf, readFrames } from "../support/wire.ts";

beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval"] }));
afterEach(async () => {
  for (const { connection } of lives.splice(0)) connection.terminate();
  // The wheel lets go of its timer when the last has left.
  await nextTurn();
  vi.useRealTimers();
});

const roles: readonly Role[] = ["server", "client"];
const second = 1000;

interface Life {
  readonly connection: Connection;
  readonly socket: HeldDuplex;
  report: CloseReport | undefined;
}

const lives: Life[] = [];

/** A started connection over a stream in memory, whose other end does nothing by itself. */
function living(role: Role, options: ConnectionOptions = {}): Life {
  const socket = new HeldDuplex();
  const connection = connectionOver(socket, role, options);
  const life: Life = { connection, socket, report: undefined };
  void connection.closed.then((report) => {
    life.report = report;
  });
  coreOf(connection).start();
  lives.push(life);
  return life;
}

/** Lets time go by, a second at a time. */
async function pass(milliseconds: number): Promise<void> {
  for (let passed = 0; passed < milliseconds; passed += second) {
    vi.advanceTimersByTime(Math.min(second, milliseconds - passed));
    await nextTurn();
  }
}

describe.each(roles)("D01 a peer that does not answer our Close: as %s", (role) => {
  test("D01: 10,000 at once are all gone after closeTimeout, 5 s by default, with no timer left", async () => {
    vi.useRealTimers();
    expect(connectionLimits.closeTimeout).toBe(5 * second);
    const before = await noteResources();
    const all = Array.from({ length: 10_000 }, () => living(role, { limits: { closeTimeout: second } }));
    for (const { connection } of all) connection.close();
    const reports = await Promise.all(all.map(({ connection }) => connection.closed));
    expect(reports.filter(({ code, wasClean }) => code === 1006 && !wasClean)).toHaveLength(10_000);
    expect(reports[0]!.error?.message).toMatch(/took more than 1000 ms/);
    expect(all.every(({ socket }) => socket.destroyed)).toBe(true);
    expect(await leftovers(before)).toEqual({});
  });

  test("D01: one that answers and never ends its stream is cut off as well", async () => {
    const life = living(role);
    life.connection.close();
    await nextTurn();
    life.socket.push(frameFrom(peerOf(role), { opcode: 8, payload: Uint8Array.of(3, 232) }));
    await nextTurn();
    await pass(5.5 * second);
    expect(life.report).toMatchObject({ code: 1000, wasClean: true });
    expect(life.socket.destroyed).toBe(true);
  });

  test("D01 control: without closeTimeout they stay", async () => {
    const limits = { closeTimeout: Number.POSITIVE_INFINITY };
    const all = Array.from({ length: 100 }, () => living(role, { limits }));
    for (const { connection } of all) connection.close();
    await nextTurn();
    await pass(600 * second);
    expect(all.filter(({ report }) => report)).toHaveLength(0);
    expect(all.every(({ socket }) => !socket.destroyed)).toBe(true);
  });
});

describe.each(roles)("D02 a peer that is gone without a word: as %s", (role) => {
  test("D02: is found out within 46 s by the defaults", async () => {
    const life = living(role, { keepalive: resolveKeepalive(undefined)! });
    await pass(44 * second);
    expect(life.report).toBeUndefined();
    expect(readFrames(life.socket.written).map(({ opcode }) => opcode)).toEqual([9]);
    await pass(2 * second);
    expect(life.report).toMatchObject({ code: 1006, initiator: "transport", phase: "open" });
    expect(life.report?.error?.message).toMatch(/did not answer a Ping/);
  });

  test("D02: one that sends anything at all lives", async () => {
    const life = living(role, { keepalive: resolveKeepalive(undefined)! });
    for (let passed = 0; passed < 600; passed += 20) {
      life.socket.push(frameFrom(peerOf(role), { opcode: 10 }));
      await pass(20 * second);
    }
    expect(life.report).toBeUndefined();
  });

  test("D02 control: without keepalive nobody finds out in ten minutes", async () => {
    const life = living(role);
    await pass(600 * second);
    expect(life.report).toBeUndefined();
    expect(life.connection.readyState).toBe(1);
  });
});

/** What nginx, a cloud's load balancer and many routers do: forget a connection of which no byte came for a minute. */
function middlebox(role: Role, socket: HeldDuplex): void {
  let seen = 0;
  let idle = 0;
  const timer = setInterval(() => {
    const frames = readFrames(socket.written.subarray(seen));
    idle = frames.length > 0 ? 0 : idle + 1;
    seen = socket.written.length;
    for (const { opcode, payload } of frames) {
      if (opcode === 9) socket.push(frameFrom(peerOf(role), { opcode: 10, payload }));
    }
    if (idle < 60) return;
    clearInterval(timer);
    socket.destroy();
  }, 1 * second);
}

describe.each(roles)("D03 a network that forgets who is silent for 60 s: as %s", (role) => {
  test("D03: the default interval is below 50 s, on by default, and keeps an idle connection for ten minutes", async () => {
    const keepalive = resolveKeepalive(undefined)!;
    expect(keepalive.interval).toBeLessThan(50 * second);
    expect(resolveKeepalive(true)).toEqual(keepalive);
    const life = living(role, { keepalive });
    middlebox(role, life.socket);
    await pass(600 * second);
    expect(life.report).toBeUndefined();
    expect(life.connection.readyState).toBe(1);
  });

  test("D03 control: without keepalive it is forgotten after a minute", async () => {
    const life = living(role);
    middlebox(role, life.socket);
    await pass(61 * second);
    await until(() => life.report !== undefined);
    expect(life.report).toMatchObject({ code: 1006, initiator: "transport" });
  });
});
