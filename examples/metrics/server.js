// @ts-check
/** A server with something to measure, and its figures at /metrics as Prometheus reads them. */
import { prometheusText, serve } from "openline";
import { createCluster } from "openline/cluster";

// In this process alone; over a broker it would be one of many.
const cluster = createCluster();
const server = await serve({
  port: Number(process.env.PORT ?? 9998),
  host: "127.0.0.1",
  request: (request, response) => {
    if (request.url !== "/metrics") return void response.writeHead(404).end("See /metrics\n");
    response.setHeader("Content-Type", "text/plain; version=0.0.4; charset=utf-8");
    response.end(prometheusText(server.metrics(), cluster.metrics()));
  },
  cluster,
  routes: {
    "/echo": { message: (connection, data) => connection.send(data) },
    "/news": {
      open: (connection) => connection.subscribe("news"),
      message: (connection, data) => {
        connection.publish("news", data);
      },
    },
  },
});

for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => Promise.all([server.close(), cluster.close()]));
console.log(`Figures at http://localhost:${server.port}/metrics. Start the client beside it. Ctrl-C ends the server.`);
