/** Routes and clients whose messages have a type, over real sockets and over pairs. */
import { type } from "arktype";
import * as v from "valibot";
import { describe, expect, test, vi } from "vitest";
import { z } from "zod";
import { connect } from "../../src/client/connect.ts";
import type { Connection } from "../../src/connection/connection.ts";
import { json } from "../../src/json/json.ts";
import { JsonServerConnection } from "../../src/json/json-server-connection.ts";
import { connectionPair } from "../../src/testing/connection-pair.ts";
import type { StandardSchema } from "../../src/typed/standard-schema.ts";
import { serving } from "../support/serving.ts";

const fromClient = z.discriminatedUnion("type", [
  z.object({ type: z.literal("chat"), text: z.string() }),
  z.object({ type: z.literal("move"), x: z.number(), y: z.number() }),
]);
const fromServer = z.object({ said: z.string() });
const server = json({ receives: fromClient, sends: fromServer });
const client = json({ receives: fromServer, sends: fromClient });

/** A schema that decides as `check` says. */
function schemaOf<Value>(check: StandardSchema<Value>["~standard"]["validate"]): StandardSchema<Value> {
  return { "~standard": { version: 1, vendor: "test", validate: check } };
}

/** What a raw peer gets to know of a route to which it sends these messages. */
async function answerTo(route: Parameters<typeof connectionPair>[0], ...messages: (string | Uint8Array)[]) {
  const got: unknown[] = [];
  const pair = await connectionPair(route, { client: { message: (_, data) => void got.push(data) } });
  for (const message of messages) pair.client.send(message);
  await pair.clock.advance(0);
  return { ...pair, got };
}

describe("over sockets", () => {
  test("each end gets what the other end's types promise, published messages too", async () => {
    const { port } = await serving({
      routes: {
        "/rooms/:room": server.route({
          upgrade: ({ params }) => ({ data: { room: params.room } }),
          open: (connection) => {
            connection.subscribe(connection.data.room);
            connection.send({ said: `welcome to ${connection.params.room}` });
          },
          on: {
            chat: (connection, { text }) => connection.publish(connection.data.room, { said: text }),
            move: (connection, { x, y }) => connection.send({ said: `${x + y}` }),
          },
        }),
      },
    });
    const heard: string[] = [];
    const listening = await client.connect(`ws://127.0.0.1:${port}/rooms/lobby`, {
      message: (_, { said }) => void heard.push(said),
    });
    await vi.waitFor(() => expect(heard).toEqual(["welcome to lobby"]));
    const talking = await client.connect(`ws://127.0.0.1:${port}/rooms/lobby`);
    talking.send({ type: "chat", text: "hello" });
    talking.send({ type: "move", x: 1, y: 2 });
    const got: string[] = [];
    for await (const { said } of talking) {
      got.push(said);
      if (got.length === 2) break;
    }
    expect(got).toEqual(["welcome to lobby", "3"]);
    await vi.waitFor(() => expect(heard).toEqual(["welcome to lobby", "hello"]));
    talking.close(4001, "done");
    expect(await talking.closed).toMatchObject({ code: 4001, wasClean: true });
    listening.raw.terminate();
  });

  test("a binary message closes with 1003 before its data is there [R6455-7.4.1-1]", async () => {
    const { port } = await serving({ routes: { "/": server.route({ message: () => {} }) } });
    const raw = await connect(`ws://127.0.0.1:${port}/`);
    raw.send(new Uint8Array(10));
    expect(await raw.closed).toMatchObject({ code: 1003 });
  });
});

