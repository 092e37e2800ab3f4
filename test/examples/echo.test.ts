/**
 * The example echo: the server, and the command-line client that ends as it should.
 *
 * @module-tag slow
 */
import { afterEach, expect, test } from "vitest";
import { startExample, stopExamples } from "./example-process.ts";

afterEach(stopExamples);

test.each(["SIGINT", "SIGTERM"] as const)(
  "the client prints what comes back, and on %s sends Close, waits for the answer and exits with 0 [G100]",
  async (signal) => {
    const server = startExample("echo");
    const client = startExample("echo", { script: "client", env: { PORT: String(await server.port()) } });
    await client.until(/^\d{4}-\d\d-\d\dT.*Z$/m);
    const end = await client.stop(signal);
    expect(end.code).toBe(0);
    expect(end.output).toMatch(/\nClosed with 1000\n$/);
    expect((await server.stop(signal)).code).toBe(0);
  },
);

test("the client exits with 0 when the server says goodbye", async () => {
  const server = startExample("echo");
  const client = startExample("echo", { script: "client", args: [`ws://localhost:${await server.port()}/echo`] });
  await client.until(/Z\n/);
  expect((await server.stop()).code).toBe(0);
  const end = await client.ended;
  expect(end.code).toBe(0);
  expect(end.output).toMatch(/\nClosed with 1001 The server is closing\n$/);
});

test("without a server the client says what to start, and exits with 1", async () => {
  const client = startExample("echo", { script: "client", args: ["ws://localhost:1/echo"] });
  const { code, output } = await client.ended;
  expect(code).toBe(1);
  expect(output).toMatch(
    /^Cannot open the connection to ws:\/\/localhost:1\/echo: .*nothing listens.*\nStart the server/,
  );
});
