/**
 * A client program that measures itself: 64 bytes there and back, as many in flight as it is told, on many connections.
 *
 * The argument names whose client it is. Every reply's length is checked, and of every 16th each byte. Takes the load
 * generator's options and prints its line of JSON, its own CPU time in the place of the server's.
 */
import { Buffer } from "node:buffer";
import { readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";

/** Opens one connection; resolves with its `send`. */
type Dial = (url: string, receive: (data: Uint8Array) => void) => Promise<(data: Uint8Array) => void>;

/** What the WHATWG classes have in common. */
interface StandardSocket {
  binaryType: string;
  onopen: unknown;
  onerror: unknown;
  onmessage: unknown;
  send(data: Uint8Array): void;
}

type StandardClass = new (url: string) => StandardSocket;

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: Object.fromEntries(
    ["port", "connections", "inflight", "warmup", "duration"].map((name) => [name, { type: "string" as const }]),
  ),
});
const number = (name: string): number => Number(values[name]);
const message = Buffer.from(Array.from({ length: 64 }, (_, index) => 0x20 + index));
let replies = 0;
await measure(await dialOf(positionals[0] ?? ""));

async function measure(dial: Dial): Promise<void> {
  const sends: ((data: Uint8Array) => void)[] = [];
  for (let i = 0; i < number("connections"); i++) {
    const send = await dial(`ws://127.0.0.1:${number("port")}/`, (data) => {
      check(data);
      send(message);
    });
    sends.push(send);
  }
  for (const send of sends) for (let i = 0; i < number("inflight"); i++) send(message);
  await delay(number("warmup"));
  const [repliesBefore, cpuBefore, began] = [replies, process.cpuUsage(), performance.now()];
  const waitedBefore = ownWait();
  await delay(number("duration"));
  const { user, system } = process.cpuUsage(cpuBefore);
  const seconds = (performance.now() - began) / 1000;
  const serverCpu = (user + system) / 1e6;
  const waited = ownWait() - waitedBefore;
  const none = { loadCpu: 0, p50: 0, p99: 0, p999: 0 };
  console.log(JSON.stringify({ replies: replies - repliesBefore, seconds, serverCpu, waited, ...none }));
  process.exit();
}

/** Seconds that this process was ready to run and others had its CPU. */
function ownWait(): number {
  return Number(readFileSync("/proc/self/schedstat", "latin1").split(" ")[1]) / 1e9;
}

function check(data: Uint8Array): void {
  replies++;
  if (data.length === message.length && (replies % 16 !== 0 || message.equals(data))) return;
  console.error("A reply is not what was sent");
  process.exit(1);
}

async function dialOf(name: string): Promise<Dial> {
  if (name === "connect") return openlineConnect();
  if (name === "ws") return ws();
  return standard(await standardClass(name));
}

async function openline(): Promise<Record<string, unknown>> {
  const dist = process.env.OPENLINE_DIST;
  return (await import(dist ? `${dist}/index.js` : "openline")) as Record<string, unknown>;
}

async function openlineConnect(): Promise<Dial> {
  const connect = given((await openline()).connect, "connect of openline") as (
    url: string,
    options: { message: (connection: unknown, data: Uint8Array) => void },
  ) => Promise<{ send(data: Uint8Array): unknown }>;
  return async (url, receive) => {
    const connection = await connect(url, { message: (_, data) => receive(data) });
    return (data) => void connection.send(data);
  };
}

async function ws(): Promise<Dial> {
  const { WebSocket } = await import("ws");
  return (url, receive) =>
    new Promise((resolve, reject) => {
      const socket = new WebSocket(url, { perMessageDeflate: false });
      socket.on("open", () => resolve((data) => socket.send(data)));
      socket.on("error", reject);
      socket.on("message", (data) => receive(data as Buffer));
    });
}

async function standardClass(name: string): Promise<StandardClass> {
  if (name === "undici") return (await import("undici")).WebSocket as unknown as StandardClass;
  const from = name === "websocket" ? await openline() : (globalThis as Record<string, unknown>);
  const owner = name === "websocket" ? "openline" : "this runtime";
  return given(from.WebSocket, `WebSocket of ${owner}`) as StandardClass;
}

function standard(WebSocket: StandardClass): Dial {
  return (url, receive) =>
    new Promise((resolve, reject) => {
      const socket = new WebSocket(url);
      socket.binaryType = "arraybuffer";
      socket.onopen = () => resolve((data) => socket.send(data));
      socket.onerror = () => reject(new Error("The connection failed"));
      socket.onmessage = (event: { data: ArrayBuffer }) => receive(new Uint8Array(event.data));
    });
}

function given(value: unknown, what: string): unknown {
  if (value !== undefined) return value;
  console.error(`There is no ${what}`);
  process.exit(1);
}
