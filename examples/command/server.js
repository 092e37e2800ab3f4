// @ts-check
/**
 * A program for each connection: what a client sends is a line of its stdin, and each line of its output is a message.
 *
 * Who can connect can run the program, so it listens on this machine alone, under its own names, for its own page.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { CloseCode, serve } from "openline";

const [command = "cat", ...args] = process.argv.slice(2);
const trial = spawn(command, args, { stdio: "ignore" });
await once(trial, "spawn").catch(({ code }) => {
  console.error(`Cannot run "${command}" (${code}). Name a program that this machine has: npm start -- bc -q`);
  process.exit(1);
});
trial.kill("SIGKILL");

const page = readFileSync(new URL("page.html", import.meta.url));
const server = await serve({
  port: Number(process.env.PORT ?? 9998),
  host: "127.0.0.1",
  hosts: ["localhost", "127.0.0.1"],
  request: (_, response) => response.setHeader("Content-Type", "text/html").end(page),
  routes: { "/command": { accepts: "text", open: run } },
});

/** The whole life of a connection, as its route has no `message` handler. @param {import("openline").Connection} connection */
async function run(connection) {
  const child = spawn(command, args);
  child.on("error", ({ message }) => connection.close(CloseCode.InternalError, message.slice(0, 60)));
  child.stdin.on("error", () => {}); // The program has ended while there was still something to read.
  const printed = [child.stdout, child.stderr].map(async (input) => {
    for await (const line of createInterface({ input })) if (!connection.send(line)) await connection.ready;
  });
  child.on("close", async (code, signal) => {
    await Promise.all(printed);
    connection.close(1000, `The program ended with ${code ?? signal}`);
  });
  for await (const line of connection) {
    if (!child.stdin.write(`${line}\n`)) await Promise.race([once(child.stdin, "drain"), connection.closed]);
  }
  // The end of its stdin asks it to end; what is still there a second later is killed.
  child.stdin.end();
  setTimeout(() => child.kill("SIGKILL"), 1000).unref();
}

for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => server.close());
console.log(`Open http://localhost:${server.port} to talk to ${command}. Ctrl-C ends the server.`);
