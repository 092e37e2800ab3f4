/**
 * What is attacked, in a process of its own whose memory tells what the attack cost: a server or clients, ours or those of
 * `ws` 8.17.0 as a control, or a stand-in without a defence. See `target.ts`, which starts it, for what it is asked.
 *
 * The application in it sends texts back and only counts what is binary. It runs with `--expose-gc`.
 */
import { subscribe } from "node:diagnostics_channel";
import { readFileSync, writeFileSync } from "node:fs";
import type { Socket } from "node:net";
import { connect, serve } from "../../src/index.ts";
import { oldWs } from "./old-ws.ts";
import { rawServer } from "./raw-server.ts";
import { type StandIn, standIns } from "./stand-ins.ts";
import type { Application, Asked, Look, TargetOptions } from "./target.ts";

const { what, role, options = {}, spin = 0 } = JSON.parse(process.argv[2]!) as TargetOptions;

const seen = { messages: 0, binaryLength: 0, pongs: 0, mostInATurn: 0, mostLengthInATurn: 0 };
const closes: number[] = [];
const sockets = new Set<Socket>();
let bytesReadByGone = 0;
/** How to send on each connection. */
const connections = new Set<(text: string) => void>();
let turn = { messages: 0, length: 0 };

for (const side of ["net.server.socket", "net.client.socket"]) {
  subscribe(side, (message) => {
    const { socket } = message as { socket: Socket };
    sockets.add(socket);
    socket.once("close", () => {
      sockets.delete(socket);
      bytesReadByGone += socket.bytesRead;
    });
  });
}

const application: Application = {
  opened(send) {
    connections.add(send);
  },
  message(data, reply) {
    seen.messages++;
    for (const until = performance.now() + spin; performance.now() < until; );
    if (typeof data === "string") return reply(data);
    seen.binaryLength += data.length;
    if (turn.messages++ === 0) setImmediate(endTurn);
    turn.length += data.length;
  },
  pong() {
    seen.pongs++;
  },
  closed(send, code) {
    connections.delete(send);
    closes.push(code);
  },
};

function endTurn(): void {
  seen.mostInATurn = Math.max(seen.mostInATurn, turn.messages);
  seen.mostLengthInATurn = Math.max(seen.mostLengthInATurn, turn.length);
  turn = { messages: 0, length: 0 };
}

type Ours = Awaited<ReturnType<typeof connect>>;

const senders = new WeakMap<object, (text: string) => void>();

/** The handlers of ours, the same in both roles. */
const handlers = {
  open(connection: Pick<Ours, "send">) {
    const send = (text: string) => void connection.send(text);
    senders.set(connection, send);
    application.opened(send);
  },
  message(connection: Pick<Ours, "send">, data: string | Uint8Array) {
    application.message(data, (text) => void connection.send(text));
  },
  pong: application.pong,
  close(connection: object, report: { readonly sent?: { readonly code: number }; readonly code: number }) {
    application.closed(senders.get(connection)!, report.sent?.code ?? report.code);
  },
};

/** Gives a connection of `ws` the same application. */
function employ(ws: import("ws").WebSocket): void {
  const send = (text: string) => ws.send(text);
  application.opened(send);
  ws.on("message", (data: Buffer, isBinary) => application.message(isBinary ? data : data.toString(), send));
  ws.on("pong", application.pong);
  ws.on("error", () => {});
  ws.on("close", (code) => application.closed(send, code));
}

async function listen(): Promise<number> {
  const host = "127.0.0.1";
  if (what === "ours") return (await serve({ ...options, host, routes: { "/": handlers } })).port;
  if (what !== "old ws") return (await rawServer((standIns[what] as StandIn)(application))).port;
  const server = new oldWs.WebSocketServer({ ...options, host, port: 0 });
  server.on("connection", employ);
  await new Promise((resolve) => server.once("listening", resolve));
  return (server.address() as { port: number }).port;
}

async function connectTo(port: number): Promise<void> {
  const url = `ws://127.0.0.1:${port}/`;
  if (what === "ours") {
    await connect(url, { compression: false, ...options, ...handlers });
    return;
  }
  const ws = new oldWs.WebSocket(url, { perMessageDeflate: false, ...options });
  await new Promise<void>((resolve, reject) => {
    ws.once("error", reject);
    // Before the first message that came with the handshake.
    ws.once("upgrade", () => {
      ws.off("error", reject);
      employ(ws);
      resolve();
    });
  });
}

/** The most memory that was resident since the last reset. */
function peak(): number {
  const status = readFileSync("/proc/self/status", "latin1");
  return Number(/^VmHWM:\s+(\d+)/m.exec(status)![1]) * 1024;
}

async function settle(): Promise<void> {
  for (let round = 0; round < 4; round++) {
    (globalThis as unknown as { gc(): void }).gc();
    await new Promise((resolve) => setTimeout(resolve, 15));
  }
  // The kernel forgets the peak so far.
  writeFileSync("/proc/self/clear_refs", "5");
}

function look(): Look {
  const { rss, heapUsed, external } = process.memoryUsage();
  let bytesRead = bytesReadByGone;
  for (const socket of sockets) bytesRead += socket.bytesRead;
  const counts = { open: connections.size, sockets: sockets.size, bytesRead, closes };
  return { ...seen, ...counts, rss, peak: peak(), held: heapUsed + external };
}

async function answer(asked: Asked): Promise<Look> {
  if (asked.ask === "settle") await settle();
  if (asked.ask === "connect") {
    for (let made = 0; made < asked.count; made++) await connectTo(asked.port);
  }
  if (asked.ask === "send") {
    const text = "all the same, ".repeat(asked.length).slice(0, asked.length);
    for (const send of connections) for (let sent = 0; sent < asked.count; sent++) send(text);
  }
  return look();
}

process.on("message", (asked: Asked) => {
  void answer(asked).then(
    (seen) => process.send!(seen),
    (error: Error) => process.send!({ failed: error.message }),
  );
});
process.send!({ port: role === "server" ? await listen() : 0 });
