/**
 * `npm run test:brokers`: the contract and the faults of every broker, against other servers than Debian's.
 *
 * `OPENLINE_NATS_SERVER` and `OPENLINE_REDIS_SERVER` name executables, such as the newest nats-server or a valkey-server; what is
 * not named is the one that is installed. Each is asked for its version first.
 */
import { spawnSync } from "node:child_process";

const servers = [
  ["OPENLINE_NATS_SERVER", "nats-server"],
  ["OPENLINE_REDIS_SERVER", "redis-server"],
];
for (const [variable, otherwise] of servers) {
  const executable = process.env[variable] ?? otherwise;
  const { stdout, stderr, error } = spawnSync(executable, ["--version"], { encoding: "utf8" });
  console.log(`${variable}: ${error ? `${executable} cannot be run` : `${stdout}${stderr}`.trim()}`);
}
const { status } = spawnSync(
  process.execPath,
  ["node_modules/vitest/vitest.mjs", "run", "test/cluster/nats", "test/cluster/redis", ...process.argv.slice(2)],
  { stdio: "inherit", env: { ...process.env, CI: "true" } },
);
process.exitCode = status ?? 1;
