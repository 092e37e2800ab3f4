/** Topics as a server has them: real sockets, clients that others wrote, and the work that is done, counted. */
import { once } from "node:events";
import { afterEach, describe, expect, test, vi } from "vitest";
import { WebSocket } from "ws";
import { MessageDeflate } from "../../src/connection/compression/message-deflate.ts";
import { accept } from "../../src/server/accept.ts";
import { route } from "../../src/server/route.ts";
import type { Subscriber, Topic } from "../../src/topics/topic.ts";
import { Topics } from "../../src/topics/topics.ts";
import { until } from "../support/connection-pair.ts";
import { httpServer } from "../support/http-server.ts";
import { openRaw } from "../support/raw-peer.ts";
import { serving } from "../support/serving.ts";

afterEach(() => void vi.restoreAllMocks());

/** A client of `ws`, and what it has heard. */
async function listener(port: number, path: string): Promise<{ client: WebSocket; heard: string[] }> {
  const client = new WebSocket(`ws://127.0.0.1:${port}${path}`);
  const heard: string[] = [];
  client.on("message", (data) => heard.push(String(data)));
  await once(client, "open");
  return { client, heard };
}

class Idle implements Subscriber {
  readonly topics = new Set<Topic>();
  batch = 0;
  entry = 0;
  readonly compression = undefined;
  served = 0;
  work: () => void = () => {};
  takesFrames(): boolean {
    return true;
  }
  sendFrames(): "left" {
    this.served++;
    this.work();
    return "left";
  }
  deliveryFailed(error: unknown): void {
    throw error;
  }
}

describe("compression", () => {
  const inRoom = {
    open: (connection: { subscribe(topic: string): void }) => connection.subscribe("room"),
    message: (connection: { send(data: string): boolean }, data: unknown) => void connection.send(`echo ${data}`),
  };
  const options = {
    routes: {
      "/shared": { ...inRoom, compression: { threshold: 0 } },
      "/takeover": { ...inRoom, compression: { threshold: 0, serverNoContextTakeover: false } },
      "/plain": inRoom,
    },
  };

  test("clients with a context of their own, with a shared one and with none all decode everything", async () => {
    const server = await serving(options);
    const paths = ["/shared", "/shared", "/takeover", "/takeover", "/plain"];
    const listeners = await Promise.all(paths.map((path) => listener(server.port, path)));
    expect(listeners.map(({ client }) => client.extensions)).toEqual([
      "permessage-deflate",
      "permessage-deflate",
      "permessage-deflate",
      "permessage-deflate",
      "",
    ]);
    await until(() => server.subscriberCount("room") === paths.length);
    const expected: string[] = [];
    for (let round = 0; round < 30; round++) {
      // What a connection is sent alone moves its own window, and what is published must not need it.
      const alone = `only yours, ${"again and ".repeat(round)}again`;
      for (const connection of server.connections) connection.send(alone);
      const published = [`round ${round} ${"the same words ".repeat(20)}`, `${"the same words ".repeat(10)}${round}`];
      for (const text of published) server.publish("room", text);
      expected.push(alone, ...published);
      if (round % 10 === 9) {
        for (const { client } of listeners) client.send(`question ${round}`);
        expected.push(`echo question ${round}`);
        await until(() => listeners.every(({ heard }) => heard.length === expected.length));
      }
    }
    for (const { heard } of listeners) expect(heard).toEqual(expected);
  });

  test("a message is compressed once for all who share, and not at all for those who do not", async () => {
    const server = await serving(options);
    const offer = { headers: { "Sec-WebSocket-Extensions": "permessage-deflate" } };
    const open = (path: string, count: number) =>
      Promise.all(Array.from({ length: count }, () => openRaw(server.port, { path, ...offer })));
    const [shared, takeover, plain] = [await open("/shared", 5), await open("/takeover", 3), await open("/plain", 2)];
    await until(() => server.subscriberCount("room") === 10);
    const compressions = vi.spyOn(MessageDeflate.prototype, "deflateShared");
    const alone = vi.spyOn(MessageDeflate.prototype, "deflate");
    const text = "news ".repeat(50);
    expect(server.publish("room", text)).toMatchObject({ reached: 10, dropped: 0 });
    const frames = await Promise.all([...shared, ...takeover, ...plain].map((peer) => peer.nextFrame()));
    expect(frames.map((frame) => frame?.rsv)).toEqual([...Array(5).fill(4), ...Array(5).fill(0)]);
    for (const frame of frames.slice(0, 5)) expect(frame?.payload).toEqual(frames[0]?.payload);
    for (const frame of frames.slice(5)) expect(frame?.payload.toString()).toBe(text);
    expect(frames[0]!.payload.length).toBeLessThan(50);
    expect(compressions).toHaveBeenCalledTimes(1);
    expect(alone).not.toHaveBeenCalled();
  });
});

test("what is published to a connection is compressed as it was switched when it was published [G82]", async () => {
  const server = await serving({
    compression: { threshold: 0 },
    routes: { "/": { open: (connection) => connection.subscribe("room") } },
  });
  const offer = { headers: { "Sec-WebSocket-Extensions": "permessage-deflate" } };
  const [switched, other] = [await openRaw(server.port, offer), await openRaw(server.port, offer)];
  await until(() => server.subscriberCount("room") === 2);
  const [connection] = server.connections;
  server.publish("room", "compressed");
  connection!.compress = false;
  expect(connection!.compress).toBe(false);
  server.publish("room", "plain");
  connection!.compress = true;
  server.publish("room", "compressed again");
  expect((await switched.nextFrames(3)).map(({ rsv }) => rsv)).toEqual([4, 0, 4]);
  expect((await other.nextFrames(3)).map(({ rsv }) => rsv)).toEqual([4, 4, 4]);
});

