/**
 * `npm run soak -- --cluster redis` or `nats`: three nodes over a broker, under load, while broker, network and nodes fail. Every
 * message and every gap is judged.
 *
 * --clients N   how many listen (1000)               --kills N   how often broker and nodes are killed, each way (20)
 * --rate N      messages a second (500)              --rounds N  how often each other fault comes (5)
 * --topics N    how many topics there are (100)      --out FOLDER  where the report goes (.cache/soak/cluster)
 * --faults LIST  which, with commas: kept, lost, connections, stopped, cut, node, stale (all)
 * --probe-interval MS  the broker's option (10000): how long it is stopped, and a network cut, depends on it
 *
 * The network is cut where the process may administrate networks; under CI it must be. The exit code is 0 when all held.
 */
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import { freePort } from "../../test/support/program.ts";
import { Program } from "../programs.ts";
import { type BrokerProcess, NatsProcess, RedisProcess } from "./broker-process.ts";
import { type Fault, type FaultKind, faults } from "./faults.ts";
import { type Host, makeHost } from "./network.ts";
import type { BrokerName, LoadCounts, LoadOrder, NodeCounts, NodeOrder } from "./orders.ts";
import { type ClusterPlan, type ClusterSample, type FaultRound, writeReport } from "./report.ts";

type Node = Program<NodeOrder, NodeCounts>;

const nodeCount = 3;
const publisherCount = 30;
/** Of a thousand clients as many leave a second, and come back. */
const churnPerThousand = 5;
/** How long everybody may take to hear what was published after a fault, in milliseconds: no busy machine is one. */
const patience = 120_000;
/** How often counts are taken, and how long a broker that was killed is away, at most, in milliseconds. */
const [sampleInterval, longestAbsence] = [1000, 1000];

const brokers: Readonly<Record<BrokerName, new (host: Host, port: number) => BrokerProcess>> = {
  redis: RedisProcess,
  nats: NatsProcess,
};

const plan = readPlan();
const host = makeHost(nodeCount);
const broker = new brokers[plan.broker](host, await freePort());
const ports = await Promise.all(Array.from({ length: nodeCount }, freePort));
const nodes: Node[] = [];
const load: Program<LoadOrder, LoadCounts> = new Program("cluster/load.ts");
const samples: ClusterSample[] = [];
const rounds: FaultRound[] = [];
let asking: Promise<unknown> = Promise.resolve();
let [isOver, startedAt] = [false, 0];

try {
  await broker.start();
  for (let index = 0; index < nodeCount; index++) nodes[index] = await startNode(index);
  const { clients, rate, topics } = plan;
  const churn = (clients * churnPerThousand) / 1000;
  load.order({ order: "start", plan: { ports, clients, rate, topics, churn, publishers: publisherCount } });
  startedAt = performance.now();
  const sampling = sampleAll();
  await level();
  for (const fault of faults) if (plan.faults.includes(fault.kind)) await inflict(fault);
  isOver = true;
  await sampling;
  await conclude(await load.counts({ order: "finish" }));
} catch (error) {
  console.error(error);
  process.exitCode = 1;
} finally {
  for (const { process: node } of [...nodes, load]) node.kill("SIGKILL");
  await broker.stop();
  host.close();
}

/** Asks the load process, one question at a time. */
function ask(order: LoadOrder): Promise<LoadCounts> {
  const answer = asking.then(() => load.counts(order));
  asking = answer.catch(() => {});
  return answer;
}

async function startNode(index: number): Promise<Node> {
  const node: Node = new Program("cluster/node.ts");
  await node.counts();
  const { broker: name, probeInterval } = plan;
  const [brokerAddress, brokerPort] = [host.address(index), broker.port];
  const order = { port: ports[index]!, broker: name, brokerAddress, brokerPort, client: index, probeInterval };
  await node.counts({ order: "start", plan: order });
  return node;
}

/** Resolves when everybody has heard something that was published from now on; returns how long it took, in milliseconds. */
async function level(): Promise<number> {
  const from = performance.now();
  await ask({ order: "mark" });
  for (;;) {
    const counts = await ask({ order: "count" });
    const time = performance.now() - from;
    if (counts.level >= plan.clients - mostAway()) return time;
    if (time > patience) {
      const states = await Promise.all(nodes.map((node) => node.counts({ order: "count" })));
      const late = `${plan.clients - counts.level} clients (${counts.open} are connected) heard nothing new`;
      throw new Error(`${late} in ${patience / 1000} s: ${counts.firstErrors}\n${JSON.stringify(states)}`);
    }
    await delay(50);
  }
}

/** How many clients may be on their way from one node to another. */
function mostAway(): number {
  return Math.ceil((plan.clients * churnPerThousand) / 1000);
}

