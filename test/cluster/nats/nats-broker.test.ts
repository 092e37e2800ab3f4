import { connect } from "@nats-io/transport-node";
import { afterAll, afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Broker } from "../../../src/cluster/broker/broker.ts";
import { continuityOf, type LogPosition } from "../../../src/cluster/broker/entry.ts";
import { createCluster } from "../../../src/cluster/cluster.ts";
import { KeptStream } from "../../../src/cluster/nats/kept-stream.ts";
import { natsBroker } from "../../../src/cluster/nats/nats-broker.ts";
import { type NatsClient, NatsLink } from "../../../src/cluster/nats/nats-link.ts";
import { eventually } from "../../support/eventually.ts";
import { NatsServer } from "../../support/nats-server.ts";
import { describeWith } from "../../support/real-parts.ts";
import { brokerTests } from "../broker/broker-contract.ts";

const history = { size: 5, maxAge: 60_000 };

describeWith("nats-server", "NATS", (executable) => {
  let server: NatsServer | undefined;
  afterAll(() => server?.stop());

  brokerTests("the broker over it", async () => {
    server ??= await NatsServer.start(executable);
    const { port } = server;
    return { make: () => natsBroker(connect, { port }, { prefix: "test.contract" }) };
  });

  describe("a log", () => {
    const open: Broker[] = [];
    /** The offset of the newest message that came to each. */
    const heard = new Map<Broker, number>();
    let own: NatsServer;
    let ids = 0;
    beforeEach(async () => {
      own = await NatsServer.start(executable);
    });
    afterEach(async () => {
      await Promise.all(open.splice(0).map((broker) => broker.close()));
      await own.stop();
    });

    async function node(): Promise<Broker> {
      const broker = natsBroker(connect, { port: own.port });
      open.push(broker);
      const message = (_: string, { offset }: LogPosition) => heard.set(broker, offset);
      await broker.connect({ message, presence: () => {}, state: () => {}, error: () => {} }, () => history);
      return broker;
    }

    /** Asks until the server is there. */
    async function whenThere<Answer>(ask: () => Promise<Answer>): Promise<Answer> {
      for (;;) {
        try {
          return await ask();
        } catch (error) {
          expect(error).toMatchObject({ code: "unavailable" });
          await new Promise(setImmediate);
        }
      }
    }

    const publish = async (broker: Broker, topic: string, ids: readonly string[]): Promise<LogPosition> => {
      const batch = ids.map((id) => ({ id, payload: new TextEncoder().encode(id) }));
      return (await broker.publish(topic, batch, { history, retryAfter: undefined })).at(-1)!;
    };
    const newIds = (count: number) => Array.from({ length: count }, () => `n.${++ids}`);
    const read = async (broker: Broker, since: LogPosition) => {
      const page = await broker.history!("t", since, 100);
      return [continuityOf(page, since), ...page.entries.map(({ id }) => id)];
    };

    test("that grew beyond its size is trimmed for who was behind, and complete for who was at its start", async () => {
      const broker = await node();
      const start = await publish(broker, "t", ["a"]);
      expect(await read(broker, { ...start, offset: 0 })).toEqual(["complete", "a"]);
      await publish(broker, "t", ["b", "c", "d", "e", "f"]);
      expect(await read(broker, start)).toEqual(["complete", "b", "c", "d", "e", "f"]);
      expect(await read(broker, { ...start, offset: 0 })).toEqual(["trimmed", "b", "c", "d", "e", "f"]);
      await publish(broker, "t", ["g"]);
      expect(await read(broker, start)).toEqual(["trimmed", "c", "d", "e", "f", "g"]);
    });

    test("that lost its end is a fork for who was there, who gets what is stored then, and complete for who was before", async () => {
      const first = await node();
      const kept = await publish(first, "t", ["a", "b"]);
      await first.close();
      await own.kill();
      own.remember();
      await own.restart();
      const second = await node();
      const lost = await publish(second, "t", ["c", "d"]);
      await second.close();
      await own.killAndRestore();
      await own.restart();
      const third = await node();
      expect(await read(third, lost)).toEqual(["fork"]);
      // It knows nothing of what was lost, and has the same numbers given again.
      expect((await publish(third, "t", ["x"])).offset).toBeGreaterThan(lost.offset);
      expect(await read(third, lost)).toEqual(["fork", "x"]);
      await publish(third, "t", ["y", "z"]);
      expect(await read(third, lost)).toEqual(["fork", "x", "y", "z"]);
      expect(await read(third, kept)).toEqual(["complete", "x", "y", "z"]);
    });

    test("whose epoch ends while a message is on its way says where that is", async () => {
      const broker = await node();
      const batch = [{ id: "a", payload: new Uint8Array() }];
      const first = await broker.publish("t", batch, { history, retryAfter: undefined });
      for (let count = 0; count < 2; count++) {
        await broker.endEpoch!("t", (await broker.history!("t", undefined, 0)).epoch);
        expect(await broker.publish("t", batch, { history, retryAfter: 1000 })).toEqual(first);
      }
    });

    test.each([
      { knows: "published", isHeard: false },
      { knows: "heard", isHeard: true },
    ])(
      "that lost its end is ended before the next message, by a node that $knows what was lost",
      async ({ isHeard }) => {
        const [one, two] = [await node(), await node()];
        if (isHeard) await one.subscribe(["t"]);
        const kept = await publish(two, "t", ["a", "b"]);
        await own.kill();
        own.remember();
        await own.restart();
        if (isHeard) await whenThere(() => one.subscribe(["t"]));
        const lost = await whenThere(() => publish(isHeard ? two : one, "t", ["c", "d"]));
        await eventually(() => !isHeard || heard.get(one) === lost.offset);
        await own.killAndRestore();
        await own.restart();
        const again = await whenThere(() => publish(one, "t", ["e"]));
        expect(again.epoch).not.toBe(lost.epoch);
        expect(await read(one, lost)).toEqual(["epoch", "e"]);
        expect(await whenThere(() => read(two, kept))).toEqual(["epoch", "e"]);
        // What comes behind it stays in its epoch.
        expect((await publish(one, "t", ["f"])).epoch).toBe(again.epoch);
      },
    );

    test("that lost nothing goes on, whoever publishes after the server was killed", async () => {
      const [one, two] = [await node(), await node()];
      const first = await publish(one, "t", newIds(9));
      await publish(two, "t", newIds(9));
      await own.kill();
      await own.restart();
      // What the first one knows of was one too many meanwhile.
      const last = await whenThere(() => publish(one, "t", newIds(1)));
      expect(last.epoch).toBe(first.epoch);
    });

    test("whose messages were removed by hand is a fork, not complete", async () => {
      const broker = await node();
      await publish(broker, "other", ["a"]);
      const end = await publish(broker, "t", ["b"]);
      const operator = await connect({ port: own.port });
      const { streams } = (await operator.request("$JS.API.STREAM.NAMES")).json<{ streams: string[] }>();
      await operator.request(`$JS.API.STREAM.PURGE.${streams[0]}`, JSON.stringify({ filter: "openline.s.5.t.m" }));
      await operator.close();
      expect((await read(broker, end))[0]).toBe("fork");
    });

    test("is read whole while others trim it", async () => {
      const [one, two] = [await node(), await node()];
      let at = await publish(one, "t", newIds(1));
      let isOver = false;
      const publishing = (async () => {
        while (!isOver) await publish(two, "t", newIds(3));
      })();
      for (let count = 0; count < 50; count++) {
        const page = await one.history!("t", at, 3).catch((error: { code: string }) => error.code);
        if (page === "unavailable") continue;
        if (typeof page === "string") throw new Error(page);
        const numbers = page.entries.map(({ id }) => Number(id.slice(2)));
        for (const [index, number] of numbers.entries()) expect(number).toBe(numbers[0]! + index);
        at = { epoch: page.epoch, offset: page.entries.at(-1)?.offset ?? page.last };
      }
      isOver = true;
      await publishing;
    });

    test("begins another epoch in which a key is free again", async () => {
      const broker = await node();
      const keyed = async (id: string) => {
        const [position] = await broker.publish("t", [{ id, key: "job", payload: new Uint8Array() }], {
          history,
          retryAfter: undefined,
        });
        return position!;
      };
      const first = await keyed("a");
      await broker.endEpoch!("t", first.epoch);
      const second = await keyed("b");
      expect(second.epoch).not.toBe(first.epoch);
      expect(await keyed("c")).toEqual(second);
      expect(await read(broker, { ...second, offset: 0 })).toEqual(["complete", "b"]);
      expect(await read(broker, first)).toEqual(["epoch", "b"]);
    });

    test("has the size of its rule: two rules are two logs", async () => {
      const broker = await node();
      const end = await publish(broker, "t", ["a"]);
      const large = { size: 50, maxAge: 60_000 };
      const batch = [{ id: "b", payload: new Uint8Array() }];
      const [other] = await broker.publish("t", batch, { history: large, retryAfter: undefined });
      expect(other!.epoch).not.toBe(end.epoch);
    });
  });

  const refusals: [what: string, settings: string, options: object][] = [
    ["a wrong password", "authorization { user: a, password: secret }", { user: "a", pass: "wrong" }],
    ["a missing password", "authorization { user: a, password: secret }", {}],
    ["a wrong token", "authorization { token: secret }", { token: "wrong" }],
  ];
  test.each(refusals)("%s is refused at once", async (_what, settings, options) => {
    const locked = await NatsServer.start(executable, settings);
    const cluster = createCluster({
      broker: natsBroker(connect, { port: locked.port, ...options }),
      log: () => {},
    });
    await expect(cluster.ready).rejects.toMatchObject({ code: "refused" });
    await cluster.close();
    await locked.stop();
  });

  test("a new server, to which many nodes come at once, answers all of them", async () => {
    const fresh = await NatsServer.start(executable);
    const events = { message: () => {}, presence: () => {}, state: () => {}, error: () => {} };
    for (let round = 0; round < 20; round++) {
      const nodes = [0, 1, 2, 3].map(() => natsBroker(connect, { port: fresh.port }, { prefix: `p${round}` }));
      await Promise.all(nodes.map((broker) => broker.connect(events, () => history)));
      const words = await Promise.all(
        nodes.map(async (broker, index) => {
          const batch = [{ id: `${index}`, payload: new Uint8Array() }];
          const stored = broker.publish("t", batch, { history, retryAfter: undefined });
          const held = broker.presence!.lease(`${index}`, 60_000, true);
          const [word] = await Promise.all([broker.secret!(`word ${index}`), stored, held]);
          return word;
        }),
      );
      expect(new Set(words).size).toBe(1);
      expect((await nodes[0]!.history!("t", undefined, 5)).entries).toHaveLength(4);
      expect((await nodes[0]!.presence!.leases()).held).toHaveLength(4);
      await Promise.all(nodes.map((broker) => broker.close()));
    }
    await fresh.stop();
  });

  test("many nodes that make a stream at once all have it, though the server finds that it overlaps with itself", async () => {
    const fresh = await NatsServer.start(executable);
    const links = await Promise.all(
      Array.from({ length: 8 }, async () => {
        let up = (): void => {};
        const isUp = new Promise<void>((resolve) => (up = resolve));
        const link = new NatsLink(() => connect({ port: fresh.port }), { up, down: () => {}, error: () => {} });
        void link.open();
        await isUp;
        return link;
      }),
    );
    for (let round = 0; round < 150; round++) {
      const config = { name: `s${round}`, subjects: [`s${round}.*`], replicas: 1 };
      await Promise.all(links.map((link) => KeptStream.open(link, config)));
    }
    const other = KeptStream.open(links[0]!, { name: "other", subjects: ["s7.news"], replicas: 1 });
    await expect(other).rejects.toMatchObject({ code: "refused", message: expect.stringContaining("overlap") });
    await Promise.all(links.map((link) => link.destroy()));
    await fresh.stop();
  });

  test("a server without JetStream carries topics without a history, and refuses the others", async () => {
    const plain = await NatsServer.start(executable, "", { jetStream: false });
    const topics = { "log/*": { history: { size: 5 } } };
    const cluster = createCluster({ broker: natsBroker(connect, { port: plain.port }), topics, log: () => {} });
    const got: unknown[] = [];
    await cluster.subscribe("news", ({ data }) => got.push(data)).ready;
    expect(await cluster.publish("news", "x")).toBeUndefined();
    await expect.poll(() => got).toEqual(["x"]);
    await expect(cluster.publish("log/1", "x")).rejects.toMatchObject({
      code: "refused",
      message: expect.stringContaining("JetStream is not enabled"),
    });
    await cluster.close();
    await plain.stop();
  });

  test("rights that are missing are refused by name", async () => {
    const limited = await NatsServer.start(
      executable,
      'authorization { users: [{ user: a, password: a, permissions: { subscribe: { deny: "openline.l.secret.*" } } }] }',
    );
    const messages: string[] = [];
    const cluster = createCluster({
      broker: natsBroker(connect, { port: limited.port, user: "a", pass: "a" }),
      log: ({ message }) => messages.push(message),
    });
    await cluster.ready;
    const refused = cluster.subscribe("secret", () => {});
    await expect.poll(() => messages.join()).toContain("secret");
    refused.unsubscribe();
    await cluster.close();
    await limited.stop();
  });

  test("a message that is longer than the server takes is too large, and those before it in the call are not stored", async () => {
    const small = await NatsServer.start(executable, "max_payload: 10000");
    const broker = natsBroker(connect, { port: small.port });
    await broker.connect({ message: () => {}, presence: () => {}, state: () => {}, error: () => {} }, () => history);
    const batch = [1, 20_000].map((length, index) => ({ id: `n.${index}`, payload: new Uint8Array(length) }));
    await expect(broker.publish("t", batch, { history, retryAfter: undefined })).rejects.toMatchObject({
      code: "too-large",
    });
    expect(await broker.history!("t", undefined, 10)).toMatchObject({ entries: [] });
    await broker.close();
    await small.stop();
  });
});

