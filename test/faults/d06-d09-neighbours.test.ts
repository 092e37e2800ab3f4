/** D06 to D09: what one connection, or all at once, may do to the others. */
import { setTimeout as delay } from "node:timers/promises";
import { afterEach, describe, expect, test, vi } from "vitest";
import type { CloseReport } from "../../src/connection/closing/close-report.ts";
import { coreOf } from "../../src/connection/connection.ts";
import { connectionLimits } from "../../src/connection/options/limits.ts";
import { type ConnectOptions, connect, type Route } from "../../src/index.ts";
import type { Role } from "../../src/protocol/frames/frame.ts";
import type { Server } from "../../src/server/server.ts";
import { connectionOver, until } from "../support/connection-pair.ts";
import { HeldDuplex } from "../support/held-duplex.ts";
import { closeStatus, exchange, openRaw, parseResponse, RawPeer, requestText } from "../support/raw-peer.ts";
import { acceptance, rawServer } from "../support/raw-server.ts";
import { afterwards, serving, startChild } from "../support/serving.ts";
import { frameFrom, peerOf } from "../support/wire.ts";

afterEach(() => void vi.restoreAllMocks());

describe("D06 everybody comes back at once", () => {
  async function withClients(count: number): Promise<Server> {
    const server = await serving({ routes: { "/": {} } });
    for (let opened = 0; opened < count; opened++) await openRaw(server.port);
    await until(() => server.connections.size === count);
    return server;
  }
  const leaving = (server: Server) => [...server.connections].filter(({ readyState }) => readyState !== 1).length;

  test("D06: drain sends clients away in turn, and says to new ones when to come again", async () => {
    const server = await withClients(100);
    const drained = server.drain({ over: 400, retryAfter: 7, deadline: 600 });
    expect(leaving(server)).toBeLessThanOrEqual(10);
    const refused = parseResponse(await exchange(server.port, requestText()));
    expect(refused.status).toBe(503);
    expect(refused.headers.get("retry-after")).toBe("7");
    await drained;
    expect(server.connections.size).toBe(0);
  });

  test("D06 control: close sends all away in one turn", async () => {
    const server = await withClients(100);
    const closed = server.close();
    expect(leaving(server)).toBe(100);
    for (const connection of server.connections) connection.terminate();
    await closed;
  });

  test("D06: beyond maxConnections and maxConnectionsPerAddress a client gets 503; control: without them it gets in", async () => {
    for (const limits of [{ maxConnections: 2 }, { maxConnectionsPerAddress: 2 }, {}]) {
      const server = await serving({ limits, routes: { "/": {} } });
      for (let opened = 0; opened < 2; opened++) await openRaw(server.port);
      if (Object.keys(limits).length === 0) {
        await openRaw(server.port);
        continue;
      }
      const refused = parseResponse(await exchange(server.port, requestText()));
      expect(refused.status).toBe(503);
      expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(0);
    }
  });
});

describe.each<Role>(["server", "client"])("D07 one connection with more work than the others: as %s", (role) => {
  /** The most messages that one connection handles in a turn of the event loop, each of which takes 0.05 ms. */
  async function mostInATurn(readBudget: number): Promise<number> {
    const count = 5000;
    let handled = 0;
    let inTurn = 0;
    let most = 0;
    const message = () => {
      const until = performance.now() + 0.05;
      while (performance.now() < until);
      handled++;
      most = Math.max(most, ++inTurn);
    };
    const socket = new HeldDuplex();
    coreOf(connectionOver(socket, role, { handlers: { message }, limits: { readBudget } })).start();
    socket.push(Buffer.concat(Array(count).fill(frameFrom(peerOf(role), { opcode: 1, payload: "x" }))));
    while (handled < count) {
      inTurn = 0;
      await new Promise((resolve) => setImmediate(resolve));
    }
    return most;
  }

  test("D07: it does 2 ms of work in a turn, then the others have theirs", async () => {
    expect(connectionLimits.readBudget).toBe(2);
    // The clock is read every 64 messages, which take more than the budget.
    expect(await mostInATurn(connectionLimits.readBudget)).toBeLessThanOrEqual(128);
  });

  test("D07 control: without a budget it does all of its work in one", async () => {
    expect(await mostInATurn(Number.POSITIVE_INFINITY)).toBe(5000);
  });
});

