/**
 * The server of the soak: checks the number and the checksum of every message, and answers each with one of its own.
 *
 * It runs in a process of its own with nothing else in it, so that its memory, descriptors and handles are the
 * library's. It needs `--expose-gc`.
 */
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setFlagsFromString } from "node:v8";
import { type CompressionOptions, type MessageData, type Route, type ServerConnection, serve } from "openline";
import { drawSize, makeMessage, readMessage, topicSeed } from "./message.ts";
import { errorsInWords, type ServerCounts, type ServerOrder } from "./orders.ts";

interface ClientState {
  readonly id: number;
  readonly topic: number;
  /** The number of its last message. */
  received: number;
}

type ClientParams = { readonly topic: string; readonly id: string };
type Client = ServerConnection<ClientState, ClientParams>;

// A pipe's stream is made when something first asks for it, and would be a handle more than before.
void process.stderr;

const topicNumbers = new Map<number, number>();
const firstErrors: string[] = [];
let [received, sent, published, errors] = [0, 0, 0, 0];

const server = await serve({
  host: "127.0.0.1",
  // A connection that an abuser has is failed on purpose.
  log: (record) => {
    if (record.event === "failed" && record.connection.path.startsWith("/abuse/")) return;
    if (record.event !== "refused") fail(record.message);
  },
  routes: {
    "/plain/:topic/:id": soaked(false),
    "/deflate/:topic/:id": soaked(true),
    "/takeover/:topic/:id": soaked({ serverNoContextTakeover: false, clientNoContextTakeover: false }),
    "/abuse/:topic": { compression: true, open: (client) => client.subscribe(topicName(Number(client.params.topic))) },
  },
});

const delay = monitorEventLoopDelay({ resolution: 10 });
delay.enable();
process.on("message", async ({ order }: ServerOrder) => {
  if (order === "stop") {
    delay.disable();
    await server.close();
    process.disconnect();
    return;
  }
  if (order === "collect") await collected();
  process.send!(counts());
});

function soaked(compression: boolean | CompressionOptions): Route<ClientState, ClientParams> {
  return {
    compression,
    upgrade: ({ params }) => ({ data: { id: Number(params.id), topic: Number(params.topic), received: 0 } }),
    open: (client) => {
      client.subscribe(topicName(client.data.topic));
      tell(client, "start", topicNumber(client));
    },
    message: take,
  };
}

function take(client: Client, data: MessageData): void {
  const { data: state } = client;
  const message = readMessage(data, state.id);
  if (message === undefined) return fail(`Connection ${state.id}: a message of ${data.length} is damaged`);
  received++;
  if (message.number !== ++state.received) {
    fail(`Connection ${state.id}: message ${message.number} came in the place of ${state.received}`);
  }
  if (message.kind === "leave" || message.kind === "dismiss") {
    tell(client, "end", topicNumber(client));
    if (message.kind === "dismiss") client.close(1000);
    return;
  }
  if (message.kind === "publish") publish(client);
  answer(client, { kind: "answer", number: message.number, seed: state.id, size: drawSize() });
}

/** Publishes to the client's topic, and gives the client itself its copy. */
function publish(client: Client): void {
  const { topic } = client.data;
  const number = (topicNumbers.get(topic) ?? 0) + 1;
  topicNumbers.set(topic, number);
  published++;
  const news = makeMessage({
    kind: "news",
    number,
    seed: topicSeed(topic),
    size: Math.min(drawSize(), 16_384),
    text: number % 2 === 0,
  });
  client.publish(topicName(topic), news);
  client.send(news);
}

function tell(client: Client, kind: "start" | "end", topic: number): void {
  answer(client, { kind, number: client.data.received, seed: client.data.id, body: String(topic) });
}

function answer(client: Client, parts: Omit<Parameters<typeof makeMessage>[0], "text">): void {
  sent++;
  client.send(makeMessage({ ...parts, text: parts.number % 2 === 1 }));
}

function topicName(topic: number): string {
  return `topic ${topic}`;
}

function topicNumber(client: Client): number {
  return topicNumbers.get(client.data.topic) ?? 0;
}

function fail(what: string): void {
  errors++;
  if (firstErrors.length < errorsInWords) firstErrors.push(what);
}

function counts(): ServerCounts {
  const { rss, heapUsed, external } = process.memoryUsage();
  const handles: Record<string, number> = {};
  for (const kind of process.getActiveResourcesInfo()) handles[kind] = (handles[kind] ?? 0) + 1;
  const [lag, worstLag] = [delay.percentile(99) / 1e6, delay.max / 1e6];
  delay.reset();
  const done = { received, sent, published, errors, firstErrors };
  const { port, connections } = server;
  return { port, connections: connections.size, ...done, rss, heap: heapUsed, external, lag, worstLag, handles };
}

/**
 * Collects garbage, twice because what a finalizer lets go is collected the next time, and moves what is left together:
 * else pages of the heap that are mostly empty would look like a leak.
 */
async function collected(): Promise<void> {
  setFlagsFromString("--compact-on-every-full-gc");
  for (let round = 0; round < 2; round++) {
    (globalThis as unknown as { gc(): void }).gc();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  setFlagsFromString("--no-compact-on-every-full-gc");
}

process.send!(counts());
