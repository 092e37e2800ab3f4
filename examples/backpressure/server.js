// @ts-check
/**
 * A feed of values of 64 KiB, 50 a second. At /all everybody gets each of them, and who reads too slowly is let go; at
 * /latest a slow reader gets fewer, and each is the latest when it is sent.
 */
import { EventEmitter, once } from "node:events";
import { serve } from "openline";

const rate = Number(process.argv[2]) || 50;
const feed = new EventEmitter();
feed.setMaxListeners(0);
let number = 0;
let latest = "";

const server = await serve({
  port: Number(process.env.PORT ?? 9998),
  host: "127.0.0.1",
  limits: { maxOutboxSize: 4 * 1024 * 1024 },
  routes: {
    "/all": {
      open: (connection) => connection.subscribe("values"),
      close: (_, { error }) => error && console.log(`Let a reader of all values go: ${error.message}`),
    },
    "/latest": {
      open: async (connection) => {
        while (connection.readyState === 1) {
          connection.send(latest);
          // The Pong comes when the reader has come to the Ping behind the value: no more than one is on its way.
          await Promise.all([connection.ping(), once(feed, "value")]).catch(() => {});
        }
      },
    },
  },
});

const padding = "x".repeat(64 * 1024);
function makeValue() {
  latest = JSON.stringify({ number: number++, at: Date.now(), padding });
  server.publish("values", latest);
  feed.emit("value");
}
makeValue();
const timer = setInterval(makeValue, 1000 / rate);

for (const signal of ["SIGINT", "SIGTERM"]) {
  process.on(signal, async () => {
    await server.close();
    clearInterval(timer);
  });
}
console.log(
  `Values at ws://localhost:${server.port}/all and /latest. Start the client beside it. Ctrl-C ends the server.`,
);
