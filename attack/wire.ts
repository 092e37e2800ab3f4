/**
 * The attacker's side of a connection: a raw socket that shakes hands as it is told and then writes any bytes.
 *
 * It never ends its own half unless asked, so that what the server does by itself can be seen. Frames and heads are those
 * of the conformance suite's wire; nothing is shared with a library under test.
 */
import { randomBytes } from "node:crypto";
import { connect, type Socket } from "node:net";
import { inflateRawSync, constants as zlib } from "node:zlib";
import { encodeFrame, type Frame, FrameReader, type FrameSpec, Op } from "../conformance/wire/frame.ts";
import { type Head, splitHead, statusOf, valuesOf } from "../conformance/wire/head.ts";

/** How the stream ended as the attacker sees it: not at all, by FIN, or by RST (or a write that found nobody). */
export type End = "open" | "fin" | "reset";

/** Waits `ms` milliseconds. */
export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Whether an IP address is one of this machine's loopback. */
export function isLoopback(address: string): boolean {
  return address.startsWith("127.") || address === "::1";
}

/** Lets the event loop take one turn. */
export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** The bytes of a client's frame. */
export function frame(spec: FrameSpec): Buffer {
  return encodeFrame(spec, true, () => randomBytes(4));
}

/** The same frame over and over, at least `size` bytes of it. */
export function repeated(spec: FrameSpec, size = 64 * 1024): Buffer {
  const one = frame(spec);
  return Buffer.concat(Array.from({ length: Math.ceil(size / one.length) }, () => one));
}

/** A request for an upgrade; `lines` are added to it as they are. */
export function upgradeRequest(url: URL, lines: readonly string[] = []): string {
  const fixed = ["Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13"];
  const key = `Sec-WebSocket-Key: ${randomBytes(16).toString("base64")}`;
  return requestText(url, [`Host: ${url.host}`, ...fixed, key, ...lines]);
}

/** A GET request for the URL with exactly these lines. */
export function requestText(url: URL, lines: readonly string[], method = "GET", version = "1.1"): string {
  return `${[`${method} ${url.pathname}${url.search} HTTP/${version}`, ...lines].join("\r\n")}\r\n\r\n`;
}

