import { type } from "arktype";
import * as v from "valibot";
import { describe, expectTypeOf, test } from "vitest";
import { z } from "zod";
import * as page from "../../src/browser/json.ts";
import { json } from "../../src/json/json.ts";
import { accept } from "../../src/server/accept.ts";
import type { Route } from "../../src/server/route.ts";
import { serve } from "../../src/server/server.ts";
import { connectionPair } from "../../src/testing/connection-pair.ts";

interface Chat {
  type: "chat";
  text: string;
}
interface Move {
  type: "move";
  x: number;
}
type FromClient = Chat | Move;

const ofZod = z.discriminatedUnion("type", [
  z.object({ type: z.literal("chat"), text: z.string() }),
  z.object({ type: z.literal("move"), x: z.number() }),
]);
const ofValibot = v.variant("type", [
  v.object({ type: v.literal("chat"), text: v.string() }),
  v.object({ type: v.literal("move"), x: v.number() }),
]);
const ofArktype = type({ type: "'chat'", text: "string" }).or({ type: "'move'", x: "number" });
const fromServer = z.object({ at: z.string().transform(Number) });

/** Never called; only its types are checked. */
async function libraries(): Promise<void> {
  for await (const message of await json(ofZod).connect("")) expectTypeOf(message).toEqualTypeOf<FromClient>();
  for await (const message of await json(ofValibot).connect("")) expectTypeOf(message).toEqualTypeOf<FromClient>();
  for await (const message of await json(ofArktype).connect("")) expectTypeOf(message).toEqualTypeOf<FromClient>();
  for await (const message of await page.json(ofZod).connect("")) expectTypeOf(message).toEqualTypeOf<FromClient>();
}

const chat = json({ receives: ofZod, sends: fromServer });

/** Never called; only its types are checked. */
async function routes(): Promise<void> {
  const own = chat.route("/rooms/:room", {
    upgrade: ({ params }) => ({ data: { room: params.room, seat: 1 } }),
    message: (connection, message) => {
      expectTypeOf(message).toEqualTypeOf<FromClient>();
      expectTypeOf(connection.data).toEqualTypeOf<{ room: string; seat: number }>();
      expectTypeOf(connection.params).toEqualTypeOf<{ readonly room: string }>();
    },
  });
  expectTypeOf(own).toEqualTypeOf<Route<{ room: string; seat: number }, { readonly room: string }>>();
  await serve({
    routes: {
      "/rooms/:room": own,
      "/inline/:name": chat.route({
        upgrade: async ({ params }) => ({ data: params.name }),
        open: (connection) => {
          expectTypeOf(connection.params).toEqualTypeOf<{ readonly name: string }>();
          expectTypeOf(connection.data).toEqualTypeOf<string>();
          connection.send({ at: "1" }, { timeout: 5 });
          connection.publish("all", { at: "2" });
          // @ts-expect-error: what is sent is what the schema takes, not what it gives
          connection.send({ at: 1 });
          // @ts-expect-error: what is published, too
          connection.publish("all", { at: 1 });
        },
        on: {
          chat: (connection, message) => {
            expectTypeOf(message).toEqualTypeOf<Chat>();
            expectTypeOf(connection.data).toEqualTypeOf<string>();
          },
          move: (_, { x }) => expectTypeOf(x).toEqualTypeOf<number>(),
        },
        invalid: (connection, { issues }) => void connection.close(4000, issues[0]?.message),
        close: (connection, { code }) => void [connection.data, code],
      }),
      "/without": chat.route({ message: ({ data }) => expectTypeOf(data).toBeUnknown() }),
      // @ts-expect-error: one kind has no handler
      "/kinds": chat.route({ on: { chat: () => {} } }),
      // @ts-expect-error: there is no such kind
      "/other": chat.route({ on: { chat: () => {}, move: () => {}, fly: () => {} } }),
      // @ts-expect-error: messages are text, and strings
      "/text": chat.route({ text: "bytes" }),
    },
  });
  // @ts-expect-error: the path of the route has another name
  await serve({ routes: { "/other/:name": own } });
  const connection = await accept({} as never, {} as never, new Uint8Array(), chat.route({ message: () => {} }));
  expectTypeOf(chat.over(connection!).send).parameter(0).toEqualTypeOf<{ at: string }>();
  const pair = await connectionPair(own, { params: { room: "lobby" } });
  expectTypeOf(chat.over(pair.server).data.seat).toEqualTypeOf<number>();
}

const ops = json({
  receives: z.union([z.object({ op: z.literal(1), a: z.string() }), z.object({ op: z.literal(2) })]),
  sends: ofZod,
  kind: "op",
});

/** Never called; only its types are checked. */
async function clients(): Promise<void> {
  const connection = await ops.connect("ws://localhost", {
    headers: { Authorization: "" },
    on: {
      1: (_, { a }) => expectTypeOf(a).toEqualTypeOf<string>(),
      2: (_, message) => expectTypeOf(message).toEqualTypeOf<{ op: 2 }>(),
    },
  });
  connection.send({ type: "chat", text: "" });
  expectTypeOf((await connection.closed).initiator).toEqualTypeOf<"local" | "peer" | "transport">();
  expectTypeOf(connection.raw.ping).returns.resolves.toEqualTypeOf<number>();
  // @ts-expect-error: nothing of another shape can be sent
  connection.send({ type: "chat" });
  // @ts-expect-error: messages are text alone
  await ops.connect("ws://localhost", { accepts: "binary" });
  expectTypeOf(ops.encode).parameter(0).toEqualTypeOf<FromClient>();
  const inPage = await page.json({ receives: ofZod, sends: fromServer }).connect("/", {
    on: { chat: (_, { text }) => expectTypeOf(text).toEqualTypeOf<string>(), move: () => {} },
  });
  inPage.send({ at: "1" });
  // @ts-expect-error: a page has no options of send
  inPage.send({ at: "1" }, { timeout: 5 });
}

describe("types", () => {
  test("of a schema of any library are those of messages", () => {
    expectTypeOf(libraries).returns.resolves.toBeVoid();
  });

  test("of a route are those of its messages, its path and its upgrade", () => {
    expectTypeOf(routes).returns.resolves.toBeVoid();
  });

  test("of a client are those of both directions", () => {
    expectTypeOf(clients).returns.resolves.toBeVoid();
  });
});
