import { describe, expect, test } from "vitest";
import { accept } from "../../src/server/accept.ts";
import type { ServerConnection } from "../../src/server/server-connection.ts";
import { Topics } from "../../src/topics/topics.ts";
import { httpServer } from "../support/http-server.ts";
import { closeStatus, openRaw, type RawPeer } from "../support/raw-peer.ts";

async function serving(topics?: Topics) {
  const connections: ServerConnection<{ name: string }>[] = [];
  const { port } = await httpServer(async (request, socket, head) => {
    const connection = await accept(request, socket, head, {
      ...(topics && { topics }),
      upgrade: () => ({ data: { name: "ada" } }),
    });
    connections.push(connection!);
  });
  const open = async (): Promise<[RawPeer, ServerConnection<{ name: string }>]> => {
    const peer = await openRaw(port, { path: "/some/path?query" });
    while (connections.length === 0) await new Promise((resolve) => setImmediate(resolve));
    return [peer, connections.shift()!];
  };
  return { open };
}

describe("ServerConnection", () => {
  test("has its path and parameters, and holds the application's data [G39 G67]", async () => {
    const [, connection] = await (await serving()).open();
    expect(connection).toMatchObject({
      path: "/some/path",
      params: {},
      data: { name: "ada" },
      role: "server",
      remoteAddress: "127.0.0.1",
    });
    connection.data = { name: "grace" };
    expect(connection.data.name).toBe("grace");
  });

  test("subscribes, publishes to the others, and unsubscribes", async () => {
    const { open } = await serving(new Topics());
    const [[onePeer, one], [twoPeer, two]] = [await open(), await open()];
    for (const connection of [one, two]) connection.subscribe("a");
    one.subscribe("b");
    expect(one.topics).toEqual(["a", "b"]);
    expect(one.publish("a", "from one")).toMatchObject({ reached: 1 });
    expect(two.publish("a", "from two")).toMatchObject({ reached: 1 });
    expect(await twoPeer.nextTexts(1)).toEqual(["from one"]);
    expect(await onePeer.nextTexts(1)).toEqual(["from two"]);
    expect(one.unsubscribe("a")).toBe(true);
    expect(one.unsubscribe("a")).toBe(false);
    expect(two.publish("a", "to nobody")).toMatchObject({ reached: 0 });
    expect(one.topics).toEqual(["b"]);
  });

  test("sends published messages before a later send or close", async () => {
    const { open } = await serving(new Topics());
    const [[peer, one], [, two]] = [await open(), await open()];
    one.subscribe("a");
    two.publish("a", "1");
    one.send("2");
    two.publish("a", "3");
    one.close(4000);
    const frames = await peer.nextFrames(4);
    expect(frames.slice(0, 3).map(({ payload }) => payload.toString())).toEqual(["1", "2", "3"]);
    expect(closeStatus(frames[3])?.code).toBe(4000);
  });

  test("sends messages published before fragments before them, and those published meanwhile after them", async () => {
    const { open } = await serving(new Topics());
    const [[peer, one], [, two]] = [await open(), await open()];
    one.subscribe("a");
    two.publish("a", "1");
    const sent = one.sendFragments(
      (async function* () {
        yield "2";
        two.publish("a", "4");
        await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
        yield "3";
      })(),
    );
    await sent;
    const frames = await peer.nextFrames(5);
    expect(frames.map(({ payload }) => payload.toString())).toEqual(["1", "2", "3", "", "4"]);
    expect(frames.map(({ fin }) => fin)).toEqual([true, false, false, true, true]);
  });

  test("leaves its topics when it is closed, and cannot subscribe again", async () => {
    const topics = new Topics();
    const [peer, connection] = await (await serving(topics)).open();
    connection.subscribe("a");
    expect(topics.count("a")).toBe(1);
    peer.reset();
    await connection.closed;
    expect(topics.count("a")).toBe(0);
    connection.subscribe("a");
    expect(topics.count("a")).toBe(0);
  });

  test("without topics it can neither subscribe nor publish", async () => {
    const [, connection] = await (await serving()).open();
    expect(() => connection.subscribe("a")).toThrow(
      /^Cannot subscribe: the connection was accepted without topics; .*\{ topics: new Topics\(\) \}$/,
    );
    expect(() => connection.publish("a", "b")).toThrow(/^Cannot publish: the connection was accepted without topics; /);
    expect(connection.unsubscribe("a")).toBe(false);
    expect(connection.topics).toEqual([]);
  });
});
