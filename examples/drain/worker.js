// @ts-check
/** One of the processes: it acknowledges each message when it has done its work. */
import cluster from "node:cluster";
import { setTimeout as delay } from "node:timers/promises";
import { serve } from "openline";

const port = Number(process.env.PORT ?? 9998);

export async function serveInWorker() {
  const serving = serve({
    port,
    host: "127.0.0.1",
    routes: {
      "/": {
        accepts: "text",
        message: async (connection, id) => {
          await delay(5); // The work.
          process.send?.(id);
          connection.send(id);
        },
      },
    },
  });

  let leaving = false;
  const leave = async () => {
    if (leaving) return;
    leaving = true;
    const server = await serving;
    // Clients are told one after another, over a second; the other process has the new connections from now on.
    await server.drain({ over: 1000, deadline: 10_000, stopListening: true });
    cluster.worker?.disconnect();
  };
  for (const event of ["message", "SIGINT", "SIGTERM"]) process.on(event, leave);

  await serving.catch(({ code }) => {
    console.error(`Cannot listen on port ${port} (${code}). Choose another: PORT=${port + 10} npm start`);
    process.exit(1);
  });
}
