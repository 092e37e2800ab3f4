// Echo client on Bun's WebSocket: connects to the URL again as soon as a connection has ended.
const url = process.argv[2];
function connect() {
  const socket = new WebSocket(url);
  socket.binaryType = "arraybuffer";
  socket.addEventListener("message", ({ data }) => socket.send(data));
  socket.addEventListener("error", () => undefined);
  socket.addEventListener("close", () => setTimeout(connect, 1));
}
connect();
