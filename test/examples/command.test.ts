/**
 * The example command: what becomes of the program, and who may start it.
 *
 * @module-tag slow
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, HandshakeError } from "openline";
import { afterEach, expect, test } from "vitest";
import { startExample, stopExamples } from "./example-process.ts";

afterEach(stopExamples);

/** Says its pid, and then nothing that would make it end: neither the end of its input nor a polite signal. */
const stubborn = `console.log(process.pid); process.stdin.resume(); process.on("SIGTERM", () => {}); setInterval(() => {}, 1e6)`;

test("a program that does not end with its input is killed when the client has left [G102]", async () => {
  const server = startExample("command", { args: [process.execPath, "-e", stubborn] });
  const connection = await connect(`ws://localhost:${await server.port()}/command`);
  const { value: pid } = await connection[Symbol.asyncIterator]().next();
  expect(isAlive(Number(pid))).toBe(true);
  connection.close();
  while (isAlive(Number(pid))) await new Promise((resolve) => setTimeout(resolve, 50));
  expect((await server.stop()).code).toBe(0);
});

test("all that a program printed before it ended arrives, and then the Close with its exit code", async () => {
  const program = `for (let line = 0; line < 20000; line++) console.log("line " + line); process.exitCode = 7;`;
  const server = startExample("command", { args: [process.execPath, "-e", program] });
  const connection = await connect(`ws://localhost:${await server.port()}/command`);
  let count = 0;
  for await (const line of connection) expect(line).toBe(`line ${count++}`);
  const { code, reason } = await connection.closed;
  expect([count, code, reason]).toEqual([20_000, 1000, "The program ended with 7"]);
});

test("a page of another host cannot start it, nor one whose name was pointed here", async () => {
  const server = startExample("command");
  const url = `ws://localhost:${await server.port()}/command`;
  const statusOf = (options: Parameters<typeof connect>[1]) =>
    connect(url, options).then(
      () => 101,
      (error) => (error instanceof HandshakeError ? error.status : error),
    );
  expect(await statusOf({ origin: "http://evil.example" })).toBe(403);
  expect(await statusOf({ headers: { Host: "evil.example" }, origin: "http://evil.example" })).toBe(421);
});

test("a program that is not there is a sentence that says so", async () => {
  const { code, output } = await startExample("command", { args: ["no-such-program"] }).ended;
  expect(code).toBe(1);
  expect(output).toBe(
    'Cannot run "no-such-program" (ENOENT). Name a program that this machine has: npm start -- bc -q\n',
  );
});

test("a program that can be run no more ends the connection with 1011, and the server goes on", async () => {
  const folder = mkdtempSync(join(tmpdir(), "openline-command-"));
  const program = join(folder, "program");
  writeFileSync(program, "#!/bin/sh\ncat\n", { mode: 0o755 });
  const server = startExample("command", { args: [program] });
  const url = `ws://localhost:${await server.port()}/command`;
  rmSync(folder, { recursive: true });
  for (let time = 0; time < 2; time++) {
    const { code, reason } = await (await connect(url)).closed;
    expect([code, reason]).toEqual([1011, expect.stringContaining("spawn")]);
  }
  expect((await server.stop()).code).toBe(0);
});

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
