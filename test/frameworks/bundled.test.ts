/**
 * The pages on frameworks that build or watch something: Vite, Next.js, NestJS, h3 and Nitro.
 *
 * @module-tag slow
 */
import { execFileSync } from "node:child_process";
import { createRequire } from "node:module";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { beforeAll, describe, expect, test } from "vitest";
import { connect } from "../../src/client/connect.ts";
import type { Connection } from "../../src/connection/connection.ts";
import { folderOf, install, packagesOf, run, runPage } from "./page.ts";

const tools = packagesOf("frameworks");
const tsx = createRequire(import.meta.url).resolve("tsx");

beforeAll(() => install("frameworks"), 300_000);

/** Whether an echo comes back from there. */
async function echoes(port: number): Promise<boolean> {
  const connection = await connect(`ws://localhost:${port}/echo`);
  connection.send("hello");
  for await (const data of connection) {
    connection.close();
    await connection.closed;
    return data === "hello";
  }
  return false;
}

test("Vite serves routes in development, and its own socket as before", async () => {
  const { folder, port } = await folderOf("vite", { "index.html": "<!doctype html><title>Hello</title>" });
  const { stderr } = await run(folder, port, [join(tools, "node_modules/vite/bin/vite.js")]);
  expect(await echoes(port)).toBe(true);
  const client = await (await fetch(`http://localhost:${port}/@vite/client`)).text();
  const token = /wsToken = "([^"]+)"/.exec(client)![1];
  const hot = await connect(`ws://localhost:${port}/?token=${token}`, { subprotocols: ["vite-hmr"] });
  for await (const data of hot) {
    expect(JSON.parse(String(data))).toEqual({ type: "connected" });
    break;
  }
  expect(await echoes(port)).toBe(true);
  hot.terminate();
  expect(stderr()).not.toMatch(/error/i);
});

test("Next.js serves routes in development, and its own socket as before", async () => {
  const { folder, port } = await folderOf("next", {
    "app/layout.js": "export default ({ children }) => <html><body>{children}</body></html>;",
    "app/page.js": "export default () => <p>Hello from a page</p>;",
  });
  await run(folder, port, ["server.js"], { NEXT_TELEMETRY_DISABLED: "1" });
  expect(await (await fetch(`http://localhost:${port}/`)).text()).toContain("Hello from a page");
  expect(await echoes(port)).toBe(true);
  const hot = await connect(`ws://localhost:${port}/_next/hmr`, { origin: `http://localhost:${port}` });
  for await (const data of hot) {
    expect(String(data).length).toBeGreaterThan(0);
    break;
  }
  expect(await echoes(port)).toBe(true);
  hot.terminate();
}, 180_000);

test("NestJS runs gateways over the adapter", async () => {
  const { folder, port } = await folderOf("nestjs", {
    "tsconfig.json":
      '{ "compilerOptions": { "experimentalDecorators": true, "module": "nodenext", "target": "es2022" } }',
  });
  const { stderr } = await run(folder, port, ["--import", tsx, "main.ts"]);
  const url = `ws://localhost:${port}/greetings`;
  // Nest listens before its gateways do.
  let connection: Connection | undefined;
  while (connection === undefined) connection = await connect(url).catch(() => delay(100, undefined));
  connection.send('{"event":"greet","data":"Ada"}');
  for await (const data of connection) {
    expect(JSON.parse(String(data))).toEqual({ event: "greeting", data: "Hello Ada" });
    break;
  }
  for (const message of ["nonsense", "null", '{"event":"constructor"}', '{"event":"other"}']) {
    const other = await connect(url);
    other.send(message);
    expect(await other.closed).toMatchObject({ code: 1007 });
  }
  expect(connection.readyState).toBe(1);
  connection.close();
  expect(await connection.closed).toMatchObject({ code: 1000 });
  expect(stderr()).not.toMatch(/error/i);
});

describe("h3 and Nitro", () => {
  test("h3 serves pages and connections on one port", async () => {
    const { port } = await runPage("nitro-h3", "server.js");
    expect(await (await fetch(`http://localhost:${port}/`)).text()).toBe("Hello over HTTP");
    expect(await echoes(port)).toBe(true);
  });

  test("h3 lets in who has logged in, and nobody else", async () => {
    const { port } = await runPage("nitro-h3", "session.js");
    const url = `ws://localhost:${port}/chat`;
    const [cookie = ""] = (await fetch(`http://localhost:${port}/login`)).headers.getSetCookie();
    const headers = { Cookie: cookie.split(";")[0]! };
    const connection = await connect(url, { headers });
    for await (const data of connection) {
      expect(data).toBe("Hello ada");
      break;
    }
    connection.close();
    await expect(connect(url)).rejects.toMatchObject({ status: 401 });
    await expect(connect(url, { headers: { Cookie: "h3=forged" } })).rejects.toMatchObject({ status: 401 });
  });

  test("Nitro is built as a function, and served by a server of one's own", async () => {
    const { folder, port } = await folderOf("nitro-h3", {
      "routes/index.js": 'export default defineEventHandler(() => "Hello over HTTP");',
    });
    execFileSync(process.execPath, [join(tools, "node_modules/nitropack/dist/cli/index.mjs"), "build"], {
      cwd: folder,
      stdio: "ignore",
    });
    await run(folder, port, ["start.js"]);
    expect(await (await fetch(`http://localhost:${port}/`)).text()).toBe("Hello over HTTP");
    expect(await echoes(port)).toBe(true);
  }, 180_000);
});
