/** Who is there over a real NATS that is killed and stopped, with nodes that are killed, and what its logs come to. */
import { connect, type NatsConnection } from "@nats-io/transport-node";
import { expect, test } from "vitest";
import type { Broker } from "../../../src/cluster/broker/broker.ts";
import type { PresenceStep, PresenceStore, StoredMember } from "../../../src/cluster/broker/presence-store.ts";
import { natsBroker } from "../../../src/cluster/nats/nats-broker.ts";
import { eventually } from "../../support/eventually.ts";
import { NatsServer } from "../../support/nats-server.ts";
import { killOneOfTwo, outlastsLeases, PresenceTrial, PresenceTrialNode } from "../../support/presence-trial.ts";
import { describeWith } from "../../support/real-parts.ts";
import { afterwards } from "../../support/serving.ts";

const brokerOf = (port: number): Broker => natsBroker(connect, { port, timeout: 1000 }, { probeInterval: 400 });

describeWith("nats-server", "presence over NATS", (executable) => {
  async function nats(settings = ""): Promise<NatsServer> {
    const server = await NatsServer.start(executable, settings);
    afterwards(() => server.stop());
    return server;
  }

  /** A node's store, and the steps that it tells. */
  async function storeAt(port: number): Promise<{ store: PresenceStore; steps: PresenceStep[] }> {
    const broker = brokerOf(port);
    afterwards(() => broker.close());
    const steps: PresenceStep[] = [];
    const presence = (_topic: string, step: PresenceStep) => void steps.push(step);
    await broker.connect({ message: () => {}, presence, state: () => {}, error: () => {} }, () => undefined);
    return { store: broker.presence!, steps };
  }

  async function strangerAt(port: number): Promise<NatsConnection> {
    const stranger = await connect({ port });
    afterwards(() => stranger.close());
    return stranger;
  }

  /** How many messages the stream has of a subject. */
  async function countOf(stranger: NatsConnection, subject: string): Promise<number> {
    const question = JSON.stringify({ subjects_filter: subject });
    const answer = await stranger.request("$JS.API.STREAM.INFO.openline_presence", question);
    return answer.json<{ state: { subjects?: Record<string, number> } }>().state.subjects?.[subject] ?? 0;
  }

  test("who is there is known through kills, losses, old states and stops", async () => {
    const server = await nats();
    const trial = await PresenceTrial.start(() => brokerOf(server.port));
    const kill = () => server.kill();
    const restart = () => server.restart();
    await trial.through([]);
    await trial.through([kill, restart, kill, restart]);
    await trial.through([() => server.kill({ lose: true }), restart]);
    await trial.through([kill, () => server.remember(), restart]);
    for (let count = 0; count < 5; count++) trial.move();
    await trial.through([() => server.killAndRestore(), restart]);
    await trial.loses(() => server.signal("SIGSTOP"));
    await trial.through([() => server.signal("SIGCONT")]);
  });

  test("the members of a node that is killed have left after its lease, and the others are still there", async () => {
    const { port } = await nats();
    const nodeLease = 1500;
    await killOneOfTwo(new PresenceTrialNode(brokerOf(port), nodeLease), { broker: "nats", port, nodeLease });
  });

  test("a server that is away for longer than leases takes nobody away who is there", async () => {
    const server = await nats();
    await outlastsLeases(() => brokerOf(server.port), {
      nodeLease: 3000,
      begin: () => server.kill(),
      end: () => server.restart(),
    });
  });

  test("a server that is stopped for longer than leases takes nobody away who is there", async () => {
    const server = await nats();
    const begin = () => server.signal("SIGSTOP");
    await outlastsLeases(() => brokerOf(server.port), { nodeLease: 3000, begin, end: () => server.signal("SIGCONT") });
  });

  test("a server that has just begun says that it may not know all", async () => {
    const { port } = await nats();
    const { cluster } = new PresenceTrialNode(brokerOf(port), 60_000);
    await cluster.ready;
    expect(await cluster.presence("room/1")).toEqual({ members: [], complete: false, silent: [] });
  });

  test("what a stranger may have written takes nobody away", async () => {
    const { port } = await nats();
    const { cluster, told } = new PresenceTrialNode(brokerOf(port), 500);
    await cluster.ready;
    const { store } = await storeAt(port);
    await eventually(async () => (await store.leases()).held.length === 1);
    const [lease = ""] = (await store.leases()).held;
    const stranger = await strangerAt(port);
    await stranger.request("openline.m.room=2F1", `x\nn/1 ${lease} {\nn/2 ${lease} "ada"\nn/3\n\n x y`);
    await stranger.request("openline.m.room=2F1", "");
    await stranger.request("openline.n", "x\nnobody\n? + much\n");
    await eventually(() => told.get("room/1")!.size === 2);
    expect((await cluster.presence("room/1")).members).toEqual([
      { id: "n/1", data: undefined },
      { id: "n/2", data: "ada" },
    ]);
  });

  // A message of this server's has room for a few members: what is written once more is in many pieces.
  test("a log that grows is shortened, and nobody who watches, writes or comes late is told otherwise", async () => {
    const { port } = await nats("max_payload: 4096");
    const [one, two, late] = [await storeAt(port), await storeAt(port), await storeAt(port)];
    const stranger = await strangerAt(port);
    await one.store.subscribe(["t"]);
    const there = new Map<string, string>();
    const write = async ({ store }: { store: PresenceStore }, name: string, count: number) => {
      for (let number = 0; number < count; number++) {
        const id = `${name}/${number % 30}`;
        const data = number % 5 === 4 ? undefined : JSON.stringify(`${number} ${"x".repeat(200)}`);
        await store.update("t", [{ id, lease: name, data }]);
        if (data === undefined) there.delete(id);
        else there.set(id, data);
      }
    };
    const reading = async () => {
      for (let count = 0; count < 40; count++) await late.store.read("t");
    };
    await Promise.all([write(one, "one", 250), write(two, "two", 250), reading()]);
    // Each of these counts, though it changes nothing.
    await eventually(async () => {
      await two.store.update("t", [{ id: "nobody/1", lease: "l", data: undefined }]);
      await late.store.read("t");
      return (await countOf(stranger, "openline.m.t")) < 150;
    });
    const expected = [...there].sort();
    const { version } = await one.store.read("t");
    for (const { store } of [one, two, late]) {
      const page = await store.read("t");
      expect(page.version).toBe(version);
      expect(namesOf(page.members!)).toEqual(expected);
    }
    const followed = new Map<string, StoredMember>();
    for (const [index, { prev, changes }] of one.steps.entries()) {
      expect(prev).toBe(one.steps[index - 1]?.version ?? 0);
      for (const { id, lease, data } of changes) {
        if (data === undefined) followed.delete(id);
        else followed.set(id, { id, lease, data });
      }
    }
    expect(namesOf([...followed.values()])).toEqual(expected);
  });

  test("the log of the leases is shortened, and leases go on as they were", async () => {
    const { port } = await nats();
    const [one, two] = [await storeAt(port), await storeAt(port)];
    const stranger = await strangerAt(port);
    await one.store.lease("long", 600_000, true);
    await one.store.lease("ended", 600_000, true);
    await one.store.lease("ended", 0, false);
    for (let count = 0; count < 150; count++) await two.store.lease("renewed", 600_000, count === 0);
    await eventually(async () => (await countOf(stranger, "openline.n")) < 100);
    const late = await storeAt(port);
    for (const { store } of [one, two, late])
      expect([...(await store.leases()).held].sort()).toEqual(["long", "renewed"]);
    expect(await late.store.lease("ended", 1000, false)).toBe(false);
    expect(await late.store.lease("long", 600_000, false)).toBe(true);
  });
});

function namesOf(members: readonly StoredMember[]): [string, string][] {
  return members.map(({ id, data }): [string, string] => [id, data]).sort();
}