/** A raw socket to the server, with everything that came back on it. */
export class Attacker {
  readonly socket: Socket;
  head: Head | undefined;
  end: End = "open";
  /** When the stream ended, by `performance.now()`. */
  endedAt: number | undefined;
  /** Bytes that came after the head. */
  received = 0;
  readonly frames: Frame[] = [];
  #keep: "all" | "control" | "nothing" = "all";
  #bytes = Buffer.alloc(0);
  readonly #reader = new FrameReader();
  readonly #waiting = new Set<() => void>();

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.setNoDelay(true);
    socket.on("data", (chunk) => this.#onData(chunk));
    socket.on("end", () => this.#onEnd("fin"));
    socket.on("error", () => this.#onEnd("reset"));
    socket.on("close", () => this.#onEnd(this.end === "open" ? "reset" : this.end));
    socket.on("connect", () => this.#notify());
    socket.on("drain", () => this.#notify());
  }

  /** Opens TCP and nothing else. Throws when nobody listens or nobody accepts within 5 s. */
  static async tcp(url: URL): Promise<Attacker> {
    const socket = connect({
      host: url.hostname.replace(/^\[|\]$/g, ""),
      port: Number(url.port || 80),
      allowHalfOpen: true,
    });
    const attacker = new Attacker(socket);
    await attacker.until(() => !socket.connecting || attacker.end !== "open", 5000);
    if (socket.connecting || attacker.end !== "open") {
      socket.destroy();
      throw new Error(`Cannot connect to ${url.host}: nobody accepts`);
    }
    // A name may mean another machine by now than when it was checked.
    if (isLoopback(socket.remoteAddress ?? "")) return attacker;
    socket.destroy();
    throw new Error(`Cannot attack ${url.host}: it is not on this machine's loopback`);
  }

  /** Opens a WebSocket connection. Throws when the server does not answer with 101 within 5 s. */
  static async open(url: URL, lines: readonly string[] = []): Promise<Attacker> {
    const attacker = await Attacker.tcp(url);
    attacker.write(upgradeRequest(url, lines));
    await attacker.answered(5000);
    if (attacker.status === 101) return attacker;
    attacker.destroy();
    throw new Error(`Cannot open a connection: the server answered ${attacker.status || "nothing"}`);
  }

  /** `count` WebSocket connections, 32 at a time. */
  static async many(url: URL, count: number, lines: readonly string[] = []): Promise<Attacker[]> {
    const opened: Attacker[] = [];
    while (opened.length < count) {
      const batch = Math.min(32, count - opened.length);
      opened.push(...(await Promise.all(Array.from({ length: batch }, () => Attacker.open(url, lines)))));
    }
    return opened;
  }

  /** The status of the answer, 0 while there is none. */
  get status(): number {
    return this.head === undefined ? 0 : statusOf(this.head);
  }

  /** Whether the server agreed to compress. */
  get deflates(): boolean {
    const agreed = this.head === undefined ? [] : valuesOf(this.head, "Sec-WebSocket-Extensions");
    return agreed.some((value) => /^permessage-deflate\b/i.test(value));
  }

  /** The code of the server's Close; 1005 when it has none, 0 when there was no Close. */
  get closeCode(): number {
    const close = this.frames.find(({ opcode }) => opcode === Op.Close);
    if (close === undefined) return 0;
    return close.payload.length < 2 ? 1005 : close.payload.readUInt16BE(0);
  }

  /** The messages that came in one frame each, inflated; `undefined` stands for one that cannot be inflated. */
  get messages(): (string | undefined)[] {
    return this.frames.filter(({ opcode }) => opcode < 8).map(textOf);
  }

  /** Bytes that came behind a head that is not of an upgrade. */
  get rest(): Buffer {
    return this.#bytes;
  }

  /** Puts bytes or text on the wire; what cannot be written any more is dropped. */
  write(bytes: Uint8Array | string): void {
    if (this.end !== "reset" && this.socket.writable) this.socket.write(bytes);
  }

  /** Puts a frame on the wire. */
  send(spec: FrameSpec): void {
    this.write(frame(spec));
  }

  /** From now on keeps control frames only, or nothing and only counts bytes, so that a flood of answers costs little. */
  keep(what: "control" | "nothing"): void {
    this.#keep = what;
  }

  /**
   * Writes `chunk` again and again, as fast as the server takes it, for `ms` or until `bytes` are on their way; returns
   * how many bytes the kernel took.
   */
  async flood(
    chunk: Uint8Array,
    { ms, bytes = Number.POSITIVE_INFINITY }: { ms: number; bytes?: number },
  ): Promise<number> {
    const deadline = performance.now() + ms;
    let taken = 0;
    while (taken < bytes && this.end !== "reset" && performance.now() < deadline) {
      this.write(chunk);
      await this.until(() => this.socket.writableLength === 0 || this.end === "reset", deadline - performance.now());
      if (this.socket.writableLength > 0) break;
      taken += chunk.length;
      await turn();
    }
    return taken;
  }

  /** Waits until `holds`, looked at whenever something happened here, for at most `ms`; returns whether it does. */
  async until(holds: () => boolean, ms: number): Promise<boolean> {
    const deadline = performance.now() + ms;
    while (!holds()) {
      const left = deadline - performance.now();
      if (left <= 0) return false;
      await new Promise<void>((resolve) => {
        const done = (): void => {
          clearTimeout(timer);
          this.#waiting.delete(done);
          resolve();
        };
        const timer = setTimeout(done, Math.min(left, 250));
        this.#waiting.add(done);
      });
    }
    return true;
  }

  /** Waits for the head of the answer or the end of the stream. */
  answered(ms: number): Promise<boolean> {
    return this.until(() => this.head !== undefined || this.end !== "open", ms);
  }

  /** Waits for a Close or the end of the stream. */
  failed(ms: number): Promise<boolean> {
    return this.until(() => this.closeCode !== 0 || this.end !== "open", ms);
  }

  /** Waits for `count` messages or the end. */
  echoed(count: number, ms: number): Promise<boolean> {
    return this.until(() => this.messages.length >= count || this.end !== "open", ms);
  }

  /**
   * Writes a byte every 50 ms until nobody is there to take it: the server has let the socket go. Returns after how many
   * milliseconds, or `undefined` when it has not within `ms`.
   */
  async gone(ms: number): Promise<number | undefined> {
    const startedAt = performance.now();
    while (performance.now() - startedAt < ms) {
      if (this.end === "reset" || this.socket.destroyed) return Math.max(0, (this.endedAt ?? 0) - startedAt);
      if (this.socket.writableLength === 0) this.write(Buffer.of(0));
      await sleep(50);
    }
    return undefined;
  }

  /** Ends with RST. */
  reset(): void {
    this.socket.resetAndDestroy();
  }

  /** Lets the socket go. */
  destroy(): void {
    this.socket.destroy();
  }

  #onData(chunk: Buffer): void {
    if (this.status === 101) return this.#onFrames(chunk);
    this.#bytes = Buffer.concat([this.#bytes, chunk]);
    if (this.head !== undefined) return;
    const split = splitHead(this.#bytes);
    if (split === undefined) return;
    this.head = split.head;
    this.#bytes = Buffer.from(split.rest);
    if (this.status === 101) this.#onFrames(this.#bytes);
    this.#notify();
  }

  #onFrames(chunk: Buffer): void {
    this.received += chunk.length;
    if (this.#keep === "nothing") return;
    this.#reader.push(chunk);
    for (let next = this.#reader.next(); next !== undefined; next = this.#reader.next()) {
      if (this.#keep === "all" || next.opcode >= 8) this.frames.push(next);
    }
    this.#notify();
  }

  #onEnd(how: End): void {
    if (how !== this.end) this.endedAt = performance.now();
    this.end = how;
    this.#notify();
  }

  #notify(): void {
    for (const waiter of [...this.#waiting]) waiter();
  }
}

function textOf({ rsv, payload }: Frame): string | undefined {
  if ((rsv & 4) === 0) return payload.toString();
  try {
    const tail = Buffer.of(0, 0, 0xff, 0xff);
    return inflateRawSync(Buffer.concat([payload, tail]), { finishFlush: zlib.Z_SYNC_FLUSH }).toString();
  } catch {
    return undefined;
  }
}
