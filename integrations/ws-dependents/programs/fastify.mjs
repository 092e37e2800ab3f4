/** @fastify/websocket: routes, hooks that refuse, `injectWS`, and a server that closes its clients. */
import { strictEqual } from "node:assert";
import { once } from "node:events";
import websocket from "@fastify/websocket";
import fastify from "fastify";
import { binaries, done, same, texts, WebSocket } from "./kit.mjs";

const app = fastify();
await app.register(websocket, { options: { maxPayload: 1_000_000, perMessageDeflate: true } });
app.get("/echo", { websocket: true }, (socket) => {
  socket.on("message", (data, isBinary) => socket.send(data, { binary: isBinary }));
});
app.get("/no", { websocket: true, preValidation: async (_, reply) => reply.code(401).send("no") }, () => {});
await app.listen({ port: 0, host: "127.0.0.1" });
const url = `ws://127.0.0.1:${app.server.address().port}`;

async function echo(socket) {
  for (const data of [...texts, ...binaries]) {
    const echoed = once(socket, "message");
    socket.send(data);
    const [received, isBinary] = await echoed;
    same(isBinary ? received : `${received}`, data);
  }
}
const ws = new WebSocket(`${url}/echo`);
await once(ws, "open");
await echo(ws);
const refused = new WebSocket(`${url}/no`);
strictEqual((await once(refused, "error"))[0].message, "Unexpected server response: 401");
const injected = await app.injectWS("/echo");
await echo(injected);
injected.terminate();
const tooLong = new WebSocket(`${url}/echo`);
await once(tooLong, "open");
tooLong.send(Buffer.alloc(1_000_001));
strictEqual((await once(tooLong, "close"))[0], 1009);
const closed = once(ws, "close");
await app.close();
strictEqual((await closed)[0], 1005);
done();
