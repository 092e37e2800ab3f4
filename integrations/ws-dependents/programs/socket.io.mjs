/** socket.io: polling that upgrades, rooms, broadcasts, acknowledgements and binary, also with `wsEngine`. */
import { deepStrictEqual, strictEqual } from "node:assert";
import { once } from "node:events";
import { Server } from "socket.io";
import { io } from "socket.io-client";
import { binaries, done, httpServer, same, texts, until, WebSocket } from "./kit.mjs";

for (const options of [{}, { perMessageDeflate: { threshold: 100 } }, { wsEngine: WebSocket.Server }]) {
  const { server, port } = await httpServer();
  const rooms = new Server(server, { maxHttpBufferSize: 1e7, ...options });
  rooms.on("connection", (socket) => {
    socket.on("echo", (data, answer) => answer(data));
    socket.on("join", (room, answer) => answer(socket.join(room)));
    socket.on("say", (room, ...data) => rooms.to(room).emit("said", ...data));
  });
  const url = `http://127.0.0.1:${port}`;
  const clients = [io(url), io(url, { transports: ["websocket"] }), io(url, { transports: ["websocket"] })];
  const [first, second, third] = clients;
  await Promise.all(clients.map((client) => once(client, "connect")));
  await until(() => first.io.engine.transport.name === "websocket");
  const served = [...rooms.sockets.sockets.values()];
  await until(() => served.every(({ conn }) => conn.transport.name === "websocket"));

  for (const client of [first, second]) {
    for (const data of [...texts, ...binaries]) same(await client.emitWithAck("echo", data), data);
    deepStrictEqual(await client.emitWithAck("echo", { nested: [1, "two", null] }), { nested: [1, "two", null] });
  }

  for (const client of [first, second]) await client.emitWithAck("join", "room");
  const heard = clients.map((client) => {
    const events = [];
    client.on("said", (...data) => events.push(data));
    return events;
  });
  for (const data of [...texts, ...binaries]) third.emit("say", "room", data);
  await until(() => heard[0].length === 6 && heard[1].length === 6);
  for (const events of heard.slice(0, 2)) {
    for (const [index, data] of [...texts, ...binaries].entries()) same(events[index][0], data);
  }
  strictEqual(heard[2].length, 0);
  rooms.emit("said", "to all");
  await until(() => heard.every((events) => events.at(-1)?.[0] === "to all"));

  const left = once(rooms.sockets.sockets.get(third.id), "disconnect");
  third.close();
  deepStrictEqual((await left)[0], "client namespace disconnect");
  const gone = [first, second].map((client) => once(client, "disconnect"));
  rooms.disconnectSockets(true);
  deepStrictEqual(
    (await Promise.all(gone)).map(([reason]) => reason),
    ["io server disconnect", "io server disconnect"],
  );
  for (const client of clients) client.close();
  await rooms.close();
}
done();
