/**
 * The example upload: a message larger than what either side may hold, and what is left of one that is cut off.
 *
 * @module-tag slow
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, expect, test } from "vitest";
import { startExample, stopExamples } from "./example-process.ts";

const folder = mkdtempSync(join(tmpdir(), "openline-uploads-"));

afterEach(stopExamples);
afterAll(() => rmSync(folder, { recursive: true }));

/** A server that stores into a folder of its own. */
async function startServer(name: string) {
  const uploads = join(folder, name);
  const server = startExample("upload", { env: { UPLOADS: uploads } });
  const env = { PORT: String(await server.port()) };
  const send = (...args: string[]) => startExample("upload", { script: "client", args, env });
  return { server, send, uploads };
}

test("128 MiB arrive as one message, while the memory of both sides stays level", async () => {
  const { send, uploads } = await startServer("large");
  const { code, output } = await send("128").ended;
  expect(code, output).toBe(0);
  const lines = [...output.matchAll(/^(\d+) MiB of 128 MiB have come; memory here (\d+) MiB, there (\d+) MiB$/gm)];
  expect(lines.map(([, received]) => Number(received))).toEqual([16, 32, 48, 64, 80, 96, 112, 128, 128]);
  for (const side of [2, 3]) {
    const memories = lines.map((line) => Number(line[side]));
    // Less than the message in any case: what is read into fresh memory is collected now and then.
    expect(Math.max(...memories) - Math.min(...memories), output).toBeLessThan(64);
  }
  expect(output).toMatch(/\nThe server has the same 134217728 bytes\n$/);
  const [stored, ...others] = readdirSync(uploads);
  expect([readFileSync(join(uploads, stored!)).length, others]).toEqual([134_217_728, []]);
});

test("a file arrives with every byte, also an empty one", async () => {
  const { send, uploads } = await startServer("file");
  const file = join(folder, "bytes");
  for (const bytes of [Buffer.from(Array.from({ length: 300_000 }, (_, at) => at * at)), Buffer.alloc(0)]) {
    writeFileSync(file, bytes);
    const { code, output } = await send(file).ended;
    expect([code, output]).toEqual([0, expect.stringContaining(`The server has the same ${bytes.length} bytes`)]);
    const [stored] = readdirSync(uploads);
    expect(readFileSync(join(uploads, stored!)).equals(bytes)).toBe(true);
    rmSync(join(uploads, stored!));
  }
});

test("of an upload that is cut off nothing is left, and the server goes on", async () => {
  const { server, send, uploads } = await startServer("cut");
  const client = send("1000000");
  await client.until(/^16 MiB/m);
  expect(readdirSync(uploads)).toHaveLength(1);
  void client.stop("SIGKILL");
  await server.until(/After \d+ bytes there came no more: .*the connection ended/);
  expect(readdirSync(uploads)).toEqual([]);
  expect((await send("1").ended).code).toBe(0);
  expect((await server.stop()).code).toBe(0);
});

test("what cannot be sent, or nowhere, is a sentence that says so", async () => {
  for (const source of [folder, join(folder, "nothing"), "-1", "1e99"]) {
    const { code, output } = await startExample("upload", { script: "client", args: [source] }).ended;
    expect([code, output]).toEqual([1, expect.stringContaining(`Cannot send "${source}": it is no file. Name one`)]);
  }
  const { code, output } = await startExample("upload", { script: "client", env: { PORT: "1" } }).ended;
  expect([code, output]).toEqual([1, expect.stringMatching(/nothing listens.*\nStart the server first: npm start\n$/)]);
});

test("an upload that the server does not store ends with 1 and a sentence", async () => {
  const { server, send, uploads } = await startServer("removed");
  rmSync(uploads, { recursive: true });
  const refused = await send("1").ended;
  expect([refused.code, refused.output]).toEqual([1, expect.stringContaining('"1" has not arrived: ')]);
  expect(refused.output).toContain("1011 The message is not stored");
  const stopped = await startServer("stopped");
  const client = stopped.send("1000000");
  await client.until(/^16 MiB/m);
  void stopped.server.stop();
  const { code, output } = await client.ended;
  expect([code, output]).toEqual([1, expect.stringContaining('"1000000" has not arrived: ')]);
  expect((await server.stop()).code).toBe(0);
});

test.runIf(process.platform === "linux")("a file that cannot be read is a sentence that says why", async () => {
  const { send } = await startServer("unread");
  const { code, output } = await send("/proc/self/mem").ended;
  expect([code, output]).toEqual([1, expect.stringMatching(/^Cannot read "\/proc\/self\/mem": EIO.*\n$/)]);
});

test("a folder that cannot be made is a sentence that says so", async () => {
  const UPLOADS = join(folder, "taken");
  writeFileSync(UPLOADS, "");
  const { code, output } = await startExample("upload", { env: { UPLOADS } }).ended;
  expect([code, output]).toEqual([1, expect.stringMatching(/^EEXIST.*\nName another folder: UPLOADS=FOLDER/)]);
});