async function inflict(fault: Fault): Promise<void> {
  if ((fault.kind === "cut" && !host.canCut) || (fault.kind === "connections" && !broker.canKillConnections)) {
    console.log(`- ${fault.title}: skipped, the right to administrate networks is missing`);
    return;
  }
  const count = fault.isKill ? plan.kills : plan.rounds;
  for (let round = 0; round < count; round++) {
    const at = (performance.now() - startedAt) / 1000;
    await ask({ order: "fault", kind: fault.kind });
    await strike(fault.kind, round);
    rounds.push({ kind: fault.kind, at, level: await level() });
  }
  const counts = await ask({ order: "count" });
  const gaps = Object.entries(counts.gaps).filter(([key]) => key.startsWith(`${fault.kind} `));
  const told = gaps.map(([key, times]) => `${times} ${key.split(" ")[1]}`).join(", ") || "none";
  console.log(`- ${fault.title}, ${count} times; gaps told: ${told}; ${counts.errors} errors`);
}

/** Does it, and undoes it. */
async function strike(kind: Fault["kind"], round: number): Promise<void> {
  const from = Date.now();
  if (kind === "kept" || kind === "lost") {
    await broker.kill(kind === "kept" ? "keep" : "lose");
    await delay(Math.random() * longestAbsence);
    await broker.start();
    if (kind === "lost") await ask({ order: "loss", loss: { from, to: Date.now() } });
  } else if (kind === "connections") {
    await broker.killConnections();
  } else if (kind === "stopped") {
    broker.signal("SIGSTOP");
    await delay(outage());
    broker.signal("SIGCONT");
  } else if (kind === "cut") {
    host.cut(round % nodeCount);
    await delay(outage());
    host.heal();
  } else if (kind === "node") {
    const index = round % nodeCount;
    nodes[index]!.process.kill("SIGKILL");
    await nodes[index]!.exited;
    nodes[index] = await startNode(index);
  } else {
    await broker.remember();
    await stored(plan.topics);
    await broker.kill("lose");
    broker.restore();
    await broker.start();
    await ask({ order: "loss", loss: { from, to: Date.now() } });
  }
}

/** Long enough for a node to find out by itself that the broker is silent, and to connect anew. */
function outage(): number {
  return plan.probeInterval * 1.5 + 1500;
}

/** Resolves when so many messages more are stored. */
async function stored(more: number): Promise<void> {
  const goal = (await ask({ order: "count" })).stored + more;
  while ((await ask({ order: "count" })).stored < goal) await delay(20);
}

async function sampleAll(): Promise<void> {
  while (!isOver) {
    const counts = await ask({ order: "count" });
    samples.push({ time: (performance.now() - startedAt) / 1000, ...counts });
    await delay(sampleInterval);
  }
}

async function conclude(load: LoadCounts): Promise<void> {
  const ends: string[] = [];
  for (const [index, node] of nodes.entries()) {
    node.order({ order: "stop" });
    const { exitCode, stderr } = await node.exited;
    if (exitCode !== 0 || stderr !== "") ends.push(`Node ${index} ended with ${exitCode}: ${stderr}`);
  }
  const seconds = (performance.now() - startedAt) / 1000;
  const findings = writeReport(plan, { seconds, samples, rounds, load, ends, broker: broker.version });
  for (const { ok, title, detail } of findings) console.log(`${ok ? "✓" : "✗"} ${title}: ${detail}`);
  for (const error of [...load.firstErrors, ...ends]) console.log(`  ${error}`);
  process.exitCode = findings.every(({ ok }) => ok) ? 0 : 1;
}

function readPlan(): ClusterPlan {
  const { values } = parseArgs({
    options: {
      cluster: { type: "string" },
      clients: { type: "string", default: "1000" },
      rate: { type: "string", default: "500" },
      topics: { type: "string", default: "100" },
      kills: { type: "string", default: "20" },
      rounds: { type: "string", default: "5" },
      faults: { type: "string", default: faults.map(({ kind }) => kind).join() },
      "probe-interval": { type: "string", default: "10000" },
      out: { type: "string", default: ".cache/soak/cluster" },
    },
  });
  if (process.platform !== "linux") giveUp("processes are stopped and networks cut as only Linux can");
  const { cluster = "", out } = values;
  if (!Object.hasOwn(brokers, cluster)) giveUp(`--cluster is ${Object.keys(brokers).join(" or ")}, not ${cluster}`);
  const kinds = values.faults.split(",") as FaultKind[];
  for (const kind of kinds) if (!faults.some((fault) => fault.kind === kind)) giveUp(`--faults has no ${kind}`);
  const number = (name: Exclude<keyof typeof values, "cluster" | "faults" | "out">): number => {
    const value = Number(values[name]);
    if (!(Number.isInteger(value) && value > 0)) giveUp(`--${name} ${values[name]} is no whole number above 0`);
    return value;
  };
  return {
    ...{ broker: cluster as BrokerName, clients: number("clients"), rate: number("rate"), topics: number("topics") },
    ...{ kills: number("kills"), rounds: number("rounds"), probeInterval: number("probe-interval") },
    ...{ faults: kinds, out },
  };
}

function giveUp(why: string): never {
  console.error(`Cannot soak: ${why}`);
  process.exit(2);
}
