/**
 * A process of its own beside the attack: a hundred clients that keep echoing, and the server's memory every 25 ms.
 *
 * It is told over IPC when a row starts and when it ends. Each client has one message under way and sends the next 100 ms
 * after it, and one more when the row is over. A client that loses its connection is counted and opens another for the
 * next row.
 */
import { Op } from "../conformance/wire/frame.ts";
import { residentBytes } from "./proc.ts";
import type { Bystanders } from "./row.ts";
import { Attacker, sleep } from "./wire.ts";

/** What the parent says. */
export type Order =
  | { readonly kind: "begin"; readonly url: string; readonly clients: number; readonly pid: number | undefined }
  | { readonly kind: "end" };

/** What it is answered. */
export type Answer =
  | { readonly kind: "ready" }
  | { readonly kind: "report"; readonly bystanders: Bystanders; readonly rssPeak: number };

const EVERY = 100;
const GRACE = 5000;

class Client {
  connection: Attacker | undefined;
  sentAt: number | undefined;

  async open(url: URL): Promise<void> {
    if (this.connection?.end === "open") return;
    this.connection = await Attacker.open(url);
  }

  close(): void {
    this.connection?.destroy();
    this.connection = undefined;
    this.sentAt = undefined;
  }
}

const clients: Client[] = [];
let at = "";
let running = false;
let rssPeak = 0;
let latencies: number[] = [];
let sent = 0;
let lost = 0;
let loops: Promise<void>[] = [];
let sampler: NodeJS.Timeout | undefined;

async function begin(order: Order & { kind: "begin" }): Promise<void> {
  if (at !== order.url) for (const client of clients) client.close();
  at = order.url;
  const url = new URL(order.url);
  while (clients.length < order.clients) clients.push(new Client());
  for (const client of clients.splice(order.clients)) client.close();
  for (const client of clients) await client.open(url);
  [rssPeak, latencies, sent, lost, running] = [0, [], 0, 0, true];
  loops = clients.map((client, i) => keepEchoing(client, (i / clients.length) * EVERY));
  const { pid } = order;
  if (pid !== undefined) {
    sampler = setInterval(() => {
      rssPeak = Math.max(rssPeak, residentBytes(pid) ?? 0);
    }, 25);
  }
  tell({ kind: "ready" });
}

async function keepEchoing(client: Client, offset: number): Promise<void> {
  const { connection } = client;
  if (connection === undefined) return;
  await sleep(offset);
  // The last message of each is sent when the row is over: a connection that was lost unnoticed shows then.
  for (let last = false; !last; ) {
    last = !running;
    const before = connection.frames.length;
    client.sentAt = performance.now();
    sent++;
    connection.send({ opcode: Op.Text, payload: `message ${sent}` });
    const came = await connection.until(
      () => connection.frames.length > before || connection.end !== "open" || hasWaitedInVain(client),
      60_000,
    );
    if (connection.end !== "open") {
      lost++;
      return;
    }
    if (!came || hasWaitedInVain(client)) return;
    const took = performance.now() - client.sentAt;
    client.sentAt = undefined;
    connection.frames.length = 0;
    latencies.push(took);
    if (!last) await sleep(EVERY - took);
  }
}

let endedAt = Number.POSITIVE_INFINITY;
function hasWaitedInVain({ sentAt }: Client): boolean {
  return sentAt !== undefined && performance.now() > Math.max(sentAt, endedAt) + GRACE;
}

async function end(): Promise<void> {
  running = false;
  endedAt = performance.now();
  await Promise.all(loops);
  clearInterval(sampler);
  endedAt = Number.POSITIVE_INFINITY;
  const missing = sent - latencies.length;
  for (const client of clients.filter(({ sentAt }) => sentAt !== undefined)) client.close();
  latencies.sort((a, b) => a - b);
  const quantile = (q: number): number => latencies[Math.ceil(q * latencies.length) - 1] ?? 0;
  const bystanders = { sent, missing, lost, p50: quantile(0.5), p99: quantile(0.99), max: quantile(1) };
  tell({ kind: "report", bystanders, rssPeak });
}

function tell(answer: Answer): void {
  process.send?.(answer);
}

process.on("message", (order: Order) => {
  (order.kind === "begin" ? begin(order) : end()).catch((error: Error) => {
    process.stderr.write(`${error.message}\n`);
    process.exit(1);
  });
});
process.on("disconnect", () => process.exit(0));
