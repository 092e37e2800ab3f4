/** The connections of one route. */
import { expect, test } from "vitest";
import { connect } from "../../src/client/connect.ts";
import { route } from "../../src/server/route.ts";
import { serving } from "../support/serving.ts";

const shared = route({ asyncContext: true, upgrade: ({ url }) => ({ data: url.search }) });

test("are asked for by the route's key, whatever else they have in common", async () => {
  const routes = { "/a": shared, "/b": shared, "/rooms/:room": shared, "/rooms/best": shared, "/files/*": shared };
  const server = await serving({ routes });
  for (const target of ["/a?1", "/a?2", "/b?3", "/rooms/x?4", "/rooms/best?5", "/files/a/b?6", "/files/?7"]) {
    await connect(`ws://127.0.0.1:${server.port}${target}`);
  }
  const dataAt = (path: keyof typeof routes) => server.connectionsAt(path).map(({ data }) => data);
  expect(dataAt("/a")).toEqual(["?1", "?2"]);
  expect(dataAt("/b")).toEqual(["?3"]);
  expect(dataAt("/rooms/:room")).toEqual(["?4"]);
  expect(dataAt("/rooms/best")).toEqual(["?5"]);
  expect(dataAt("/files/*")).toEqual(["?6", "?7"]);
  const list = server.connectionsAt("/a");
  await server.close();
  expect(list).toHaveLength(2);
  expect(server.connectionsAt("/a")).toEqual([]);
});

test.each(["/rooms/x", "/rooms/:other", "/c", "", undefined, "__proto__"])(
  "no route has the key %j, and that is said",
  async (path) => {
    const server = await serving({ routes: { "/rooms/:room": {} } });
    expect(() => server.connectionsAt(path as "/rooms/:room")).toThrow(/^Cannot find the connections at .*no route/);
  },
);

test("upgrade has the cookies of the request", async () => {
  const server = await serving({
    routes: { "/": route({ upgrade: ({ cookies }) => ({ data: [...cookies] }) }) },
  });
  await connect(`ws://127.0.0.1:${server.port}/`, { headers: { Cookie: "a=1; __proto__=2; a=3" } });
  await connect(`ws://127.0.0.1:${server.port}/`);
  expect(server.connectionsAt("/").map(({ data }) => data)).toEqual([
    [
      ["a", "1"],
      ["__proto__", "2"],
    ],
    [],
  ]);
});
