/**
 * openline with its defaults, every check and limit on; compression only where the job is about it.
 *
 * OPENLINE_DIST names the folder of another build to measure; BENCH_SHARED=1 attaches to a server of node:http;
 * BENCH_BORROW=1 lends messages to the handler; BENCH_UPGRADE=1 has an `upgrade` on the route; BENCH_WATCH says what watches:
 * every one of the `channels`, a `log`, or somebody who reads the `metrics` each second.
 */
import { subscribe } from "node:diagnostics_channel";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { Route, UpgradeContext } from "openline";
import { compresses, job, listening, publications, publishes, tls, topicsOf } from "./job.ts";

const dist = process.env.OPENLINE_DIST;
const openline = (await import(dist ? `${dist}/index.js` : "openline")) as typeof import("openline");

const watch = process.env.BENCH_WATCH;
let seen = 0;
const shared = process.env.BENCH_SHARED === "1" ? createServer() : undefined;
if (shared) await new Promise<void>((resolve) => void shared.listen(0, "127.0.0.1", resolve));
const server = await openline.serve({
  ...(shared ? { server: shared } : { host: "127.0.0.1", ...(tls && { tls }) }),
  compression: compresses && { threshold: 0 },
  ...(process.env.BENCH_BORROW === "1" && { borrow: true }),
  ...(watch === "log" && { log: () => void seen++ }),
  routes: { "/": process.env.BENCH_UPGRADE === "1" ? { ...route(), upgrade } : route() },
});
if (watch === "metrics") setInterval(() => void openline.prometheusText(server.metrics()), 1000).unref();
if (watch === "channels") watchChannels();
listening(shared ? (shared.address() as AddressInfo).port : server.port);

/** As an application would look who comes. */
function upgrade({ request }: UpgradeContext): { data: string | undefined } {
  return { data: request.headers.cookie };
}

function route(): Route {
  if (job === "sink") return { message: (connection) => void connection.send("ok") };
  if (job === "topics") return toTopics();
  if (publishes) return publisher();
  return { message: (connection, data) => void connection.send(data) };
}

function watchChannels(): void {
  const names = ["open", "close", "message", "error"].map((event) => `openline:connection:${event}`);
  for (const name of [...names, "openline:handshake:refused"]) subscribe(name, () => void seen++);
}

function publisher(): Route {
  return {
    open: (connection) => void connection.subscribe("all"),
    message: (connection, data) => {
      if (typeof data === "string") return publications.forEach((text) => void server.publish("all", text));
      // A connection that sends what is binary gets that back, and nothing else.
      connection.unsubscribe("all");
      connection.send(data);
    },
  };
}

function toTopics(): Route {
  const topics: string[] = [];
  let subscribed = 0;
  return {
    open: (connection) => {
      if (subscribed % 3 === 0) topics.push(...topicsOf(subscribed));
      for (const topic of topicsOf(subscribed++)) connection.subscribe(topic);
    },
    message: () => {
      for (const [index, topic] of topics.entries()) server.publish(topic, publications[index % publications.length]!);
    },
  };
}
