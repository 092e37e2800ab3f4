/**
 * A load process of the soak: keeps its share of connections open, sends its share of messages, lets some connections
 * come and go, and does harm on others.
 *
 * It asks for no more than the server can do: while a fiftieth of a second's messages are unanswered it waits, and none
 * is sent away while there are fewer than planned. Node takes one new connection a turn of its event loop; where turns
 * are long because a thousand messages wait, who wants to connect waits for ever.
 */
import { setMaxListeners } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { abuseOnce } from "./abuse.ts";
import { Client, type Farewell, note } from "./client.ts";
import type { LoadCounts, LoadOrder, LoadPlan } from "./orders.ts";

const tick = 10;
/** How long it takes until all are connected, at least, in milliseconds. */
const rampTime = 20_000;
/** How many opening handshakes run at once: together with another load's fewer than a listener's backlog, which is 511. */
const mostOpening = 50;
/** How many messages may be unanswered, in milliseconds at the planned rate, and at least. */
const mostUnanswered = { time: 20, count: 20 };
/** Published, of all messages; so many at once to one connection, and how often. */
const publishShare = 0.004;
const burst = { length: 8, share: 0.01 };
/** Closed by the server, and cut, of the connections that end; the others say farewell. */
const dismissShare = 0.2;
const cutShare = 0.2;

const counts: LoadCounts = {
  open: 0,
  opened: 0,
  sent: 0,
  answered: 0,
  delivered: 0,
  cut: 0,
  abused: 0,
  errors: 0,
  firstErrors: [],
  rss: 0,
};
const clients: Client[] = [];
const ending = new AbortController();
setMaxListeners(0, ending.signal);
let running: Promise<unknown> = Promise.resolve();

process.on("message", async (told: LoadOrder) => {
  if (told.order === "start") running = run(told.plan);
  if (told.order === "finish") {
    ending.abort();
    await running;
    await finishAll();
    report();
    process.disconnect();
  } else {
    report();
  }
});

function report(): void {
  counts.rss = process.memoryUsage.rss();
  process.send!(counts);
}

async function run(plan: LoadPlan): Promise<void> {
  const abuse = Promise.all(Array.from({ length: plan.abusers }, () => abuseOnAndOn(plan)));
  const leaving = new Set<Promise<void>>();
  const mostWaiting = Math.max((plan.rate * mostUnanswered.time) / 1000, mostUnanswered.count);
  let [opening, nextId, ripe, toSend, toEnd] = [0, plan.firstId, false, 0, 0];
  for (let last = performance.now(); !ending.signal.aborted; ) {
    await delay(tick);
    const now = performance.now();
    const passed = Math.min(now - last, 1000);
    last = now;
    ripe ||= clients.length >= plan.connections;
    const most = Math.ceil((plan.connections * passed) / rampTime);
    for (let i = 0; i < most && opening < mostOpening && clients.length + opening < plan.connections; i++) {
      opening++;
      void openOne(plan, nextId++).finally(() => opening--);
    }
    // Before all are connected the rate is in proportion.
    const share = clients.length / plan.connections;
    toSend = Math.min(toSend + (plan.rate * share * passed) / 1000, mostWaiting);
    toSend -= send(Math.min(Math.floor(toSend), mostWaiting - (counts.sent - counts.answered - counts.cut)));
    if (!ripe || clients.length < plan.connections - mostOpening) continue;
    for (toEnd += (plan.churn * passed) / 1000; toEnd >= 1; toEnd--) {
      const end = endOne().finally(() => leaving.delete(end));
      leaving.add(end);
    }
  }
  while (opening > 0) await delay(tick);
  await Promise.all([abuse, ...leaving]);
}

async function openOne(plan: LoadPlan, id: number): Promise<void> {
  try {
    clients.push(await Client.open({ port: plan.port, id, topic: id % plan.topics }, counts));
  } catch (error) {
    note(counts, `Connection ${id} could not be opened: ${error}`);
  }
}

/** Sends so many messages, each from a client by chance; returns how many. */
function send(most: number): number {
  let sent = 0;
  while (sent < most && clients.length > 0) {
    const client = clients[Math.floor(Math.random() * clients.length)]!;
    if (!client.isOpen) {
      remove(client);
      continue;
    }
    const length = Math.random() < burst.share ? burst.length : 1;
    for (let i = 0; i < length; i++) client.send(Math.random() < publishShare ? "publish" : "ask");
    sent += length;
  }
  return sent;
}

function endOne(): Promise<void> {
  const client = clients[Math.floor(Math.random() * clients.length)];
  if (client === undefined) return Promise.resolve();
  remove(client);
  const draw = Math.random();
  const how: Farewell = draw < dismissShare ? "dismiss" : draw < dismissShare + cutShare ? "cut" : "leave";
  return client.finish(how);
}

/** All say farewell, a hundred at a time. */
async function finishAll(): Promise<void> {
  const one = async (): Promise<void> => {
    for (let client = clients.pop(); client !== undefined; client = clients.pop()) await client.finish("leave");
  };
  await Promise.all(Array.from({ length: 100 }, one));
}

function remove(client: Client): void {
  const index = clients.indexOf(client);
  clients[index] = clients.at(-1)!;
  clients.pop();
}

async function abuseOnAndOn({ port, topics }: LoadPlan): Promise<void> {
  const { signal } = ending;
  while (!signal.aborted) {
    await delay(1000 + Math.random() * 4000, undefined, { signal }).catch(() => {});
    if (signal.aborted) return;
    const wrong = await abuseOnce({ port, signal, topic: Math.floor(Math.random() * topics) });
    if (wrong === undefined) counts.abused++;
    else note(counts, wrong);
  }
}
