/** @nestjs/platform-ws: a gateway on the application's port, and one on a port and path of its own. */
import "reflect-metadata";
import { deepStrictEqual, strictEqual } from "node:assert";
import { once } from "node:events";
import { Module } from "@nestjs/common";
import { NestFactory } from "@nestjs/core";
import { WsAdapter } from "@nestjs/platform-ws";
import { ConnectedSocket, MessageBody, SubscribeMessage, WebSocketGateway, WebSocketServer } from "@nestjs/websockets";
import { of } from "rxjs";
import { done, texts, until, WebSocket } from "./kit.mjs";

function gateway(...options) {
  class Gateway {
    events = [];
    handleConnection(client) {
      this.events.push("open");
      client.send(JSON.stringify({ event: "welcome", data: this.server.clients.size }));
    }
    handleDisconnect() {
      this.events.push("close");
    }
    echo(data) {
      return of({ event: "echo", data });
    }
    shout(data) {
      for (const client of this.server.clients) client.send(JSON.stringify({ event: "shout", data }));
    }
  }
  WebSocketServer()(Gateway.prototype, "server");
  for (const name of ["echo", "shout"]) {
    MessageBody()(Gateway.prototype, name, 0);
    ConnectedSocket()(Gateway.prototype, name, 1);
    SubscribeMessage(name)(Gateway.prototype, name, Object.getOwnPropertyDescriptor(Gateway.prototype, name));
  }
  WebSocketGateway(...options)(Gateway);
  return Gateway;
}
const Shared = gateway({ path: "/shared" });
const Other = gateway({ path: "/other" });
class App {}
Module({ providers: [Shared, Other] })(App);

const app = await NestFactory.create(App, { logger: false });
app.useWebSocketAdapter(new WsAdapter(app));
await app.listen(0, "127.0.0.1");
const { port } = app.getHttpServer().address();

for (const [path, type] of [
  ["shared", Shared],
  ["other", Other],
]) {
  const sockets = [0, 1].map(() => new WebSocket(`ws://127.0.0.1:${port}/${path}`));
  const heard = sockets.map((socket) => {
    const events = [];
    socket.on("message", (data) => events.push(JSON.parse(data)));
    return events;
  });
  await Promise.all(sockets.map((socket) => once(socket, "open")));
  await until(() => heard.every(({ length }) => length === 1));
  for (const data of texts) sockets[0].send(JSON.stringify({ event: "echo", data }));
  await until(() => heard[0].length === 1 + texts.length);
  deepStrictEqual(
    heard[0].slice(1).map(({ data }) => data),
    texts,
  );
  sockets[0].send(JSON.stringify({ event: "shout", data: "all" }));
  await until(() => heard.every((events) => events.at(-1).data === "all"));
  for (const socket of sockets) socket.close();
  const { events } = app.get(type);
  await until(() => events.length === 4);
  deepStrictEqual(events, ["open", "open", "close", "close"]);
}
const stray = new WebSocket(`ws://127.0.0.1:${port}/none`);
strictEqual((await once(stray, "error"))[0] instanceof Error, true);
await app.close();
done();
