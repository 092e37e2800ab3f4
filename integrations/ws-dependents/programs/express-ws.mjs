/** express-ws: routes with parameters and middleware, and a broadcast to all clients. */
import { strictEqual } from "node:assert";
import { once } from "node:events";
import express from "express";
import expressWs from "express-ws";
import { binaries, done, same, texts, WebSocket } from "./kit.mjs";

const { app, getWss } = expressWs(express());
app.use((request, _, next) => {
  request.seen = true;
  next();
});
app.get("/", (_, response) => response.send("plain"));
app.ws("/echo/:name", (ws, request) => {
  ws.send(`${request.params.name} ${request.seen}`);
  ws.on("message", (data) => ws.send(data));
});
const server = await new Promise((resolve) => {
  const listening = app.listen(0, "127.0.0.1", () => resolve(listening));
});
const { port } = server.address();
const sockets = ["a", "b"].map((name) => new WebSocket(`ws://127.0.0.1:${port}/echo/${name}`));
const welcomes = await Promise.all(sockets.map((socket) => once(socket, "message")));
strictEqual(welcomes.map(([data]) => `${data}`).join(), "a true,b true");
for (const data of [...texts, ...binaries]) {
  const echoed = once(sockets[0], "message");
  sockets[0].send(data);
  same((await echoed)[0], Buffer.from(data));
}
const heard = sockets.map((socket) => once(socket, "message"));
for (const client of getWss().clients) client.send("all");
for (const [data] of await Promise.all(heard)) strictEqual(`${data}`, "all");
strictEqual(await (await fetch(`http://127.0.0.1:${port}/`)).text(), "plain");
const closed = sockets.map((socket) => once(socket, "close"));
for (const socket of sockets) socket.close(1000);
await Promise.all(closed);
server.close();
server.closeAllConnections();
done();
