import { AsyncLocalStorage } from "node:async_hooks";
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { typescriptProgram } from "../../../scripts/typescript-program.ts";
import { connect } from "../../../src/client/connect.ts";
import type { Connection } from "../../../src/connection/connection.ts";
import { captureContext } from "../../../src/connection/event-loop/async-context.ts";
import type { ConnectionHandlers } from "../../../src/connection/handlers/handlers.ts";
import { settingsIn } from "../../../src/connection/handlers/handlers-in-context.ts";
import { connectionLimits } from "../../../src/connection/options/limits.ts";
import { serve } from "../../../src/server/server.ts";
import { until } from "../../support/connection-pair.ts";

const storage = new AsyncLocalStorage<string>();

test("every handler runs in the given context, with its arguments and its object", () => {
  const calls: unknown[] = [];
  const record = function (this: unknown, ...values: unknown[]) {
    calls.push([this === handlers, values, storage.getStore()]);
    return "returned";
  };
  const handlers = { message: record, open: record, close: record } as ConnectionHandlers<string>;
  const settings = { limits: connectionLimits, handlers, keepalive: undefined };
  const bound = storage.run("there", () => settingsIn(captureContext(), settings));
  expect(bound.handlers.message!("connection", "data", { text: true })).toBe("returned");
  expect(bound.handlers.open!("connection")).toBe("returned");
  expect(bound.handlers.ping).toBeUndefined();
  expect(bound.sharedHandlers).toBe(handlers);
  expect(calls).toEqual([
    [true, ["connection", "data", { text: true }], "there"],
    [true, ["connection"], "there"],
  ]);
});

describe.each([true, false])("asyncContext: %s", (asyncContext) => {
  test("a server's handlers see what upgrade entered, a client's what connect was called in", async () => {
    const seen: unknown[] = [];
    const see = (who: string) => void seen.push([who, storage.getStore()]);
    let ends = 0;
    const server = await serve({
      port: 0,
      asyncContext,
      routes: {
        "/:name": {
          upgrade: ({ params }) => {
            storage.enterWith(`upgrade of ${params.name}`);
            return {};
          },
          message: (connection: Connection, data) => {
            see(`server, ${String(data)}`);
            connection.close();
          },
          close: () => {
            ends++;
          },
        },
      },
    });
    const one = async (name: string) => {
      const connection = await connect(`ws://127.0.0.1:${server.port}/${name}`, {
        asyncContext,
        close: () => see(`client ${name}`),
      });
      connection.send(name);
      await connection.closed;
    };
    await Promise.all(["a", "b"].map((name) => storage.run(`connect of ${name}`, () => one(name))));
    await until(() => ends === 2);
    await server.close();
    const expected = [
      ["client a", "connect of a"],
      ["client b", "connect of b"],
      ["server, a", "upgrade of a"],
      ["server, b", "upgrade of b"],
    ];
    if (asyncContext) expect(seen.sort()).toEqual(expected);
    else expect(seen).not.toContainEqual(expect.arrayContaining(["upgrade of a"]));
  });
});

describe("a store that a handler enters, where nobody used one before", () => {
  const program = fileURLToPath(new URL("../../support/first-context.ts", import.meta.url));

  test.each([
    ["upgrade", false],
    ["upgrade", true],
    ["open", false],
    ["open", true],
    ["client", false],
  ])("stays with its own connection: entered in %s, asyncContext %s", async (where, asyncContext) => {
    const args = [...typescriptProgram(program), where, String(asyncContext)];
    const { stdout } = await promisify(execFile)(process.execPath, args);
    const seen = JSON.parse(stdout) as unknown[];
    expect(seen.length).toBeGreaterThanOrEqual(3);
    expect(new Set(seen)).toEqual(new Set([null]));
  });
});
