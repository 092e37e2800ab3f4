/**
 * The load generator for machines without a C compiler: the options, the checks and the output of `load.c`.
 *
 * Slower than the fastest servers here, which then wait for it: their figures per message are somewhat too high.
 */
import { Buffer } from "node:buffer";
import { readdirSync, readFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { createHistogram, performance } from "node:perf_hooks";
import { parseArgs } from "node:util";

interface Connection {
  readonly socket: Socket;
  /** ms when each frame under way was sent; the oldest first, in a ring. */
  readonly sentAt: Float64Array;
  oldest: number;
  sendAt: number;
  expectAt: number;
  received: number;
  /** What has come of a reply that is to be learned. */
  partial: Buffer;
}

const names = ["mode", "extensions", "send", "expect", "port", "pid", "connections", "inflight", "frames", "raw"];
const { values } = parseArgs({
  options: Object.fromEntries([...names, "warmup", "duration"].map((name) => [name, { type: "string" as const }])),
});
const word = (name: string): string | undefined => values[name] as string | undefined;
const number = (name: string, otherwise = 0): number => Number(word(name) ?? otherwise);
const [mode, inflight, count] = [word("mode") ?? "echo", number("inflight", 1), number("connections", 1)];

const cycle = word("send") === undefined ? Buffer.alloc(0) : readFileSync(word("send")!);
const frame = cycle.length / number("frames", 1);
const outgoing = repeated(cycle, cycle.length + inflight * frame);
const expected: Buffer | undefined = word("expect") === undefined ? undefined : readFileSync(word("expect")!);
/** Where nothing says what to expect, the replies that came, each once and in hexadecimal. */
const learned = new Set<string>();
const latencies = createHistogram();
const all: Connection[] = [];
let replies = 0;
let missing = count;
let turnEnded: (() => void) | undefined;

const request = [
  "GET / HTTP/1.1",
  `Host: 127.0.0.1:${number("port")}`,
  "Connection: Upgrade",
  "Upgrade: websocket",
  "Sec-WebSocket-Version: 13",
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
  ...(word("extensions") === undefined ? [] : [`Sec-WebSocket-Extensions: ${word("extensions")}`]),
  "\r\n",
].join("\r\n");
const closeFrame = Buffer.from([0x88, 0x82, 1, 2, 3, 4, 0x03 ^ 1, 0xe8 ^ 2]);
const closeReply = Buffer.from([0x88, 2, 0x03, 0xe8]);

await main();

async function main(): Promise<void> {
  if (mode !== "handshake") for (let i = 0; i < count; i++) all.push(await open());
  const result = mode === "idle" ? await idle() : await measure();
  console.log(JSON.stringify({ ...result, ...(learned.size > 0 && { learned: [...learned] }) }));
  process.exit();
}

async function open(): Promise<Connection> {
  const socket = await dial();
  if (number("raw") === 0) await shakeHands(socket);
  if (frame > 0 && mode === "idle") await once(socket);
  const partial = Buffer.alloc(0);
  return { socket, sentAt: new Float64Array(inflight), oldest: 0, sendAt: 0, expectAt: 0, received: 0, partial };
}

function dial(): Promise<Socket> {
  return new Promise((resolve) => {
    const socket = connect({ host: "127.0.0.1", port: number("port"), noDelay: true }, () => resolve(socket));
    socket.on("error", (error) => fail(error.message));
  });
}

/** Collects what comes until `done` has seen enough, and leaves the socket without a listener. */
function collect(socket: Socket, done: (bytes: Buffer) => boolean): Promise<Buffer> {
  return new Promise((resolve) => {
    let bytes = Buffer.alloc(0);
    const onEnd = (): never => fail("the server ended the stream");
    const onData = (chunk: Buffer): void => {
      bytes = Buffer.concat([bytes, chunk]);
      if (!done(bytes)) return;
      socket.pause();
      socket.off("data", onData);
      socket.off("end", onEnd);
      resolve(bytes);
    };
    socket.on("data", onData);
    socket.on("end", onEnd);
    socket.resume();
  });
}

async function shakeHands(socket: Socket): Promise<void> {
  socket.write(request);
  const head = (await collect(socket, (bytes) => bytes.includes("\r\n\r\n"))).toString("latin1");
  if (!head.startsWith("HTTP/1.1 101 ") || !head.includes("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")) fail(`no good 101: ${head}`);
  if (word("extensions") !== undefined && !/permessage-deflate/i.test(head)) fail(`no permessage-deflate: ${head}`);
  if (!head.endsWith("\r\n\r\n")) fail("bytes after the 101 that nobody asked for");
}

/** Sends one frame and awaits its reply. */
async function once(socket: Socket): Promise<void> {
  socket.write(outgoing.subarray(0, frame));
  const bytes = await collect(socket, (bytes) => bytes.length >= (expected ? replyLength() : frameLength(bytes)));
  if (expected === undefined) learn(bytes);
  else if (!bytes.equals(expected.subarray(0, replyLength()))) fail("a reply is not what was expected");
}

/** Takes a whole frame as a reply that is right or wrong, which whoever started this load decides. */
function learn(reply: Buffer): void {
  if (learned.add(reply.toString("hex")).size > 16) fail("more kinds of replies than can be learned");
}

/** Learns all frames that this chunk completes; returns how many. */
function learnAll(connection: Connection, chunk: Buffer): number {
  let bytes = Buffer.concat([connection.partial, chunk]);
  let complete = 0;
  for (let length = frameLength(bytes); bytes.length >= length; length = frameLength(bytes)) {
    learn(bytes.subarray(0, length));
    bytes = bytes.subarray(length);
    complete++;
  }
  connection.partial = bytes;
  return complete;
}

function frameLength(bytes: Buffer): number {
  if (bytes.length < 4) return Number.POSITIVE_INFINITY;
  return bytes[1] === 126 ? 4 + bytes.readUInt16BE(2) : 2 + bytes[1]!;
}

function replyLength(): number {
  return mode === "publish" ? expected!.length : expected!.length / number("frames", 1);
}

async function idle(): Promise<object> {
  console.log("ready");
  for await (const _ of process.stdin);
  return { replies: count };
}

async function measure(): Promise<object> {
  begin();
  await until(performance.now() + number("warmup"));
  latencies.reset();
  const [repliesBefore, cpu, own, began] = [replies, schedule(0), process.cpuUsage(), performance.now()];
  const waitedBefore = schedule(1) + ownWait();
  await until(began + number("duration"));
  const { user, system } = process.cpuUsage(own);
  const percentile = (part: number): number => (latencies.count === 0 ? 0 : latencies.percentile(part) / 1000);
  return {
    replies: replies - repliesBefore,
    seconds: (performance.now() - began) / 1000,
    serverCpu: schedule(0) - cpu,
    waited: schedule(1) + ownWait() - waitedBefore,
    loadCpu: (user + system) / 1e6,
    p50: percentile(50),
    p99: percentile(99),
    p999: percentile(99.9),
  };
}

function begin(): void {
  if (mode === "handshake") {
    for (let i = 0; i < count; i++) void handshakes();
    return;
  }
  for (const connection of all) {
    connection.socket.on("data", (chunk: Buffer) => receive(connection, chunk));
    connection.socket.on("end", () => fail("the server ended the stream"));
    connection.socket.resume();
    if (mode === "echo") sendFrames(connection, inflight);
  }
  if (mode === "publish") sendFrames(all[0]!, 1);
}

/** Until that time; publications until the turn ends that is under way then. */
function until(time: number): Promise<void> {
  return new Promise((resolve) => {
    const timeIsUp = (): void => {
      if (mode === "publish") turnEnded = resolve;
      else resolve();
    };
    setTimeout(timeIsUp, time - performance.now());
  });
}

function sendFrames(connection: Connection, frames: number): void {
  const time = performance.now();
  for (let i = 0; i < frames; i++) {
    connection.sentAt[connection.oldest] = time;
    connection.oldest = (connection.oldest + 1) % inflight;
  }
  connection.socket.write(outgoing.subarray(connection.sendAt, connection.sendAt + frames * frame));
  connection.sendAt = (connection.sendAt + frames * frame) % cycle.length;
}

function receive(connection: Connection, chunk: Buffer): void {
  const complete = expected ? check(connection, chunk) : learnAll(connection, chunk);
  if (complete === 0) return;
  const time = performance.now();
  replies += complete;
  if (mode === "echo") {
    for (let i = 0; i < complete; i++) record(time - connection.sentAt[(connection.oldest + i) % inflight]!);
    return sendFrames(connection, complete);
  }
  record(time - all[0]!.sentAt[0]!);
  missing -= complete;
  if (missing > 0) return;
  missing = count;
  sendFrames(all[0]!, 1);
  turnEnded?.();
}

/** Compares with what is expected; returns how many replies are complete now. */
function check(connection: Connection, chunk: Buffer): number {
  const cycleOfReplies = expected!;
  const before = Math.floor(connection.received / replyLength());
  connection.received += chunk.length;
  for (let at = 0; at < chunk.length; ) {
    const part = Math.min(cycleOfReplies.length - connection.expectAt, chunk.length - at);
    const from = connection.expectAt;
    if (cycleOfReplies.compare(chunk, at, at + part, from, from + part) !== 0) {
      fail(`a reply differs from what was expected within ${part} bytes from byte ${from}`);
    }
    connection.expectAt = (from + part) % cycleOfReplies.length;
    at += part;
  }
  return Math.floor(connection.received / replyLength()) - before;
}

async function handshakes(): Promise<never> {
  for (;;) {
    const began = performance.now();
    const socket = await dial();
    await shakeHands(socket);
    socket.write(closeFrame);
    const reply = await collect(socket, (bytes) => bytes.length >= closeReply.length);
    if (!reply.equals(closeReply)) fail("the server did not answer the Close with the same Close");
    await new Promise<void>((resolve) => socket.once("close", () => resolve()).resume());
    replies++;
    record(performance.now() - began);
  }
}

function record(milliseconds: number): void {
  latencies.record(Math.max(1, Math.round(milliseconds * 1e6)));
}

/** Seconds of all threads of the server: 0 on a CPU, 1 ready while others had it; 0 when there is no server to watch. */
function schedule(column: 0 | 1): number {
  const folder = `/proc/${number("pid")}/task`;
  if (number("pid") === 0) return 0;
  const lines = readdirSync(folder).map((task) => readFileSync(`${folder}/${task}/schedstat`, "latin1"));
  return lines.reduce((sum, line) => sum + Number(line.split(" ")[column]), 0) / 1e9;
}

function ownWait(): number {
  return Number(readFileSync("/proc/self/schedstat", "latin1").split(" ")[1]) / 1e9;
}

function repeated(bytes: Buffer, length: number): Buffer {
  return bytes.length === 0 ? bytes : Buffer.alloc(length, bytes);
}

function fail(why: string): never {
  console.error(`Cannot load the server: ${why}`);
  process.exit(1);
}
