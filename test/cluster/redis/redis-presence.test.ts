/** Who is there over a real Redis that is killed, stopped and cut off, and with nodes that are killed. */
import { Redis } from "ioredis";
import { expect, test } from "vitest";
import type { Broker } from "../../../src/cluster/broker/broker.ts";
import { redisBroker } from "../../../src/cluster/redis/redis-broker.ts";
import { eventually } from "../../support/eventually.ts";
import { killOneOfTwo, outlastsLeases, PresenceTrial, PresenceTrialNode } from "../../support/presence-trial.ts";
import { describeWith } from "../../support/real-parts.ts";
import { redisClients } from "../../support/redis-clients.ts";
import { RedisServer } from "../../support/redis-server.ts";
import { afterwards } from "../../support/serving.ts";

const brokerOf = (port: number, client: keyof typeof redisClients): Broker =>
  redisBroker(redisClients[client](port), { probeInterval: 400 });

describeWith("redis-server", "presence over Redis", (executable) => {
  async function redis(): Promise<RedisServer> {
    const server = await RedisServer.start(executable);
    afterwards(() => server.stop());
    return server;
  }

  for (const client of Object.keys(redisClients) as (keyof typeof redisClients)[]) {
    test(`who is there is known through kills, losses, stops and cuts, by ${client}`, async () => {
      const server = await redis();
      const trial = await PresenceTrial.start(() => brokerOf(server.port, client));
      const kill = () => server.kill();
      const restart = () => server.restart();
      await trial.through([]);
      await trial.through([kill, restart, kill, restart]);
      await trial.through([() => server.kill({ lose: true }), restart]);

      server.remember();
      for (let count = 0; count < 5; count++) trial.move();
      await trial.through([() => server.killAndRestore(), restart]);

      const killer = new Redis({ port: server.port });
      afterwards(() => killer.disconnect());
      const kills = ["normal", "pubsub", "normal"].map(
        (type) => () => killer.call("CLIENT", "KILL", "TYPE", type, "SKIPME", "yes"),
      );
      await trial.through(kills);

      await trial.loses(() => server.signal("SIGSTOP"));
      await trial.through([() => server.signal("SIGCONT")]);
    });
  }

  test("the members of a node that is killed have left after its lease, and the others are still there", async () => {
    const { port } = await redis();
    const nodeLease = 1500;
    const watching = new PresenceTrialNode(brokerOf(port, "ioredis"), nodeLease);
    await killOneOfTwo(watching, { broker: "redis", port, nodeLease });
  });

  test("a server that is away for longer than leases takes nobody away who is there", async () => {
    const server = await redis();
    await outlastsLeases(() => brokerOf(server.port, "ioredis"), {
      nodeLease: 3000,
      begin: () => server.kill(),
      end: () => server.restart(),
    });
  });

  test("a server that is stopped for longer than leases takes nobody away who is there", async () => {
    const server = await redis();
    const begin = () => server.signal("SIGSTOP");
    await outlastsLeases(() => brokerOf(server.port, "ioredis"), {
      nodeLease: 3000,
      begin,
      end: () => server.signal("SIGCONT"),
    });
  });

  test("a server that has just begun says that it may not know all", async () => {
    const { port } = await redis();
    const { cluster } = new PresenceTrialNode(brokerOf(port, "redis"), 60_000);
    await cluster.ready;
    expect(await cluster.presence("room/1")).toEqual({ members: [], complete: false, silent: [] });
  });

  test("a member that is no JSON, as a stranger may have written it, takes nobody else away", async () => {
    const { port } = await redis();
    const { cluster, told } = new PresenceTrialNode(brokerOf(port, "redis"), 500);
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
