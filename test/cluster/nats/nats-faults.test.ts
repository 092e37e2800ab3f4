/** Nodes over a real NATS that is killed, stopped and cut off while they publish: what is lost is said, nothing else is. */
import { connect } from "@nats-io/transport-node";
import { natsBroker } from "../../../src/cluster/nats/nats-broker.ts";
import { faultTests } from "../../support/broker-faults.ts";
import { HoldingProxy } from "../../support/holding-proxy.ts";
import { NatsServer } from "../../support/nats-server.ts";
import { describeWith } from "../../support/real-parts.ts";
import { afterwards } from "../../support/serving.ts";

describeWith("nats-server", "a NATS under load", (executable) => {
  faultTests("", async () => {
    const server = await NatsServer.start(executable);
    const proxy = await HoldingProxy.start(server.port);
    afterwards(() => server.stop());
    afterwards(() => proxy.close());
    const { port } = proxy;
    return {
      server,
      broker: () => natsBroker(connect, { port, timeout: 1000 }, { probeInterval: 1000 }),
      cut: () => proxy.cut(),
    };
  });
});
