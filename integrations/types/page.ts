/** A page as users write it, compiled against the packed declarations with those of the DOM, and without those of Node. */
import {
  CloseCode,
  type Connection,
  connect,
  type End,
  HandshakeError,
  ReconnectError,
  ReconnectingWebSocket,
  type Resume,
  reconnecting,
} from "openline/browser";
import { json, type StandardSchema } from "openline/browser/json";

const socket = new ReconnectingWebSocket(
  async ({ last, signal }) => `wss://example.com/?ticket=${await ticket(last, signal)}`,
  ["chat"],
  {
    reconnect: { firstDelay: 500, shouldReconnect: ({ code }: End, failures) => code !== 4001 && failures < 5 },
    queue: { maxSize: 1024, overflow: "drop-oldest" },
    prepare: async (wire) => {
      wire.send("login");
      return { welcome: await wire.next() };
    },
    heartbeat: { message: "ping", reply: "pong" },
    WebSocket,
    signal: AbortSignal.timeout(1000),
  },
);
socket.binaryType = "arraybuffer";
socket.onmessage = ({ data, origin }: MessageEvent) => console.log(data, origin);
socket.onclose = ({ code, reason, wasClean, final, bufferedAmount }) =>
  console.log(code === CloseCode.GoingAway, reason, wasClean, final, bufferedAmount);
socket.onstatechange = () => document.title.concat(socket.state, String(socket.retryAt), String(socket.failures));
socket.addEventListener("unsent", ({ data, reason }) => console.log(data, reason));
socket.addEventListener("open", ({ prepared }) => console.log(prepared), { once: true });
socket.removeEventListener("click", () => {});
const sent: boolean = socket.send(new Blob(["x"]));
const target: EventTarget = socket;
socket.reconnect();
console.log(sent, target);

const resume: Resume<string | Uint8Array> = {
  attempt: () => 1,
  offer: (subprotocols) => [...subprotocols],
  first() {},
  receive: (data) => data,
};
try {
  for await (const connection of reconnecting("/feed", { subprotocols: () => ["v1"], resume })) {
    connection.send(JSON.stringify({ from: 1 }));
    for await (const data of connection) console.log(typeof data === "string" ? data : data.byteLength);
  }
} catch (error) {
  if (error instanceof ReconnectError) console.log(error.end.code, error.cause);
}

const connection: Connection = await connect("wss://example.com/", {
  handshakeTimeout: 5000,
  message: async (self, data, { text }) => void self.send(text ? data : new Uint8Array(1)),
  close: (_, { initiator }) => console.log(initiator),
}).catch((error) => {
  throw error instanceof HandshakeError ? new Error(error.rule) : error;
});
await connection.ready;
connection.close(4000, "bye");
console.log((await connection.closed).bufferedAmount);

declare const schema: StandardSchema<{ n: number }>;
const typed = await json(schema).connect("/numbers", { message: (self, { n }) => self.send({ n: n + 1 }) });
console.log((await typed.closed).code);

async function ticket(last: End | undefined, signal: AbortSignal): Promise<string> {
  const response = await fetch("/ticket", { method: "POST", body: String(last?.code), signal });
  return response.text();
}
