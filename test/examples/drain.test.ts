/**
 * The example drain: both processes are replaced under load, and every message is acknowledged.
 *
 * @module-tag slow
 */
import { once } from "node:events";
import { createServer } from "node:net";
import { afterEach, expect, test } from "vitest";
import { freePort } from "../support/program.ts";
import { startExample, stopExamples } from "./example-process.ts";

afterEach(stopExamples);

test("two rolling restarts under load: all connections move, and every message is acknowledged", {
  tags: "slow",
}, async () => {
  const server = startExample("drain");
  const client = startExample("drain", { script: "client", env: { PORT: String(await server.port()) } });
  await client.until(/^[1-9]\d* sent, [1-9]\d* acknowledged/m);
  server.process.stdin!.write("\n");
  await server.until(/Both processes are new\n/);
  process.kill(server.process.pid!, "SIGUSR2");
  await server.until(/Both processes are new\n[\s\S]*Both processes are new\n/);

  const end = await client.stop();
  expect(end.code, end.output).toBe(0);
  const [, sent, acknowledged, moves] =
    /(\d+) sent, (\d+) acknowledged; (\d+) times told to leave, \d+ sent again\nNothing was lost\n$/.exec(end.output) ??
    [];
  expect(acknowledged).toBe(sent);
  // A connection may have been on its way when the old processes were listed, but not most of them.
  expect(Number(moves)).toBeGreaterThan(50);
  const { code, output } = await server.stop();
  expect(code, output).toBe(0);
  expect(/(\d+) messages were handled, \d+ of them twice\n$/.exec(output)?.[1]).toBe(sent);
});

test("when the server is gone for good, the client says what is not acknowledged", async () => {
  const server = startExample("drain");
  const client = startExample("drain", { script: "client", env: { PORT: String(await server.port()) } });
  await client.until(/^[1-9]\d* sent, [1-9]\d* acknowledged/m);
  await server.stop("SIGKILL");
  await client.until(/^(\d+) sent[\s\S]*\n\1 sent/m);
  const { code, output } = await client.stop();
  expect([code, output]).toEqual([1, expect.stringMatching(/\n\d+ are not acknowledged, and there is no server/)]);
});

test("a port that is in use is a sentence, as is a server that is not there", async () => {
  const port = await freePort();
  const taken = createServer().listen(port, "127.0.0.1");
  await once(taken, "listening");
  const server = await startExample("drain", { env: { PORT: String(port) } }).ended;
  taken.close();
  expect(server.code).toBe(1);
  expect(server.output).toBe(
    `Cannot listen on port ${port} (EADDRINUSE). Choose another: PORT=${port + 10} npm start\n`,
  );
  const client = await startExample("drain", { script: "client", env: { PORT: "1" } }).ended;
  expect([client.code, client.output]).toEqual([1, expect.stringMatching(/nothing listens.*\nStart the server first/)]);
});
