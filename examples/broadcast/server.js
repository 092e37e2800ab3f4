// @ts-check
/** Publishes to everybody who is connected, as many messages as a client asks for, and says what that took. */
import { CloseCode, serve } from "openline";

const server = await serve({
  port: Number(process.env.PORT ?? 9998),
  host: "127.0.0.1",
  compression: process.argv.includes("compressed"),
  routes: {
    "/": {
      accepts: "text",
      open: (connection) => connection.subscribe("all"),
      message: async (connection, data) => {
        const count = Number(data);
        if (!Number.isInteger(count) || count < 1 || count > 10_000) {
          connection.close(CloseCode.PolicyViolation, "This is no whole number from 1 to 10000");
          return;
        }
        const before = process.cpuUsage();
        let deliveries = 0;
        for (let number = 0; number < count; number++) {
          const message = JSON.stringify({ number, at: Date.now(), text: "It is the same for all. ".repeat(20) });
          const { reached, delivered } = server.publish("all", message);
          deliveries += reached;
          await delivered;
        }
        const { user, system } = process.cpuUsage(before);
        const memory = Math.round(process.memoryUsage().rss / 2 ** 20);
        console.log(
          `${deliveries} deliveries: ${((user + system) / deliveries).toFixed(2)} µs of CPU each, ${memory} MiB`,
        );
      },
    },
  },
});

for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => server.close());
console.log(`Publishing at ws://localhost:${server.port}/. Start the client beside it. Ctrl-C ends the server.`);
