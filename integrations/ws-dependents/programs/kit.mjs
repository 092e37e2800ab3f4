/** What the programs share: data to send, a server on a free port, and a way to wait. */
import { strictEqual } from "node:assert";
import { once } from "node:events";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { setTimeout as delay } from "node:timers/promises";

/** What stands under the name `ws`: our package, or for the control the one that all others mean. */
export const WebSocket = createRequire(import.meta.url)("ws");

/** Messages of either kind, small and large. */
export const texts = ["", "text", "é".repeat(200_000)];
export const binaries = [Buffer.alloc(0), Buffer.from([0, 1, 255]), Buffer.alloc(700_000, 7)];

/** Listens on a free port of the loopback interface, which is returned. */
export async function listen(server) {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return server.address().port;
}

/** A server of `node:http` on a free port. */
export async function httpServer(handler = (_, response) => response.end("plain")) {
  const server = createServer(handler);
  return { server, port: await listen(server) };
}

/** Throws unless the two are the same text or the same bytes. */
export function same(actual, expected) {
  if (typeof expected === "string") return strictEqual(actual, expected);
  const bytes = ArrayBuffer.isView(actual)
    ? Buffer.from(actual.buffer, actual.byteOffset, actual.byteLength)
    : Buffer.from(actual);
  strictEqual(bytes.equals(expected), true);
}

/** Waits until something holds. */
export async function until(holds) {
  while (!(await holds())) await delay(5);
}

/** Says at the end that all of it went well; the process ends by itself, as nothing is left open. */
export function done() {
  console.log(`done with ${WebSocket === createRequire(import.meta.url)("ws-itself") ? "ws" : "openline/ws"}`);
}
