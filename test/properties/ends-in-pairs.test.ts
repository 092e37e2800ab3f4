/** Whatever promises to settle does, in every order of two calls or events, on both ends of a connection. */
import { describe, type TestContext, test } from "vitest";
import { connect } from "../../src/client/connect.ts";
import type { Connection } from "../../src/connection/connection.ts";
import type { Server } from "../../src/server/server.ts";
import { serve } from "../../src/server/server.ts";
import type { ServerConnection } from "../../src/server/server-connection.ts";

interface Ends {
  readonly server: Server;
  /** The end on which the calls are made. */
  readonly near: Connection;
  readonly far: Connection;
  readonly accepted: ServerConnection;
}

type Handling = "idle" | "busy" | "waits for closed" | "loop";

/** What is called or happens; what it returns has to settle. */
const actions: Readonly<Record<string, (ends: Ends) => unknown>> = {
  "close()": ({ near }) => near.close(),
  "close() and await": ({ near }) => near[Symbol.asyncDispose](),
  "terminate()": ({ near }) => near.terminate(),
  closed: ({ near }) => near.closed,
  ready: ({ near }) => {
    near.send("x".repeat(2000));
    return near.ready;
  },
  "ping()": ({ near }) => near.ping(),
  "send()": ({ near }) => void near.send("message"),
  "sendFragments()": ({ near }) =>
    near.sendFragments(
      (async function* () {
        yield "a";
        await new Promise(() => {});
      })(),
    ),
  "publish()": ({ accepted }) => accepted.publish("topic", "x").delivered,
  "the peer's close()": ({ far }) => far.close(4000),
  "the peer's terminate()": ({ far }) => far.terminate(),
  "server.close()": ({ server }) => server.close(),
  "server.drain()": ({ server }) => server.drain({ over: 10, deadline: 100 }),
};

const never = new Promise<void>(() => {});
const limits = { closeTimeout: 100, outboxHighWaterMark: 1000 };

async function open(
  side: "server" | "client",
  handling: Handling,
  onTestFinished: TestContext["onTestFinished"],
): Promise<Ends> {
  let told!: (connection: ServerConnection) => void;
  const connected = new Promise<ServerConnection>((resolve) => {
    told = resolve;
  });
  const message = (connection: Connection) => {
    if (handling === "busy") return never;
    return handling === "waits for closed" ? connection.closed : undefined;
  };
  const read = async (connection: Connection) => {
    for await (const _ of connection);
  };
  const server = await serve({
    port: 0,
    limits,
    routes: {
      "/": {
        open: (connection) => {
          connection.subscribe("topic");
          told(connection);
          if (handling === "loop") void read(connection);
        },
        ...(handling !== "loop" && { message }),
      },
    },
  });
  const client = await connect(`ws://127.0.0.1:${server.port}/`, { limits, ...(handling !== "loop" && { message }) });
  onTestFinished(async () => {
    client.terminate();
    await server.close();
  });
  if (handling === "loop") void read(client);
  const accepted = await connected;
  const [near, far] = side === "server" ? [accepted, client] : [client, accepted];
  far.send("before");
  return { server, near, far, accepted };
}

const names = Object.keys(actions);

describe.each(["server", "client"] as const)("called on the %s", (side) => {
  describe.each<Handling>(["idle", "busy", "waits for closed", "loop"])("whose handlers are %s", (handling) => {
    test.concurrent.for(names)(
      "every other call or event after %s lets both settle",
      async (first, { expect, onTestFinished }) => {
        // The turns between the two differ from pair to pair; all of them for each would take three times as long.
        const pairs = names.map((second, index) => ({ second, turns: [0, 1, 3][(index + names.indexOf(first)) % 3]! }));
        // All at once, since most of it is waiting.
        await Promise.all(
          pairs.map(async ({ second, turns }) => {
            const ends = await open(side, handling, onTestFinished);
            const one = Promise.allSettled([actions[first]!(ends)]);
            for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve));
            const other = Promise.allSettled([actions[second]!(ends)]);
            // What waits for a peer alone may wait as long as the connection lives.
            await new Promise((resolve) => setTimeout(resolve, 5));
            await ends.server.close();
            ends.near.close();
            await Promise.all([ends.near.closed, ends.far.closed, one, other]);
            expect([ends.near.readyState, ends.far.readyState], `${first}, ${turns} turns, ${second}`).toEqual([3, 3]);
            const { opened, closed, connections } = ends.server.metrics();
            expect(opened - Object.values(closed).reduce((sum, count) => sum + count, 0)).toBe(connections);
          }),
        );
      },
    );
  });
});
