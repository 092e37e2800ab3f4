/**
 * Nodes at different servers of a NATS cluster, which are killed, stopped and started anew while the nodes publish: what most
 * of the servers have acknowledged is not lost, and nobody is told of a gap.
 * All but the first of these take minutes together.
 */
import { connect } from "@nats-io/transport-node";
import { expect, test } from "vitest";
import type { Broker } from "../../../src/cluster/broker/broker.ts";
import { natsBroker } from "../../../src/cluster/nats/nats-broker.ts";
import { Trial } from "../../support/cluster-trial.ts";
import { NatsCluster } from "../../support/nats-cluster.ts";
import type { NatsServer } from "../../support/nats-server.ts";
import { PresenceTrial } from "../../support/presence-trial.ts";
import { describeWith } from "../../support/real-parts.ts";
import { afterwards } from "../../support/serving.ts";

/** The stream of the trial's topic, and that of who is there. */
const [stream, presence] = ["openline_5000", "openline_presence"];

const rare = { tags: "rare" };

describeWith("nats-server", "a cluster of three NATS servers under load", (executable) => {
  async function started(): Promise<{ cluster: NatsCluster; brokers: () => Broker[]; broker: () => Broker }> {
    const cluster = await NatsCluster.start(executable);
    afterwards(() => cluster.stop());
    let made = 0;
    const broker = () => {
      const servers = cluster.addresses(made++ % cluster.servers.length);
      const connection = { servers, noRandomize: true, timeout: 1000 };
      return natsBroker(connect, connection, { replicas: 3, probeInterval: 1000 });
    };
    return { cluster, broker, brokers: () => cluster.servers.map(broker) };
  }

  async function begin(): Promise<{ cluster: NatsCluster; made: Trial }> {
    const { cluster, brokers } = await started();
    const made = new Trial(brokers());
    afterwards(() => made.close());
    await made.more(50);
    return { cluster, made };
  }

  async function ends(made: Trial): Promise<void> {
    await made.more(100);
    await made.finish();
    expect(made.gaps).toEqual([]);
  }

  type Chosen = "leader" | "other";
  const chosen = async (cluster: NatsCluster, which: Chosen, of = stream): Promise<NatsServer> => {
    const { leader, others } = await cluster.leaderOf(of);
    return which === "leader" ? leader : others[0]!;
  };

  async function killed(which: Chosen): Promise<void> {
    const { cluster, made } = await begin();
    const server = await chosen(cluster, which);
    await server.kill();
    await made.more(100);
    await server.restart();
    await ends(made);
  }

  test("the leader of the stream is killed, and comes back: nothing is lost", () => killed("leader"));
  test("another server is killed, and comes back: nothing is lost", rare, () => killed("other"));

  test("one after the other is killed, and comes back: nothing is lost", rare, async () => {
    const { cluster, made } = await begin();
    for (const server of cluster.servers) {
      await server.kill();
      await made.more(100);
      await server.restart();
      await made.more(100);
    }
    await ends(made);
  });

  test("one comes back without its data, and gets it of the others: nothing is lost", rare, async () => {
    const { cluster, made } = await begin();
    const server = await chosen(cluster, "leader");
    await server.kill({ lose: true });
    await made.more(100);
    await server.restart();
    await cluster.isWhole(stream);
    const { others } = await cluster.leaderOf(stream);
    const next = others.find((other) => other !== server)!;
    await next.kill();
    await made.more(100);
    await next.restart();
    await ends(made);
  });

  test.each(["leader", "other"] as const)(
    "a server, the %s of the stream, is stopped and goes on: nothing is lost",
    rare,
    async (which) => {
      const { cluster, made } = await begin();
      const server = await chosen(cluster, which);
      server.signal("SIGSTOP");
      await made.more(100);
      server.signal("SIGCONT");
      await ends(made);
    },
  );

  test("two are killed: publications wait for one of them, and nothing is lost", rare, async () => {
    const { cluster, made } = await begin();
    const { leader, others } = await cluster.leaderOf(stream);
    await leader.kill();
    await others[0]!.kill();
    await others[0]!.restart();
    await made.more(100);
    await leader.restart();
    await ends(made);
  });

  test("all are killed at once, and come back: nothing is lost", rare, async () => {
    const { cluster, made } = await begin();
    for (let round = 0; round < 2; round++) {
      await Promise.all(cluster.servers.map((server) => server.kill()));
      await Promise.all(cluster.servers.map((server) => server.restart()));
      await made.more(100);
    }
    await ends(made);
  });

  test("who is there is known through kills and stops", rare, async () => {
    const { cluster, broker } = await started();
    const trial = await PresenceTrial.start(broker);
    await trial.through([]);
    for (const which of ["leader", "other"] as const) {
      const server = await chosen(cluster, which, presence);
      await trial.through([() => server.kill(), () => server.restart()]);
      await trial.through([() => server.signal("SIGSTOP")]);
      await trial.through([() => server.signal("SIGCONT")]);
    }
    await Promise.all(cluster.servers.map((server) => server.kill()));
    await trial.through([() => Promise.all(cluster.servers.map((server) => server.restart()))]);
  });
});
