// @ts-check
/**
 * Two processes on one port. On Enter, or SIGUSR2, one after the other is replaced: a new one starts, then the old one sends its
 * clients away, handles what they sent until then, and ends.
 */
import cluster from "node:cluster";
import { once } from "node:events";
import { serveInWorker } from "./worker.js";

const handled = new Set();
let twice = 0;

/** Resolves with a process when it listens. */
async function startWorker() {
  const worker = cluster.fork();
  worker.on("exit", (code) => code !== 0 && process.exit(code ?? 1));
  const [{ port }] = await once(worker, "listening");
  return { worker, port };
}

/** @param {import("node:cluster").Worker} worker */
async function end(worker) {
  // A process that was told by the terminal's Ctrl-C too may be gone before this reaches it.
  if (worker.isConnected()) worker.send("leave", () => {});
  if (!worker.isDead()) await once(worker, "exit");
}

async function main() {
  cluster.on("message", (_, id) => {
    if (handled.has(id)) twice++;
    else handled.add(id);
  });
  const workers = [await startWorker(), await startWorker()];

  let restarting = false;
  const restart = async () => {
    if (restarting) return;
    restarting = true;
    for (const [place, old] of workers.entries()) {
      workers[place] = await startWorker();
      await end(old.worker);
      console.log(`Process ${old.worker.process.pid} has left, ${workers[place].worker.process.pid} has its place`);
    }
    restarting = false;
    console.log("Both processes are new");
  };
  process.stdin.on("data", restart);
  process.on("SIGUSR2", restart);
  for (const signal of ["SIGINT", "SIGTERM"]) {
    process.on(signal, async () => {
      process.stdin.destroy();
      await Promise.all(workers.map(({ worker }) => end(worker)));
      console.log(`${handled.size} messages were handled, ${twice} of them twice`);
    });
  }
  console.log(`Two processes at ws://localhost:${workers[0]?.port}/. Start the client beside it, and press Enter here`);
  console.log("for a rolling restart. Ctrl-C ends the server.");
}

await (cluster.isPrimary ? main() : serveInWorker());
