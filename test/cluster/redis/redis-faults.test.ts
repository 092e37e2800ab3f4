/** Nodes over a real Redis that is killed, stopped and cut off while they publish: what is lost is said, nothing else is. */
import { Redis } from "ioredis";
import { afterEach, expect, test } from "vitest";
import { createCluster } from "../../../src/cluster/cluster.ts";
import { redisBroker } from "../../../src/cluster/redis/redis-broker.ts";
import { publishScript } from "../../../src/cluster/redis/scripts.ts";
import { Trial } from "../../support/cluster-trial.ts";
import { eventually } from "../../support/eventually.ts";
import { HoldingProxy } from "../../support/holding-proxy.ts";
import { describeWith } from "../../support/real-parts.ts";
import { redisClients } from "../../support/redis-clients.ts";
import { RedisServer } from "../../support/redis-server.ts";

type Client = keyof typeof redisClients;

const late = "log/late";
const ends: (() => unknown)[] = [];

afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

describeWith("redis-server", "a Redis under load", (executable) => {
  async function trial(client: Client): Promise<{ server: RedisServer; made: Trial }> {
    const server = await RedisServer.start(executable);
    ends.push(() => server.stop());
    const broker = () => redisBroker(redisClients[client](server.port), { probeInterval: 400 });
    const made = new Trial([broker(), broker()]);
    ends.push(() => made.close());
    await made.more(50);
    return { server, made };
  }

  for (const client of Object.keys(redisClients) as Client[]) {
    test(`killed three times with its data kept: nothing is lost, doubled or out of order, by ${client}`, async () => {
      const { server, made } = await trial(client);
      for (let round = 0; round < 3; round++) {
        await server.kill();
        await server.restart();
        await made.more(100);
      }
      await made.finish();
      expect(made.gaps).toEqual([]);
    });

    test(`killed three times with its data lost: nothing is missing but at a gap, by ${client}`, async () => {
      const { server, made } = await trial(client);
      for (let round = 0; round < 3; round++) {
        await server.kill({ lose: true });
        await server.restart();
        await made.more(100);
      }
      await made.finish();
      expect(made.gaps.length).toBeGreaterThanOrEqual(2);
      expect(new Set(made.gaps)).toEqual(new Set(["epoch"]));
    });

    test(`all connections killed again and again: nothing is missed, by ${client}`, async () => {
      const { server, made } = await trial(client);
      const killer = new Redis({ port: server.port });
      ends.push(() => killer.disconnect());
      for (let round = 0; round < 5; round++) {
        for (const type of ["normal", "pubsub"]) await killer.call("CLIENT", "KILL", "TYPE", type, "SKIPME", "yes");
        await made.more(50);
      }
      await made.finish();
      expect(made.gaps).toEqual([]);
    });

    test(`stopped for longer than it is waited for: connected to anew, and nothing is missed, by ${client}`, async () => {
      const { server, made } = await trial(client);
      server.signal("SIGSTOP");
      const lost = made.nodes.map((node) => node.metrics().disconnects);
      await eventually(() => made.nodes.every((node, index) => node.metrics().disconnects > lost[index]!));
      server.signal("SIGCONT");
      await made.more(100);
      await made.finish();
      expect(made.gaps).toEqual([]);
    });

    test(`back with an old state: every node tells of it, and nothing comes twice, by ${client}`, async () => {
      const { server, made } = await trial(client);
      server.remember();
      await made.more(100);
      await made.heardNewest();
      await server.killAndRestore();
      await server.restart();
      await made.more(100);
      await made.finish();
      for (const heard of made.heard) expect(heard.some((one) => "gap" in one)).toBe(true);
      expect(made.gaps).toContain("fork");
    });

    test(`cut off while it publishes: what arrives late is not stored a second time, by ${client}`, async () => {
      const { proxy } = await heldServer();
      const cluster = createCluster({
        broker: redisBroker(redisClients[client](proxy.port), { probeInterval: 200 }),
        topics: { "log/*": { history: { size: 5000 } } },
        publishTimeout: 30_000,
        log: () => {},
      });
      ends.push(() => cluster.close());
      await cluster.publish(late, "0");
      proxy.hold();
      await cluster.publish(late, "1");
      await proxy.release();
      await cluster.publish(late, "2");
      const { messages } = await cluster.history(late);
      expect(messages.map(({ data }) => String(data))).toEqual(["0", "1", "2"]);
    });
  }

  test("control: what arrives late over a connection that the server still has is stored a second time", async () => {
    const { server, proxy } = await heldServer();
    const [first, second] = [proxy, server].map(({ port }) => new Redis({ port }));
    ends.push(() => [first, second].map((connection) => connection!.disconnect()));
    await Promise.all([first!.ping(), second!.ping()]);
    const publish = (connection: Redis, retryAfter: string) => {
      const limits = ["channel", "5000", "300000", "300000", "epoch", retryAfter, "PUBLISH", "id", "payload", "0"];
      return connection.eval(publishScript.text, 2, "log", "meta", ...limits);
    };
    proxy.hold();
    publish(first!, "").catch(() => {});
    await eventually(() => proxy.held > 0);
    await publish(second!, "100");
    await proxy.release();
    expect(await second!.llen("log")).toBe(2);
  });

  async function heldServer(): Promise<{ readonly server: RedisServer; readonly proxy: HoldingProxy }> {
    const server = await RedisServer.start(executable);
    const proxy = await HoldingProxy.start(server.port);
    ends.push(
      () => server.stop(),
      () => proxy.close(),
    );
    return { server, proxy };
  }
});
