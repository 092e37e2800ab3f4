/**
 * The load of the rows K, W8 and W9: a publisher at one node, subscribers at another or the same, whatever they speak.
 *
 * `echo` has each client wait for its message before it sends the next. `publish` sends the next message when all subscribers have the last; `rate` sends at fixed times and takes how long each
 * subscriber waited; `resume` has clients come back that missed a message of each of their topics. Every subscriber checks that it
 * gets what was published, each once and in order.
 */
import { readdirSync, readFileSync } from "node:fs";
import { createHistogram } from "node:perf_hooks";
import { setTimeout as delay, setImmediate as turn } from "node:timers/promises";
import { parseArgs } from "node:util";
import { type Client, dialects } from "./dialects.ts";

const names = [
  "mode",
  "dialect",
  "publisher",
  "subscriber",
  "pids",
  "connections",
  "rate",
  "warmup",
  "duration",
] as const;
const { values } = parseArgs({ options: Object.fromEntries(names.map((name) => [name, { type: "string" as const }])) });
const option = (name: (typeof names)[number]): string => values[name] ?? fail(`--${name} is missing`);
const number = (name: (typeof names)[number]): number => Number(option(name));
const connect = dialects[option("dialect")] ?? fail("there is no such dialect");
/** The node with the subscribers, the one with the publisher, the broker. */
const pids = option("pids").split(",").map(Number);
const connections = number("connections");
/** Topics of one client that comes back. */
const topicsEach = 100;
const latencies = createHistogram();

console.log("ready");
const runs: Readonly<Record<string, () => Promise<object>>> = { echo, resume };
console.log(JSON.stringify(await (runs[option("mode")] ?? publish)()));
process.exit();

async function echo(): Promise<object> {
  let replies = 0;
  for (let index = 0; index < connections; index++) {
    let sent = 0;
    const client = await connect(number("subscriber"), (text) => {
      if (text !== textOf(sent)) fail(`client ${index} got ${text} in place of ${textOf(sent)}`);
      replies++;
      record(performance.now() - sentAt);
      sentAt = performance.now();
      client.echo!(textOf(++sent));
    });
    let sentAt = performance.now();
    client.echo!(textOf(sent));
  }
  await delay(number("warmup"));
  const [before, own, repliesBefore, began] = [pids.map(schedule), schedule(process.pid), replies, performance.now()];
  await delay(number("duration"));
  const seconds = (performance.now() - began) / 1000;
  return report(before, own, { replies: replies - repliesBefore, published: 1, seconds });
}

async function publish(): Promise<object> {
  const received = new Uint32Array(connections);
  let deliveries = 0;
  let sent = 0;
  let wake = (): void => {};
  const sentAt: number[] = [];
  let isMeasured = false;
  for (let first = 0; first < connections; first += 50) {
    const some = Array.from({ length: Math.min(50, connections - first) }, async (_, index) => {
      const at = first + index;
      const subscriber = await connect(number("subscriber"), (text) => {
        if (text !== textOf(received[at]!)) fail(`subscriber ${at} got ${text} in place of ${textOf(received[at]!)}`);
        if (isMeasured) record(performance.now() - sentAt[received[at]! % 65_536]!);
        received[at]!++;
        if (++deliveries === sent * connections) wake();
      });
      await subscriber.subscribe(["all"]);
    });
    await Promise.all(some);
  }
  const publisher = await connect(number("publisher"), () => {});
  const rate = number("rate");
  const next = (due: number): void => {
    sentAt[sent % 65_536] = due;
    publisher.publish(textOf(sent++));
  };
  const run = async (length: number): Promise<void> => {
    const began = performance.now();
    for (let count = 0; performance.now() - began < length; count++) {
      if (rate > 0) {
        const due = began + (count * 1000) / rate;
        // A timer would be late; the last milliseconds are waited for turn by turn.
        if (due - performance.now() > 3) await delay(due - performance.now() - 2);
        while (performance.now() < due) await turn();
        if (due - began >= length) break;
        next(due);
        continue;
      }
      const all = new Promise<void>((resolve) => {
        wake = resolve;
      });
      next(performance.now());
      await all;
    }
    while (deliveries < sent * connections) await delay(1);
  };
  await run(number("warmup"));
  isMeasured = true;
  const [before, sentBefore, began, deliveredBefore] = [pids.map(schedule), sent, performance.now(), deliveries];
  const own = schedule(process.pid);
  await run(number("duration"));
  const seconds = (performance.now() - began) / 1000;
  return report(before, own, { replies: deliveries - deliveredBefore, published: sent - sentBefore, seconds });
}

