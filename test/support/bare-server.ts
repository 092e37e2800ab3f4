/** Opens a connection to itself, and prints on what it is and what came back. */
import { connect } from "../../src/client/connect.ts";
import { coreOf } from "../../src/connection/connection.ts";
import { serve } from "../../src/server/server.ts";

const server = await serve({
  host: "127.0.0.1",
  bareHandles: true,
  routes: { "/": { message: (connection, data) => void connection.send(data) } },
});
const connection = await connect(`ws://127.0.0.1:${server.port}/`);
const [accepted] = server.connections;
connection.send("hello");
for await (const message of connection) {
  console.log(`${coreOf(accepted!).transport.constructor.name}: ${message}`);
  break;
}
await connection[Symbol.asyncDispose]();
await server.close();
