/**
 * The echo server that the clients of row C1 are measured against: frames of at most 125 bytes, by hand over a raw socket.
 *
 * It belongs to none of the peers, checks that every frame is whole and masked, and answers a chunk with one write.
 */
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { listening } from "./job.ts";

const server = createServer();
server.on("upgrade", ({ headers }, socket) => {
  const accept = createHash("sha1").update(`${headers["sec-websocket-key"]}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`);
  socket.write(
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
      `Sec-WebSocket-Accept: ${accept.digest("base64")}\r\n\r\n`,
  );
  serve(socket);
});
server.listen(0, "127.0.0.1", () => listening((server.address() as AddressInfo).port));

function serve(socket: Duplex): void {
  let rest: Buffer = Buffer.alloc(0);
  socket.on("error", () => socket.destroy());
  socket.on("data", (chunk: Buffer) => {
    const bytes = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk;
    const replies = Buffer.allocUnsafe(bytes.length);
    let read = 0;
    let written = 0;
    while (read + 6 <= bytes.length) {
      const length = bytes[read + 1]! & 0x7f;
      if (length > 125 || (bytes[read + 1]! & 0x80) === 0) return void socket.destroy();
      if (read + 6 + length > bytes.length) break;
      written = echo(bytes, read, length, replies, written);
      read += 6 + length;
    }
    rest = Buffer.from(bytes.subarray(read));
    if (written > 0) socket.write(replies.subarray(0, written));
  });
}

/** Writes the frame at `from` into `replies`, unmasked; returns where the next one goes. */
function echo(bytes: Buffer, from: number, length: number, replies: Buffer, at: number): number {
  replies[at] = bytes[from]!;
  replies[at + 1] = length;
  for (let i = 0; i < length; i++) replies[at + 2 + i] = bytes[from + 6 + i]! ^ bytes[from + 2 + (i & 3)]!;
  return at + 2 + length;
}
