import { describe, expectTypeOf, test } from "vitest";
import { accept } from "../../src/server/accept.ts";
import type { Refused } from "../../src/server/handshake/refused.ts";
import { refuse } from "../../src/server/refusal.ts";
import { type PathParams, route } from "../../src/server/route.ts";
import { type Server, serve } from "../../src/server/server.ts";

/** Never called; only its types are checked. */
async function inline(): Promise<void> {
  await serve({
    routes: {
      "/rooms/:room/:seat": {
        upgrade: ({ params }) => {
          expectTypeOf(params).toEqualTypeOf<{ readonly room: string; readonly seat: string }>();
          return {};
        },
        open: (connection) => {
          expectTypeOf(connection.params).toEqualTypeOf<{ readonly room: string; readonly seat: string }>();
          expectTypeOf(connection.data).toBeUnknown();
        },
      },
      "/wrapped/:room": route({
        upgrade: async ({ params, signal }) => {
          expectTypeOf(signal).toEqualTypeOf<AbortSignal>();
          return { data: { room: params.room, user: 1 } };
        },
        open: (connection) => {
          expectTypeOf(connection.params.room).toEqualTypeOf<string>();
          expectTypeOf(connection.data).toEqualTypeOf<{ room: string; user: number }>();
        },
        message: (connection, data) => {
          expectTypeOf(data).toEqualTypeOf<string | Uint8Array>();
          // @ts-expect-error: there is no such name in the path
          connection.params.other;
        },
      }),
      "/refuses": route({
        upgrade: ({ request }) => {
          if (request.headers.cookie === undefined) return new Response("No", { status: 401 });
          return { data: 5 };
        },
        message: (connection) => {
          expectTypeOf(connection.data).toEqualTypeOf<number>();
        },
      }),
      "/plain": { message: (connection, data) => void connection.send(data) },
      "/any": { accepts: "any", message: (_, data) => expectTypeOf(data).toEqualTypeOf<string | Uint8Array>() },
      "/text": { accepts: "text", message: (_, data) => expectTypeOf(data).toEqualTypeOf<string>() },
      "/bytes/:of": {
        accepts: "text",
        text: "bytes",
        message: ({ params }, data) => {
          expectTypeOf(data).toEqualTypeOf<Uint8Array>();
          expectTypeOf(params).toEqualTypeOf<{ readonly of: string }>();
        },
      },
      "/binary": { accepts: "binary", message: (_, data) => expectTypeOf(data).toEqualTypeOf<Uint8Array>() },
      "/wrapped-text": route({
        accepts: "text",
        upgrade: () => ({ data: 1 }),
        message: (connection, data) => {
          expectTypeOf(data).toEqualTypeOf<string>();
          expectTypeOf(connection.data).toEqualTypeOf<number>();
        },
      }),
      "/wrapped-bytes": route({
        accepts: "text",
        text: "bytes",
        message: (_, data) => expectTypeOf(data).toEqualTypeOf<Uint8Array>(),
      }),
      "/wrapped-binary": route({
        accepts: "binary",
        message: (_, data) => expectTypeOf(data).toEqualTypeOf<Uint8Array>(),
      }),
    },
  });
  const connection = await accept({} as never, {} as never, new Uint8Array(), { upgrade: () => ({ data: "x" }) });
  expectTypeOf(connection!.data).toEqualTypeOf<string>();
  await accept({} as never, {} as never, new Uint8Array(), {
    accepts: "text",
    message: (_, data) => expectTypeOf(data).toEqualTypeOf<string>(),
  });
  await accept({} as never, {} as never, new Uint8Array(), {
    accepts: "binary",
    upgrade: () => ({ data: 1 }),
    message: ({ data: number }, data) => {
      expectTypeOf(data).toEqualTypeOf<Uint8Array>();
      expectTypeOf(number).toEqualTypeOf<number>();
    },
  });
  // @ts-expect-error: there are two types of messages
  route({ accepts: "json" });
}

/** A condition whose value the compiler does not know. */
declare const letIn: boolean;

/** Never called; only its types are checked. */
function sometimesWithout(): void {
  route({ message: ({ data }) => expectTypeOf(data).toBeUnknown() });
  route({ upgrade: () => ({}), message: ({ data }) => expectTypeOf(data).toBeUnknown() });
  route({ upgrade: async () => ({ headers: { a: "b" } }), message: ({ data }) => expectTypeOf(data).toBeUnknown() });
  route({
    upgrade: async ({ request }) => (request.url === "/" ? { data: { user: 1 } } : { data: undefined }),
    message: ({ data }) => expectTypeOf(data).toEqualTypeOf<{ user: number } | undefined>(),
  });
  route({
    // @ts-expect-error: one of the results has no data
    upgrade: () => {
      if (letIn) return { data: { user: 1 } };
      return {};
    },
    message: ({ data }) => data.user,
  });
  // @ts-expect-error: undefined is no decision
  route({ upgrade: () => (letIn ? { data: 1 } : undefined) });
  // @ts-expect-error: false, which an `&&` may give, is no decision
  route({ upgrade: () => letIn && { data: 1 } });
  // @ts-expect-error: no result is no decision
  route({ upgrade: () => {} });
  route({
    // @ts-expect-error: one of the results has no data
    upgrade: async ({ subprotocols }) => {
      if (letIn) return { data: { user: 1 } };
      return subprotocols[0] === undefined ? {} : { subprotocol: subprotocols[0] };
    },
    message: ({ data }) => data.user,
  });
  // @ts-expect-error: no result has the data
  route<{ user: number }>({ message: ({ data }) => data.user });
  route<{ user: number } | undefined>({ message: ({ data }) => data?.user });
}

