/** What a client may send to a server with a cluster that speaks the resume protocol, and what it may not. */
import { describe, expect, test } from "vitest";
import { connect } from "../../src/client/connect.ts";
import { memoryBroker } from "../../src/cluster/broker/memory-broker.ts";
import { createCluster } from "../../src/cluster/cluster.ts";
import type { Connection } from "../../src/connection/connection.ts";
import { longestRequest, parseMessage, requestText } from "../../src/resume/resume-messages.ts";
import type { Route } from "../../src/server/route.ts";
import { eventually } from "../support/eventually.ts";
import { openRaw } from "../support/raw-peer.ts";
import { afterwards, serving } from "../support/serving.ts";
import { frameFrom } from "../support/wire.ts";

const name = "openline.resume.v1";
const none = requestText({ session: undefined, claims: [] });

async function serverOf(route: Partial<Route> = {}, options = {}) {
  const cluster = createCluster({ topics: { "log/*": { history: { size: 10 } } }, log: () => {}, ...options });
  afterwards(() => cluster.close());
  const heard: unknown[] = [];
  const server = await serving({
    cluster,
    routes: {
      "/": {
        open: (connection) => void connection.subscribe("log/a"),
        message: (_, data) => void heard.push(data),
        ...route,
      } as Route,
    },
  });
  return { cluster, server, heard, url: `ws://127.0.0.1:${server.port}/` };
}

/** A client that says what it likes, with what it got. */
async function speak(url: string, subprotocols: readonly string[] = [name]) {
  const got: string[] = [];
  const connection: Connection = await connect(url, {
    subprotocols,
    message: (_, data) => void got.push(String(data)),
  });
  afterwards(() => connection.terminate());
  return { connection, got, told: () => got.map(parseMessage) };
}

describe("the subprotocol", () => {
  test.each<[string, readonly string[], readonly string[], string, string]>([
    ["alone", [name], [], name, ""],
    ["around one of the route's", [`${name}+chat`, "chat"], ["chat"], `${name}+chat`, "chat"],
    ["around one alone", [`${name}+chat`], ["chat"], `${name}+chat`, "chat"],
    ["around one that the route does not list", [`${name}+other`, name], ["chat"], name, ""],
    ["of a client that does not resume", ["chat"], ["chat"], "chat", "chat"],
  ])("%s", async (_, offered, listed, onWire, own) => {
    const { server, url } = await serverOf({ subprotocols: listed });
    const { connection } = await speak(url, offered);
    expect([connection.subprotocol, [...server.connections][0]!.subprotocol]).toEqual([onWire, own]);
  });

  test("is not seen by `upgrade`, which may choose one that it stands around", async () => {
    const seen: unknown[] = [];
    const { server, url } = await serverOf({
      upgrade: ({ subprotocols }) => {
        seen.push(subprotocols);
        return { subprotocol: "b" };
      },
    });
    const { connection } = await speak(url, [`${name}+a`, `${name}+b`, "b"]);
    expect(seen).toEqual([["a", "b"]]);
    expect([connection.subprotocol, [...server.connections][0]!.subprotocol]).toEqual([`${name}+b`, "b"]);
  });

  test("is not spoken without a cluster, nor where no text is accepted", async () => {
    const plain = await serving({ port: 0, routes: { "/": {} } });
    expect((await speak(`ws://127.0.0.1:${plain.port}/`)).connection.subprotocol).toBe("");
    const { url } = await serverOf({ accepts: "binary" } as never);
    expect((await speak(url)).connection.subprotocol).toBe("");
  });
});

