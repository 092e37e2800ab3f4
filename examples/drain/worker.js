// @ts-check
/** One of the processes: it acknowledges each message when it has done its work. */
import { setTimeout as delay } from "node:timers/promises";
import { serve } from "openline";
import { workerCluster } from "openline/workers";

await serve({
  port: Number(process.env.PORT ?? 9998),
  host: "127.0.0.1",
  cluster: workerCluster(),
  routes: {
    "/": {
      accepts: "text",
      message: async (connection, id) => {
        await delay(5); // The work.
        process.send?.({ id });
        connection.send(id);
      },
    },
  },
}).catch(() => process.exit(1));
