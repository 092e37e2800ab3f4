/** The public object of a connection, in both roles, over TCP. */
import { readFileSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, type MockInstance, test, vi } from "vitest";
import { Connection, coreOf } from "../../src/connection/connection.ts";
import type { Role } from "../../src/protocol/frames/frame.ts";
import { connectionPair, gate } from "../support/connection-pair.ts";
import { nextTurn } from "../support/held-duplex.ts";
import { closeFrame, closeStatus } from "../support/raw-peer.ts";

let stderr: MockInstance<typeof console.error>;

beforeEach(() => {
  stderr = vi.spyOn(console, "error").mockImplementation(() => {});
});

afterEach(() => {
  vi.useRealTimers();
  stderr.mockRestore();
});

describe.each<Role>(["client", "server"])("a connection as %s", (role) => {
  test("has nothing on it but what its users are told of", async () => {
    const { connection } = await connectionPair(role);
    expect(Object.keys(connection)).toEqual(["subprotocol", "extensions", "latency"]);
    expect(Object.getOwnPropertySymbols(connection)).toEqual([]);
    const source = readFileSync(new URL("../../src/connection/connection.ts", import.meta.url), "utf8");
    expect(source).not.toContain("@internal");
    for (const name of Object.getOwnPropertyNames(Connection.prototype)) {
      const documented = new RegExp(`\\*/\\n  (?:async |get |set )?${name}\\(`);
      if (name !== "constructor") expect(source, name).toMatch(documented);
    }
  });

  test("gives its core to the library alone: what only inherits from it has none", async () => {
    const { connection } = await connectionPair(role);
    expect(coreOf(connection).connection).toBe(connection);
    expect(() => coreOf(Object.create(connection) as Connection)).toThrow(TypeError);
  });

  test("closed and the close handler have the same report, once, after the last message [G36]", async () => {
    const seen: unknown[] = [];
    const { peer, connection } = await connectionPair(role, {
      ended: () => seen.push("ended"),
      handlers: { message: (_, data) => seen.push(data), close: (_, report) => seen.push(report) },
    });
    const early = connection.closed;
    peer.send({ opcode: 1, payload: "last" }, closeFrame(4000));
    peer.end();
    const report = await early;
    expect(seen).toEqual(["last", "ended", report]);
    expect(await connection.closed).toBe(report);
  });

  test("every call is harmless in the close handler and after it", async () => {
    const { peer, connection } = await connectionPair(role, {
      handlers: {
        close: (self) => {
          expect(self.send("late")).toBe(false);
          self.close();
          self.pong();
          self.terminate();
          void self.ping();
        },
      },
    });
    peer.end();
    await connection.closed;
    await nextTurn();
    await connection.ready;
    connection.unref();
    await connection[Symbol.asyncDispose]();
    expect(stderr).not.toHaveBeenCalled();
  });

  test("a Blob that is ready after the end leaves no timer behind", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const { opened, open } = gate();
    const { peer, connection } = await connectionPair(role);
    const blob = new Blob(["late"]);
    blob.arrayBuffer = async () => {
      await opened;
      return new ArrayBuffer(4);
    };
    connection.send(blob);
    connection.close();
    peer.reset();
    await connection.closed;
    open();
    await nextTurn();
    expect(vi.getTimerCount()).toBe(0);
  });

  test("await using closes with 1000 and waits", async () => {
    const { peer, connection } = await connectionPair(role);
    const over = connection[Symbol.asyncDispose]();
    expect(closeStatus(await peer.nextFrame())?.code).toBe(1000);
    peer.close(1000);
    peer.end();
    await over;
    expect(connection.readyState).toBe(3);
  });
});
