// `require("openline/ws")` is the class itself, and a namespace of all that programs know from `ws`.
import { serve } from "openline";

import WebSocket = require("openline/ws");

import { type ClientOptions, createWebSocketStream, type RawData, Receiver, WebSocketServer } from "openline/ws";

const options: ClientOptions = { maxPayload: 3 };
const ws: WebSocket = new WebSocket("ws://localhost", options);
const server: WebSocketServer = new WebSocketServer({ noServer: true });
server.on("connection", (socket, request) => {
  const same: WebSocket = socket;
  same.on("message", (data: WebSocket.RawData, isBinary: boolean) => socket.send(data, { binary: isBinary }));
  console.log(request.url);
});
class Custom extends WebSocket {
  room = "";
}
const custom: WebSocket.Server<typeof Custom> = new WebSocket.Server({ noServer: true, WebSocket: Custom });
const data: RawData = Buffer.alloc(0);
const receiver: Receiver = new Receiver({ isServer: true });
console.log(createWebSocketStream(ws), custom, data, receiver, serve);
