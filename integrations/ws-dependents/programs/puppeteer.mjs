/** puppeteer-core over a WebSocket to Chromium, whose page talks to a server of `ws`. */
import { deepStrictEqual, strictEqual } from "node:assert";
import { once } from "node:events";
import puppeteer from "puppeteer-core";
import { done, httpServer, texts, WebSocket } from "./kit.mjs";

const { server, port } = await httpServer((_, response) =>
  response.setHeader("content-type", "text/html").end("<title>page</title>"),
);
const sockets = new WebSocket.WebSocketServer({ server, perMessageDeflate: true });
const closes = [];
sockets.on("connection", (socket) => {
  socket.on("message", (data, isBinary) => socket.send(data, { binary: isBinary }));
  socket.on("close", (code, reason) => closes.push(`${code} ${reason}`));
});
const args = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];
const launched = await puppeteer.launch({ executablePath: process.env.CHROMIUM, args });
const browser = await puppeteer.connect({ browserWSEndpoint: launched.wsEndpoint() });
const page = await browser.newPage();
await page.goto(`http://127.0.0.1:${port}/`);
strictEqual(await page.title(), "page");
const large = "é".repeat(500_000);
strictEqual(await page.evaluate((text) => text.length, large), large.length);
strictEqual((await page.evaluate(() => "x".repeat(2_000_000))).length, 2_000_000);
const shot = await page.screenshot();
deepStrictEqual([...shot.slice(1, 4)], [...Buffer.from("PNG")]);
const echoes = await page.evaluate(
  async (url, data) => {
    const socket = new WebSocket(url);
    socket.binaryType = "arraybuffer";
    await new Promise((resolve) => (socket.onopen = resolve));
    const received = [];
    for (const message of [...data, Uint8Array.of(1, 2, 255)]) {
      const echoed = new Promise((resolve) => (socket.onmessage = ({ data }) => resolve(data)));
      socket.send(message);
      const answer = await echoed;
      received.push(typeof answer === "string" ? answer : [...new Uint8Array(answer)]);
    }
    const closed = new Promise((resolve) => (socket.onclose = resolve));
    socket.close(4000, "enough");
    const { code, reason, wasClean } = await closed;
    return [...received, [code, reason, wasClean]];
  },
  `ws://127.0.0.1:${port}`,
  texts,
);
deepStrictEqual(echoes, [...texts, [1, 2, 255], [4000, "enough", true]]);
deepStrictEqual(closes, ["4000 enough"]);
await browser.disconnect();
await launched.close();
sockets.close();
server.close();
server.closeAllConnections();
await once(server, "close");
done();
