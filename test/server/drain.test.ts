import { once } from "node:events";
import { createServer as createHttpServer } from "node:http";
import { connect } from "node:net";
import { describe, expect, test } from "vitest";
import { connect as connectClient } from "../../src/client/connect.ts";
import { resolveDrain } from "../../src/server/drain.ts";
import { answer } from "../support/asking.ts";
import { gate, until } from "../support/connection-pair.ts";
import { closeStatus, openRaw, readHead, requestText, sendRaw } from "../support/raw-peer.ts";
import { serving } from "../support/serving.ts";

describe("the options of drain", () => {
  test("have their documented defaults", () => {
    expect(resolveDrain({})).toEqual({ over: 5000, code: 1012, retryAfter: 5, deadline: 35_000, stopListening: false });
    expect(resolveDrain({ over: 1, code: 4000, retryAfter: 0, stopListening: true })).toEqual({
      over: 1,
      code: 4000,
      retryAfter: 0,
      deadline: 30_001,
      stopListening: true,
    });
  });

  test("a deadline beyond the longest timer is the longest timer", () => {
    for (const deadline of [Number.POSITIVE_INFINITY, 30 * 24 * 3600 * 1000]) {
      expect(resolveDrain({ deadline }).deadline).toBe(2_147_483_647);
    }
    expect(resolveDrain({ over: 2 ** 31 - 1 }).deadline).toBe(2_147_483_647);
  });

  test.each<[object, string]>([
    [{ over: -1 }, "over must be a number from 0 to 2147483647, not -1"],
    [{ over: Number.POSITIVE_INFINITY }, "over must be a number from 0 to 2147483647, not Infinity"],
    [{ over: Number.NaN }, "over must be a number from 0 to 2147483647, not NaN"],
    [{ deadline: Number.NaN }, "deadline must be a number from 0 on, not NaN"],
    [{ retryAfter: Number.POSITIVE_INFINITY }, "retryAfter must be a whole number from 0 to 2147483647, not Infinity"],
    [{ retryAfter: 1.5 }, "retryAfter must be a whole number from 0 to 2147483647, not 1.5"],
    [{ code: 1006 }, "1006 is not a code that a Close frame may carry"],
  ])("%o is refused", (options, message) => {
    expect(() => resolveDrain(options)).toThrow(new RangeError(`Cannot drain: ${message}`));
  });

  test.each([Number.POSITIVE_INFINITY, 30 * 24 * 3600 * 1000])(
    "with a deadline of %d ms no client is cut off [D06]",
    async (deadline) => {
      const server = await serving({ routes: { "/": {} } });
      const clients = await Promise.all([1, 2, 3].map(() => connectClient(`ws://127.0.0.1:${server.port}/`)));
      await server.drain({ over: 60, deadline });
      const reports = await Promise.all(clients.map(({ closed }) => closed));
      expect(reports.map(({ code, wasClean }) => [code, wasClean])).toEqual(Array(3).fill([1012, true]));
    },
  );
});

describe("drain", () => {
  test("closes clients in turn, refuses new ones meanwhile, delivers queued messages, and resolves [D06]", async () => {
    const server = await serving({ routes: { "/": {} } });
    const peers = [await openRaw(server.port), await openRaw(server.port), await openRaw(server.port)];
    await until(() => server.connections.size === 3);
    for (const connection of server.connections) connection.send("queued");
    const drained = server.drain({ over: 40, retryAfter: 9, code: 1012 });
    const { status, headers } = await answer(server.port, {});
    expect([status, headers.get("retry-after")]).toEqual([503, "9"]);
    for (const peer of peers) {
      expect(await peer.nextTexts(1)).toEqual(["queued"]);
      const told = { code: 1012, reason: "The server is draining; retry-after=9" };
      expect(closeStatus(await peer.nextFrame())).toEqual(told);
      peer.close(1012);
      peer.end();
    }
    await drained;
    expect(server.connections.size).toBe(0);
    expect(server.accepting).toBe(false);
  });

  test("cuts clients off that stay beyond the deadline, also while their handlers work", async () => {
    const server = await serving({ routes: { "/": { message: () => new Promise(() => {}) } } });
    const peer = await openRaw(server.port);
    peer.text("a");
    await until(() => server.metrics().messagesReceived === 1);
    await server.drain({ over: 0, deadline: 50 });
    expect(server.connections.size).toBe(0);
    await peer.until(() => false);
  });

  test("closes a client that was being let in when the draining began like the others", async () => {
    const deciding = gate();
    const server = await serving({ routes: { "/": {}, "/slow": { upgrade: () => deciding.opened.then(() => ({})) } } });
    const first = await openRaw(server.port);
    const slow = await sendRaw(server.port, requestText({ path: "/slow" }));
    await until(() => server.metrics().pendingHandshakes === 1);
    const drained = server.drain({ over: 0, code: 4321 });
    expect(closeStatus(await first.nextFrame())?.code).toBe(4321);
    deciding.open();
    await readHead(slow);
    expect(closeStatus(await slow.nextFrame())).toEqual({
      code: 4321,
      reason: "The server is draining; retry-after=5",
    });
    for (const peer of [first, slow]) {
      peer.close(4321);
      peer.end();
    }
    await drained;
  });

  test("stops listening at once with stopListening, and delivers queued messages all the same", async () => {
    const server = await serving({ routes: { "/": {} } });
    const { port } = server;
    const peer = await openRaw(port);
    await until(() => server.connections.size === 1);
    for (const connection of server.connections) connection.send("queued");
    const drained = server.drain({ over: 0, stopListening: true });
    const refused = connect({ port, host: "127.0.0.1" });
    expect((await once(refused, "error"))[0]).toMatchObject({ code: "ECONNREFUSED" });
    expect(await peer.nextTexts(1)).toEqual(["queued"]);
    expect(closeStatus(await peer.nextFrame())?.code).toBe(1012);
    peer.close(1012);
    peer.end();
    await drained;
  });

  test("rejects options that cannot be, and drains nothing", async () => {
    const server = await serving({ routes: {} });
    await expect(server.drain({ code: 1006 })).rejects.toThrow(RangeError);
    await expect(server.drain({ over: -1 })).rejects.toThrow(
      new RangeError("Cannot drain: over must be a number from 0 to 2147483647, not -1"),
    );
    await expect(server.drain({ timeout: 5 } as object)).rejects.toThrow(
      new TypeError('Cannot drain: there is no option "timeout"'),
    );
    expect(server.accepting).toBe(true);
    const shared = await serving({ routes: {}, server: createHttpServer() });
    await expect(shared.drain({ stopListening: true })).rejects.toThrow(
      new TypeError('Cannot drain: the option "stopListening" is for a listener of our own, and this one is shared'),
    );
    expect(shared.accepting).toBe(true);
  });
});