test("it goes on trying until a server is there, and lets go while it tries", async () => {
  let attempts = 0;
  const cluster = createCluster({
    broker: natsBroker(
      (options: object) => {
        attempts++;
        return connect(options);
      },
      { port: 1 },
    ),
    log: () => {},
  });
  await expect.poll(() => attempts).toBeGreaterThan(2);
  await cluster.close();
  await expect(cluster.ready).rejects.toMatchObject({ code: "closed" });
});

test("a server that is too old is refused", async () => {
  const old = {
    info: { version: "2.8.4" },
    status: async function* () {},
    flush: async () => {},
    close: async () => {},
  };
  const cluster = createCluster({ broker: natsBroker(async () => old, {}), log: () => {} });
  await expect(cluster.ready).rejects.toMatchObject({ code: "refused", message: expect.stringContaining("2.8.4") });
  await cluster.close();
});

test("options that cannot be are refused", () => {
  const client = async () => ({}) as NatsClient;
  expect(() => natsBroker({ servers: "nats://x" } as never, {})).toThrow(/the function connect/);
  expect(() => natsBroker(client, "nats://x" as never)).toThrow(/the function connect/);
  for (const prefix of ["", "a b", "a.*", ">", "a..b", ".a"])
    expect(() => natsBroker(client, {}, { prefix })).toThrow(RangeError);
  for (const replicas of [0, 6, 1.5]) expect(() => natsBroker(client, {}, { replicas })).toThrow(RangeError);
  expect(() => natsBroker(client, {}, { probeInterval: Number.NaN })).toThrow(RangeError);
  expect(() => natsBroker(client, {}, { prefx: "a" } as object)).toThrow(/did you mean "prefix"/);
});
