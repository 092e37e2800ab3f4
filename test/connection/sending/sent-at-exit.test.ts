/** What is sent in the turn in which the process exits: no turn comes after it, in whose beginning it could leave. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, test, vi } from "vitest";
import { typescriptProgram } from "../../../scripts/typescript-program.ts";
import { WebSocket, WebSocketServer } from "../../../src/ws/index.ts";

const script = join(fileURLToPath(new URL("../../..", import.meta.url)), "test/support/exiting-process.ts");
const children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
});

function start(...args: readonly string[]): ChildProcess {
  const stdio = ["ignore", "pipe", "ignore"] as const;
  const child = spawn(process.execPath, [...typescriptProgram(script), ...args], { stdio: [...stdio] });
  children.push(child);
  return child;
}

/** Asks the other side, and returns the messages that came until the end, and its code. */
async function hear(socket: WebSocket): Promise<unknown[]> {
  const heard: unknown[] = [];
  socket.on("message", (data) => heard.push(String(data)));
  socket.on("error", (error) => heard.push(error.message));
  if (socket.readyState === WebSocket.CONNECTING) await once(socket, "open");
  socket.send("question");
  const [code] = (await once(socket, "close")) as [number];
  return [...heard, code];
}

async function throughClient(how: string): Promise<unknown[]> {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  await once(server, "listening");
  start("client", how, `ws://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const [socket] = (await once(server, "connection")) as [WebSocket];
  const heard = await hear(socket);
  server.close();
  return heard;
}

async function throughServer(how: string): Promise<unknown[]> {
  const child = start("server", how);
  const [port] = (await once(child.stdout!, "data")) as [Buffer];
  return hear(new WebSocket(`ws://127.0.0.1:${String(port).trim()}`));
}

describe.each([
  ["a client", throughClient],
  ["a server", throughServer],
] as const)("what %s sent has left when its process exits", (_side, heardFrom) => {
  test.each([
    ["when it opens", 1006],
    ["inside a chunk", 1006],
    ["by a listener for the exit", 1006],
    ["behind an exception", 1006],
    ["behind its Close", 4000],
  ])("%s", async (how, code) => {
    expect(await heardFrom(how)).toEqual(["first", "last", code]);
  });
});

test("copies of the module, as test runners load them for each file, share one listener", async () => {
  const counts: number[] = [];
  for (let copy = 0; copy < 3; copy++) {
    vi.resetModules();
    const fresh = await import("../../../src/ws/index.ts");
    const server = new fresh.WebSocketServer({ port: 0, host: "127.0.0.1" });
    await once(server, "listening");
    const client = new fresh.WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`);
    await once(client, "open");
    client.close();
    await once(client, "close");
    server.close();
    counts.push(process.listenerCount("exit"));
  }
  expect(new Set(counts).size).toBe(1);
});
