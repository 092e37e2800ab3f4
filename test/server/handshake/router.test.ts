import { describe, expect, test } from "vitest";
import { Router } from "../../../src/server/handshake/router.ts";

const paths = ["/", "/echo", "/rooms/:room", "/rooms/lobby", "/rooms/:room/seats/:seat", "/:any/seats"] as const;
const routes = new Router(paths.map((path) => [path, path] as const));

describe("Router", () => {
  test.each([
    ["/", "/", {}],
    ["/echo", "/echo", {}],
    ["/rooms/1", "/rooms/:room", { room: "1" }],
    ["/rooms/lobby", "/rooms/lobby", {}],
    ["/rooms/gr%C3%BCn%2Fblau", "/rooms/:room", { room: "grün/blau" }],
    ["/rooms/:room", "/rooms/:room", { room: ":room" }],
    ["/rooms/a/seats/b", "/rooms/:room/seats/:seat", { room: "a", seat: "b" }],
    ["/rooms/seats", "/rooms/:room", { room: "seats" }],
    ["/x/seats", "/:any/seats", { any: "x" }],
    ["/rooms/__proto__", "/rooms/:room", { room: "__proto__" }],
  ])("%s goes to %s", (path, route, params) => {
    const match = routes.match(path);
    expect(match?.value).toBe(route);
    expect({ ...match?.params }).toEqual(params);
  });

  test.each([
    "",
    "/echo/",
    "/Echo",
    "/rooms",
    "/rooms/",
    "//echo",
    "/rooms/a/seats",
    "/rooms/%ff",
    "/rooms/%",
    "/none",
  ])("%j goes nowhere", (path) => {
    expect(routes.match(path)).toBeUndefined();
  });

  describe("with a rest", () => {
    const all = ["/*", "/files/*", "/:dir/*", "/files/:id", "/files/:id/*", "/files/new", "/files/a/:b/*"];
    // The order in which they are given makes no difference.
    test.each([
      ["given so", all],
      ["given the other way round", [...all].reverse()],
    ])("%s, exact beats name, and name beats rest", (_, given) => {
      const some = new Router(given.map((path) => [path, path] as const));
      for (const [path, route, params] of [
        ["/", "/*", { "*": "" }],
        ["/index.html", "/*", { "*": "index.html" }],
        ["/files", "/*", { "*": "files" }],
        ["/files/", "/files/*", { "*": "" }],
        ["/files/new", "/files/new", {}],
        ["/files/1", "/files/:id", { id: "1" }],
        ["/files/1/", "/files/:id/*", { id: "1", "*": "" }],
        ["/files/1/2/3", "/files/:id/*", { id: "1", "*": "2/3" }],
        ["/files/a/2/3", "/files/a/:b/*", { b: "2", "*": "3" }],
        ["/files//2", "/files/*", { "*": "/2" }],
        ["/other/x//y/", "/:dir/*", { dir: "other", "*": "x//y/" }],
        ["/files/new/gr%C3%BCn%2Fblau/%2e%2e/..", "/files/:id/*", { id: "new", "*": "grün/blau/../.." }],
        ["/*", "/*", { "*": "*" }],
      ] as const) {
        const match = some.match(path);
        expect([path, match?.value]).toEqual([path, route]);
        expect({ ...match?.params }).toEqual(params);
      }
    });

    test.each(["/files", "/file/x", "/files/%ff", "/files/a/%"])("%j goes nowhere", (path) => {
      expect(new Router([["/files/*", 1]]).match(path)).toBeUndefined();
    });
  });

  test("names of Object.prototype are no parameters unless they are given [C03]", () => {
    const { params } = new Router([["/:__proto__/:constructor", 1]]).match("/a/b")!;
    expect(Object.keys(params)).toEqual(["__proto__", "constructor"]);
    expect(params.toString).toBeUndefined();
    expect(new Router([["/a", 1]]).match("constructor")).toBeUndefined();
  });

  test.each(["echo", "", "/a/:", "/:a/:a", "/a*", "/*/a", "/**", "*", "/a/*/*", "/a?b=c", "/a#b"])(
    "the path %j is refused",
    (path) => {
      expect(() => new Router([[path, 1]])).toThrow(TypeError);
    },
  );
});

test.each([
  ["/café", "/caf%C3%A9"],
  ["/a b", "/a%20b"],
  ["/a/../b", "/b"],
  ["/:a/%2e/c", "/:/c"],
  ["/a\\b", "/a/b"],
])("refuses %s, which no request has, and says what clients send", (path, sent) => {
  expect(() => new Router([[path, 1]])).toThrow(
    new TypeError(`Cannot route "${path}": no request has this path; clients send it as "${sent}"`),
  );
});

test("takes parameters of any name, and characters that clients send unchanged", () => {
  for (const path of ["/:größe x", "//", "/a;b=(c)'!~", "/@:", "/%7e", "/...", "/:../*"]) new Router([[path, 1]]);
});

test("refuses two paths that differ in the names of parameters alone", () => {
  const routes = (...paths: string[]) => new Router(paths.map((path) => [path, 1]));
  expect(() => routes("/x/:a", "/x/:b")).toThrow(
    /^Cannot route "\/x\/:" twice: the names of parameters make no differ/,
  );
  routes("/x/:a", "/:b/x", "/:a/:b", "/x/:a/*");
});
