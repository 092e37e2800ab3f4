/**
 * The floor: a raw TCP or TLS server that does no WebSocket work, only the reads and writes that any server must do.
 *
 * `data` reads as Node does by default, `onread` gives each accepted socket one shared read buffer. For the row of opening
 * handshakes it answers the first bytes with a constant 101 and the next with a Close.
 */
import { Buffer } from "node:buffer";
import { type AddressInfo, createServer, Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import { serverFrame } from "../harness/frames.ts";
import { connections, job, listening, publications, publishes, tls } from "./job.ts";

const onread = process.argv[2] === "onread";
const shaking = process.argv[2] === "handshake";
const sockets = new Set<Socket>();
const turn = Buffer.concat(publications.map((text) => serverFrame("text", Buffer.from(text))));
const ok = serverFrame("text", Buffer.from("ok"));
const accepted = Buffer.from(
  "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
);
const binary = 0x82;
const closing = Buffer.from([0x88, 2, 0x03, 0xe8]);
const shared = Buffer.allocUnsafeSlow(256 * 1024);

const options = { pauseOnConnect: onread, noDelay: true };
const server = tls ? createTlsServer({ ...options, ...tls }, serve) : createServer(options, serve);
server.listen(0, "127.0.0.1", () => listening((server.address() as AddressInfo).port));

function serve(accepted: Socket): void {
  const socket = onread ? withSharedBuffer(accepted) : accepted;
  socket.on("error", () => socket.destroy());
  if (publishes) remember(socket);
  if (shaking) socket.once("data", () => shake(socket));
  else if (!onread) socket.on("data", (chunk) => react(socket, chunk));
}

function react(socket: Socket, chunk: Buffer): void {
  if (publishes && chunk[0] === binary) sendAside(socket, chunk);
  else if (publishes) publish();
  else if (job === "sink") socket.write(ok);
  else socket.write(chunk);
}

/** Without a handshake the load cannot know that all its connections have been accepted. */
function publish(): void {
  if (sockets.size < connections) setTimeout(publish, 10);
  else for (const subscriber of sockets) subscriber.write(turn);
}

/** A connection that sends what is binary gets that back, and nothing else. */
function sendAside(socket: Socket, chunk: Buffer): void {
  sockets.delete(socket);
  socket.write(chunk);
}

function remember(socket: Socket): void {
  sockets.add(socket);
  socket.on("close", () => sockets.delete(socket));
}

function shake(socket: Socket): void {
  socket.write(accepted);
  socket.once("data", () => socket.end(closing));
}

/** A second socket over the accepted one's handle, since only a socket that is made takes `onread`. */
function withSharedBuffer(accepted: Socket): Socket {
  const bare = accepted as unknown as { _handle: object | null };
  const handle = bare._handle;
  bare._handle = null;
  const options = {
    handle,
    onread: {
      buffer: shared,
      callback: (length: number, buffer: Uint8Array): boolean => {
        // The copy is needed: a write that does not complete at once refers to its bytes later.
        react(socket, Buffer.from(buffer.subarray(0, length)));
        return true;
      },
    },
  };
  const socket: Socket = new Socket(options as object);
  return socket;
}