describe("a client's first message", () => {
  const claims = (count: number) =>
    Array.from({ length: count }, (_, at) => ({
      topic: `log/${at}`,
      position: { epoch: "e", offset: at },
      grant: "1.g",
    }));
  const tooLong = requestText({ session: undefined, claims: claims(3000) });

  test.each<[string, string | Uint8Array]>([
    ["text of the application", "hello"],
    ["its escaped text", "\0\0hello"],
    ["binary", new Uint8Array([0, 123, 125])],
    ["empty", ""],
    ["one U+0000", "\0"],
    ["no JSON", "\0{"],
    ["another object", '\0{"subscribed":{}}'],
    ["a list", "\0[]"],
    ["no topics", '\0{"resume":{}}'],
    ["a topic without a grant", '\0{"resume":{"topics":[["log/a","e:1"]]}}'],
    ["a topic twice", '\0{"resume":{"topics":[["log/a","e:1","g"],["log/a","e:1","g"]]}}'],
    ["a position that is none", '\0{"resume":{"topics":[["log/a","e:1.5","g"]]}}'],
    ["a position of 2^53", '\0{"resume":{"topics":[["log/a","e:9007199254740992","g"]]}}'],
    ["a session that is no name", '\0{"resume":{"session":"a b","topics":[]}}'],
    ["deep", `\0${"[".repeat(60_000)}`],
    ["a mark", "\x001 2"],
    ["too long", tooLong],
    ["too long in bytes alone", `\0{"resume":{"topics":[["${"ü".repeat(longestRequest / 2)}","e:1","g"]]}}`],
  ])("that is %s is the end, with 4400", async (_, first) => {
    const { cluster, heard, url } = await serverOf();
    const { connection, got } = await speak(url);
    connection.send(first);
    connection.send("later");
    expect(await connection.closed).toMatchObject({ code: 4400 });
    await cluster.publish("log/a", "x");
    expect([heard, got]).toEqual([[], []]);
  });

  test.each([
    ["a second one", none],
    ["a mark", "\x001 2"],
    ["one U+0000", "\0"],
  ])("is followed by %s: the end, with 4400", async (_, second) => {
    const { heard, url } = await serverOf();
    const { connection } = await speak(url);
    for (const text of [none, "one", second, "two"]) connection.send(text);
    expect(await connection.closed).toMatchObject({ code: 4400 });
    expect(heard).toEqual(["one"]);
  });

  test("is waited for: nothing of a topic with history comes before, and it may be long in coming", async () => {
    const { cluster, server, url } = await serverOf({ message: undefined as never });
    const { connection, told } = await speak(url);
    await eventually(() => server.connections.size === 1);
    await cluster.subscribe("log/a", () => {}).ready;
    for (const text of ["1", "2"]) await cluster.publish("log/a", text);
    expect(told()).toEqual([]);
    connection.send(none);
    await eventually(() => told().length === 6);
    expect(told().map((message) => message?.type)).toEqual([
      "session",
      "subscribed",
      "marks",
      undefined,
      "marks",
      undefined,
    ]);
  });

  test.each(["whole", "bytewise", "odd"])("comes %s, and what follows is escaped text", async (cuts) => {
    const { heard, url } = await serverOf();
    const texts = [none, "\0\0", "\0\0\0a", "plain"];
    const bytes = Buffer.concat(texts.map((payload) => frameFrom("client", { opcode: 1, payload })));
    const peer = await openRaw(Number(new URL(url).port), { headers: { "Sec-WebSocket-Protocol": name } });
    const size = { whole: bytes.length, bytewise: 1, odd: 7 }[cuts]!;
    for (let at = 0; at < bytes.length; at += size) {
      peer.socket.write(bytes.subarray(at, at + size));
      await new Promise((resolve) => setImmediate(resolve));
    }
    await eventually(() => heard.length === 3);
    expect(heard).toEqual(["\0", "\0\0a", "plain"]);
  });

  test("comes in fragments to an application that reads streams, and its later texts in parts", async () => {
    const heard: string[] = [];
    const { server, url } = await serverOf({
      message: undefined as never,
      open: async (connection) => {
        for await (const message of connection.messages()) {
          let text = "";
          for await (const part of message) text += part;
          heard.push(text);
        }
      },
    });
    const { connection, got } = await speak(url);
    await connection.sendFragments([none.slice(0, 1), none.slice(1, 5), none.slice(5)]);
    await connection.sendFragments(["", "\0", "\0a", "b"]);
    await connection.sendFragments(["plain", "\0"]);
    await eventually(() => heard.length === 2 && got.length === 1);
    expect([heard, got.length]).toEqual([["\0ab", "plain\0"], 1]);
    expect(server.connections.size).toBe(1);
    await connection.sendFragments(["\0", "x"]);
    expect(await connection.closed).toMatchObject({ code: 4400 });
  });
});

