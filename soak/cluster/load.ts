/**
 * The load of a cluster's soak: its clients, its publishers, and the judge of what they hear.
 */
import { setTimeout as delay } from "node:timers/promises";
import type { FaultKind } from "./faults.ts";
import { Judge } from "./judge.ts";
import { Listener } from "./listener.ts";
import type { LoadCounts, LoadOrder, LoadPlan } from "./orders.ts";
import { Publisher } from "./publisher.ts";

const tick = 10;
/** How many clients begin at once. */
const atOnce = 50;
/** How many messages may wait for their answers, in seconds of the planned rate: what is published while a broker is away. */
const mostWaiting = 12;
/** Of the clients, how many a fault finds on their way. */
const awayShare = 0.1;
/** How long the last messages may take to reach everybody, in milliseconds: so long that no busy machine is taken for a loss. */
const patience = 120_000;

const judge = new Judge();
const listeners: Listener[] = [];
const publishers: Publisher[] = [];
const running: Promise<void>[] = [];
let [markedAt, isOver, published] = [0, false, 0];
let publishing: Promise<void> = Promise.resolve();

process.on("message", async (told: LoadOrder) => {
  if (told.order === "start") return start(told.plan);
  if (told.order === "mark") markedAt = Date.now();
  else if (told.order === "fault") begin(told.kind);
  else if (told.order === "loss") judge.loss(told.loss);
  else if (told.order === "finish") await finish();
  process.send!(counts());
  if (told.order === "finish") process.disconnect();
});

/** A fault begins: some clients are away when it comes, and come back in it or behind it. */
function begin(kind: FaultKind): void {
  judge.fault(kind);
  for (const listener of listeners) if (Math.random() < awayShare) listener.leave("cut");
}

function counts(): LoadCounts {
  const open = listeners.filter(({ isOpen }) => isOpen);
  return {
    ...judge.counts,
    open: open.length,
    level: open.filter((listener) => listener.hasHeard(markedAt)).length,
    waiting: waiting(),
    connected: listeners.reduce((sum, { connected }) => sum + connected, 0),
  };
}

function waiting(): number {
  return publishers.reduce((sum, publisher) => sum + publisher.waiting, 0);
}

function start(plan: LoadPlan): void {
  const { ports, clients, topics } = plan;
  for (let id = 0; id < plan.publishers; id++) publishers.push(new Publisher({ ports, id }, judge));
  // Both of a pair, the one that resumes and the one that does not, have the same topic.
  for (let id = 0; id < clients; id++) listeners.push(new Listener({ ports, id, topic: (id >> 1) % topics }, judge));
  for (const publisher of publishers) running.push(publisher.run());
  publishing = publish(plan);
}

/** Lets the clients come, then publishes so much a second to topics by chance, and sends clients away. */
async function publish({ rate, topics, churn }: LoadPlan): Promise<void> {
  let [begun, toSend, toLeave] = [0, 0, 0];
  for (let last = performance.now(); !isOver; ) {
    await delay(tick);
    const now = performance.now();
    const passed = Math.min(now - last, 1000) / 1000;
    last = now;
    for (const listener of listeners.slice(begun, begun + atOnce)) running.push(listener.run());
    begun += atOnce;
    const open = publishers.filter(({ isOpen }) => isOpen);
    const room = open.length === 0 ? 0 : rate * mostWaiting - waiting();
    for (toSend = Math.min(toSend + rate * passed, room); toSend >= 1; toSend--) {
      open[published++ % open.length]!.publish(Math.floor(Math.random() * topics));
    }
    for (toLeave += churn * passed; toLeave >= 1; toLeave--) {
      const listener = listeners[Math.floor(Math.random() * listeners.length)]!;
      listener.leave(Math.random() < 0.5 ? "close" : "cut");
    }
  }
  await settle(topics);
}

/** Waits for all answers, then for everybody to hear a last message of their topic. */
async function settle(topics: number): Promise<void> {
  const until = performance.now() + patience;
  while (waiting() > 0 && performance.now() < until) await delay(tick);
  if (waiting() > 0) judge.fail(`${waiting()} messages were never answered`);
  while (!listeners.every(({ isSubscribed }) => isSubscribed) && performance.now() < until) await delay(tick);
  await delay(tick);
  markedAt = Date.now();
  const publisher = publishers.find(({ isOpen }) => isOpen);
  if (publisher === undefined) return judge.fail("No publisher is connected at the end");
  for (let topic = 0; topic < topics; topic++) publisher.publish(topic);
  const missing = () => listeners.filter((listener) => !(listener.isOpen && listener.hasHeard(markedAt)));
  while (missing().length > 0 && performance.now() < until) await delay(100);
  for (const _ of missing()) judge.fail("A client never heard the last message");
  while (waiting() > 0 && performance.now() < until) await delay(tick);
}

async function finish(): Promise<void> {
  isOver = true;
  await publishing;
  judge.conclude();
  for (const one of [...listeners, ...publishers]) one.end();
  await Promise.all(running);
}
