/**
 * A server in a process of its own that takes messages longer than its address space allows: it has 256 MiB more than what
 * it holds when it starts. It tells its port, and the violation and error of each connection that is over.
 */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { serve } from "../../src/index.ts";

const most = 1024 * 1024 * 1024;
const server = await serve({
  host: "127.0.0.1",
  limits: { maxMessageSize: most, maxProcessAssemblySize: most },
  routes: {
    "/": {
      message: (connection, data) => void connection.send(String(data.length)),
      close: (_, report) => void process.send!({ violation: report.violation, sent: report.sent?.code }),
    },
  },
});
const held = Number(/^VmSize:\s+(\d+) kB$/m.exec(readFileSync("/proc/self/status", "utf8"))![1]);
execFileSync("prlimit", ["--pid", String(process.pid), `--as=${(held + 256 * 1024) * 1024}`]);
process.send!(server.port);
