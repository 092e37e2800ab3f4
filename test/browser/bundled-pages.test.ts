/**
 * Pages that are built from the packed package, by each bundler, in Chromium with a server of ours.
 *
 * @module-tag slow
 */
import { execFile } from "node:child_process";
import { copyFileSync, existsSync, readdirSync, readFileSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { installBundlers, unpackInto } from "../../scripts/packed.ts";
import { type Server, serve } from "../../src/server/server.ts";
import { describeWith } from "../support/real-parts.ts";
import { type Browser, openChromium, type Tab } from "./tabs.ts";

const bundlers = ["esbuild", "vite", "webpack", "rollup", "bun"] as const;

describeWith("chromium", "a bundled page", (executable) => {
  let folder: string;
  let tools: string;
  let browser: Browser;
  let server: Server;
  const names: string[] = [];
  let handshakes = 0;

  const start = (port: number) =>
    serve({
      host: "127.0.0.1",
      port,
      request: answer,
      routes: {
        "/echo": {
          upgrade: () => {
            handshakes++;
            return {};
          },
          message: (connection, data) => void connection.send(data),
        },
        "/names": { message: (_, data) => void names.push(String(data)) },
      },
    });

  /** Built scripts, and for every other path a page that loads the script of that name. */
  function answer(request: IncomingMessage, response: ServerResponse): void {
    const path = request.url!.slice(1);
    if (path.endsWith(".js") && existsSync(join(folder, path))) {
      response.setHeader("Content-Type", "text/javascript").end(readFileSync(join(folder, path)));
    } else {
      response.setHeader("Content-Type", "text/html").end(`<body><script type="module" src="/${path}.js"></script>`);
    }
  }

  async function build(bundler: (typeof bundlers)[number], page: string): Promise<string> {
    const file = `${bundler}-${page}`;
    const script = join(tools, "build.mjs");
    await promisify(execFile)(process.execPath, [script, bundler, `${page}.js`, `${file}.js`], { cwd: folder });
    return file;
  }

  async function open(path: string): Promise<Tab> {
    const tab = await browser.tab();
    await tab.goto(`http://127.0.0.1:${server.port}/${path}`);
    return tab;
  }

  beforeAll(async () => {
    tools = installBundlers();
    folder = unpackInto("bundlers");
    for (const page of readdirSync(join(tools, "pages"))) copyFileSync(join(tools, "pages", page), join(folder, page));
    browser = await openChromium(executable);
    server = await start(0);
  });

  afterAll(async () => {
    await browser?.close();
    await server?.close();
  });

  describe.each(bundlers)("by %s", (bundler) => {
    test("talks to a server in each of the three ways", async () => {
      const tab = await open(await build(bundler, "page"));
      await tab.until("globalThis.results !== undefined");
      expect(await tab.read("results")).toEqual([
        ...["connect", "reconnecting", "reconnecting", "ReconnectingWebSocket", "connection-failed"],
      ]);
      await tab.close();
    });

    test("that imports what is for Node is told what to import instead", async () => {
      const tab = await open(await build(bundler, "for-node"));
      await tab.until("globalThis.results !== undefined");
      expect(await tab.read<string[]>("results")).toEqual([
        expect.stringMatching(/^Cannot use serve .*"openline\/browser"/),
      ]);
      expect(await tab.complaints()).toEqual([]);
      await tab.close();
    });
  });

  test("comes back after its server was restarted, and sends what was queued meanwhile", async () => {
    const tab = await open(await build("esbuild", "restart"));
    await tab.until('socket.state === "open"');
    const { port } = server;
    const stopped = server.close();
    for (const connection of server.connections) connection.terminate();
    await stopped;
    await tab.until('socket.state !== "open"');
    expect(await tab.read('socket.send("queued")')).toBe(true);
    server = await start(port);
    await tab.until('told.includes("queued")');
    const told = await tab.read<string[]>("told");
    expect(told.slice(0, 4)).toEqual(["open", "waiting", "close false", "connecting"]);
    expect(told.slice(-3)).toEqual(["connecting", "open", "queued"]);
    await tab.read("socket.close()");
    await tab.until('told.at(-1) === "close true"');
    await tab.close();
  });

  test("of React in StrictMode costs one handshake", async () => {
    const before = handshakes;
    const tab = await open(await build("esbuild", "react"));
    await tab.until('document.body.textContent === "open hello"');
    expect(await tab.read("mounted")).toBe(2);
    expect(handshakes - before).toBe(1);
    await tab.close();
  });

  test("works in a worker, a shared worker and a service worker", async () => {
    const path = await build("esbuild", "worker");
    const tab = await open("esbuild-restart");
    await tab.read(`void new Worker("/${path}.js", { type: "module" })`);
    await tab.read(`void new SharedWorker("/${path}.js", { type: "module" })`);
    await tab.read(`navigator.serviceWorker.register("/${path}.js", { type: "module" }).then(() => 0)`);
    const kinds = ["DedicatedWorkerGlobalScope", "ServiceWorkerGlobalScope", "SharedWorkerGlobalScope"];
    await expect.poll(() => [...names].sort(), { timeout: 30_000 }).toEqual(kinds);
    expect(await tab.complaints()).toEqual([]);
    await tab.close();
  });
});
