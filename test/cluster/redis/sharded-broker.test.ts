/** Several servers as one broker: by the names of topics, and as a Redis Cluster. */
import { Redis } from "ioredis";
import { afterAll, afterEach, expect, test } from "vitest";
import { createCluster } from "../../../src/cluster/cluster.ts";
import { highest } from "../../../src/cluster/redis/layouts.ts";
import { redisBroker } from "../../../src/cluster/redis/redis-broker.ts";
import { slotOf } from "../../../src/cluster/redis/slots.ts";
import { Trial } from "../../support/cluster-trial.ts";
import { eventually } from "../../support/eventually.ts";
import { describeWith } from "../../support/real-parts.ts";
import { redisClients } from "../../support/redis-clients.ts";
import { RedisCluster } from "../../support/redis-cluster.ts";
import { RedisServer } from "../../support/redis-server.ts";
import { brokerTests } from "../broker/broker-contract.ts";

type Client = keyof typeof redisClients;

test.each([
  ["123456789", 0x31c3],
  ["foo", 12_182],
  ["{user1000}.following", slotOf("user1000")],
  ["foo{}{bar}", slotOf("foo{}{bar}")],
  ["{a}{b}", slotOf("a")],
])("the slot of %j is that of the specification", (key, slot) => {
  expect(slotOf(key)).toBe(slot % 16_384);
});

test("one server more takes topics, and moves none between the others", () => {
  const topics = Array.from({ length: 3000 }, (_, index) => `room/${index}`);
  const before = topics.map((topic) => highest(["0", "1", "2"], topic));
  const after = topics.map((topic) => highest(["0", "1", "2", "3"], topic));
  const moved = topics.filter((_, index) => before[index] !== after[index]);
  expect(new Set(moved.map((topic) => after[topics.indexOf(topic)]))).toEqual(new Set(["3"]));
  for (const name of ["0", "1", "2", "3"]) expect(after.filter((one) => one === name).length).toBeGreaterThan(500);
});

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

describeWith("redis-server", "two servers", (executable) => {
  let servers: readonly RedisServer[] = [];
  afterAll(() => Promise.all(servers.map((server) => server.stop())));

  brokerTests("share the topics", async () => {
    servers = await Promise.all([RedisServer.start(executable), RedisServer.start(executable)]);
    const clients = servers.map(({ port }) => redisClients.redis(port));
    return { make: () => redisBroker(clients, { prefix: "test" }) };
  });

  test("one of which is killed: it is down until both are back, and nothing is lost", async () => {
    const own = await Promise.all([RedisServer.start(executable), RedisServer.start(executable)]);
    ends.push(() => Promise.all(own.map((server) => server.stop())));
    const broker = () => redisBroker(own.map(({ port }) => redisClients.ioredis(port)));
    const made = new Trial([broker(), broker()]);
    ends.push(() => made.close());
    for (const server of own) {
      await made.more(50);
      await server.kill();
      await eventually(() => made.nodes.every(({ state }) => state === "disconnected"));
      await server.restart();
    }
    await made.more(50);
    await made.finish();
    expect(made.gaps).toEqual([]);
  });
});

describeWith("redis-server", "a Redis Cluster of three", (executable) => {
  let cluster: RedisCluster;
  let starting: Promise<RedisCluster> | undefined;
  const start = async () => {
    starting ??= RedisCluster.start(executable);
    cluster = await starting;
  };
  afterAll(() => cluster?.stop());

  for (const name of Object.keys(redisClients) as Client[]) {
    brokerTests(`by ${name}`, async () => {
      await start();
      const client = redisClients[name](cluster.servers[0]!.port);
      return { make: () => redisBroker(client, { prefix: `test-${name}`, cluster: true }) };
    });

    test(`a slot moves under load: who listens reads what it missed, by ${name}`, async () => {
      await start();
      const [first] = cluster.servers;
      const options = { prefix: `move-${name}`, cluster: true };
      const broker = () => redisBroker(redisClients[name](first!.port), options);
      const made = new Trial([broker(), broker()]);
      ends.push(() => made.close());
      await made.more(50);
      await moveSlot(cluster, "log/faults");
      await made.more(100);
      await made.finish();
      expect(made.gaps).toEqual([]);
    });
  }

  test("is refused where it is not said, and one server where a cluster is meant", async () => {
    await start();
    const single = await RedisServer.start(executable);
    ends.push(() => single.stop());
    for (const [port, isCluster] of [
      [cluster.servers[0]!.port, false],
      [single.port, true],
    ] as const) {
      const node = createCluster({
        broker: redisBroker(redisClients.ioredis(port), { cluster: isCluster }),
        log: () => {},
      });
      await expect(node.ready).rejects.toMatchObject({ code: "refused" });
      await node.close();
    }
  });

  test("spreads topics over its servers", async () => {
    await start();
    const broker = redisBroker(redisClients.redis(cluster.servers[1]!.port), { prefix: "spread", cluster: true });
    const node = createCluster({ broker, topics: { "log/*": { history: { size: 5 } } } });
    await node.ready;
    await Promise.all(Array.from({ length: 60 }, (_, index) => node.publish(`log/${index}`, "x")));
    await node.close();
    for (const { port } of cluster.servers) {
      const client = new Redis({ port });
      expect((await client.keys("spread:*:l")).length).toBeGreaterThan(5);
      client.disconnect();
    }
  });
});

/** Moves the slot of a topic, with what is in it, to another server. */
async function moveSlot({ servers }: RedisCluster, topic: string): Promise<void> {
  const slot = `${slotOf(topic)}`;
  const clients = servers.map(({ port }) => new Redis({ port }));
  const ids = await Promise.all(clients.map(async (client) => String(await client.call("CLUSTER", "MYID"))));
  const ranges = (await clients[0]!.call("CLUSTER", "SLOTS")) as [number, number, [string, number, string]][];
  const owner = ranges.find(([first, last]) => first <= Number(slot) && Number(slot) <= last)![2][2];
  const from = ids.indexOf(owner);
  const to = (from + 1) % servers.length;
  await clients[to]!.call("CLUSTER", "SETSLOT", slot, "IMPORTING", ids[from]!);
  await clients[from]!.call("CLUSTER", "SETSLOT", slot, "MIGRATING", ids[to]!);
  for (;;) {
    const keys = (await clients[from]!.call("CLUSTER", "GETKEYSINSLOT", slot, "100")) as string[];
    if (keys.length === 0) break;
    await clients[from]!.call("MIGRATE", "127.0.0.1", `${servers[to]!.port}`, "", "0", "5000", "KEYS", ...keys);
  }
  for (const index of [to, from, 3 - to - from])
    await clients[index]!.call("CLUSTER", "SETSLOT", slot, "NODE", ids[to]!);
  for (const client of clients) client.disconnect();
}
