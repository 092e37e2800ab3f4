/**
 * The pages on frameworks that have a server of `node:http` under them: each program answers over HTTP and WebSocket, and lets
 * in only who has logged in by the framework's own session.
 *
 * @module-tag slow
 */
import { beforeAll, describe, expect, test } from "vitest";
import { connect } from "../../src/client/connect.ts";
import { install, runPage } from "./page.ts";

beforeAll(() => install("frameworks"), 300_000);

describe.each(["node-http", "express", "fastify", "koa", "hono"])("%s", (page) => {
  test("serves pages and connections on one port", async () => {
    const { port, stderr } = await runPage(page, "server.js");
    expect(await (await fetch(`http://localhost:${port}/`)).text()).toMatch(/^Hello over HTTP/);
    const connection = await connect(`ws://localhost:${port}/echo`);
    connection.send("hello");
    for await (const data of connection) {
      expect(data).toBe("hello");
      break;
    }
    await expect(connect(`ws://localhost:${port}/other`)).rejects.toMatchObject({ status: 404 });
    connection.close();
    expect(await connection.closed).toMatchObject({ code: 1000, wasClean: true });
    expect(stderr()).not.toMatch(/error/i);
  });

  test("lets in who has logged in, and nobody else", async () => {
    const { port, stderr } = await runPage(page, "session.js");
    const url = `ws://localhost:${port}/chat`;
    const login = await fetch(`http://localhost:${port}/login`);
    const cookies = login.headers.getSetCookie().map((cookie) => cookie.split(";")[0]);
    expect(cookies.length).toBeGreaterThan(0);
    const connection = await connect(url, { headers: { Cookie: cookies.join("; ") } });
    for await (const data of connection) {
      expect(data).toBe("Hello ada");
      break;
    }
    connection.close();
    const forged = cookies.map((cookie) => `${cookie!.slice(0, -5)}AAAAA`).join("; ");
    for (const headers of [
      {},
      { Cookie: forged },
      { Cookie: "session=; sessionId=%00; connect.sid=s%3Aa.b; user=ada" },
    ]) {
      await expect(connect(url, { headers })).rejects.toMatchObject({ status: 401 });
    }
    const again = await connect(url, { headers: { Cookie: cookies.join("; ") } });
    again.terminate();
    expect(stderr()).not.toMatch(/error/i);
  });
});
