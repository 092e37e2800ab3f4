// Echo client on `ws`: connects to the URL again as soon as a connection has ended.
import { WebSocket } from "ws";

const url = process.argv[2];
function connect() {
  const socket = new WebSocket(url);
  socket.on("error", () => undefined);
  socket.on("message", (data, isBinary) => socket.send(data, { binary: isBinary }));
  socket.on("close", () => setTimeout(connect, 1));
}
connect();
