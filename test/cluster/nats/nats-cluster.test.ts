/** Three servers of NATS as one broker: its contract, for nodes at different servers. */

import { connect } from "@nats-io/transport-node";
import { afterAll, expect, test } from "vitest";
import { createCluster } from "../../../src/cluster/cluster.ts";
import { natsBroker } from "../../../src/cluster/nats/nats-broker.ts";
import { NatsCluster } from "../../support/nats-cluster.ts";
import { NatsServer } from "../../support/nats-server.ts";
import { describeWith } from "../../support/real-parts.ts";
import { brokerTests } from "../broker/broker-contract.ts";

const history = { size: 50, maxAge: 60_000 };

describeWith("nats-server", "a cluster of three NATS servers", (executable) => {
  let cluster: NatsCluster | undefined;
  afterAll(() => cluster?.stop());

  brokerTests("each node at another server", async () => {
    cluster = await NatsCluster.start(executable);
    const { servers } = cluster;
    let made = 0;
    const make = () => {
      const { port } = servers[made++ % servers.length]!;
      return natsBroker(connect, { port }, { prefix: "test.contract", replicas: 3 });
    };
    return { make };
  });

  test("what is acknowledged is read at once, whichever server answers", async () => {
    const nodes = await Promise.all(
      cluster!.servers.map(async ({ port }) => {
        const broker = natsBroker(connect, { port }, { prefix: "read", replicas: 3 });
        await broker.connect({ message() {}, presence() {}, state() {}, error() {} }, () => history);
        return broker;
      }),
    );
    for (let round = 0; round < 30; round++) {
      const batch = [{ id: `n.${round}`, payload: new Uint8Array(1000) }];
      const [position] = await nodes[round % 3]!.publish("t", batch, { history, retryAfter: undefined });
      const pages = await Promise.all(nodes.map((node) => node.history!("t", undefined, 5)));
      for (const { last, entries } of pages)
        expect([last, entries.at(-1)!.id]).toEqual([position!.offset, batch[0]!.id]);
      const ends = await Promise.all(nodes.map((node) => node.positions!(["t"])));
      for (const [end] of ends) expect(end).toEqual(position);
    }
    await Promise.all(nodes.map((node) => node.close()));
  });

  test("a server without a cluster refuses to keep several copies", async () => {
    const single = await NatsServer.start(executable);
    const topics = { "log/*": { history: { size: 5 } } };
    const node = createCluster({
      broker: natsBroker(connect, { port: single.port }, { replicas: 3 }),
      topics,
      log: () => {},
    });
    await expect(node.publish("log/1", "x")).rejects.toMatchObject({ code: "refused" });
    await node.close();
    await single.stop();
  });
});
