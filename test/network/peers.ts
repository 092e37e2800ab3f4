/**
 * Many peers of one judge in one process, in both roles: bytes over sockets without the code under test, that answer
 * each Ping.
 *
 * Arguments: how many clients there are at the lossy address, and how many at the other. It says the port on which the
 * servers listen; told the judge's port, it says "open" when all clients are. Ordered to "hold" they keep their answers
 * back, ordered to "answer" they give them and say how many they were.
 */
import { createHash } from "node:crypto";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import type { Role } from "../../src/protocol/frames/frame.ts";
import { requestText } from "../support/raw-peer.ts";
import { frameFrom } from "../support/wire.ts";
import { addresses, openInHalves } from "./namespaces.ts";

const [lossy = 0, healthy = 0] = process.argv.slice(2).map(Number);

let isHolding = false;
const held: (() => void)[] = [];

/** Answers each Ping after the head of the handshake; the judge sends nothing else, and no frame of 126 bytes. */
function answerPings(socket: Socket, role: Role, opened: (head: string) => void): void {
  let rest = Buffer.alloc(0);
  let isOpen = false;
  socket.on("data", (chunk) => {
    rest = Buffer.concat([rest, chunk]);
    const end = isOpen ? -1 : rest.indexOf("\r\n\r\n");
    if (!isOpen && end < 0) return;
    if (!isOpen) {
      isOpen = true;
      opened(rest.toString("latin1", 0, end));
      rest = rest.subarray(end + 4);
    }
    for (let taken = takePing(rest); taken !== undefined; taken = takePing(rest)) {
      rest = rest.subarray(taken.length);
      const pong = frameFrom(role, { opcode: 10, payload: taken.payload });
      if (isHolding) held.push(() => void socket.write(pong));
      else socket.write(pong);
    }
  });
  // A reset is how a judge gives up.
  socket.on("error", () => {});
}

/** The payload of the first frame, if it is whole, and the frame's length. */
function takePing(bytes: Buffer): { readonly payload: Buffer; readonly length: number } | undefined {
  if (bytes.length < 2) return undefined;
  const start = bytes[1]! >= 128 ? 6 : 2;
  const length = start + (bytes[1]! % 128);
  if (bytes.length < length) return undefined;
  if (bytes[0] !== 0x89) throw new Error(`Got a frame that is no Ping: ${bytes.toString("hex", 0, length)}`);
  const payload = Buffer.from(bytes.subarray(start, length));
  for (let i = 0; start === 6 && i < payload.length; i++) payload[i] = payload[i]! ^ bytes[2 + (i % 4)]!;
  return { payload, length };
}

function openClient(port: number, address: string): Promise<void> {
  const socket = connect({ port, host: addresses.judge, localAddress: address }, () => socket.write(requestText()));
  return new Promise((resolve) => answerPings(socket, "client", () => resolve()));
}

const server = createServer((socket) => {
  answerPings(socket, "server", (head) => {
    const key = /^Sec-WebSocket-Key: (\S+)$/im.exec(head)?.[1];
    const accept = createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
    const fields = `Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}`;
    socket.write(`HTTP/1.1 101 Switching Protocols\r\n${fields}\r\n\r\n`);
  });
});
server.listen(0, () => process.send!((server.address() as AddressInfo).port));
process.on("message", async (order) => {
  isHolding = order === "hold";
  const answered = held.length;
  if (order === "answer") for (const answer of held.splice(0)) answer();
  if (typeof order === "number") await openInHalves([lossy, healthy], (address) => openClient(order, address));
  process.send!(typeof order === "number" ? "open" : answered);
});
