/** @hono/node-server: `upgradeWebSocket` with a server of `ws`. */
import { deepStrictEqual, strictEqual } from "node:assert";
import { once } from "node:events";
import { serve, upgradeWebSocket } from "@hono/node-server";
import { Hono } from "hono";
import { binaries, done, same, texts, WebSocket } from "./kit.mjs";

const app = new Hono();
const events = [];
app.get("/plain", (context) => context.text("plain"));
app.get(
  "/ws",
  upgradeWebSocket(() => ({
    onOpen: () => events.push("open"),
    onMessage: (event, ws) => ws.send(event.data),
    onClose: (event) => events.push(`close ${event.code} ${event.reason}`),
  })),
);
const sockets = new WebSocket.WebSocketServer({ noServer: true });
const server = serve({ fetch: app.fetch, port: 0, hostname: "127.0.0.1", websocket: { server: sockets } });
await once(server, "listening");
const { port } = server.address();

const ws = new WebSocket(`ws://127.0.0.1:${port}/ws`);
await once(ws, "open");
for (const data of [...texts, ...binaries]) {
  const echoed = once(ws, "message");
  ws.send(data);
  const [received, isBinary] = await echoed;
  strictEqual(isBinary, typeof data !== "string");
  same(isBinary ? received : `${received}`, data);
}
ws.close(4000, "enough");
await once(ws, "close");
const refused = new WebSocket(`ws://127.0.0.1:${port}/plain`);
deepStrictEqual((await once(refused, "error"))[0] instanceof Error, true);
strictEqual(await (await fetch(`http://127.0.0.1:${port}/plain`)).text(), "plain");
server.close();
sockets.close();
server.closeAllConnections();
await once(server, "close");
deepStrictEqual(events, ["open", "close 4000 enough"]);
done();
