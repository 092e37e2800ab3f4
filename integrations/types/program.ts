/** A program as users write it, compiled against the packed declarations alone by scripts/check-declarations.ts. */
import { createServer } from "node:http";
import {
  accept,
  CloseCode,
  type CloseReport,
  type Connection,
  connect,
  HandshakeError,
  type HandshakeRule,
  PreparedMessage,
  prometheusText,
  route,
  type ServerConnection,
  serve,
  Topics,
  WebSocket,
  WebSocketStream,
} from "openline";
import { json, type StandardSchema } from "openline/json";
import { Endpoint } from "openline/protocol";
import { type ConnectionPair, connectionPair, type PairOptions, VirtualClock } from "openline/testing";

const topics = new Topics();
const http = createServer();
http.on("upgrade", async (request, socket, head) => {
  const connection = await accept(request, socket, head, { topics, subprotocols: ["chat"] });
  const data: unknown = connection?.data;
  for await (const message of connection ?? []) connection?.send(message);
  console.log(data, connection?.remoteAddress);
});

await using server = await serve({
  port: 0,
  limits: { maxMessageSize: 1024 },
  routes: {
    "/rooms/:room": route({
      upgrade: async ({ params, request, url, signal }) => {
        const room: string = params.room ?? "";
        if (signal.aborted || request.headers.host === undefined || url.search !== "") {
          return new Response("No", { status: 403 });
        }
        return { data: { room, since: Date.now() } };
      },
      open: (connection) => connection.subscribe(connection.data.room),
      message: (connection, data, { text }) => {
        const since: number = connection.data.since;
        const result: { reached: number; dropped: number } = connection.publish(connection.data.room, data);
        console.log(since, text, result);
      },
      close: (_: ServerConnection<{ room: string; since: number }>, report: CloseReport) => console.log(report.code),
    }),
  },
});
server.publish("news", new PreparedMessage("text"));
console.log(prometheusText(server.metrics()));

try {
  const connection: Connection = await connect(`ws://localhost:${server.port}/rooms/1`, { tls: { ca: "" } });
  connection.close(CloseCode.NormalClosure);
  const readable: ReadableStream<string | Uint8Array> = connection.readable;
  connection.toDuplex().on("data", (chunk: Buffer) => console.log(chunk, readable.locked));
} catch (error) {
  if (error instanceof HandshakeError)
    console.log(error.rule satisfies HandshakeRule, error.status, error.header("Retry-After"), error.headers[0]);
}

const socket = new WebSocket("ws://localhost", ["chat"], { headers: new Headers({ Authorization: "Bearer x" }) });
socket.onmessage = function ({ data }) {
  this.send(data);
};
socket.onerror = ({ message, error }) => console.error(message, error);
socket.addEventListener("close", ({ code, reason }) => console.log(code, reason));
const { writable } = await new WebSocketStream("ws://localhost").opened;
await writable.getWriter().write(new Uint8Array(1));
new Endpoint({ role: "client" }).receive(Buffer.alloc(1));

const options: PairOptions = {
  params: { room: "lobby" },
  clock: new VirtualClock(),
  client: { subprotocols: ["chat"] },
};
const pair = await connectionPair(route({ upgrade: ({ params }) => ({ data: { room: params.room } }) }), options);
const named: string | undefined = pair.server.data.room;
const untyped: ConnectionPair = await connectionPair({
  accepts: "text",
  message: (connection, data) => void connection.send(data),
});
const echoed: Connection = untyped.client;
await pair.clock.advance(1000);
console.log(named, echoed.role, pair.unplug(), pair.plugIn());

declare const fromClient: StandardSchema<unknown, { type: "chat"; text: string } | { type: "leave" }>;
declare const fromServer: StandardSchema<{ said: string }>;
const chat = json({ receives: fromClient, sends: fromServer });
await serve({
  routes: {
    "/chat/:room": chat.route({
      upgrade: ({ params }) => ({ data: params.room }),
      on: {
        chat: (connection, { text }) => connection.publish(connection.data, { said: text.trim() }),
        leave: (connection) => connection.close(),
      },
    }),
  },
});
const typed = await json(fromServer).connect("ws://localhost");
typed.send({ said: "hello" }, { timeout: 1000 });
for await (const { said } of typed) console.log(said.length);