describe("what does not fit", () => {
  test.each([
    ["no JSON", "hello", "Expected JSON"],
    ["another shape", '{"type":"chat","text":5}', "text: Invalid input: expected string, received number"],
    ["another kind", '{"type":"constructor"}', "type: Invalid discriminator value. Expected 'chat' | 'move'"],
    ["__proto__", '{"type":"chat","text":"","__proto__":{}}', "Expected no key __proto__"],
  ])("closes with 1007 and reaches no handler: %s", async (_, message, reason) => {
    const seen: unknown[] = [];
    const { client: raw } = await answerTo(
      server.route({ message: (_connection, value) => void seen.push(value) }),
      message,
      '{"type":"chat","text":"later"}',
    );
    expect(await raw.closed).toMatchObject({ code: 1007, reason });
    expect(seen).toEqual([]);
  });

  test("reaches no handler on a client either", async () => {
    const seen: unknown[] = [];
    const { port } = await serving({
      routes: {
        "/": {
          open: (connection) => {
            for (const text of ['{"said":"one"}', '{"said":2}', '{"said":"three"}']) connection.send(text);
          },
        },
      },
    });
    const connection = await client.connect(`ws://127.0.0.1:${port}/`, {
      message: (_, value) => void seen.push(value),
    });
    expect(await connection.closed).toMatchObject({ code: 1007, initiator: "local" });
    expect(seen).toEqual([{ said: "one" }]);
  });

  test("ends a loop, and no later loop gets what came behind it", async () => {
    const { port } = await serving({
      routes: {
        "/": {
          open: (connection) => ['{"said":"one"}', "2", '{"said":"3"}'].forEach((text) => void connection.send(text)),
        },
      },
    });
    const connection = await client.connect(`ws://127.0.0.1:${port}/`);
    const got: unknown[] = [];
    for await (const message of connection) got.push(message);
    for await (const message of connection) got.push(message);
    expect(got).toEqual([{ said: "one" }]);
    expect(await connection.closed).toMatchObject({ code: 1007 });
  });

  test("goes to invalid, which is awaited, and the connection goes on", async () => {
    const order: unknown[] = [];
    const { got } = await answerTo(
      server.route({
        invalid: async (connection, { data, issues }) => {
          await Promise.resolve();
          order.push(data, issues.length);
          connection.send({ said: "what?" });
        },
        message: (connection, message) => {
          order.push(message);
          connection.send({ said: "good" });
        },
      }),
      "nonsense",
      '{"type":"chat","text":"a"}',
    );
    expect(order).toEqual(["nonsense", 1, { type: "chat", text: "a" }]);
    expect(got).toEqual(['{"said":"what?"}', '{"said":"good"}']);
  });

  test("goes to invalid from a loop, too", async () => {
    const invalid: unknown[] = [];
    const { port } = await serving({
      routes: { "/": { open: (connection) => ["1", '{"said":"2"}'].forEach((text) => void connection.send(text)) } },
    });
    const connection = await client.connect(`ws://127.0.0.1:${port}/`, {
      invalid: (_, { data }) => void invalid.push(data),
    });
    for await (const message of connection) {
      expect(message).toEqual({ said: "2" });
      break;
    }
    expect(invalid).toEqual(["1"]);
    connection.raw.terminate();
  });

  test("closes with 1011 where invalid throws, as any handler does", async () => {
    const errors: string[] = [];
    const { client: raw } = await answerTo(
      server.route({
        invalid: () => {
          throw new Error("on purpose");
        },
        message: () => {},
        error: (_, { message }) => void errors.push(message),
      }),
      "nonsense",
    );
    expect(await raw.closed).toMatchObject({ code: 1011 });
    expect(errors).toEqual(["on purpose"]);
  });
});

describe("kinds", () => {
  test.each(["constructor", "toString", "__proto__", "hasOwnProperty", ""])(
    "only own ones have handlers: %j",
    async (kind) => {
      const loose = json({ receives: z.object({ type: z.string() }), sends: fromServer });
      const seen: unknown[] = [];
      const { client: raw } = await answerTo(
        loose.route({ on: { chat: (_: unknown, message: unknown) => void seen.push(message) } as never }),
        JSON.stringify({ type: kind }),
      );
      expect(await raw.closed).toMatchObject({ code: 1007, reason: "Nothing handles this" });
      expect(seen).toEqual([]);
    },
  );

  test("are told apart by any key, and may be numbers", async () => {
    const numbered = json({
      receives: z.union([z.object({ op: z.literal(1), a: z.string() }), z.object({ op: z.literal(2) })]),
      sends: z.string(),
      kind: "op",
    });
    const { got } = await answerTo(
      numbered.route({
        on: { 1: (connection, { a }) => connection.send(a), 2: (connection) => connection.send("two") },
      }),
      '{"op":1,"a":"one"}',
      '{"op":2}',
    );
    expect(got).toEqual(['"one"', '"two"']);
  });

  test("have the route as this, as every handler has", async () => {
    const text = json(z.string());
    const route = text.route({
      open(connection) {
        connection.send(typeof this.message);
      },
      message(connection) {
        connection.send(typeof this.open);
      },
    });
    expect((await answerTo(route, '"a"')).got).toEqual(['"function"', '"function"']);
  });
});

