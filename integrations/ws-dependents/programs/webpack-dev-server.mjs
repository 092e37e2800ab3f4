/** webpack-dev-server: a page in Chromium is loaded again when its source changes, and tells of an error in it. */
import { mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import puppeteer from "puppeteer-core";
import webpack from "webpack";
import WebpackDevServer from "webpack-dev-server";
import { done, until } from "./kit.mjs";

const folder = realpathSync(mkdtempSync(join(tmpdir(), "webpack-")));
const write = (text) => writeFileSync(join(folder, "index.js"), text);
write('document.title = "first";');
const compiler = webpack({
  mode: "development",
  context: folder,
  entry: "./index.js",
  output: { path: join(folder, "dist") },
  infrastructureLogging: { level: "none" },
  stats: "none",
});
const options = { host: "127.0.0.1", port: "auto", hot: false, liveReload: true, static: false };
const server = new WebpackDevServer(options, compiler);
await server.start();
const { port } = server.server.address();
server.app.get("/page", (_, response) => response.type("html").send('<script src="/main.js"></script>'));
const args = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];
const browser = await puppeteer.launch({ executablePath: process.env.CHROMIUM, args });
const page = await browser.newPage();
const frames = [];
const session = await page.createCDPSession();
await session.send("Network.enable");
session.on("Network.webSocketFrameReceived", ({ response }) => frames.push(JSON.parse(response.payloadData).type));
await page.goto(`http://127.0.0.1:${port}/page`);
const titled = (title) => until(async () => (await page.title().catch(() => "")) === title);
await titled("first");
await until(() => frames.includes("ok"));
write('document.title = "second";');
await titled("second");
write("this is no script");
await until(() => frames.includes("errors"));
write('document.title = "third";');
await titled("third");
await until(() => server.webSocketServer.clients.length === 1);
await browser.close();
await until(() => server.webSocketServer.clients.length === 0);
await server.stop();
await new Promise((resolve) => compiler.close(resolve));
rmSync(folder, { recursive: true });
done();
