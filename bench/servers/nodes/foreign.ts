/**
 * Starts `redis` or `centrifugo`, whose program is the second argument, and prints its port and its pid, by which the harness
 * measures it. BENCH_REDIS is the port of Redis for Centrifugo; with BENCH_HISTORY=1 its clients may resume.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

const folder = mkdtempSync(join(tmpdir(), "openline-bench-"));
const port = await freePort();
const [kind, program = ""] = process.argv.slice(2);
const child = spawn(program, kind === "redis" ? redisOptions() : centrifugoOptions(), {
  cwd: folder,
  stdio: ["ignore", "ignore", "inherit"],
});
process.on("exit", () => {
  child.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
});
child.once("error", () => process.exit(1));
child.once("exit", (code) => process.exit(code ?? 1));
while (!(await isListening())) await delay(50);
console.log(`port ${port} ${child.pid}`);
process.stdin.on("end", () => process.exit()).resume();

/** Nothing on a disk: all peers alike are to find Redis as fast as it is. */
function redisOptions(): string[] {
  return ["--port", String(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"];
}

function centrifugoOptions(): string[] {
  const anonymous = {
    allow_subscribe_for_client: true,
    allow_subscribe_for_anonymous: true,
    allow_publish_for_client: true,
    allow_publish_for_anonymous: true,
  };
  const history = { history_size: 100, history_ttl: "300s", force_recovery: true };
  const config = {
    http_server: { address: "127.0.0.1", port: String(port) },
    log: { level: "error" },
    engine: { type: "redis", redis: { address: `redis://127.0.0.1:${process.env.BENCH_REDIS}` } },
    client: { allow_anonymous_connect_without_token: true, allowed_origins: ["*"] },
    channel: { without_namespace: { ...anonymous, ...(process.env.BENCH_HISTORY === "1" && history) } },
  };
  writeFileSync(join(folder, "config.json"), JSON.stringify(config));
  return ["--config", "config.json"];
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  const { port: free } = server.address() as { readonly port: number };
  await new Promise<void>((resolve) => void server.close(() => resolve()));
  return free;
}

function isListening(): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}