/** Never called; only its types are checked. */
async function inVariables(): Promise<void> {
  const room = route("/rooms/:room/:seat", {
    upgrade: async ({ params }) => {
      expectTypeOf(params).toEqualTypeOf<{ readonly room: string; readonly seat: string }>();
      return { data: { user: 1 } };
    },
    message: (connection, data) => {
      expectTypeOf(connection.params.seat).toEqualTypeOf<string>();
      expectTypeOf(connection.data).toEqualTypeOf<{ user: number }>();
      expectTypeOf(data).toEqualTypeOf<string | Uint8Array>();
    },
  });
  const text = route("/text", { accepts: "text", message: (_, data) => expectTypeOf(data).toEqualTypeOf<string>() });
  const server = await serve({
    routes: {
      "/rooms/:room/:seat": room,
      "/text": text,
      "/inline/:name": { upgrade: () => (letIn ? { data: 1 } : {}) },
      "/wrapped": route({ upgrade: () => ({ data: "x" }) }),
    },
  });
  const [first] = server.connectionsAt("/rooms/:room/:seat");
  expectTypeOf(first!.data).toEqualTypeOf<{ user: number }>();
  expectTypeOf(first!.params).toEqualTypeOf<{ readonly room: string; readonly seat: string }>();
  expectTypeOf(server.connectionsAt("/wrapped")[0]!.data).toEqualTypeOf<string>();
  // What a client may be let in without has no type.
  expectTypeOf(server.connectionsAt("/inline/:name")[0]!.data).toBeUnknown();
  // @ts-expect-error: there is no such route
  server.connectionsAt("/rooms");
  const plain: Server = server;
  expectTypeOf(plain.connectionsAt("/any")[0]!.data).toBeUnknown();
  // @ts-expect-error: the path has other names
  await serve({ routes: { "/rooms/:other": room } });
  // @ts-expect-error: one of the results has no data
  route("/a", { upgrade: () => (letIn ? { data: 1 } : {}), message: ({ data }) => data.toFixed() });
}

describe("types", () => {
  test("PathParams are the names of a path", () => {
    expectTypeOf<PathParams<"/a/:b/c/:d">>().toEqualTypeOf<{ readonly b: string; readonly d: string }>();
    expectTypeOf<PathParams<"/:a">>().toEqualTypeOf<{ readonly a: string }>();
    expectTypeOf<keyof PathParams<"/a">>().toEqualTypeOf<never>();
    expectTypeOf<PathParams<"/files/*">>().toEqualTypeOf<{ readonly "*": string }>();
    expectTypeOf<PathParams<"/*">>().toEqualTypeOf<{ readonly "*": string }>();
    expectTypeOf<PathParams<"/a/:b/*">>().toEqualTypeOf<{ readonly b: string; readonly "*": string }>();
    expectTypeOf<PathParams<string>>().toEqualTypeOf<Readonly<Record<string, string>>>();
  });

  test("the names in a path are those of params, inline and through route, and data is what upgrade returns", () => {
    expectTypeOf(inline).returns.resolves.toBeVoid();
  });

  test("data has no type where a client may be let in without it", () => {
    expectTypeOf(sometimesWithout).returns.toBeVoid();
  });

  test("a route of its own has the data that upgrade returns", () => {
    const own = route({ upgrade: () => ({ data: { name: "ada" } }), open: (connection) => connection.data.name });
    expectTypeOf(own.open!).parameter(0).toHaveProperty("data").toEqualTypeOf<{ name: string }>();
  });

  test("a refusal is no data, from refuse and as a Response", () => {
    const own = route({
      upgrade: async ({ url }) => {
        if (url.search === "") return refuse({ status: 401 });
        return url.search === "?teapot" ? new Response("", { status: 418 }) : { data: 5 };
      },
      open: (connection) => connection.data.toFixed(),
    });
    expectTypeOf(own.open!).parameter(0).toHaveProperty("data").toEqualTypeOf<number>();
    expectTypeOf(refuse()).toEqualTypeOf<Refused>();
  });

  test("a route in a variable has the params of its path, and a server the data of its routes", () => {
    expectTypeOf(inVariables).returns.resolves.toBeVoid();
  });
});
