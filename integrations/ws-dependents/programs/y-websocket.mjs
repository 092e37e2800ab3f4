/** y-websocket: two documents converge, and again after one was away. */
import { strictEqual } from "node:assert";
import { once } from "node:events";
import { docs, setupWSConnection } from "@y/websocket-server/utils";
import { WebsocketProvider } from "y-websocket";
import * as Y from "yjs";
import { done, texts, until, WebSocket } from "./kit.mjs";

const sockets = new WebSocket.Server({ port: 0, host: "127.0.0.1" });
await once(sockets, "listening");
sockets.on("connection", setupWSConnection);
const url = `ws://127.0.0.1:${sockets.address().port}`;
const options = { WebSocketPolyfill: WebSocket, disableBc: true };
const documents = [new Y.Doc(), new Y.Doc()];
const providers = documents.map((document) => new WebsocketProvider(url, "room", document, options));
await until(() => providers.every(({ synced }) => synced));
const [one, other] = documents.map((document) => document.getText("text"));

for (const text of texts.slice(1)) one.insert(0, text);
other.insert(0, "from the other ");
await until(() => one.length === other.length && one.toString() === other.toString());
providers[1].disconnect();
other.insert(0, "meanwhile ");
one.insert(0, "here ");
providers[1].connect();
await until(() => one.toString() === other.toString() && one.toString().includes("meanwhile"));
strictEqual(one.toString().includes("from the other"), true);
for (const provider of providers) provider.destroy();
await until(() => sockets.clients.size === 0);
sockets.close();
for (const document of [...documents, ...docs.values()]) document.destroy();
done();
