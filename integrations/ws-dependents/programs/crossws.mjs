/** crossws: its adapter for Node, with publish and subscribe, on a server of `ws`. */
import { deepStrictEqual, strictEqual } from "node:assert";
import { once } from "node:events";
import nodeAdapter from "crossws/adapters/node";
import { binaries, done, httpServer, same, texts, until, WebSocket } from "./kit.mjs";

const events = [];
let opened = 0;
const { server, port } = await httpServer();
const adapter = nodeAdapter({
  wss: new WebSocket.WebSocketServer({ noServer: true }),
  hooks: {
    upgrade: (request) => (new URL(request.url).pathname === "/no" ? new Response("no", { status: 403 }) : undefined),
    open: (peer) => {
      opened++;
      peer.subscribe("all");
    },
    message: (peer, message) => {
      if (message.text() === "publish") peer.publish("all", "published");
      else peer.send(message.uint8Array());
    },
    close: (_, { code }) => void events.push(code),
  },
});
server.on("upgrade", (request, socket, head) => adapter.handleUpgrade(request, socket, head));

const [one, other] = [0, 1].map(() => new WebSocket(`ws://127.0.0.1:${port}/`));
await Promise.all([once(one, "open"), once(other, "open")]);
await until(() => opened === 2);
for (const data of [...texts.slice(1), ...binaries.slice(1)]) {
  const echoed = once(one, "message");
  one.send(data);
  same((await echoed)[0], Buffer.from(data));
}
const heard = once(other, "message");
one.send("publish");
strictEqual(`${(await heard)[0]}`, "published");
const refused = new WebSocket(`ws://127.0.0.1:${port}/no`);
strictEqual((await once(refused, "error"))[0].message, "Unexpected server response: 403");
one.close(4001);
await once(one, "close");
other.terminate();
await until(() => events.length === 2);
deepStrictEqual(events.sort(), [1006, 4001]);
server.close();
done();
