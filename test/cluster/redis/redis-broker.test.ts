import { once } from "node:events";
import { createServer } from "node:net";
import { Redis } from "ioredis";
import { afterAll, describe, expect, test } from "vitest";
import { createCluster } from "../../../src/cluster/cluster.ts";
import type { RedisClient } from "../../../src/cluster/redis/clients.ts";
import { parseEntry, redisBroker } from "../../../src/cluster/redis/redis-broker.ts";
import { describeWith } from "../../support/real-parts.ts";
import { redisClients } from "../../support/redis-clients.ts";
import { RedisServer } from "../../support/redis-server.ts";
import { brokerTests } from "../broker/broker-contract.ts";

describe("an entry", () => {
  const read = (text: string) => parseEntry(Buffer.from(text, "latin1"));

  test("is read with whatever its payload has, spaces and line ends among it", () => {
    const payload = Buffer.from("a b\n\u0000ÿ", "latin1");
    expect(read("e1 5 9 n.1 a b\n\u0000ÿ")).toEqual({ epoch: "e1", prev: 5, offset: 9, id: "n.1", payload });
    expect(read("- 0 0 n.1 ")).toEqual({ epoch: "", prev: 0, offset: 0, id: "n.1", payload: Buffer.alloc(0) });
  });

  test.each(["", " ", "e 1 2", "e 1 2 id", "e x 2 id p", "e 1 9007199254740993 id p", "e 1 2  p"])(
    "is none in %j",
    (text) => {
      expect(read(text)).toBeUndefined();
    },
  );
});

describeWith("redis-server", "Redis", (executable) => {
  let server: RedisServer | undefined;
  afterAll(() => server?.stop());
  const start = async () => {
    server ??= await RedisServer.start(executable);
    return server.port;
  };

  for (const [name, client] of Object.entries(redisClients)) {
    brokerTests(`by ${name}`, async () => {
      const port = await start();
      const template = client(port);
      return { make: () => redisBroker(template, { prefix: `test-${name}` }) };
    });

    test(`a wrong password and a missing one are refused at once, by ${name}`, async () => {
      const locked = await RedisServer.start(executable, ["--requirepass", "secret"]);
      try {
        for (const password of ["wrong", undefined]) {
          const cluster = createCluster({ broker: redisBroker(client(locked.port, password)), log: () => {} });
          await expect(cluster.ready).rejects.toMatchObject({ code: "refused" });
          await cluster.close();
        }
        const cluster = createCluster({ broker: redisBroker(client(locked.port, "secret")) });
        await cluster.ready;
        await cluster.close();
      } finally {
        await locked.stop();
      }
    });
  }

  test("a server that does not let it run scripts refuses, and who publishes is told", async () => {
    const rights = "default on nopass ~* &* +@all -evalsha -eval".split(" ");
    const limited = await RedisServer.start(executable, ["--user", ...rights]);
    const topics = { "log/*": { history: { size: 5 } } };
    const cluster = createCluster({ broker: redisBroker(redisClients.ioredis(limited.port)), topics, log: () => {} });
    try {
      await cluster.ready;
      await expect(cluster.publish("log/1", "x")).rejects.toMatchObject({ code: "refused" });
      expect(await cluster.publish("news", "x")).toBeUndefined();
    } finally {
      await cluster.close();
      await limited.stop();
    }
  });
});

test("a server that is too old is refused, with its version", async () => {
  const old = createServer((socket) => {
    socket
      .on("error", () => {})
      .on("data", (data) => {
        const commands = data.toString().match(/^\*\d+\r$/gm) ?? [];
        const hello = "*4\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$6\r\n6.0.16\r\n";
        for (const _ of commands) socket.write(/hello/i.test(data.toString()) ? hello : "+OK\r\n");
      });
  });
  await once(old.listen(0, "127.0.0.1"), "listening");
  const { port } = old.address() as { port: number };
  const client = new Redis({ port, lazyConnect: true, enableReadyCheck: false, disableClientInfo: true });
  const cluster = createCluster({ broker: redisBroker(client), log: () => {} });
  await expect(cluster.ready).rejects.toMatchObject({ code: "refused", message: expect.stringContaining("6.0.16") });
  await cluster.close();
  old.close();
});

test.each([{}, null, { duplicate() {} }, { call() {} }, "redis://"])("what is no client is refused: %j", (client) => {
  expect(() => redisBroker(client as unknown as RedisClient)).toThrow(/must be one of redis, ioredis or iovalkey/);
});

test("options that cannot be are refused", () => {
  const client = { duplicate: () => ({}), call: async () => {} };
  expect(() => redisBroker(client, { prefix: "a{b}" })).toThrow(RangeError);
  expect(() => redisBroker(client, { prefix: "" })).toThrow(RangeError);
  expect(() => redisBroker(client, { probeInterval: Number.NaN })).toThrow(RangeError);
  expect(() => redisBroker(client, { prefx: "a" } as object)).toThrow(/did you mean "prefix"/);
});
