/** jsdom: the WebSocket of its pages, whose cookies and origin arrive, with a server of `ws`. */
import { deepStrictEqual, strictEqual } from "node:assert";
import { once } from "node:events";
import { CookieJar, JSDOM } from "jsdom";
import { binaries, done, texts, until, WebSocket } from "./kit.mjs";

const sockets = new WebSocket.WebSocketServer({
  port: 0,
  host: "127.0.0.1",
  handleProtocols: (offered) => [...offered].at(-1),
});
await once(sockets, "listening");
const { port } = sockets.address();
const closes = [];
sockets.on("connection", (socket, request) => {
  socket.send(JSON.stringify([request.headers.cookie, request.headers.origin, socket.protocol]));
  socket.on("message", (data, isBinary) => socket.send(data, { binary: isBinary }));
  socket.on("close", (code, reason) => closes.push(`${code} ${reason}`));
});
const cookieJar = new CookieJar();
cookieJar.setCookieSync("name=value", `http://127.0.0.1:${port}`);
const { window } = new JSDOM("", { url: `http://127.0.0.1:${port}/page`, cookieJar });
const socket = new window.WebSocket(`ws://127.0.0.1:${port}/`, ["a", "b"]);
socket.binaryType = "arraybuffer";
const next = () => new Promise((resolve) => (socket.onmessage = ({ data }) => resolve(data)));
deepStrictEqual(JSON.parse(await next()), ["name=value", `http://127.0.0.1:${port}`, "b"]);
strictEqual(socket.protocol, "b");
for (const text of texts) {
  const echoed = next();
  socket.send(text);
  strictEqual(await echoed, text);
}
for (const bytes of binaries) {
  const echoed = next();
  socket.send(new window.Blob([new window.Uint8Array(bytes)]));
  strictEqual(Buffer.from(await echoed).equals(bytes), true);
}
const closed = new Promise((resolve) => (socket.onclose = resolve));
socket.close(4000, "enough");
const { code, reason, wasClean } = await closed;
deepStrictEqual([code, reason, wasClean], [4000, "enough", true]);
await until(() => closes.length > 0);
strictEqual(closes.join(), "4000 enough");
const left = new window.WebSocket(`ws://127.0.0.1:${port}/`);
await new Promise((resolve) => (left.onopen = resolve));
window.close();
sockets.close();
for (const client of sockets.clients) client.terminate();
await once(sockets, "close").catch(() => {});
done();
