/** One HTTP server for our routes and for Vite's development server, whose sockets for hot reloading must be left alone. */
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { WebSocket } from "ws";
import { serve } from "../../../src/index.ts";

/** The part of Vite that is used here; Vite is among the demo's packages. */
interface Vite {
  createServer(options: object): Promise<{ close(): Promise<void> }>;
}

async function firstMessage(url: string, protocol?: string): Promise<string> {
  const socket = new WebSocket(url, protocol);
  const [data] = (await once(socket, "message")) as [Buffer];
  socket.terminate();
  return data.toString();
}

test("a Vite development server and our routes share a server without touching each other's paths", async () => {
  const { href } = new URL("../../../demo/node_modules/vite/dist/node/index.js", import.meta.url);
  const vite = (await import(/* @vite-ignore */ href)) as Vite;
  const root = mkdtempSync(join(tmpdir(), "openline-vite-"));
  const http = createServer();
  const development = await vite.createServer({
    root,
    configFile: false,
    appType: "custom",
    logLevel: "silent",
    server: { middlewareMode: true, hmr: { server: http } },
  });
  const server = await serve({ server: http, routes: { "/ours": { open: (connection) => connection.send("ours") } } });
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  const base = `ws://127.0.0.1:${(http.address() as AddressInfo).port}`;
  expect(await firstMessage(`${base}/ours`)).toBe("ours");
  expect(JSON.parse(await firstMessage(`${base}/`, "vite-hmr"))).toEqual({ type: "connected" });
  expect(server.metrics().refused).toEqual({});
  await server.close();
  await development.close();
  http.closeAllConnections();
  http.close();
  rmSync(root, { recursive: true });
});
