/**
 * A server in a process of its own that takes messages longer than its address space allows: from its first connection on
 * it has 256 MiB more than what it holds then. It tells its port, and the violation and the Close of each connection that is
 * over.
 */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { serve } from "../../src/index.ts";

const most = 1024 * 1024 * 1024;
let limited = false;

/** Not at once: what compiles this program takes address space in the background. */
function limit(): void {
  if (limited) return;
  limited = true;
  const held = Number(/^VmSize:\s+(\d+) kB$/m.exec(readFileSync("/proc/self/status", "utf8"))![1]);
  execFileSync("prlimit", ["--pid", String(process.pid), `--as=${(held + 256 * 1024) * 1024}`]);
}

const server = await serve({
  host: "127.0.0.1",
  limits: { maxMessageSize: most, maxProcessAssemblySize: most },
  routes: {
    "/": {
      open: limit,
      message: (connection, data) => void connection.send(String(data.length)),
      close: (_, report) => void process.send!({ violation: report.violation, sent: report.sent?.code }),
    },
  },
});
process.send!(server.port);
