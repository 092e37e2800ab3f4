// @ts-check
/**
 * Two processes on one port. On Enter, or SIGUSR2, one after the other is replaced: a new one starts, then the old one sends its
 * clients away, handles what they sent until then, and ends.
 */
import cluster from "node:cluster";
import { serveOnCores } from "openline/workers";

const port = Number(process.env.PORT ?? 9998);
const handled = new Set();
let twice = 0;

cluster.on("message", (_, { id }) => {
  if (handled.has(id)) twice++;
  else if (id !== undefined) handled.add(id);
});

const workers = await serveOnCores({
  entry: new URL("./worker.js", import.meta.url),
  workers: 2,
  // Clients are told one after another, over a second; the other process has the new connections from then on.
  drain: { over: 1000, deadline: 10_000 },
}).catch(({ code }) => {
  console.error(`Cannot listen on port ${port} (${code}). Choose another: PORT=${port + 10} npm start`);
  process.exit(1);
});

const restart = async () => {
  await workers.restart();
  console.log("Both processes are new");
};
process.stdin.on("data", restart);
process.on("SIGUSR2", restart);
// Ctrl-C drains both.
process.on("exit", () => console.log(`${handled.size} messages were handled, ${twice} of them twice`));
console.log(`Two processes at ws://localhost:${workers.port}/. Start the client beside it, and press Enter here`);
console.log("for a rolling restart. Ctrl-C ends the server.");