async function resume(): Promise<object> {
  const topicsOf = (client: number): string[] =>
    Array.from({ length: topicsEach }, (_, index) => `topic-${client * topicsEach + index}`);
  const old: Client[] = [];
  // What comes while the clients are there is known to them; a client of socket.io has no position before.
  let known = 0;
  for (let index = 0; index < connections; index++) {
    const client = await connect(number("publisher"), () => void known++);
    await client.subscribe(topicsOf(index));
    old.push(client);
  }
  const publisher = await connect(number("publisher"), () => {});
  const count = connections * topicsEach;
  if (option("dialect") === "socketio") {
    await publisher.publishMany(count);
    while (known < count) await delay(5);
  }
  for (const client of old) client.terminate();
  // The node is to have noticed, and the session of each to be kept.
  await delay(1000);
  await publisher.publishMany(count);
  await delay(500);
  const missed = new Set<string>();
  let lost = 0;
  let over = (): void => {};
  const all = new Promise<void>((resolve) => {
    over = resolve;
  });
  const [before, own, began] = [pids.map(schedule), schedule(process.pid), performance.now()];
  const coming = old.map(async ({ known: knew }, index) => {
    const mine = new Set(topicsOf(index));
    const take = (text: string): void => {
      const topic = text.slice(1);
      if (!mine.has(topic) || missed.has(topic)) fail(`client ${index} got ${text}, which it had or did not ask for`);
      missed.add(topic);
      record(performance.now() - began);
      if (missed.size + lost >= count) over();
    };
    const client = await connect(number("subscriber"), take, knew);
    lost += await client.subscribe(topicsOf(index), knew);
    if (missed.size + lost >= count) over();
  });
  const late = delay(60_000).then(() => fail(`only ${missed.size} of ${count} messages came again within a minute`));
  await Promise.race([Promise.all([...coming, all]), late]);
  const seconds = (performance.now() - began) / 1000;
  return { ...report(before, own, { replies: count, published: count, seconds }), lost };
}

/** The text of a message by its number: 64 bytes. */
function textOf(index: number): string {
  return `k${index}`.padEnd(64, ".");
}

function report(
  before: readonly Schedule[],
  own: Schedule,
  { replies, published, seconds }: { readonly replies: number; readonly published: number; readonly seconds: number },
): object {
  const [subscriber, publisher, broker] = pids.map((pid, index) => schedule(pid).busy - before[index]!.busy);
  const waits = pids.map((pid, index) => schedule(pid).waited - before[index]!.waited);
  const micro = (percent: number): number => latencies.percentile(percent) / 1000;
  const now = schedule(process.pid);
  return {
    replies,
    published,
    seconds,
    serverCpu: subscriber,
    publisherCpu: publisher,
    brokerCpu: broker,
    loadCpu: now.busy - own.busy,
    // What waits for one of ours that shares its CPU is meant to; the measured node alone has one to itself.
    waited: waits[0],
    p50: micro(50),
    p99: micro(99),
    p999: micro(99.9),
    slowest: latencies.max / 1000,
  };
}

interface Schedule {
  readonly busy: number;
  readonly waited: number;
}

/** Seconds of all threads of a process: on a CPU, and ready while others had it. */
function schedule(pid: number): Schedule {
  const folder = `/proc/${pid}/task`;
  let busy = 0;
  let waited = 0;
  for (const task of readdirSync(folder)) {
    const [on, ready] = readFileSync(`${folder}/${task}/schedstat`, "latin1").split(" ").map(Number);
    busy += on! / 1e9;
    waited += ready! / 1e9;
  }
  return { busy, waited };
}

function record(milliseconds: number): void {
  latencies.record(Math.max(1, Math.round(milliseconds * 1e6)));
}

function fail(why: string): never {
  console.error(`Cannot load the nodes: ${why}`);
  process.exit(1);
}
