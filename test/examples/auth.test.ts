/**
 * The example auth: each of the five ways lets in who it should and nobody else, for as long as a token holds.
 *
 * @module-tag slow
 */
import { rmSync } from "node:fs";
import { type Connection, type ConnectOptions, connect, HandshakeError } from "openline";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type ExampleProcess, root, startExample, stopExamples } from "./example-process.ts";

let server: ExampleProcess;
let url: string;
let certificatePort: string;
let cookie: string;

beforeAll(async () => {
  server = startExample("auth", { env: { TOKEN_SECONDS: "30" } });
  url = `localhost:${await server.port()}`;
  certificatePort = (await server.until(/CERTIFICATE_PORT=(\d+)/))[1]!;
  const login = await fetch(`http://${url}/login`, { method: "POST" });
  expect(await login.text()).toBe(certificatePort);
  expect(login.headers.get("set-cookie")).toMatch(/; HttpOnly; SameSite=Strict/);
  cookie = login.headers.get("set-cookie")!.split(";")[0]!;
});
afterAll(stopExamples);

async function ask(path: string): Promise<string> {
  return await (await fetch(`http://${url}${path}`, { method: "POST", headers: { Cookie: cookie } })).text();
}

const open = (path: string, options?: ConnectOptions) => connect(`ws://${url}${path}`, options);

const statusOf = (path: string, options?: ConnectOptions) =>
  open(path, options).then(
    () => 101,
    (error) => (error instanceof HandshakeError ? error.status : error),
  );

async function next(connection: Connection): Promise<{ user: string; until: number; text?: string }> {
  return JSON.parse(String((await connection[Symbol.asyncIterator]().next()).value));
}

test("a cookie lets in, and none, a wrong one or a page of another host does not", async () => {
  expect(await next(await open("/cookie", { headers: { Cookie: `a=b; ${cookie}` } }))).toMatchObject({ user: "Ada" });
  expect(await statusOf("/cookie")).toBe(401);
  expect(await statusOf("/cookie", { headers: { Cookie: `session=${await ask("/token")}` } })).toBe(401);
  expect(await statusOf("/cookie", { headers: { Cookie: cookie }, origin: "http://evil.example" })).toBe(403);
});

test("a ticket lets in once", async () => {
  const path = `/ticket?ticket=${await ask("/ticket")}`;
  expect(await next(await open(path))).toMatchObject({ user: "Ada" });
  expect(await statusOf(path)).toBe(401);
  expect(await statusOf("/ticket")).toBe(401);
});

test("a bearer token lets in, the subprotocol that is meant is chosen, and a forged one does not", async () => {
  const token = await ask("/token");
  const connection = await open("/bearer", { subprotocols: ["example", `bearer.${token}`] });
  expect([connection.subprotocol, (await next(connection)).user]).toEqual(["example", "Ada"]);
  const [claims, signature] = token.split(".") as [string, string];
  const forged = Buffer.from(JSON.stringify({ ...JSON.parse(atob(claims)), user: "Eve" })).toString("base64url");
  for (const bad of [`${forged}.${signature}`, claims, `${claims}.`, await ask("/ticket"), "x"]) {
    expect(await statusOf("/bearer", { subprotocols: ["example", `bearer.${bad}`] }), bad).toBe(401);
  }
});

test("a first message lets in when it is a token, ends the connection when it is none, or does not come", async () => {
  const known = await open("/first-message");
  known.send(`token ${await ask("/token")}`);
  expect(await next(known)).toMatchObject({ user: "Ada" });
  known.send("hello");
  expect(await next(known)).toEqual({ user: "Ada", text: "hello" });
  const wrong = await open("/first-message");
  wrong.send("hello");
  expect(await wrong.closed).toMatchObject({ code: 1008, reason: "This is no token of yours" });
  const silent = await open("/first-message");
  expect(await silent.closed).toMatchObject({ code: 4001, reason: "No token came in time" });
});

test("a certificate of the authority lets in, and TLS refuses who has none", async () => {
  const env = { CERTIFICATE_PORT: certificatePort };
  const { code, output } = await startExample("auth", { script: "client", env }).ended;
  expect(code, output).toBe(0);
  expect(output).toMatch(/^Without a certificate: Cannot open .*: the TLS handshake failed: .*certificate required\n/);
  expect(output).toMatch(/\nWith a certificate: \{"user":"Ada's machine","until":\d+\}\n$/);
});

test("a new token puts the end of a live connection off, and that of another user ends it", async () => {
  const connection = await open("/cookie", { headers: { Cookie: cookie } });
  const { until } = await next(connection);
  connection.send(`token ${await ask("/token")}`);
  expect((await next(connection)).until).toBeGreaterThan(until);
  connection.send("token nonsense");
  expect(await connection.closed).toMatchObject({ code: 1008, reason: "This is no token of yours" });
});

test("a token that is not renewed ends the connection with 4001, and one that is does so later", async () => {
  const short = startExample("auth", { env: { TOKEN_SECONDS: "1" } });
  const host = `localhost:${await short.port()}`;
  const login = await fetch(`http://${host}/login`, { method: "POST" });
  const headers = { Cookie: login.headers.get("set-cookie")!.split(";")[0]! };
  const [left, renewed] = [
    await connect(`ws://${host}/cookie`, { headers }),
    await connect(`ws://${host}/cookie`, { headers }),
  ];
  const { until } = await next(renewed);
  let last = until;
  const over = left.closed.then(() => "over");
  while ((await Promise.race([over, new Promise((resolve) => setTimeout(resolve, 200))])) !== "over") {
    renewed.send(`token ${await (await fetch(`http://${host}/token`, { method: "POST", headers })).text()}`);
    last = (await next(renewed)).until;
  }
  expect(await left.closed).toMatchObject({ code: 4001, reason: "The token has expired" });
  expect([renewed.readyState, last > until]).toEqual([1, true]);
  expect(await renewed.closed).toMatchObject({ code: 4001, reason: "The token has expired" });
  expect((await short.stop()).code).toBe(0);
});

test("without openssl, or without certificates, it says what is missing and how to get it", async () => {
  const nowhere = `${root}.cache/no-certificates`;
  const without = await startExample("auth", { env: { CERTIFICATES: nowhere, PATH: "/nowhere" } }).ended;
  rmSync(nowhere, { recursive: true });
  expect(without.code).toBe(1);
  expect(without.output).toBe(
    "Cannot make certificates: the program openssl is missing. Install it, as by apt install openssl\n",
  );
  const client = await startExample("auth", { script: "client", env: { CERTIFICATES: nowhere } }).ended;
  expect(client.code).toBe(1);
  expect(client.output).toBe("There are no certificates yet. Start the server first, it makes them: npm start\n");
});

test.each(["abc", "2592000", "-1", "0", "1.5"])("a token cannot hold for %j seconds, and it says so", async (time) => {
  const { code, output } = await startExample("auth", { env: { TOKEN_SECONDS: time } }).ended;
  expect([code, output]).toEqual([1, `TOKEN_SECONDS is "${time}", which is no whole number from 1 to 2147483\n`]);
});
