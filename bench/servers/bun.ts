/**
 * Bun.serve with its own topics and, where the job is about it, its shared compressor.
 */
import { job, listening, publications } from "./job.ts";

interface Socket {
  send(data: string | Uint8Array, compress?: boolean): number;
  subscribe(topic: string): void;
}

declare const Bun: {
  serve(options: object): { port: number; publish(topic: string, data: string): number };
};

const server = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  fetch(request: Request, listener: { upgrade(request: Request): boolean }): Response | undefined {
    return listener.upgrade(request) ? undefined : new Response("WebSocket only", { status: 426 });
  },
  websocket: {
    perMessageDeflate: job === "deflate" && { compress: "shared", decompress: "shared" },
    open(socket: Socket): void {
      if (job === "publish") socket.subscribe("all");
    },
    message: onMessage(),
  },
});
listening(server.port);

function onMessage(): (socket: Socket, data: string | Uint8Array) => void {
  if (job === "sink") return (socket) => void socket.send("ok");
  if (job === "deflate") return (socket, data) => void socket.send(data, true);
  if (job !== "publish") return (socket, data) => void socket.send(data);
  return () => {
    for (const text of publications) server.publish("all", text);
  };
}
