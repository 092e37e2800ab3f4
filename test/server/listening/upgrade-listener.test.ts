import { createServer as createHttpServer } from "node:http";
import { describe, expect, test } from "vitest";
import { serve } from "../../../src/server/server.ts";
import { answer, echo, said, says } from "../../support/asking.ts";
import { httpServer } from "../../support/http-server.ts";
import { closeStatus, exchange, openRaw, requestText } from "../../support/raw-peer.ts";
import { serving } from "../../support/serving.ts";

describe("a shared server", () => {
  test("serves several of our servers beside a listener of another library", async () => {
    const { http, port } = await httpServer();
    await serving({ server: http, routes: { "/a": says("a") } });
    const b = await serving({ server: http, routes: { "/b": says("b") } });
    expect(b.port).toBe(port);
    expect(http.listenerCount("upgrade")).toBe(1);
    expect(await said(port, "/a")).toBe("a");
    expect(await said(port, "/b")).toBe("b");
    expect((await answer(port, { path: "/c" })).status).toBe(404);
    http.on("upgrade", (request, socket) => {
      if (request.url === "/c") socket.end("HTTP/1.1 418 Theirs\r\nContent-Length: 0\r\n\r\n");
    });
    expect((await answer(port, { path: "/c" })).status).toBe(418);
    expect(await said(port, "/a")).toBe("a");
  });

  test("leaves other paths and protocols alone while another library listens", async () => {
    const { http, port } = await httpServer();
    const theirs: string[] = [];
    await serving({ server: http, routes: { "/a": says("a") } });
    http.on("upgrade", (request, socket) => {
      theirs.push(`${request.headers.upgrade} ${request.url}`);
      if (request.url !== "/a" || request.headers.upgrade !== "websocket") socket.end();
    });
    await exchange(port, requestText({ path: "/none" }));
    await exchange(port, requestText({ path: "/a", headers: { Upgrade: "h2c" } }));
    expect(await said(port, "/a")).toBe("a");
    expect(theirs).toEqual(["websocket /none", "h2c /a", "websocket /a"]);
  });

  test("leaves plain requests and other protocols to the request listeners, and answers 426 without them", async () => {
    const { http, port } = await httpServer();
    await serving({ server: http, routes: { "/a": says("a") } });
    expect((await answer(port, { path: "/a", headers: { Upgrade: "h2c" } })).status).toBe(426);
    http.on("request", (request, response) => response.end(`theirs ${request.url}`));
    const other = { Upgrade: "h2c", Connection: "close, Upgrade" };
    expect(await exchange(port, requestText({ path: "/a", headers: other }))).toContain("theirs /a");
    const plain = { Upgrade: "", Connection: "close" };
    expect(await exchange(port, requestText({ path: "/a", headers: plain }))).toContain("theirs /a");
  });

  test("close takes only its own routes away, and leaves the HTTP server to its owner", async () => {
    const { http, port } = await httpServer();
    const a = await serving({ server: http, routes: { "/a": says("a") } });
    const b = await serving({ server: http, routes: { "/b": says("b") } });
    const peer = await openRaw(port, { path: "/a" });
    await peer.nextFrame();
    const closing = a.close();
    expect(closeStatus(await peer.nextFrame())).toEqual({ code: 1001, reason: "The server is closing" });
    peer.close(1001);
    peer.end();
    await closing;
    expect((await answer(port, { path: "/a" })).status).toBe(404);
    expect(await said(port, "/b")).toBe("b");
    for (const connection of b.connections) connection.terminate();
    await b.close();
    await b.close();
    expect(http.listenerCount("upgrade")).toBe(0);
    expect(http.listening).toBe(true);
  });

  test("survives an Upgrade field that Node has dropped [C01]", async () => {
    const { http, port } = await httpServer();
    http.maxHeadersCount = 2;
    await serving({ server: http, routes: { "/a": says("a") } });
    const headers = { Upgrade: "", "X-1": "1", "X-2": "2", upgrade: "websocket" };
    // Newer versions of Node refuse such a request themselves.
    expect((await answer(port, { path: "/a", headers })).status).toBeOneOf([426, 431]);
  });
});

test("serve rejects for a path that another of our servers has on the same HTTP server, until that one closes", async () => {
  const http = createHttpServer();
  const rooms = { "/chat": echo, "/rooms/:room": echo };
  const first = await serving({ server: http, routes: rooms });
  await serving({ server: http, routes: { "/rooms": echo, "/rooms/:room/:user": echo } });
  for (const path of ["/chat", "/rooms/:name"]) {
    await expect(serve({ server: http, routes: { "/new": echo, [path]: echo } })).rejects.toThrow(
      `Cannot serve "${path.replace("name", "")}": the HTTP server has a route of that path already; close the other`,
    );
  }
  await first.close();
  await serving({ server: http, routes: rooms });
});
