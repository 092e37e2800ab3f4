/**
 * Bun.serve with its own topics and, where the job is about it, its shared compressor.
 */
import { compresses, job, listening, publications, publishes, tls, topicsOf } from "./job.ts";

interface Socket {
  send(data: string | Uint8Array, compress?: boolean): number;
  subscribe(topic: string): void;
  unsubscribe(topic: string): void;
}

declare const Bun: {
  serve(options: object): { port: number; publish(topic: string, data: string, compress?: boolean): number };
};

const topics: string[] = [];
let subscribed = 0;

const server = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  ...(tls && { tls }),
  fetch(request: Request, listener: { upgrade(request: Request): boolean }): Response | undefined {
    return listener.upgrade(request) ? undefined : new Response("WebSocket only", { status: 426 });
  },
  websocket: {
    perMessageDeflate: compresses && { compress: "shared", decompress: "shared" },
    open(socket: Socket): void {
      if (job === "topics") subscribe(socket);
      else if (publishes) socket.subscribe("all");
    },
    message: onMessage(),
  },
});
listening(server.port);

function onMessage(): (socket: Socket, data: string | Uint8Array) => void {
  if (job === "sink") return (socket) => void socket.send("ok");
  if (job === "deflate") return (socket, data) => void socket.send(data, true);
  if (!publishes) return (socket, data) => void socket.send(data);
  if (job === "topics") {
    return () => {
      for (const [index, topic] of topics.entries()) server.publish(topic, publications[index % publications.length]!);
    };
  }
  return (socket, data) => {
    if (typeof data === "string") for (const text of publications) server.publish("all", text, compresses);
    else sendAside(socket, data);
  };
}

/** A connection that sends what is binary gets that back, and nothing else. */
function sendAside(socket: Socket, data: Uint8Array): void {
  socket.unsubscribe("all");
  socket.send(data);
}

function subscribe(socket: Socket): void {
  if (subscribed % 3 === 0) topics.push(...topicsOf(subscribed));
  for (const topic of topicsOf(subscribed++)) socket.subscribe(topic);
}