test("handlers may be methods of a class, with a state of their own", async () => {
  class Counting {
    count = 10;
    upgrade() {
      return { data: this.count };
    }
    open(connection: JsonServerConnection<string, string, number>) {
      connection.send(`from ${connection.data}`);
    }
    message(connection: JsonServerConnection<string, string, number>, text: string) {
      connection.send(`${text} ${++this.count}`);
    }
  }
  const { port } = await serving({ routes: { "/": json(z.string()).route(new Counting() as never) } });
  const connection = await json(z.string()).connect(`ws://127.0.0.1:${port}/`);
  connection.send("a");
  connection.send("b");
  const got: string[] = [];
  for await (const text of connection) if (got.push(text) === 3) break;
  expect(got).toEqual(["from 10", "a 11", "b 12"]);
  connection.raw.terminate();
});

test("a class with private members, or a frozen object of one, is called as its own object", async () => {
  class Secret {
    readonly #word = "open";
    get origin() {
      return [`https://${this.#word}.example`];
    }
    upgrade() {
      return { data: this.#word };
    }
    message = (connection: JsonServerConnection<string, string, string>, text: string) => {
      connection.send(`${text} ${connection.data} ${this.#word}`);
    };
  }
  const { port } = await serving({ routes: { "/": json(z.string()).route(Object.freeze(new Secret()) as never) } });
  const connection = await json(z.string()).connect(`ws://127.0.0.1:${port}/`, { origin: "https://open.example" });
  connection.send("a");
  for await (const text of connection) {
    expect(text).toBe("a open open");
    break;
  }
  connection.raw.terminate();
});

describe("checks that take time", () => {
  test("are those of any thenable, which counts once and is awaited", async () => {
    const schema = schemaOf<string>((value) => {
      const settle = (resolve: (result: { value: string }) => void) => {
        setImmediate(() => {
          resolve({ value: value as string });
          resolve({ value: "again" });
        });
      };
      // biome-ignore lint/suspicious/noThenProperty: a thenable that is no promise is what is tested
      return { then: settle } as never;
    });
    const got: string[] = [];
    const { port } = await serving({
      routes: { "/": json(schema).route({ message: (connection, text) => void connection.send(text) }) },
    });
    const connection = await json({ receives: schema, sends: z.string() }).connect(`ws://127.0.0.1:${port}/`);
    for (const text of ["a", "b", "c"]) connection.send(text);
    for await (const text of connection) if (got.push(text) === 3) break;
    expect(got).toEqual(["a", "b", "c"]);
    connection.raw.terminate();
  });

  /** Resolves the checks from outside, by their message. */
  function heldSchema() {
    const waiting = new Map<string, () => void>();
    const schema = schemaOf<string>(
      (value) => new Promise((resolve) => waiting.set(value as string, () => resolve({ value: value as string }))),
    );
    return { schema, waiting };
  }

  test("keep the order of the messages", async () => {
    const { schema, waiting } = heldSchema();
    const seen: string[] = [];
    const { clock } = await answerTo(
      json(schema).route({ message: (_, message) => void seen.push(message) }),
      '"one"',
      '"two"',
    );
    expect([...waiting.keys()]).toEqual(["one"]);
    waiting.get("one")!();
    await clock.advance(0);
    expect([...waiting.keys()]).toEqual(["one", "two"]);
    expect(seen).toEqual(["one"]);
    waiting.get("two")!();
    await clock.advance(0);
    expect(seen).toEqual(["one", "two"]);
  });

  test("that hang hold back their own connection alone, and the peer's Close is answered", async () => {
    const { schema } = heldSchema();
    const seen: unknown[] = [];
    const route = json(schema).route({ message: (_, message) => void seen.push(message) });
    const { client: raw, clock } = await answerTo(route, '"one"', '"two"');
    const other = await answerTo(
      json(z.string()).route({ message: (connection, text) => connection.send(text) }),
      '"x"',
    );
    expect(other.got).toEqual(['"x"']);
    raw.close();
    await clock.advance(2_000);
    expect(await raw.closed).toMatchObject({ code: 1000, wasClean: true });
    expect(seen).toEqual([]);
  });

  test("that refuse close the connection, and what was checked behind them is dropped", async () => {
    const schema = schemaOf<string>(async (value) =>
      value === "bad" ? { issues: [{ message: "Bad" }] } : { value: value as string },
    );
    const seen: string[] = [];
    const { client: raw } = await answerTo(
      json(schema).route({ message: (_, message) => void seen.push(message) }),
      '"good"',
      '"bad"',
      '"good"',
    );
    expect(await raw.closed).toMatchObject({ code: 1007, reason: "Bad" });
    expect(seen).toEqual(["good"]);
  });
});

describe("a schema that throws", () => {
  const sync = schemaOf<string>(() => {
    throw new Error("on purpose");
  });
  const later = schemaOf<string>(() => Promise.reject(new Error("on purpose")));
  const nothing = schemaOf<string>(() => undefined as never);
  const nothingLater = schemaOf<string>(() => Promise.resolve(5) as never);

  test.each([
    ["at once", sync, "on purpose"],
    ["later", later, "on purpose"],
    ["for want of a result", nothing, "The schema's validate gave undefined, not an object with value or issues"],
    ["for want of a result, later", nothingLater, expect.stringMatching(/^The schema's validate gave 5, not/)],
  ])("closes with 1011, and the error goes to error: %s", async (_, schema, message) => {
    const errors: string[] = [];
    const { client: raw } = await answerTo(
      json(schema).route({ message: () => {}, error: (_connection, error) => void errors.push(error.message) }),
      '"a"',
    );
    expect(await raw.closed).toMatchObject({ code: 1011, reason: expect.not.stringContaining("on purpose") });
    expect(errors).toEqual([message]);
  });

  test("throws into a loop", async () => {
    const { port } = await serving({ routes: { "/": { open: (connection) => void connection.send('"a"') } } });
    const connection = await json(sync).connect(`ws://127.0.0.1:${port}/`);
    await expect(connection[Symbol.asyncIterator]().next()).rejects.toThrow("on purpose");
    expect(connection.readyState).toBe(1);
    connection.raw.terminate();
  });
});

describe("the face of a connection", () => {
  test("is one, in every handler and for over", async () => {
    const faces = new Set<unknown>();
    const add = (face: unknown) => void faces.add(face);
    const route = server.route({ open: add, message: add, close: add, pong: add });
    const { server: raw, client: peer, clock } = await answerTo(route, '{"type":"chat","text":""}');
    add(server.over(raw));
    raw.ping();
    await clock.advance(0);
    peer.close();
    await clock.advance(0);
    expect(faces.size).toBe(1);
    expect([...faces][0]).toBeInstanceOf(JsonServerConnection);
  });

  test("has what handlers need of the connection", async () => {
    const { server: raw } = await answerTo(
      server.route({ upgrade: () => ({ data: { user: "ada" } }), message: () => {} }),
    );
    const face = server.over(raw);
    expect(face).toMatchObject({
      path: "/",
      params: {},
      topics: [],
      readyState: 1,
      bufferedAmount: 0,
      subprotocol: "",
    });
    face.subscribe("news");
    expect(face.topics).toEqual(["news"]);
    expect(face.unsubscribe("news")).toBe(true);
    face.data = "other";
    expect(raw.data).toBe("other");
    expect(face.remoteAddress).toBeUndefined();
    await face.ready;
    face.terminate();
    await face.closed;
    expect(face.send({ said: "late" })).toBe(false);
  });

  test("sends nothing that JSON cannot hold, and closes nothing for it", async () => {
    const { server: raw } = await answerTo(json(z.unknown()).route({ message: () => {} }));
    const face = json(z.unknown()).over(raw);
    const circle: unknown[] = [];
    circle.push(circle);
    for (const value of [circle, 1n, undefined]) {
      expect(() => face.send(value)).toThrow(TypeError);
      expect(() => face.publish("news", value)).toThrow(TypeError);
    }
    expect(face.readyState).toBe(1);
  });

  test("passes on the options of send", async () => {
    const { server: raw } = await answerTo(server.route({ message: () => {} }));
    const face: { send(value: unknown, options?: object): boolean } = server.over(raw);
    expect(() => face.send({ said: "" }, { nonsense: 1 })).toThrow(/no option "nonsense"/);
  });
});

describe("what cannot be", () => {
  test.each([
    ["undefined", undefined],
    ["null", null],
    ["an empty object", {}],
    ["a number", 5],
    ["one direction of two", { receives: fromClient }],
    ["the other direction of two", { sends: fromClient }],
    ["what has the interface in name alone", { "~standard": 1 }],
  ])("a schema that is %s", (_, given) => {
    expect(() => json(given as never)).toThrow(/^Cannot check messages by .*Standard Schema/);
  });

  test("a key that is none", () => {
    expect(() => json({ receives: fromClient, sends: fromClient, kind: 5 as never })).toThrow(/kind is a key/);
  });

  test("messages for two", async () => {
    const options = { on: { chat: () => {}, move: () => {} }, message: () => {} };
    expect(() => server.route(options)).toThrow("Cannot route: messages go either to message or to on, not to both");
    await expect(client.connect("ws://127.0.0.1:1/", options as never)).rejects.toThrow(/^Cannot connect: messages go/);
  });

  test("handlers that are no functions", () => {
    expect(() => server.route({ on: { chat: 1 } } as never)).toThrow(
      'Cannot route: the handler of "chat" must be a function',
    );
    expect(() => server.route({ on: 1 } as never)).toThrow("Cannot route: on must be an object");
    expect(() => server.route({ invalid: 1 } as never)).toThrow("Cannot route: invalid must be a function");
    expect(() => server.route(undefined as never)).toThrow("Cannot route: it takes an object of options");
  });

  test("an option that is settled, unless it says the same", async () => {
    expect(() => server.route({ accepts: "binary" } as never)).toThrow(
      'Cannot route: accepts is "text" where messages are JSON, not "binary"',
    );
    expect(() => server.route({ text: "bytes" } as never)).toThrow('Cannot route: text is "string" where');
    await expect(client.connect("ws://127.0.0.1:1/", { accepts: "binary" } as never)).rejects.toThrow(
      /accepts is "text"/,
    );
    expect(server.route({ accepts: "text" } as never)).toBeDefined();
  });

  test.each([[{}], [null], [undefined], [5], ["a"], [{ send() {} }]])("%j as a connection", (value) => {
    expect(() => server.over(value as never)).toThrow(/^Cannot read messages of .*: over takes a connection$/);
  });

  test("an option that is misspelt, as serve says", async () => {
    await expect(serving({ routes: { "/": server.route({ mesage: () => {} } as never) } })).rejects.toThrow(
      /no option "mesage".*message/,
    );
  });
});

test.each([
  ["zod", z.object({ n: z.coerce.number().default(5) }), { n: 5 }],
  ["valibot", v.pipe(v.string(), v.transform(Number)), 7],
  ["arktype", type("string.numeric.parse"), 7],
] as const)("handlers get what the schema of %s makes of a message", async (name, schema, expected) => {
  const seen: unknown[] = [];
  const route = json(schema as StandardSchema).route({ message: (_, message) => void seen.push(message) });
  await answerTo(route, name === "zod" ? "{}" : '"7"');
  expect(seen).toEqual([expected]);
});

test("a route with a server's option text for all still gets its messages", async () => {
  const seen: unknown[] = [];
  const { port } = await serving({
    text: "bytes",
    borrow: true,
    routes: { "/": json(z.string()).route({ message: (_, message) => void seen.push(message) }) },
  });
  const raw: Connection = await connect(`ws://127.0.0.1:${port}/`);
  raw.send('"é"');
  await vi.waitFor(() => expect(seen).toEqual(["é"]));
  raw.terminate();
});
