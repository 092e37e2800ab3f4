/** A page that echoes over each of the three ways, and notes what came back. */
import { CloseCode, connect, HandshakeError, ReconnectingWebSocket, reconnecting } from "openline/browser";

const results = [];

const connection = await connect("/echo");
connection.send("connect");
for await (const data of connection) {
  results.push(data);
  connection.close(CloseCode.NormalClosure);
}

for await (const each of reconnecting("/echo", { reconnect: { firstDelay: 5 } })) {
  each.send(new TextEncoder().encode("reconnecting"));
  for await (const data of each) {
    results.push(new TextDecoder().decode(data));
    break;
  }
  if (results.length === 3) break;
}

const socket = new ReconnectingWebSocket("/echo");
socket.send("ReconnectingWebSocket");
results.push(await new Promise((resolve) => socket.addEventListener("message", ({ data }) => resolve(data))));
socket.close();

results.push(await connect("/nowhere").catch((error) => error instanceof HandshakeError && error.rule));
globalThis.results = results;
