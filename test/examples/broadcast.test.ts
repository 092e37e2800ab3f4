/**
 * The example broadcast: every message reaches every connection, and where it cannot the client says why.
 *
 * @module-tag slow
 */
import { spawnSync } from "node:child_process";
import { connect } from "openline";
import { afterEach, expect, test } from "vitest";
import { startExample, stopExamples } from "./example-process.ts";

afterEach(stopExamples);

test.each([[[]], [["compressed"]]])(
  "with %j, each of 300 connections gets each of 20 messages [G106]",
  async (args) => {
    const server = startExample("broadcast", { args });
    const env = { PORT: String(await server.port()) };
    const client = await startExample("broadcast", { script: "client", args: ["300", "20"], env }).ended;
    expect(client.code, client.output).toBe(0);
    expect(client.output).toMatch(/^300 connections in \d+\.\d\d s\n6000 deliveries in \d+\.\d\d s\n$/);
    expect((await server.stop()).output).toMatch(/\n6000 deliveries: \d+\.\d\d µs of CPU each, \d+ MiB\n$/);
  },
);

test("without a server the client says what to start", async () => {
  const { code, output } = await startExample("broadcast", { script: "client", env: { PORT: "1" } }).ended;
  expect([code, output]).toEqual([1, expect.stringMatching(/nothing listens.*\nStart the server first: npm start\n$/)]);
});

test.each(["none", "0", "10 x", "1 10001", "10001 1", "1.5 1"])(
  "%j is no number of connections and messages, and the client says so",
  async (words) => {
    const { code, output } = await startExample("broadcast", { script: "client", args: words.split(" ") }).ended;
    expect([code, output]).toEqual([
      1,
      expect.stringMatching(/^Cannot count: say how many .*: npm run client -- 1000 500\n$/),
    ]);
  },
);

test.each(["abc", "1.5", "-1", "10001"])("the server refuses to publish %j messages with 1008", async (text) => {
  const server = startExample("broadcast");
  const connection = await connect(`ws://localhost:${await server.port()}/`);
  connection.send(text);
  const reason = "This is no whole number from 1 to 10000";
  expect(await connection.closed).toMatchObject({ code: 1008, reason });
  expect((await server.stop()).output).not.toContain("deliveries");
});

test("a client whose server ends before all has arrived says so", async () => {
  const server = startExample("broadcast");
  const env = { PORT: String(await server.port()) };
  const client = startExample("broadcast", { script: "client", args: ["100", "10000"], env });
  await client.until(/100 connections/);
  void server.stop("SIGKILL");
  const { code, output } = await client.ended;
  expect([code, output]).toEqual([
    1,
    expect.stringMatching(/\nAfter \d+ of 1000000 deliveries a connection ended: 1006 /),
  ]);
});

test.skipIf(process.platform === "win32")("where too few files may be open the client says so", async () => {
  const server = startExample("broadcast");
  const folder = new URL("../../examples/broadcast/", import.meta.url);
  const { status, stderr } = spawnSync("sh", ["-c", `ulimit -n 150 && exec "${process.execPath}" client.js 300`], {
    cwd: folder,
    env: { ...process.env, PORT: String(await server.port()) },
    encoding: "utf8",
  });
  expect(status).toBe(1);
  expect(stderr).toMatch(
    /\n\d+ of 300 are open\. Raise the limit on open files for both programs \(ulimit -n 20000\), or/,
  );
});
