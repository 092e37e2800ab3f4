/**
 * Handlers that throw, reject with and return every kind of value: the connection is closed with 1011 and its `error`
 * handler told, whatever it was, and nothing is thrown outside of the handler (fault D09).
 */
import { describe, expect, test, vi } from "vitest";
import type { Connection } from "../../src/connection/connection.ts";
import type { ConnectionHandlers } from "../../src/connection/handlers/handlers.ts";
import type { Role } from "../../src/protocol/frames/frame.ts";
import { anyValues } from "../support/any-values.ts";
import { connectionPair, until } from "../support/connection-pair.ts";
import { nextTurn } from "../support/held-duplex.ts";
import { leavesNothing } from "../support/leaves-nothing.ts";
import { closeStatus, type RawPeer } from "../support/raw-peer.ts";

const stderr = vi.spyOn(console, "error").mockImplementation(() => {});
leavesNothing({ complains: true });

type Name = "open" | "message" | "ping" | "pong";
const names: readonly Name[] = ["open", "message", "ping", "pong"];

/** What a peer does to make a handler run. */
const provoke: Readonly<Record<Exclude<Name, "open">, (peer: RawPeer) => void>> = {
  message: (peer) => peer.text("go"),
  ping: (peer) => peer.send({ opcode: 9, payload: "?" }),
  pong: (peer) => peer.send({ opcode: 10, payload: "!" }),
};

/** Answers the Close that comes, and tells its code when all is over. */
async function closeCode(peer: RawPeer, connection: Connection): Promise<number | undefined> {
  let frame = await peer.nextFrame();
  while (frame && frame.opcode !== 8) frame = await peer.nextFrame();
  peer.close(1000);
  peer.end();
  await connection.closed;
  await peer.closed;
  return closeStatus(frame)?.code;
}

/** Those whose promise, or what stands for one, fails. */
const failing: ReadonlySet<string> = new Set([
  "hostile thenable",
  "thenable with a hostile getter",
  "hostile getters",
  "rejected Promise",
  "Proxy that throws",
  "revoked Proxy",
]);

describe.each<Role>(["server", "client"])("handlers of a %s", (role) => {
  describe.each(names)("%s", (name) => {
    test.each(["throws", "rejects with"])("that %s any value ends its connection and no other", async (how) => {
      for (const value of anyValues) {
        const thrown = value.make();
        const errors: Error[] = [];
        const handler = (): unknown => {
          if (how === "throws") throw thrown;
          return Promise.reject(thrown);
        };
        const handlers: ConnectionHandlers<Connection> = {
          [name]: handler,
          error: (_, error) => void errors.push(error),
        };
        const { connection, peer } = await connectionPair(role, { handlers });
        if (name !== "open") provoke[name](peer);
        expect(await closeCode(peer, connection), value.name).toBe(1011);
        expect(errors, value.name).toHaveLength(1);
        expect(errors[0] === thrown || errors[0]!.cause === thrown || Number.isNaN(errors[0]!.cause), value.name).toBe(
          true,
        );
      }
    });

    test("that returns any value: only a promise or thenable that fails ends the connection", async () => {
      for (const value of anyValues) {
        let asked = false;
        const errors: Error[] = [];
        const handlers: ConnectionHandlers<Connection> = {
          [name]: () => {
            asked = true;
            return value.make();
          },
          error: (_, error) => void errors.push(error),
        };
        const { connection, peer } = await connectionPair(role, { handlers });
        if (name !== "open") provoke[name](peer);
        await until(() => connection.readyState !== 1 || asked);
        await nextTurn();
        connection.close(4000);
        const code = await closeCode(peer, connection);
        expect([code, errors.length], value.name).toEqual(failing.has(value.name) ? [1011, 1] : [4000, 0]);
      }
    });
  });

  test("error handlers that throw or reject with any value", async () => {
    for (const value of anyValues) {
      for (const how of ["throws", "rejects", "returns"]) {
        stderr.mockClear();
        const handlers: ConnectionHandlers<Connection> = {
          message: () => {
            throw new Error("first");
          },
          error: () => {
            if (how === "throws") throw value.make();
            return how === "rejects" ? Promise.reject(value.make()) : value.make();
          },
        };
        const { connection, peer } = await connectionPair(role, { handlers });
        provoke.message(peer);
        expect(await closeCode(peer, connection), value.name).toBe(1011);
        if (how !== "returns") await until(() => stderr.mock.calls.length > 0);
      }
    }
  });

  test("without an error handler, what is thrown goes to stderr, whatever it is", async () => {
    for (const value of anyValues) {
      stderr.mockClear();
      const { connection, peer } = await connectionPair(role, {
        handlers: {
          message: () => {
            throw value.make();
          },
        },
      });
      provoke.message(peer);
      expect(await closeCode(peer, connection), value.name).toBe(1011);
      expect(stderr.mock.calls, value.name).toHaveLength(1);
    }
  });
});
