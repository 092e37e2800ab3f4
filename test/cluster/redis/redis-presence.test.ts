/** Who is there over a real Redis that is killed, stopped and cut off, and with nodes that are killed. */
import { Redis } from "ioredis";
import { expect, test } from "vitest";
import { connect } from "../../../src/client/connect.ts";
import { type Cluster, createCluster } from "../../../src/cluster/cluster.ts";
import { redisBroker } from "../../../src/cluster/redis/redis-broker.ts";
import type { ServerConnection } from "../../../src/server/server-connection.ts";
import { eventually } from "../../support/eventually.ts";
import { describeWith } from "../../support/real-parts.ts";
import { redisClients } from "../../support/redis-clients.ts";
import { RedisServer } from "../../support/redis-server.ts";
import { afterwards, serving, startChild } from "../../support/serving.ts";

const topics = ["room/1", "room/2", "room/3"];

/** A node that knows who is in each topic by asking, and by watching. */
class Node {
  readonly cluster: Cluster;
  readonly told = new Map<string, Map<string, unknown>>();
  readonly left: unknown[] = [];

  constructor(port: number, client: keyof typeof redisClients, nodeLease: number) {
    this.cluster = createCluster({
      broker: redisBroker(redisClients[client](port), { probeInterval: 400 }),
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
class Trial {
  readonly nodes: readonly Node[];
  /** By connection: which topics it is in, with which data. */
  readonly truth = new Map<ServerConnection, Map<string, string>>();
  #made = 0;

  private constructor(nodes: readonly Node[]) {
    this.nodes = nodes;
  }

  static async start(port: number, client: keyof typeof redisClients): Promise<Trial> {
    const trial = new Trial([new Node(port, client, 1000), new Node(port, client, 1000)]);
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
}

describeWith("redis-server", "presence over Redis", (executable) => {
  async function redis(): Promise<RedisServer> {
    const server = await RedisServer.start(executable);
    afterwards(() => server.stop());
    return server;
  }

  for (const client of Object.keys(redisClients) as (keyof typeof redisClients)[]) {
    test(`who is there is known through kills, losses, stops and cuts, by ${client}`, async () => {
      const server = await redis();
      const trial = await Trial.start(server.port, client);
      trial.move();
      await trial.settles();

      for (let round = 0; round < 2; round++) {
        trial.move();
        await server.kill();
        trial.move();
        await server.restart();
        trial.move();
      }
      await trial.settles();

      trial.move();
      await server.kill({ lose: true });
      trial.move();
      await server.restart();
      trial.move();
      await trial.settles();

      server.remember();
      for (let count = 0; count < 5; count++) trial.move();
      await server.killAndRestore();
      trial.move();
      await server.restart();
      await trial.settles();

      const killer = new Redis({ port: server.port });
      afterwards(() => killer.disconnect());
      for (const type of ["normal", "pubsub", "normal"]) {
        trial.move();
        await killer.call("CLIENT", "KILL", "TYPE", type, "SKIPME", "yes");
        trial.move();
      }
      await trial.settles();

      const lost = trial.nodes.map(({ cluster }) => cluster.metrics().disconnects);
      server.signal("SIGSTOP");
      trial.move();
      await eventually(() => trial.nodes.every(({ cluster }, index) => cluster.metrics().disconnects > lost[index]!));
      trial.move();
      server.signal("SIGCONT");
      await trial.settles();
    });
  }

  test("the members of a node that is killed have left after its lease, and the others are still there", async () => {
    const { port } = await redis();
    const nodeLease = 1500;
    const watching = new Node(port, "ioredis", nodeLease);
    const [killed, other] = [0, 1].map(() => startChild("./presence-process.ts", [`${port}`, `${nodeLease}`]));
    const ports = [await killed!.told<number>(), await other!.told<number>()];
    for (let number = 0; number < 100; number++) {
      const member = await connect(
        `ws://127.0.0.1:${ports[number % 2]}/${number % 2 === 0 ? "killed" : "other"}-${number}`,
      );
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
  });

  test("a server that has just begun says that it may not know all", async () => {
    const { port } = await redis();
    const { cluster } = new Node(port, "redis", 60_000);
    await cluster.ready;
    expect(await cluster.presence("room/1")).toEqual({ members: [], complete: false, silent: [] });
  });

  test("a member that is no JSON, as a stranger may have written it, takes nobody else away", async () => {
    const { port } = await redis();
    const { cluster, told } = new Node(port, "redis", 500);
    await cluster.ready;
    const stranger = new Redis({ port });
    afterwards(() => stranger.disconnect());
    await eventually(async () => (await stranger.hlen("openline:{nodes}")) === 2);
    const [lease = ""] = (await stranger.hkeys("openline:{nodes}")).filter((name) => name !== "");
    await stranger.hset(
      "openline:{room/1}:p",
      "",
      "5",
      "n/1",
      `${lease} {`,
      "n/2",
      `${lease} "ada"`,
      "n/3",
      "",
      "x",
      " ",
    );
    await eventually(() => told.get("room/1")!.size === 2);
    expect((await cluster.presence("room/1")).members).toEqual([
      { id: "n/1", data: undefined },
      { id: "n/2", data: "ada" },
    ]);
  });
});
