import { connect } from "@nats-io/transport-node";
import { afterAll } from "vitest";
import { natsBroker } from "../../../src/cluster/nats/nats-broker.ts";
import { NatsServer } from "../../support/nats-server.ts";
import { describeWith } from "../../support/real-parts.ts";
import { brokerTests } from "../broker/broker-contract.ts";

describeWith("nats-server", "NATS", (executable) => {
  let server: NatsServer | undefined;
  afterAll(() => server?.stop());

  brokerTests(
    "the broker over it",
    async () => {
      server ??= await NatsServer.start(executable);
      const { port } = server;
      return { make: () => natsBroker(() => connect({ port, reconnect: false }), { prefix: "test" }) };
    },
    { presence: false },
  );
});
