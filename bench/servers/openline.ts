/**
 * openline with its defaults, every check and limit on; compression only where the job is about it.
 *
 * OPENLINE_DIST names the folder of another build to measure; BENCH_SHARED=1 attaches to a server of node:http;
 * BENCH_BORROW=1 lends messages to the handler; BENCH_WATCH says what watches: every one of the `channels`, a `log`, or somebody who reads the `metrics` each second.
 */
import { subscribe } from "node:diagnostics_channel";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { Route, Server, ServerConnection } from "openline";
import { job, listening, publications } from "./job.ts";

/** The topics, as far as this build has them. */
interface WithTopics {
  publish(topic: string, data: string): unknown;
  subscribe(topic: string): unknown;
}

const dist = process.env.OPENLINE_DIST;
const openline = (await import(dist ? `${dist}/index.js` : "openline")) as typeof import("openline");

const watch = process.env.BENCH_WATCH;
let seen = 0;
const shared = process.env.BENCH_SHARED === "1" ? createServer() : undefined;
if (shared) await new Promise<void>((resolve) => void shared.listen(0, "127.0.0.1", resolve));
const server = await openline.serve({
  ...(shared ? { server: shared } : { host: "127.0.0.1" }),
  compression: job === "deflate" && { threshold: 0 },
  ...(process.env.BENCH_BORROW === "1" && { borrow: true }),
  ...(watch === "log" && { log: () => void seen++ }),
  routes: { "/": route() },
});
if (watch === "metrics") setInterval(() => void openline.prometheusText(server.metrics()), 1000).unref();
if (watch === "channels") watchChannels();
const remark = job === "publish" ? (hasTopics(server) ? "server.publish" : "a loop of send(prepared)") : "";
listening(shared ? (shared.address() as AddressInfo).port : server.port, remark);

function route(): Route {
  if (job === "sink") return { message: (connection) => void connection.send("ok") };
  if (job === "publish") return publisher();
  return { message: (connection, data) => void connection.send(data) };
}

function watchChannels(): void {
  const names = ["open", "close", "message", "error"].map((event) => `openline:connection:${event}`);
  for (const name of [...names, "openline:handshake:refused"]) subscribe(name, () => void seen++);
}

function publisher(): Route {
  const subscribers = new Set<ServerConnection>();
  return {
    open: (connection) => {
      if (hasTopics(server)) (connection as unknown as WithTopics).subscribe("all");
      else subscribers.add(connection);
    },
    close: (connection) => void subscribers.delete(connection),
    message: () => {
      if (hasTopics(server)) for (const text of publications) server.publish("all", text);
      else for (const text of publications) sendToAll(subscribers, text);
    },
  };
}

function hasTopics(candidate: Server): candidate is Server & WithTopics {
  return "publish" in candidate;
}

function sendToAll(subscribers: Iterable<ServerConnection>, text: string): void {
  const message = new openline.PreparedMessage(text);
  for (const subscriber of subscribers) subscriber.send(message);
}