test("each publisher's messages come in its order to everybody else, whoever publishes besides", async () => {
  const server = await serving({
    routes: {
      "/:name": route({
        upgrade: ({ params }) => ({ data: params.name ?? "" }),
        open: (connection) => connection.subscribe("all"),
        message: (connection, data) => void connection.publish("all", `${connection.data} ${data}`),
      }),
    },
  });
  const names = Array.from({ length: 10 }, (_, i) => `p${i}`);
  const listeners = await Promise.all(names.map((name) => listener(server.port, `/${name}`)));
  await until(() => server.subscriberCount("all") === names.length);
  for (let n = 0; n < 100; n++) for (const { client } of listeners) client.send(String(n));
  await until(() => listeners.every(({ heard }) => heard.length >= 900));
  for (const [own, { heard }] of listeners.entries()) {
    for (const [other, name] of names.entries()) {
      const from = heard.filter((text) => text.startsWith(`${name} `));
      const wanted = other === own ? [] : Array.from({ length: 100 }, (_, n) => `${name} ${n}`);
      expect(from).toEqual(wanted);
    }
  }
});

test("subscribing, unsubscribing, publishing and closing inside of a handler while others publish [D15]", async () => {
  const server = await serving({
    routes: {
      "/": {
        open: (connection) => connection.subscribe("t"),
        message: (connection, data) => {
          server.publish("t", `1 ${data}`);
          connection.unsubscribe("t");
          server.publish("t", `2 ${data}`);
          connection.subscribe("t");
          server.publish("t", `3 ${data}`);
          connection.close(4000);
          server.publish("t", `4 ${data}`);
        },
      },
    },
  });
  const [actor, watcher] = [await listener(server.port, "/"), await listener(server.port, "/")];
  await until(() => server.subscriberCount("t") === 2);
  actor.client.send("x");
  const [code] = await once(actor.client, "close");
  await until(() => watcher.heard.length === 4);
  expect(code).toBe(4000);
  expect(actor.heard).toEqual(["1 x", "3 x"]);
  expect(watcher.heard).toEqual(["1 x", "2 x", "3 x", "4 x"]);
  await until(() => server.subscriberCount("t") === 1);
});

test("a publish to very many does not hold up another connection [D07]", async () => {
  const topics = new Topics();
  const { port } = await httpServer((request, socket, head) => {
    void accept(request, socket, head, { message: (connection, data) => void connection.send(data) });
  });
  const peer = await openRaw(port);
  const crowd = Array.from({ length: 20_000 }, () => new Idle());
  let spun = 0;
  for (const idle of crowd) {
    // Each takes a while, so that all together hold the loop for 400 ms if nothing is sliced.
    idle.work = () => {
      for (const until = performance.now() + 0.02; performance.now() < until; ) spun++;
    };
    topics.subscribe(idle, "crowd");
  }
  const servedWhenAnswered: number[] = [];
  topics.publish("crowd", "news");
  for (let i = 0; i < 5; i++) {
    peer.text("hello");
    await peer.nextFrame();
    servedWhenAnswered.push(crowd.filter(({ served }) => served > 0).length);
  }
  expect(servedWhenAnswered[4]).toBeLessThan(crowd.length);
  await until(() => crowd.every(({ served }) => served === 1));
  expect(spun).toBeGreaterThan(0);
});

describe("the end of a connection", () => {
  /** What Map and Set do while `work` runs: each call, and each step of an iteration. */
  function steps(work: () => void): number {
    let count = 0;
    const spies = [Map.prototype, Set.prototype].flatMap((prototype) =>
      (Object.getOwnPropertyNames(prototype) as (keyof typeof prototype)[])
        .filter((name) => typeof Object.getOwnPropertyDescriptor(prototype, name)?.value === "function")
        .filter((name) => (name as string) !== "constructor")
        .map((name) => {
          const original = prototype[name] as unknown as (...args: unknown[]) => unknown;
          Object.defineProperty(prototype, name, {
            configurable: true,
            writable: true,
            value(this: unknown, ...args: unknown[]) {
              count++;
              return original.apply(this, args);
            },
          });
          return () => Object.defineProperty(prototype, name, { configurable: true, writable: true, value: original });
        }),
    );
    const nexts = [new Map().values(), new Set().values()].map((iterator) => {
      const prototype = Object.getPrototypeOf(iterator) as { next: () => unknown };
      const { next } = prototype;
      prototype.next = function (this: unknown) {
        count++;
        return next.call(this);
      };
      return () => {
        prototype.next = next;
      };
    });
    try {
      work();
    } finally {
      for (const undo of [...spies, ...nexts]) undo();
    }
    return count;
  }

  function stepsToLeave(own: number, topicCount: number, subscribersEach: number): number {
    const topics = new Topics();
    for (let t = 0; t < topicCount; t++) {
      for (let s = 0; s < subscribersEach; s++) topics.subscribe(new Idle(), `topic ${t}`);
    }
    const leaver = new Idle();
    for (let t = 0; t < own; t++) topics.subscribe(leaver, `topic ${t}`);
    const count = steps(() => topics.leave(leaver));
    expect(leaver.topics.size).toBe(0);
    expect(topics.count("topic 0")).toBe(subscribersEach);
    return count;
  }

  test("costs as much as its own topics are many, however many topics and subscribers there are", () => {
    const few = stepsToLeave(10, 20, 1);
    expect(few).toBeGreaterThanOrEqual(10);
    expect(stepsToLeave(10, 2000, 1)).toBe(few);
    expect(stepsToLeave(10, 20, 200)).toBe(few);
    const more = stepsToLeave(100, 2000, 1);
    expect(more).toBeGreaterThan(few * 5);
    expect(more).toBeLessThan(few * 11);
  });
});
