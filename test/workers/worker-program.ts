/**
 * The module that workers of the tests run: a server whose clients say what is to be done there.
 *
 * `WORKERS_TEST` in the environment has its settings as JSON.
 */
import { existsSync } from "node:fs";
import { threadId } from "node:worker_threads";
import { serve } from "../../src/index.ts";
import { workerCluster } from "../../src/workers/index.ts";

/** How the program behaves. */
export interface Settings {
  readonly port?: number;
  readonly maxBacklogSize?: number;
  /** As long as this file is there, the module throws. */
  readonly brokenWhile?: string;
  /** As long as this file is there, the module is not done. */
  readonly slowWhile?: string;
  /** Whether it never serves. */
  readonly idle?: boolean;
}

/** What a client asks for; each is answered by the same with `done`. */
export type Command =
  | { readonly do: "subscribe"; readonly topic: string }
  /** Publishes `count` messages: the prefix with numbers from 0 on, and as many bytes behind as wanted. */
  | {
      readonly do: "publish";
      readonly topic: string;
      readonly prefix: string;
      readonly count: number;
      /** Whether all is published in one turn; else 50 messages a turn. */
      readonly atOnce?: boolean;
      readonly size?: number;
      readonly by?: "connection" | "server" | "cluster";
    }
  /** Hands on to this client what the process itself gets of a topic. */
  | { readonly do: "listen"; readonly topic: string }
  /** Keeps the thread busy as long as this file is there. */
  | { readonly do: "block"; readonly file: string }
  | { readonly do: "die" }
  /** Closes the server; the worker stays. */
  | { readonly do: "close" }
  | { readonly do: "numbers" };

const settings = JSON.parse(process.env.WORKERS_TEST ?? "{}") as Settings;
if (settings.brokenWhile !== undefined && existsSync(settings.brokenWhile)) throw new Error("Broken, as asked");
while (settings.slowWhile !== undefined && existsSync(settings.slowWhile)) await new Promise(setImmediate);

const { maxBacklogSize } = settings;
const cluster = workerCluster({ log: () => {}, ...(maxBacklogSize !== undefined && { maxBacklogSize }) });

if (settings.idle) setInterval(() => {}, 1000);
else await begin();

async function begin(): Promise<void> {
  const server = await serve({
    port: settings.port ?? 0,
    host: "127.0.0.1",
    cluster,
    routes: {
      "/": {
        open: (connection) => void connection.send(JSON.stringify({ worker: `${process.pid}/${threadId}` })),
        message: async (connection, text) => {
          const command = JSON.parse(String(text)) as Command;
          let done: unknown = true;
          if (command.do === "subscribe") await connection.subscribe(command.topic).ready;
          if (command.do === "listen") {
            const { ready } = cluster.subscribe(command.topic, ({ data }) => void connection.send(`process: ${data}`));
            await ready;
          }
          if (command.do === "publish") {
            const publisher = { connection, server, cluster }[command.by ?? "connection"];
            for (let number = 0; number < command.count; number++) {
              publisher.publish(command.topic, `${command.prefix}${number}${" ".repeat(command.size ?? 0)}`);
              if (!command.atOnce && number % 50 === 49) await new Promise(setImmediate);
            }
          }
          if (command.do === "block") while (existsSync(command.file));
          if (command.do === "die" && threadId === 0) process.kill(process.pid, "SIGKILL");
          if (command.do === "die") process.exit(7);
          if (command.do === "close") void server.close();
          if (command.do === "numbers") done = cluster.metrics();
          connection.send(JSON.stringify({ done }));
        },
      },
    },
  });
}
