/**
 * Many clients in one process: `ReconnectingWebSocket` with its defaults, all to one address.
 *
 * It prints `ready` when all are open, and when its standard input ends one line of JSON, a `ClientReport`. `--jitter 0`
 * makes the control: the same clients, each of whose waits is as long as it may be instead of random below that. OPENLINE_DIST
 * names the folder of another build.
 */
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";

/** What the clients saw from `ready` on; times in milliseconds since the epoch. */
export interface ClientReport {
  /** When each was open again. */
  readonly backAt: readonly number[];
  /** When each attempt was due. */
  readonly dueAt: readonly number[];
  /** Attempts that failed, by what failed. */
  readonly failed: Readonly<Record<string, number>>;
}

const dist = process.env.OPENLINE_DIST;
const { ReconnectingWebSocket } = (await import(dist ? `${dist}/index.js` : "openline")) as typeof import("openline");
const string = { type: "string" } as const;
const { values } = parseArgs({ options: { port: string, clients: string, jitter: string } });
if (values.jitter === "0") Math.random = () => 1 - Number.EPSILON;

/** So many handshakes are under way at once until all are open. */
const atOnce = 50;

const backAt: number[] = [];
const dueAt: number[] = [];
const failed: Record<string, number> = {};
let isReady = false;
await openAll(Number(values.clients));
isReady = true;
console.log("ready");
process.stdin.on("end", () => void report());
process.stdin.resume();

/** The server may know sooner than a client that it is open. */
async function report(): Promise<void> {
  for (let looks = 0; backAt.length < Number(values.clients) && looks < 50; looks++) await delay(100);
  console.log(JSON.stringify({ backAt, dueAt, failed } satisfies ClientReport));
  process.exit();
}

async function openAll(clients: number): Promise<void> {
  let left = clients;
  const openOneAfterAnother = async (): Promise<void> => {
    while (left-- > 0) await open();
  };
  await Promise.all(Array.from({ length: atOnce }, openOneAfterAnother));
}

/** Resolves when it is open for the first time. */
function open(): Promise<void> {
  const socket = new ReconnectingWebSocket(`ws://127.0.0.1:${values.port}/`, [], { socket: { serialize: false } });
  socket.onstatechange = () => {
    if (isReady && socket.state === "waiting") dueAt.push(Math.round(socket.retryAt));
  };
  socket.onerror = ({ error }) => {
    if (!isReady) return;
    const kind = kindOf(error as Error);
    failed[kind] = (failed[kind] ?? 0) + 1;
  };
  return new Promise((resolve) => {
    socket.onopen = () => {
      resolve();
      if (isReady) backAt.push(Date.now());
    };
  });
}

/** The code of the system's error, else the name of ours. */
function kindOf(error: Error): string {
  const { code } = (error.cause ?? {}) as { readonly code?: string };
  return code ?? error.name;
}
