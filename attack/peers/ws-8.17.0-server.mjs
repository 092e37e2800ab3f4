// Echo server on ws 8.17.0, which lacks the defences of later versions: the control that rows must fail.
import { WebSocketServer } from "ws-8.17.0";

const server = new WebSocketServer({ port: 0, host: "127.0.0.1", perMessageDeflate: true }, () => {
  console.log(`ws://127.0.0.1:${server.address().port}/`);
});
server.on("connection", (socket) => {
  socket.on("error", () => undefined);
  socket.on("message", (data, isBinary) => socket.send(data, { binary: isBinary }));
});
