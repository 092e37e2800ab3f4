/**
 * One connection of the judge to the peer: writes bytes in any portions, reads frames, waits for events.
 *
 * Nothing sleeps to see whether more will come: `sync` sends a ping that only this session can have sent, and
 * its pong, a Close or the end of the stream says that all before it was dealt with.
 */
import type { Socket } from "node:net";
import { bytesOf, encodeFrame, FrameReader, type FrameSpec, Op } from "../wire/frame.ts";
import { type Head, splitHead, statusOf } from "../wire/head.ts";
import { Compressor } from "./compressor.ts";
import { type Agreement, Observation, type Role } from "./observation.ts";
import { hex, receivedLine, sentLine, Trace } from "./trace.ts";

/** How bytes are cut into writes: so many bytes a write, or at these offsets. */
export type Chop = number | readonly number[];

/** The judge's end of one connection. */
export class Session {
  readonly seen: Observation;
  readonly trace: Trace;
  readonly id: string;
  readonly socket: Socket;
  /** Milliseconds that one awaited event may take. */
  readonly deadline: number;
  /** Answers the peer's pings; off for a case that is about silence. */
  answerPings = true;
  compressor: Compressor | undefined;
  readonly #frames = new FrameReader();
  #head: Buffer | undefined = Buffer.alloc(0);
  #pending: Buffer[] = [];
  #wake: (() => void) | undefined;
  #sent = 0;
  #syncs = 0;
  #done = false;
  #keySeed: number;

