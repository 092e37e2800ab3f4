/**
 * Starts the demo: `PORT` (9998) and `HOST` (127.0.0.1) from the environment, the built page from beside this file. With
 * `--cluster redis://…` it is a node of several, called `NODE_NAME`, else by its host and port.
 * SIGINT and SIGTERM drain it, with exit code 0, and a second one ends it at once, with exit code 1; so does a taken port,
 * with one line on stderr.
 */
import { hostname } from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { startDemo } from "./demo-server.ts";

/** On Ctrl-C both the terminal and npm send SIGINT: what comes within so many milliseconds of the first is the same. */
const SAME_SIGNAL = 300;

const host = process.env.HOST ?? "127.0.0.1";
const port = Number(process.env.PORT ?? 9998);
const node = process.env.NODE_NAME ?? `${hostname()}:${port}`;
const page = fileURLToPath(new URL("../page", import.meta.url));

try {
  const { values } = parseArgs({ options: { cluster: { type: "string" } } });
  const demo = await startDemo({ port, host, page, node, broker: values.cluster });
  const shown = host === "127.0.0.1" || host === "::1" ? "localhost" : host.includes(":") ? `[${host}]` : host;
  console.log(`openline demo   http://${shown}:${demo.port}`);
  console.log(`echo            ws://${shown}:${demo.port}/echo`);
  let closingSince: number | undefined;
  const close = (): void => {
    if (closingSince === undefined) {
      closingSince = performance.now();
      void demo.close();
    } else if (performance.now() - closingSince > SAME_SIGNAL) {
      process.exit(1);
    }
  };
  process.on("SIGINT", close);
  process.on("SIGTERM", close);
} catch (error) {
  console.error(explain(error));
  process.exitCode = 1;
}

function explain(error: unknown): string {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  if (code === "EADDRINUSE") return `Cannot start: port ${port} on ${host} is taken (PORT=<another> npm start)`;
  if (code === "EACCES") return `Cannot start: port ${port} needs privileges (PORT=<another> npm start)`;
  return `Cannot start: ${error instanceof Error ? error.message : String(error)}`;
}
