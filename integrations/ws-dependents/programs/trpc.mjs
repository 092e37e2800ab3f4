/** tRPC: queries and subscriptions over one WebSocket. */
import { deepStrictEqual, strictEqual } from "node:assert";
import { once } from "node:events";
import { createTRPCClient, createWSClient, wsLink } from "@trpc/client";
import { initTRPC } from "@trpc/server";
import { applyWSSHandler } from "@trpc/server/adapters/ws";
import { done, texts, until, WebSocket } from "./kit.mjs";

const t = initTRPC.create();
const router = t.router({
  echo: t.procedure.input((value) => value).query(({ input }) => input),
  count: t.procedure.subscription(async function* () {
    for (const text of texts) yield text;
  }),
  endless: t.procedure.subscription(async function* ({ signal }) {
    while (!signal.aborted) {
      yield "again";
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }),
});
const sockets = new WebSocket.WebSocketServer({ port: 0, host: "127.0.0.1" });
await once(sockets, "listening");
const handler = applyWSSHandler({ wss: sockets, router, keepAlive: { enabled: true, pingMs: 20, pongWaitMs: 5000 } });
const socket = createWSClient({ url: `ws://127.0.0.1:${sockets.address().port}`, WebSocket });
const client = createTRPCClient({ links: [wsLink({ client: socket })] });

for (const text of texts) strictEqual(await client.echo.query(text), text);
const counted = [];
await new Promise((resolve, reject) => {
  client.count.subscribe(undefined, { onData: (text) => counted.push(text), onComplete: resolve, onError: reject });
});
deepStrictEqual(counted, texts);
let again = 0;
const endless = client.endless.subscribe(undefined, { onData: () => again++ });
await until(() => again > 20);
endless.unsubscribe();
await socket.close();
handler.broadcastReconnectNotification();
await until(() => sockets.clients.size === 0);
sockets.close();
done();
