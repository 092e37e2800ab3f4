// Echo server on Bun, its own defaults with permessage-deflate switched on.
const server = Bun.serve({
  port: 0,
  hostname: "127.0.0.1",
  fetch(request, server) {
    if (!server.upgrade(request)) return new Response("WebSocket only", { status: 426 });
  },
  websocket: {
    perMessageDeflate: true,
    // "inclusive" of 16 MiB, which is its default
    message(socket, data) {
      socket.send(data, true);
    },
  },
});
console.log(`ws://127.0.0.1:${server.port}/`);