describe("D08 what an idle connection holds", () => {
  /** Bytes of buffers for each of 200 connections that have had one frame, in a chunk of 60 KB, from its peer. */
  async function heldBy(kind: "openline" | "ws"): Promise<number> {
    const child = startChild("idle-memory.ts", [kind], { flags: ["--expose-gc"] });
    const { port } = await child.told<{ port: number }>();
    const ask = async () => {
      child.process.send("buffers");
      return await child.told<{ buffers: number; received: number }>();
    };
    const before = await ask();
    const message = frameFrom("client", { opcode: 2, payload: new Uint8Array(60_000) });
    for (let opened = 0; opened < 200; opened++) (await openRaw(port)).socket.write(message);
    let after = await ask();
    while (after.received < 200) after = await ask();
    return (after.buffers - before.buffers) / 200;
  }

  test("D08: after a message no buffer of its reads stays [G43]", { tags: "slow" }, async () => {
    expect(await heldBy("openline")).toBeLessThan(1024);
  });

  test("D08 control: ws 8.17.0 keeps the whole chunk that the last masking key came in", { tags: "slow" }, async () => {
    expect(await heldBy("ws")).toBeGreaterThan(16 * 1024);
  });
});

/** What goes wrong in a hook, now or later. */
const faults: [string, () => unknown][] = [
  [
    "throws",
    () => {
      throw new Error("The application failed");
    },
  ],
  ["rejects", () => Promise.reject(new Error("The application failed"))],
];

/** Errors that nobody caught. */
function unhandled(): unknown[] {
  const errors: unknown[] = [];
  const note = (error: unknown) => void errors.push(error);
  const events = ["uncaughtException", "unhandledRejection"] as const;
  for (const event of events) {
    const before = process.listeners(event as "uncaughtException");
    process.removeAllListeners(event).on(event, note);
    afterwards(() => {
      process.removeAllListeners(event);
      for (const listener of before) process.on(event, listener);
    });
  }
  return errors;
}

/** The code of the next Close. */
async function closeCode(peer: RawPeer): Promise<number | undefined> {
  let frame = await peer.nextFrame();
  while (frame !== undefined && frame.opcode !== 8) frame = await peer.nextFrame();
  return closeStatus(frame)?.code;
}