  constructor(socket: Socket, role: Role, id: string, deadline: number) {
    this.socket = socket;
    this.seen = new Observation(role);
    this.trace = new Trace();
    this.id = id;
    this.deadline = deadline;
    this.#keySeed = [...id].reduce((sum, char) => (Math.imul(sum, 31) + char.charCodeAt(0)) >>> 0, 7);
    socket.setNoDelay(true);
    socket.on("data", (chunk) => this.#onData(chunk));
    socket.on("end", () => this.#onEnd("fin"));
    socket.on("error", () => this.#onEnd("reset"));
    socket.on("close", () => this.#onEnd("reset"));
  }

  /** Whether the judge has to mask what it sends. */
  get masks(): boolean {
    return this.seen.role === "server";
  }

  /** A number in 0 … 2^32-1 that depends on the case and the call alone. */
  random(): number {
    this.#keySeed = (Math.imul(this.#keySeed, 1664525) + 1013904223) >>> 0;
    return this.#keySeed;
  }

  /** Sixteen bytes for `Sec-WebSocket-Key`, the same for the same case. */
  nonce(): Buffer {
    return Buffer.from(Array.from({ length: 16 }, () => this.random() >>> 24));
  }

  /** Puts a frame behind those not written yet. */
  queue(spec: FrameSpec): void {
    const payload = bytesOf(spec.payload);
    const bytes = encodeFrame(spec, this.masks, () => Buffer.from([1, 2, 3, 4].map(() => this.random() >>> 24)));
    if (!this.trace.full)
      this.trace.add(">", sentLine(spec, payload, bytes.subarray(0, bytes.length - payload.length)));
    else this.trace.add(">", "");
    this.#pending.push(bytes);
  }

  /** Puts bytes that are no frame of ours behind those not written yet. */
  queueBytes(bytes: Uint8Array, what = "bytes"): void {
    this.trace.add(">", `${what} · ${hex(bytes)}`);
    this.#pending.push(Buffer.from(bytes));
  }

  /** Writes everything queued, cut as told; resolves when it left, or the stream ended. */
  async flush(chop?: Chop): Promise<void> {
    const bytes = Buffer.concat(this.#pending);
    this.#pending = [];
    if (bytes.length === 0) return;
    if (chop === undefined) return this.#write(bytes);
    this.trace.add("·", typeof chop === "number" ? `in writes of ${chop} bytes` : `cut at ${chop.join(", ")}`);
    for (const piece of pieces(bytes, chop)) {
      if (this.seen.end !== undefined) return;
      await this.#write(piece);
      await turn();
    }
  }

  /** Queues frames and writes them at once. */
  async send(...specs: FrameSpec[]): Promise<void> {
    for (const spec of specs) this.queue(spec);
    await this.flush();
  }

  /** Waits until `ready`, or until the stream ends, or the deadline; says whether it became ready. */
  async until(ready: () => boolean, what: string, ms: number = this.deadline): Promise<boolean> {
    const limit = performance.now() + ms;
    while (!ready() && this.seen.end === undefined) {
      const left = limit - performance.now();
      if (left <= 0) {
        this.seen.missed ??= what;
        this.trace.add("·", `waited in vain for ${what}`);
        return false;
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    return ready();
  }

  /** Sends a marker ping; true when its pong came, false after a Close, the end, or the deadline. */
  async sync(): Promise<boolean> {
    const before = this.seen.markers;
    this.queue({ opcode: Op.Ping, payload: `marker ${++this.#syncs}` });
    await this.flush();
    await this.until(() => this.seen.markers > before || this.seen.close !== undefined, "the pong to a marker ping");
    return this.seen.markers > before;
  }

  /** Waits without wanting anything, for the few cases in which time is the question. */
  async idle(ms: number): Promise<void> {
    const limit = performance.now() + ms;
    const missed = this.seen.missed;
    await this.until(() => this.seen.close !== undefined || performance.now() >= limit, "", ms);
    this.seen.missed = missed;
  }

  /** The peer's head, or `undefined` when the stream ended or the deadline passed first. */
  async readHead(): Promise<Head | undefined> {
    await this.until(() => this.seen.head !== undefined, "the head of the handshake");
    return this.seen.head;
  }

  /** Sets what permessage-deflate was agreed to be, and makes the judge's compressor for it. */
  agree(agreement: Agreement): void {
    this.seen.agreement = agreement;
    this.compressor = new Compressor(agreement.ownWindowBits, agreement.ownNoContextTakeover);
  }

  /** Half-closes: FIN. */
  finish(): void {
    this.trace.add(">", "FIN");
    this.socket.end();
  }

  /** Stops and goes on reading, to fill the peer's send buffers. */
  pauseReading(paused: boolean): void {
    if (paused) this.socket.pause();
    else this.socket.resume();
  }

  /** Ends the connection by force, as the end of every case; what happens from now on is not the peer's doing. */
  destroy(): void {
    this.#done = true;
    this.socket.destroy();
  }

  /** Resets the connection: RST. */
  reset(): void {
    this.trace.add(">", "RST");
    this.socket.resetAndDestroy();
  }

  /** Bytes written so far. */
  get bytesSent(): number {
    return this.#sent;
  }

  #write(bytes: Buffer): Promise<void> {
    this.#sent += bytes.length;
    if (this.socket.destroyed || this.socket.writableEnded) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, this.deadline * 2);
      const done = (): void => {
        clearTimeout(timer);
        this.socket.off("close", done);
        resolve();
      };
      this.socket.once("close", done);
      this.socket.write(bytes, done);
    });
  }

  #onData(chunk: Buffer): void {
    if (this.#done) return;
    if (this.#refused) this.seen.early = Buffer.concat([this.seen.early, chunk]);
    else if (this.#head === undefined) this.#frames.push(chunk);
    else this.#readHeadBytes(chunk);
    if (this.#head === undefined) this.#readFrames();
    this.#wake?.();
  }

  /** Whether the server answered something other than 101, so that no frames follow. */
  get #refused(): boolean {
    const { head, role } = this.seen;
    return head !== undefined && role === "server" && statusOf(head) !== 101;
  }

  #readHeadBytes(chunk: Buffer): void {
    this.#head = Buffer.concat([this.#head!, chunk]);
    const split = splitHead(this.#head);
    if (split === undefined) return;
    this.#head = undefined;
    this.seen.head = split.head;
    for (const line of split.head.raw.trimEnd().split("\r\n")) if (!/^date:/i.test(line)) this.trace.add("<", line);
    if (split.rest.length > 0) this.#frames.push(split.rest);
    this.seen.early = split.rest;
  }

  #readFrames(): void {
    if (this.#refused) return;
    for (let frame = this.#frames.next(); frame !== undefined; frame = this.#frames.next()) {
      if (!this.trace.full) this.trace.add("<", receivedLine(frame));
      else this.trace.add("<", "");
      this.seen.observe(frame, (payload) => /^marker \d+$/.test(payload.toString("latin1")));
      if (frame.opcode === Op.Ping && this.answerPings && this.seen.close === undefined) {
        void this.send({ opcode: Op.Pong, payload: frame.payload });
      }
    }
  }

  #onEnd(how: "fin" | "reset"): void {
    if (this.#done) return;
    if (this.seen.end === undefined) this.trace.add("<", how === "fin" ? "FIN" : "RST");
    this.seen.ended(how);
    this.#wake?.();
  }
}

/** One turn of the event loop, and with it one more segment on the wire. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function pieces(bytes: Buffer, chop: Chop): Buffer[] {
  const cuts =
    typeof chop === "number" ? stepped(bytes.length, chop) : chop.filter((at) => at > 0 && at < bytes.length);
  return [...cuts, bytes.length].map((end, i) => bytes.subarray(i === 0 ? 0 : cuts[i - 1], end));
}

function stepped(length: number, step: number): number[] {
  return Array.from({ length: Math.max(0, Math.ceil(length / step) - 1) }, (_, i) => (i + 1) * step);
}
