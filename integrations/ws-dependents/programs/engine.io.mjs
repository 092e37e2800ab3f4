/** engine.io alone: both transports, compressed and not, and every way to end. */
import { strictEqual } from "node:assert";
import { once } from "node:events";
import { Server } from "engine.io";
import { Socket } from "engine.io-client";
import { binaries, done, httpServer, same, texts, WebSocket } from "./kit.mjs";

for (const options of [{}, { perMessageDeflate: true }, { wsEngine: WebSocket.Server }]) {
  const { server, port } = await httpServer();
  const engine = new Server({ maxHttpBufferSize: 1e7, ...options });
  engine.attach(server);
  engine.on("connection", (socket) => socket.on("message", (data) => socket.send(data)));
  for (const transports of [["websocket"], ["polling", "websocket"]]) {
    const socket = new Socket(`ws://127.0.0.1:${port}`, { transports });
    await once(socket, "open");
    if (transports.length > 1) await once(socket, "upgrade");
    strictEqual(socket.transport.name, "websocket");
    for (const data of [...texts.slice(1), ...binaries]) {
      const echoed = once(socket, "message");
      socket.send(data);
      same((await echoed)[0], data);
    }
    const [served] = Object.values(engine.clients);
    const closed = once(served, "close");
    socket.close();
    strictEqual((await closed)[0], "transport close");
  }
  const last = new Socket(`ws://127.0.0.1:${port}`, { transports: ["websocket"] });
  await once(last, "open");
  const closed = once(last, "close");
  Object.values(engine.clients)[0].close();
  strictEqual((await closed)[0], "transport close");
  engine.close();
  server.close();
}
done();
