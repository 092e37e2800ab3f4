/**
 * A server, or a client of one, whose first use of an `AsyncLocalStorage` is to enter a store in a handler, in a process of
 * its own: tells what the handlers of later connections see.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { connect } from "../../src/client/connect.ts";
import { serve } from "../../src/server/server.ts";

const [where, asyncContext] = [process.argv[2] as "upgrade" | "open" | "client", process.argv[3] === "true"];
const storage = new AsyncLocalStorage<string>();
const seen: (string | undefined)[] = [];
let first = true;

function enter(place: typeof where): void {
  if (place !== where) return;
  if (first) storage.enterWith("the first");
  first = false;
}

const see = () => void seen.push(storage.getStore());
const server = await serve({
  host: "127.0.0.1",
  routes: {
    "/": {
      asyncContext,
      upgrade: ({ request }) => {
        if (request.headers["x-later"]) see();
        enter("upgrade");
        return { data: request.headers["x-later"] };
      },
      open: (connection) => {
        if (connection.data) see();
        enter("open");
      },
      message: (connection, data) => {
        if (connection.data) see();
        connection.send(data);
      },
    },
  },
});
const url = `ws://127.0.0.1:${server.port}/`;

async function echo(headers: Record<string, string>): Promise<void> {
  const later = "x-later" in headers;
  const connection = await connect(url, {
    headers,
    upgrade: () => (later && where === "client" ? see() : enter("client")),
  });
  connection.send("x");
  for await (const _ of connection) break;
  await connection[Symbol.asyncDispose]();
}

setImmediate(async () => {
  await echo({});
  setImmediate(async () => {
    await echo({ "x-later": "yes" });
    await server.close();
    process.stdout.write(JSON.stringify(seen.map((store) => store ?? null)));
  });
});
