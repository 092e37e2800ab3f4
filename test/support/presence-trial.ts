/** Nodes whose connections come and go as members of topics, and what each of them knows of that. */
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "vitest";
import { connect } from "../../src/client/connect.ts";
import type { Broker } from "../../src/cluster/broker/broker.ts";
import { type Cluster, createCluster } from "../../src/cluster/cluster.ts";
import type { ServerConnection } from "../../src/server/server-connection.ts";
import { eventually } from "./eventually.ts";
import { afterwards, serving, startChild } from "./serving.ts";

/** What they are members of. */
export const topics: readonly string[] = ["room/1", "room/2", "room/3"];

/** A node that knows who is in each topic by asking, and by watching. */
export class PresenceTrialNode {
  readonly cluster: Cluster;
  readonly told = new Map<string, Map<string, unknown>>();
  readonly left: unknown[] = [];

  constructor(broker: Broker, nodeLease: number) {
    this.cluster = createCluster({
      broker,
      topics: { "room/*": { presence: true } },
      checkInterval: 200,
      nodeLease,
      log: () => {},
    });
    afterwards(() => this.cluster.close());
    for (const topic of topics) void this.#watch(topic);
  }

  /** Who is in the topic, by asking and by what was told; undefined while these differ. */
  async namesIn(topic: string): Promise<string | undefined> {
    const asked = (await this.cluster.presence(topic)).members.map(({ data }) => String(data)).sort();
    const told = [...this.told.get(topic)!.values()].map(String).sort();
    return asked.join() === told.join() ? asked.join() : undefined;
  }

  async #watch(topic: string): Promise<void> {
    const told = new Map<string, unknown>();
    this.told.set(topic, told);
    for await (const { event, id, data } of this.cluster.presenceChanges(topic)) {
      expect(told.has(id)).toBe(event !== "joined");
      if (event === "left") {
        told.delete(id);
        this.left.push(data);
      } else told.set(id, data);
    }
  }
}

/** Two nodes, whose connections come and go. */
export class PresenceTrial {
  readonly nodes: readonly PresenceTrialNode[];
  /** By connection: which topics it is in, with which data. */
  readonly truth = new Map<ServerConnection, Map<string, string>>();
  #made = 0;

  private constructor(nodes: readonly PresenceTrialNode[]) {
    this.nodes = nodes;
  }

  static async start(makeBroker: () => Broker): Promise<PresenceTrial> {
    const trial = new PresenceTrial([0, 1].map(() => new PresenceTrialNode(makeBroker(), 1000)));
    for (const { cluster } of trial.nodes) {
      const server = await serving({
        cluster,
        routes: { "/": { open: (connection) => void trial.truth.set(connection, new Map()) } },
      });
      for (let count = 0; count < 10; count++) {
        const client = await connect(`ws://127.0.0.1:${server.port}/`);
        afterwards(() => client.terminate());
      }
    }
    await eventually(() => trial.truth.size === 20);
    return trial;
  }

  /** Some join, some change and some leave, each differently each time. */
  move(): void {
    for (const [index, [connection, own]] of [...this.truth].entries()) {
      const topic = topics[(index + this.#made) % topics.length]!;
      const what = (index * 7 + this.#made++) % 5;
      if (what === 0) {
        connection.unsubscribe(topic);
        own.delete(topic);
      } else if (what < 3) {
        const data = `m${this.#made}`;
        connection.subscribe(topic, { presence: data });
        own.set(topic, data);
      }
    }
  }

  /** Every node knows who is there, whichever way it looks. */
  async settles(): Promise<void> {
    for (const topic of topics) {
      const there = [...this.truth.values()].flatMap((own) => own.get(topic) ?? []);
      for (const node of this.nodes) await eventually(async () => (await node.namesIn(topic)) === there.sort().join());
    }
  }

  /** They move before and after each of these; then all know who is there. */
  async through(faults: readonly (() => unknown)[]): Promise<void> {
    for (const fault of faults) {
      this.move();
      await fault();
    }
    this.move();
    await this.settles();
  }

  /** Resolves when every node has lost its connection by this. */
  async loses(fault: () => void): Promise<void> {
    const lost = this.nodes.map(({ cluster }) => cluster.metrics().disconnects);
    fault();
    this.move();
    await eventually(() => this.nodes.every(({ cluster }, index) => cluster.metrics().disconnects > lost[index]!));
  }
}

/** A broker that can be away, and for how long nodes hold their leases: longer than they take to come back to it. */
interface Away {
  readonly nodeLease: number;
  begin(): unknown;
  end(): unknown;
}

/** The broker is away for longer than leases: of those who are there nobody is told anything, and who has left is told of. */
export async function outlastsLeases(makeBroker: () => Broker, { nodeLease, begin, end }: Away): Promise<void> {
  const nodes = [0, 1].map(() => new PresenceTrialNode(makeBroker(), nodeLease));
  const leaving: (() => unknown)[] = [];
  for (const [index, { cluster }] of nodes.entries()) {
    const open = (connection: ServerConnection<unknown, { name: string }>) => {
      const { name } = connection.params;
      const subscription = connection.subscribe("room/1", { presence: name });
      if (name === "leaving-0") leaving.push(() => subscription.unsubscribe());
    };
    const server = await serving({ cluster, routes: { "/:name": { open } } });
    for (const name of ["staying", "leaving"]) {
      const client = await connect(`ws://127.0.0.1:${server.port}/${name}-${index}`);
      afterwards(() => client.terminate());
    }
  }
  const told = () => nodes.map((node) => node.told.get("room/1")!.size);
  await eventually(() => told().join() === "4,4");
  // A machine under load may have taken longer than a lease to begin: that is not what is looked at.
  for (const node of nodes) node.left.length = 0;
  await begin();
  await eventually(() => nodes.every(({ cluster }) => cluster.state === "disconnected"));
  await sleep(2 * nodeLease);
  for (const leave of leaving) leave();
  await end();
  await eventually(() => told().join() === "3,3");
  for (const { cluster } of nodes) await eventually(async () => (await cluster.presence("room/1")).complete);
  await sleep(nodeLease);
  for (const { left } of nodes) expect(left).toEqual(["leaving-0"]);
}

/** One of two nodes in processes of their own is killed: its members leave where it is watched, and the other's stay. */
export async function killOneOfTwo(
  watching: PresenceTrialNode,
  { broker, port, nodeLease }: { broker: "redis" | "nats"; port: number; nodeLease: number },
): Promise<void> {
  const [killed, other] = [0, 1].map(() => startChild("./presence-process.ts", [broker, `${port}`, `${nodeLease}`]));
  const ports = [await killed!.told<number>(), await other!.told<number>()];
  for (let number = 0; number < 100; number++) {
    const name = `${number % 2 === 0 ? "killed" : "other"}-${number}`;
    const member = await connect(`ws://127.0.0.1:${ports[number % 2]}/${name}`);
    afterwards(() => member.terminate());
  }
  const told = watching.told.get("room/1")!;
  await eventually(() => told.size === 100);
  await eventually(async () => (await watching.cluster.presence("room/1")).members.length === 100);
  killed!.process.kill("SIGKILL");
  await eventually(() => told.size === 50 && [...told.values()].every((name) => String(name).startsWith("other")));
  expect(new Set(watching.left).size).toBeGreaterThanOrEqual(50);
  await eventually(async () => {
    const { members, complete, silent } = await watching.cluster.presence("room/1");
    return members.length === 50 && complete && silent.length === 0;
  });
}
