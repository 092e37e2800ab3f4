/**
 * The demo's server: the page's files, the echo of the article, the push feed, the comparison, the chat, the
 * readers of unlike speed, and the servers that are there to be drained.
 *
 * The HTTP server is the demo's own and openline shares it, so that the sockets, whose byte counters the comparison
 * reads, stay the ones that `node:http` accepted. Every route but `/echo` takes only the page's own origin.
 */
import { once } from "node:events";
import type { Server as HttpServer, IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:http";
import { serve } from "openline";
import { ARTICLE_FILES, sendArticle } from "./article.ts";
import { Chat } from "./chat/chat.ts";
import { ClusterRooms } from "./chat/cluster-rooms.ts";
import { Rooms } from "./chat/rooms.ts";
import { makeCluster } from "./cluster.ts";
import { Shifts } from "./drain/shifts.ts";
import type { ServedFile } from "./files.ts";
import { contentSecurityPolicy, readFiles, sendFile } from "./files.ts";
import { answerOperations } from "./operations.ts";
import { ByteMeter } from "./polling/byte-meter.ts";
import { Comparison } from "./polling/comparison.ts";
import { PushFeed } from "./push.ts";
import {
  chatRoute,
  controlRoute,
  drainRoute,
  echoRoute,
  followRoute,
  pushRoute,
  readerRoute,
  trialsRoute,
} from "./routes.ts";
import { Trials } from "./slow/trials.ts";
import { Traffic } from "./traffic.ts";

/** What `startDemo` needs: where to listen, and the folder of the built page. */
export interface DemoOptions {
  /** The Redis of a cluster; alone without one. */
  readonly broker?: string | undefined;
  /** What this node of a cluster is called. */
  readonly node: string;
  readonly port: number;
  readonly host: string;
  readonly page: string;
}

/** Milliseconds over which clients are sent away, and after which those that stay are cut off. */
const DRAIN_WINDOW = 1000;
const DRAIN_DEADLINE = 5000;

/** A running demo. */
export interface Demo {
  readonly port: number;
  /** Refuses new clients, sends the others away one after another, and stops. */
  close(): Promise<void>;
}

/** Starts the demo's server; rejects with what `listen` reports, such as EADDRINUSE. */
export async function startDemo({ port, host, page, broker, node }: DemoOptions): Promise<Demo> {
  const files = readFiles(page);
  const traffic = new Traffic();
  const meter = new ByteMeter();
  const feed = new PushFeed(traffic);
  const comparison = new Comparison(meter, () => feed.latest);
  const cluster = await makeCluster(broker);
  const rooms = broker === undefined ? new Rooms(traffic) : new ClusterRooms(traffic, { cluster, node });
  const chat = new Chat(rooms, traffic);
  const trials = new Trials(() => socketUrlOf(http));
  let policy = contentSecurityPolicy(port);
  const http = createServer((request, response) => {
    if (answerOperations({ server, cluster }, request, response) || comparison.request(request, response)) return;
    sendPage(files, policy, request, response);
    response.on("close", () => meter.take(request.socket));
  });
  const shifts = new Shifts(http);
  const server = await serve({
    server: http,
    cluster,
    routes: {
      "/echo": echoRoute(),
      "/push": pushRoute(feed),
      "/compare": controlRoute(traffic, comparison),
      "/compare/:run/socket": followRoute(comparison),
      "/chat/:room": chatRoute(chat),
      "/readers": trialsRoute(traffic, trials),
      "/readers/:trial/:reader": readerRoute(trials),
      "/drain": drainRoute(traffic, shifts),
    },
  });
  traffic.attach(server);
  trials.attach(server);
  const close = async (): Promise<void> => {
    comparison.close();
    trials.close();
    await Promise.all([shifts.close(), server.drain({ over: DRAIN_WINDOW, deadline: DRAIN_DEADLINE })]);
    feed.close();
    await cluster.close();
    const stopped = new Promise((resolve) => http.close(resolve));
    http.closeAllConnections();
    await stopped;
  };
  try {
    http.listen(port, host);
    await once(http, "listening");
  } catch (error) {
    await close();
    throw error;
  }
  policy = contentSecurityPolicy(server.port);
  return { port: server.port, close };
}

/** Where this process reaches its own WebSockets: a server that listens at all addresses is asked at the loopback one. */
function socketUrlOf(http: HttpServer): string {
  const address = http.address();
  if (typeof address !== "object" || address === null) throw new Error("Cannot connect: the server does not listen");
  const host = { "0.0.0.0": "127.0.0.1", "::": "::1" }[address.address] ?? address.address;
  return `ws://${host.includes(":") ? `[${host}]` : host}:${address.port}`;
}

function sendPage(
  files: ReadonlyMap<string, ServedFile>,
  policy: string,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  const path = (request.url ?? "/").split("?", 1)[0] ?? "/";
  const article = files.get(ARTICLE_FILES.get(path) ?? "");
  const file = files.get(path);
  if (article !== undefined) sendArticle(article, request, response);
  else if (file !== undefined) sendFile(file, policy, request, response);
  else response.writeHead(404, { "content-type": "text/plain; charset=utf-8" }).end("Not found\n");
}
