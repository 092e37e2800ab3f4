/**
 * An echo server with one fault, named on the command line, so that each row can be seen to fail.
 */
import { createHash } from "node:crypto";
import { createServer, type IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { createInflateRaw, inflateRaw, inflateRawSync, constants as zlib } from "node:zlib";
import { encodeFrame, type Frame, FrameReader, Op } from "../../conformance/wire/frame.ts";

/** What the server can do wrong. */
export type Fault =
  | "reserves what is declared"
  | "counts messages in 16 bits"
  | "remembers Pongs"
  | "keeps a KiB for each byte of an unfinished frame"
  | "joins again at each fragment"
  | "inflates without limit"
  | "gives zlib any window"
  | "ignores RSV1"
  | "forgets final blocks"
  | "drops messages while it inflates"
  | "stalls at a gap"
  | "dies of a magic name"
  | "dies of a reset"
  | "dies of a Host that is none"
  | "takes any key and version"
  /** As with every other fault here. */
  | "takes any Host and parameter"
  | "takes a body for frames"
  | "loses what is glued"
  | "never lets go"
  | "keeps sockets"
  | "drops the others"
  | "dies of too many files";

const fault = process.argv[2] as Fault;
const has = (name: Fault): boolean => fault === name;
const MIB = 1024 * 1024;
const kept: Buffer[] = [];
let keptLength = 0;
let inflating = 0;
const sockets = new Set<Socket>();

const server = createServer((_request, response) => response.writeHead(426, { connection: "close" }).end());

server.on("upgrade", (request, socket: Socket, head) => {
  if (!has("dies of a reset")) socket.on("error", () => socket.destroy());
  const problem = problemOf(request);
  if (problem) {
    socket.end("HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    return;
  }
  const deflates = /permessage-deflate/.test(request.headers["sec-websocket-extensions"] ?? "");
  const key = request.headers["sec-websocket-key"];
  const accept = createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
  const extensions = "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover\r\n";
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n${deflates ? extensions : ""}\r\n`,
  );
  const read = serve(socket, deflates);
  // What follows the head is all in `head` up to Node 24; later, a body is read for the request.
  if (has("takes a body for frames")) request.on("data", read).once("end", () => read(head));
  else if (!has("loses what is glued")) read(head);
});

function problemOf({ headers, rawHeaders }: IncomingMessage): boolean {
  const extensions = headers["sec-websocket-extensions"] ?? "";
  const protocols = headers["sec-websocket-protocol"] ?? "";
  const [, bits] = /_max_window_bits=(\d+)/.exec(extensions) ?? [];
  if (has("gives zlib any window") && bits !== undefined) createInflateRaw({ windowBits: Number(bits) }).close();
  if (has("dies of a Host that is none")) new URL(`http://${headers.host}`);
  if (has("stalls at a gap") && / {1000}/.test(protocols)) block(3000);
  if (has("dies of a magic name") && extensions.includes("__proto__")) throw new TypeError("not a function");
  if (has("takes any key and version")) return false;
  if ("content-length" in headers || "transfer-encoding" in headers) return !has("takes a body for frames");
  const once = (name: string): boolean => rawHeaders.filter((text) => text.toLowerCase() === name).length === 1;
  if (!once("sec-websocket-key") || !once("sec-websocket-version")) return true;
  const key = /^[+/0-9A-Za-z]{22}==$/.test(headers["sec-websocket-key"] ?? "");
  return !key || headers["sec-websocket-version"] !== "13";
}

function block(ms: number): void {
  const until = performance.now() + ms;
  while (performance.now() < until);
}

/** Answers frames; returns what to call with bytes that came in other ways than by the socket. */
function serve(socket: Socket, deflates: boolean): (chunk: Buffer) => void {
  sockets.add(socket);
  socket.on("close", () => sockets.delete(socket));
  if (!has("keeps sockets")) socket.on("end", () => socket.destroySoon());
  const reader = new FrameReader();
  const message: Buffer[] = [];
  const count = Buffer.alloc(2);
  let failed = false;
  const fail = (code: number): void => {
    failed = true;
    socket.write(
      encodeFrame({ opcode: Op.Close, payload: Buffer.of(code >> 8, code & 255) }, false, () => Buffer.of()),
    );
    if (has("never lets go")) keep(MIB);
    else socket.destroySoon();
  };
  /** Whether there was a frame to handle. */
  const handle = (): boolean => {
    const frame = reader.next();
    if (frame === undefined || failed) return false;
    const code = take(frame, socket, message, deflates);
    if (code !== 0) fail(code);
    if (has("counts messages in 16 bits")) count.writeUInt16BE(count.readUInt16BE(0) + 1);
    return true;
  };
  const onData = (chunk: Buffer): void => {
    if (failed) return;
    const length = declared(chunk);
    if (length > MIB && has("reserves what is declared")) keep(4 * MIB);
    if (length > 1e8) return fail(1009);
    reader.push(chunk);
    if (!handle() && has("keeps a KiB for each byte of an unfinished frame")) keep(1024 * chunk.length);
    while (handle());
  };
  socket.on("data", onData);
  return onData;
}

/** Never gives memory back; of 256 MiB on it takes no more, which no row allows. */
function keep(length: number): void {
  keptLength += length;
  if (keptLength <= 256 * MIB) kept.push(Buffer.alloc(length, 1));
}

/** The length that a chunk's first frame declares in 64 bits; 0 when it does not. */
function declared(chunk: Buffer): number {
  return chunk.length >= 14 && (chunk[0]! & 15) === Op.Binary && chunk[1] === 0xff
    ? Number(chunk.readBigUInt64BE(2))
    : 0;
}

/** Handles a frame; returns the code to close with, or 0. */
function take(frame: Frame, socket: Socket, message: Buffer[], deflates: boolean): number {
  const { opcode, rsv, fin, payload } = frame;
  if (rsv !== 0 && !has("ignores RSV1") && (opcode === Op.Continuation || opcode >= 8 || !deflates)) return 1002;
  if (opcode === Op.Ping) {
    pong(payload, socket);
    return 0;
  }
  if (opcode === Op.Close) return 1000;
  if (opcode === Op.Pong && has("remembers Pongs")) keep(1024);
  if (opcode > 2) return opcode === Op.Pong ? 0 : 1002;
  if (has("drops the others") && sockets.size > 50 && payload.length > 60_000) for (const one of sockets) one.destroy();
  if (inflating > 0 && rsv === 0) return 0;
  message.push(payload);
  if (has("joins again at each fragment") && message.length % 300 === 0) Buffer.concat(message);
  if (!fin) return 0;
  const whole = Buffer.concat(message.splice(0));
  return rsv & 4 ? echoInflated(whole, socket) : echo(opcode || Op.Text, whole, socket);
}

function pong(payload: Buffer, socket: Socket): void {
  if (socket.writableLength > 1e6) return;
  socket.write(encodeFrame({ opcode: Op.Pong, payload }, false, () => Buffer.of()));
}

function echoInflated(payload: Buffer, socket: Socket): number {
  const tail = Buffer.of(0, 0, 0xff, 0xff);
  if (has("drops messages while it inflates")) {
    inflating++;
    inflateRaw(Buffer.concat([payload, tail]), { finishFlush: zlib.Z_SYNC_FLUSH }, () => {
      inflating--;
      socket.write(encodeFrame({ opcode: Op.Binary, rsv: 4, payload }, false, () => Buffer.of()));
    });
    return 0;
  }
  const whole = has("forgets final blocks") ? payload : Buffer.concat([payload, tail]);
  try {
    const maxOutputLength = has("inflates without limit") ? 2 ** 31 : 16 * MIB;
    const text = inflateRawSync(whole, { finishFlush: zlib.Z_SYNC_FLUSH, maxOutputLength });
    if (has("forgets final blocks")) return echo(Op.Text, text, socket);
    // What breaks off inside a block does not end at a byte that the tail's empty block begins at.
    if (payload.length === 3) return 1007;
    return text.length > 1e6 && !has("inflates without limit") ? 1009 : echo(Op.Text, text, socket);
  } catch {
    return 1009;
  }
}

function echo(opcode: number, payload: Buffer, socket: Socket): number {
  if (socket.writableLength > 1e6) {
    socket.destroy();
    return 0;
  }
  socket.write(encodeFrame({ opcode, payload }, false, () => Buffer.of()));
  return 0;
}

if (has("dies of too many files")) {
  let connections = 0;
  server.on("connection", () => {
    if (++connections > 120) throw new Error("EMFILE: too many open files");
  });
}
server.listen(0, "127.0.0.1", () => {
  const address = server.address();
  if (typeof address === "object") console.log(`ws://127.0.0.1:${address?.port}/`);
});