describe.each(faults)("D09 a hook of the application that %s", (_, fault) => {
  /** Makes the peer do what calls the hook. */
  const causes: Readonly<Record<string, (peer: RawPeer) => void>> = {
    open: () => {},
    message: (peer) => peer.text("hello"),
    ping: (peer) => peer.send({ opcode: 9, payload: "hello" }),
    pong: (peer) => peer.send({ opcode: 10, payload: "hello" }),
    drain: (peer) => peer.text("drain"),
    close: (peer) => peer.close(1000),
  };
  /** Handlers of either side of which one goes wrong; on `drain` as much is sent as the outbox calls full. */
  const handlersOf = (hook: string) => ({
    message: (connection: { send(data: string): unknown }) => void (hook === "drain" && connection.send("x")),
    [hook]: fault,
  });

  test.each(Object.keys(causes))("D09: %s on the server fails its connection with 1011 and no other", async (hook) => {
    const errors = unhandled();
    vi.spyOn(console, "error").mockImplementation(() => {});
    const told: unknown[] = [];
    const routes = {
      "/": { message: (connection, data) => connection.send(data) } as Route,
      "/faulty": {
        ...handlersOf(hook),
        limits: { outboxHighWaterMark: 1 },
        error: (_connection: unknown, error: Error) => {
          told.push(error.message);
          // What the error handler does wrong is no more than that.
          return fault();
        },
      } as Route,
    };
    const server = await serving({ routes });
    const other = await openRaw(server.port);
    const peer = await openRaw(server.port, { path: "/faulty" });
    causes[hook]!(peer);
    expect(await closeCode(peer)).toBe(hook === "close" ? 1000 : 1011);
    peer.end();
    await until(() => server.connections.size === 1);
    expect(told).toEqual(["The application failed"]);
    other.text("still here");
    expect(await other.nextTexts(1)).toEqual(["still here"]);
    expect(errors).toEqual([]);
  });

  test.each(Object.keys(causes))("D09: %s on the client fails its connection with 1011 and no other", async (hook) => {
    const errors = unhandled();
    vi.spyOn(console, "error").mockImplementation(() => {});
    const peers: RawPeer[] = [];
    const server = await rawServer((request, socket) => {
      socket.write(acceptance(request));
      peers.push(new RawPeer(socket, "server"));
      return undefined;
    });
    afterwards(() => server.close());
    const url = `ws://127.0.0.1:${server.port}/`;
    const other = await connect(url);
    const told: unknown[] = [];
    const options = {
      ...handlersOf(hook),
      limits: { outboxHighWaterMark: 1 },
      error: (_connection: unknown, error: Error) => {
        told.push(error.message);
        return fault();
      },
    } as ConnectOptions;
    const connection = await connect(url, options);
    const closed = connection.closed;
    causes[hook]!(peers[1]!);
    expect(await closeCode(peers[1]!)).toBe(hook === "close" ? 1000 : 1011);
    peers[1]!.end();
    const report: CloseReport = await closed;
    expect(report.phase).not.toBe("opening");
    await until(() => told.length > 0);
    expect(told).toEqual(["The application failed"]);
    peers[0]!.text("still here");
    for await (const data of other) {
      expect(data).toBe("still here");
      break;
    }
    other.terminate();
    expect(errors).toEqual([]);
  });

  test.each(["upgrade", "origin"])("D09: %s refuses with 500 and its text stays here", async (hook) => {
    const errors = unhandled();
    const stderr = vi.spyOn(console, "error").mockImplementation(() => {});
    const server = await serving({ routes: { "/": { [hook]: fault } as Route, "/other": {} } });
    const answer = await exchange(server.port, requestText({ headers: { Origin: "http://localhost" } }));
    expect(parseResponse(answer).status).toBe(500);
    expect(answer).not.toContain("The application failed");
    expect(stderr).toHaveBeenCalledTimes(1);
    expect((await openRaw(server.port, { path: "/other" })).ended).toBe(false);
    expect(errors).toEqual([]);
  });

  test("D09: log, which hears of a refusal and of a failed connection, harms neither", async () => {
    const errors = unhandled();
    vi.spyOn(console, "error").mockImplementation(() => {});
    const server = await serving({ log: fault as never, routes: { "/": { message: fault } as Route } });
    expect(parseResponse(await exchange(server.port, requestText({ path: "/none" }))).status).toBe(404);
    const peer = await openRaw(server.port);
    peer.text("hello");
    expect((await peer.nextFrame())?.payload.readUInt16BE(0)).toBe(1011);
    peer.end();
    await until(() => server.connections.size === 0);
    await delay(10);
    expect(errors).toEqual([]);
  });
});

test("D09 control: ws 8.17.0 lets what a listener throws end the process", async () => {
  const child = startChild("unguarded-server.ts", ["throwing"]);
  const { port } = await child.told<{ port: number }>();
  const other = await openRaw(port);
  const peer = await openRaw(port);
  peer.text("hello");
  const { code, stderr } = await child.exited;
  expect(code).toBe(1);
  expect(stderr).toContain("The application failed");
  await other.until(() => false);
});
