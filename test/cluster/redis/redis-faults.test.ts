/** Nodes over a real Redis that is killed, stopped and cut off while they publish: what is lost is said, nothing else is. */
import { Redis } from "ioredis";
import { expect, test } from "vitest";
import { createCluster } from "../../../src/cluster/cluster.ts";
import { redisBroker } from "../../../src/cluster/redis/redis-broker.ts";
import { publishScript } from "../../../src/cluster/redis/scripts.ts";
import { faultTests } from "../../support/broker-faults.ts";
import { eventually } from "../../support/eventually.ts";
import { HoldingProxy } from "../../support/holding-proxy.ts";
import { describeWith } from "../../support/real-parts.ts";
import { redisClients } from "../../support/redis-clients.ts";
import { RedisServer } from "../../support/redis-server.ts";
import { afterwards } from "../../support/serving.ts";

type Client = keyof typeof redisClients;

const late = "log/late";

describeWith("redis-server", "a Redis under load", (executable) => {
  for (const client of Object.keys(redisClients) as Client[]) {
    faultTests(`, by ${client}`, async () => {
      const server = await RedisServer.start(executable);
      afterwards(() => server.stop());
      return {
        server,
        broker: () => redisBroker(redisClients[client](server.port), { probeInterval: 400 }),
        cut: async () => {
          const killer = new Redis({ port: server.port });
          for (const type of ["normal", "pubsub"]) await killer.call("CLIENT", "KILL", "TYPE", type, "SKIPME", "yes");
          killer.disconnect();
        },
      };
    });

    test(`cut off while it publishes: what arrives late is not stored a second time, by ${client}`, async () => {
      const { proxy } = await heldServer();
      const cluster = createCluster({
        broker: redisBroker(redisClients[client](proxy.port), { probeInterval: 200 }),
        topics: { "log/*": { history: { size: 5000 } } },
        publishTimeout: 30_000,
        log: () => {},
      });
      afterwards(() => cluster.close());
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
    afterwards(() => [first, second].map((connection) => connection!.disconnect()));
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
    afterwards(() => server.stop());
    afterwards(() => proxy.close());
    return { server, proxy };
  }
});
