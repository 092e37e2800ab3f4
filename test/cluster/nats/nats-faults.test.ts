/** Nodes over a real NATS that is killed, stopped and cut off while they publish: what is lost is said, nothing else is. */

import { once } from "node:events";
import { connect as connectSocket, createServer, type Socket } from "node:net";
import { connect } from "@nats-io/transport-node";
import { afterEach, expect, test } from "vitest";
import { natsBroker } from "../../../src/cluster/nats/nats-broker.ts";
import { Trial } from "../../support/cluster-trial.ts";
import { eventually } from "../../support/eventually.ts";
import { NatsServer } from "../../support/nats-server.ts";
import { describeWith } from "../../support/real-parts.ts";

const ends: (() => unknown)[] = [];

afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

describeWith("nats-server", "a NATS under load", (executable) => {
  async function trial(): Promise<{ server: NatsServer; made: Trial; cut: () => void }> {
    const server = await NatsServer.start(executable);
    ends.push(() => server.stop());
    const { port, cut } = await relay(server.port);
    const broker = () => natsBroker(connect, { port, timeout: 1000 }, { probeInterval: 1000 });
    const made = new Trial([broker(), broker()]);
    ends.push(() => made.close());
    await made.more(50);
    return { server, made, cut };
  }

  test("killed three times with its data kept: nothing is lost, doubled or out of order", async () => {
    const { server, made } = await trial();
    for (let round = 0; round < 3; round++) {
      await server.kill();
      await server.restart();
      await made.more(100);
    }
    await made.finish();
    expect(made.gaps).toEqual([]);
  });

  test("killed three times with its data lost: nothing is missing but at a gap", async () => {
    const { server, made } = await trial();
    for (let round = 0; round < 3; round++) {
      await server.kill({ lose: true });
      await server.restart();
      await made.more(100);
    }
    await made.finish();
    expect(made.gaps.length).toBeGreaterThanOrEqual(2);
    expect(new Set(made.gaps)).toEqual(new Set(["epoch"]));
  });

  test("all connections cut again and again: nothing is missed", async () => {
    const { made, cut } = await trial();
    for (let round = 0; round < 10; round++) {
      cut();
      await made.more(50);
    }
    await made.finish();
    expect(made.gaps).toEqual([]);
  });

  test("stopped for longer than it is waited for: connected to anew, and nothing is missed", async () => {
    const { server, made } = await trial();
    server.signal("SIGSTOP");
    const lost = made.nodes.map((node) => node.metrics().disconnects);
    await eventually(() => made.nodes.every((node, index) => node.metrics().disconnects > lost[index]!));
    server.signal("SIGCONT");
    await made.more(100);
    await made.finish();
    expect(made.gaps).toEqual([]);
  });

  test("back with an old state, its numbers given again: every node tells of it, and nothing comes twice", async () => {
    const { server, made } = await trial();
    await server.kill();
    server.remember();
    await server.restart();
    await made.more(100);
    await made.heardNewest();
    await server.killAndRestore();
    await server.restart();
    await made.more(300);
    await made.finish();
    for (const heard of made.heard) expect(heard.some((one) => "gap" in one)).toBe(true);
    expect(made.gaps).toContain("fork");
  });
});

/** Passes connections on, all of which can be cut at once. */
async function relay(target: number): Promise<{ port: number; cut: () => void }> {
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    const far = connectSocket(target, "127.0.0.1");
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(one);
      one.setNoDelay(true).pipe(other);
      one
        .on("error", () => {})
        .on("close", () => {
          sockets.delete(one);
          other.destroy();
        });
    }
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const cut = () => {
    for (const socket of sockets) socket.resetAndDestroy();
  };
  ends.push(() => {
    server.close();
    cut();
  });
  return { port: (server.address() as { port: number }).port, cut };
}