describe("a grant", () => {
  /** A client's place after two messages: its position, its grant, and where it was subscribed. */
  async function placeOf(url: string, cluster: Awaited<ReturnType<typeof serverOf>>["cluster"]) {
    const { connection, told } = await speak(url);
    connection.send(none);
    await eventually(() => told().length === 2);
    const subscribed = told()[1]!;
    if (subscribed.type !== "subscribed") throw new Error("Not subscribed");
    const position = await cluster.publish("log/a", "seen");
    connection.terminate();
    return { epoch: subscribed.position.epoch, offset: Number(position!.split(":")[1]), begun: subscribed };
  }

  test("is needed to read on: a forged one, one of another topic, epoch or place is refused, and told", async () => {
    const gaps: string[] = [];
    const { cluster, url } = await serverOf({ gap: (_, { reason }) => void gaps.push(reason) });
    await cluster.publish("log/a", "secret");
    const { epoch, offset, begun } = await placeOf(url, cluster);
    const attempts: readonly [epoch: string, offset: number, grant: string][] = [
      [epoch, begun.position.offset - 1, begun.grant],
      [epoch, 0, begun.grant],
      ["other", offset, begun.grant],
      [epoch, offset, `0.${begun.grant.split(".")[1]}`],
      [epoch, offset, begun.grant.replace(/.$/, (last) => (last === "A" ? "Q" : "A"))],
      [epoch, offset, "none"],
    ];
    for (const [claimed, at, grant] of attempts) {
      const { connection, got, told } = await speak(url);
      connection.send(
        requestText({
          session: undefined,
          claims: [{ topic: "log/a", position: { epoch: claimed, offset: at }, grant }],
        }),
      );
      await eventually(() => told().some((message) => message?.type === "resumed"));
      expect(told().at(-1)).toMatchObject({ recovered: false, reason: "refused", replayed: 0 });
      expect(got).not.toContain("secret");
      connection.terminate();
    }
    expect(gaps).toEqual(attempts.map(() => "refused"));
  });

  test("lets a client read on from where it was subscribed, and from later; it stays the same", async () => {
    const { cluster, url } = await serverOf();
    await cluster.publish("log/a", "secret");
    const { epoch, offset, begun } = await placeOf(url, cluster);
    for (const [at, replayed] of [
      [begun.position.offset, 1],
      [offset, 0],
    ] as const) {
      const { connection, got, told } = await speak(url);
      connection.send(
        requestText({
          session: undefined,
          claims: [{ topic: "log/a", position: { epoch, offset: at }, grant: begun.grant }],
        }),
      );
      await eventually(() => told().some((message) => message?.type === "resumed"));
      expect(told()[1]).toMatchObject({ grant: begun.grant, position: { epoch, offset: at } });
      expect(told().at(-1)).toMatchObject({ recovered: true, replayed });
      expect(got).not.toContain("secret");
      connection.terminate();
    }
  });

  test("of one node counts at another with the same `secret`, and at one without it does not", async () => {
    const broker = memoryBroker();
    const secret = "the same on all nodes, and long enough";
    const one = await serverOf({}, { broker, secret });
    const same = await serverOf({}, { broker: memoryBroker({ sharedWith: broker }), secret });
    const another = await serverOf({}, { broker: memoryBroker({ sharedWith: broker }), secret: `${secret}!` });
    const { epoch, offset, begun } = await placeOf(one.url, one.cluster);
    const claim = requestText({
      session: undefined,
      claims: [{ topic: "log/a", position: { epoch, offset }, grant: begun.grant }],
    });
    for (const [{ url }, recovered] of [
      [same, true],
      [another, false],
    ] as const) {
      const { connection, told } = await speak(url);
      connection.send(claim);
      await eventually(() => told().some((message) => message?.type === "resumed"));
      expect(told().at(-1)).toMatchObject({ recovered });
    }
    expect(() => createCluster({ secret: "short" })).toThrow(RangeError);
  });
});
