/**
 * The other end of a connection as plain bytes over a real socket, built without the code under test.
 *
 * It sends whatever frames a test makes up, right or wrong, and reads back what came, frame by frame.
 */

import { once } from "node:events";
import { type AddressInfo, connect, createServer, type NetConnectOpts, type Socket } from "node:net";
import type { Role } from "../../src/protocol/frames/frame.ts";
import { frameFrom, type ReadFrame, readFrames, type WireFrame } from "./wire.ts";

/** The key of the handshakes that `openRaw` does, and its answer (RFC 6455 section 1.3). */
export const sampleKey = "dGhlIHNhbXBsZSBub25jZQ==";
export const sampleAccept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/** A peer that speaks in frames of its role. */
export class RawPeer {
  readonly socket: Socket;
  readonly role: Role;
  /** What has come and was not read. */
  received: Buffer = Buffer.alloc(0);
  /** Whether the other side has ended its stream. */
  ended = false;
  /** Whether the socket is gone, with or without an error. */
  readonly closed: Promise<void>;
  #wake: () => void = () => {};

  constructor(socket: Socket, role: Role) {
    this.socket = socket;
    this.role = role;
    socket.on("data", (chunk) => {
      this.received = Buffer.concat([this.received, chunk]);
      this.#wake();
    });
    socket.on("end", () => {
      this.ended = true;
      this.#wake();
    });
    // A reset is a way to end, which `closed` reports.
    socket.on("error", () => this.#wake());
    this.closed = new Promise((resolve) => {
      socket.on("close", () => {
        this.ended = true;
        this.#wake();
        resolve();
      });
    });
  }

  /** Sends frames, all in one chunk. */
  send(...frames: Omit<WireFrame, "key">[]): void {
    this.socket.write(Buffer.concat(frames.map((frame) => frameFrom(this.role, frame))));
  }

  text(...messages: string[]): void {
    this.send(...messages.map((payload) => ({ opcode: 1, payload })));
  }

  /** Sends a Close frame; without a code an empty one. */
  close(code?: number, reason = ""): void {
    this.send(closeFrame(code, reason));
  }

  /** The next frame; undefined when the stream ended before it. */
  async nextFrame(): Promise<ReadFrame | undefined> {
    await this.until(() => frameLength(this.received) !== undefined);
    const length = frameLength(this.received);
    if (length === undefined) return undefined;
    const [frame] = readFrames(this.received.subarray(0, length));
    this.received = this.received.subarray(length);
    return frame;
  }

  async nextFrames(count: number): Promise<ReadFrame[]> {
    const frames: ReadFrame[] = [];
    for (let i = 0; i < count; i++) {
      const frame = await this.nextFrame();
      if (frame === undefined) throw new Error(`The stream ended after ${i} of ${count} frames`);
      frames.push(frame);
    }
    return frames;
  }

  /** The next frames' payloads as text. */
  async nextTexts(count: number): Promise<string[]> {
    return (await this.nextFrames(count)).map((frame) => frame.payload.toString());
  }

  /** All frames until the stream ends. */
  async allFrames(): Promise<ReadFrame[]> {
    await this.until(() => false);
    return readFrames(this.received);
  }

  /** Waits until the condition holds, looking after each chunk, or the stream has ended. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition() && !this.ended) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  end(): void {
    this.socket.end();
  }

  /** Sends RST instead of FIN. */
  reset(): void {
    this.socket.resetAndDestroy();
  }
}

/** A Close frame to send. */
export function closeFrame(code?: number, reason = ""): Omit<WireFrame, "key"> {
  if (code === undefined) return { opcode: 8 };
  return { opcode: 8, payload: Buffer.concat([Buffer.from([code >> 8, code & 255]), Buffer.from(reason)]) };
}

/** What a Close frame says; undefined for any other frame. */
export function closeStatus(frame: ReadFrame | undefined): { code: number; reason: string } | undefined {
  if (frame?.opcode !== 8) return undefined;
  if (frame.payload.length === 0) return { code: 1005, reason: "" };
  return { code: frame.payload.readUInt16BE(0), reason: frame.payload.subarray(2).toString() };
}

/** Two ends of one TCP connection over loopback. Neither ends by itself when the other does. */
export async function socketPair(): Promise<[Socket, Socket]> {
  const server = createServer({ allowHalfOpen: true }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const near = connect({ port: (server.address() as AddressInfo).port, host: "127.0.0.1", allowHalfOpen: true });
  const [far] = (await once(server, "connection")) as [Socket];
  if (near.connecting) await once(near, "connect");
  server.close();
  return [near, far];
}

/** What `openRaw` and `requestText` put into a request. */
export interface RawRequest {
  readonly path?: string;
  readonly method?: string;
  readonly version?: string;
  /** Lines in the place of the usual ones of the same name; an empty value leaves the field out. */
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
}

/** The text of an opening handshake's request. */
export function requestText({ path = "/", method = "GET", version = "1.1", headers = {} }: RawRequest = {}): string {
  const usual = {
    Host: "localhost",
    Upgrade: "websocket",
    Connection: "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": sampleKey,
  };
  let text = `${method} ${path} HTTP/${version}\r\n`;
  for (const [name, values] of Object.entries({ ...usual, ...headers })) {
    for (const value of typeof values === "string" ? [values] : values) {
      if (value !== "") text += `${name}: ${value}\r\n`;
    }
  }
  return `${text}\r\n`;
}

/** Connects and sends bytes; `closed` on the peer says when the server is done with it. */
export async function sendRaw(target: number | NetConnectOpts, ...chunks: (string | Uint8Array)[]): Promise<RawPeer> {
  const where = typeof target === "number" ? { port: target, host: "127.0.0.1" } : target;
  const socket = connect({ ...where, allowHalfOpen: true });
  const peer = new RawPeer(socket, "client");
  await once(socket, "connect");
  for (const chunk of chunks) socket.write(chunk);
  return peer;
}

/** Reads the head of an HTTP response off the peer. */
export async function readHead(peer: RawPeer): Promise<string> {
  await peer.until(() => peer.received.includes("\r\n\r\n"));
  const end = peer.received.indexOf("\r\n\r\n") + 4;
  if (end < 4) throw new Error(`The stream ended before a response's head: ${peer.received}`);
  const head = peer.received.subarray(0, end).toString("latin1");
  peer.received = peer.received.subarray(end);
  return head;
}

/** Opens a connection; throws with the answer unless it is a 101. */
export async function openRaw(port: number, request: RawRequest = {}, ...glued: Uint8Array[]): Promise<RawPeer> {
  const peer = await sendRaw(port, Buffer.concat([Buffer.from(requestText(request), "latin1"), ...glued]));
  const head = await readHead(peer);
  if (!head.startsWith("HTTP/1.1 101 ")) throw new Error(`Refused: ${head}${peer.received}`);
  return peer;
}

/** Sends bytes and returns everything that is answered until the server ends the stream, and ends too. */
export async function exchange(port: number, ...chunks: (string | Uint8Array)[]): Promise<string> {
  const peer = await sendRaw(port, ...chunks);
  await peer.until(() => false);
  peer.end();
  await peer.closed;
  return peer.received.toString("latin1");
}

/** A response taken apart. */
export interface ParsedResponse {
  readonly status: number;
  /** Names in lower case; the last of several. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
}

/** Parses the one response that `answer` must be, its body as long as it says. */
export function parseResponse(answer: string): ParsedResponse {
  const end = answer.indexOf("\r\n\r\n");
  const [first = "", ...lines] = answer.slice(0, end).split("\r\n");
  const status = /^HTTP\/1\.1 (\d{3}) /.exec(first)?.[1];
  if (end < 0 || status === undefined) throw new Error(`Not a response: ${JSON.stringify(answer)}`);
  const headers = new Map(
    lines.map((line) => {
      const colon = line.indexOf(": ");
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 2)] as const;
    }),
  );
  const body = answer.slice(end + 4);
  const announced = headers.get("content-length");
  if (announced !== undefined && Number(announced) !== body.length) {
    throw new Error(`The body is not ${announced} bytes: ${JSON.stringify(body)}`);
  }
  return { status: Number(status), headers, body };
}

/** The length of the first frame of `bytes` when it is whole. */
function frameLength(bytes: Buffer): number | undefined {
  if (bytes.length < 2) return undefined;
  const short = bytes[1]! % 128;
  const start = 2 + (short === 126 ? 2 : short === 127 ? 8 : 0) + (bytes[1]! >= 128 ? 4 : 0);
  if (bytes.length < start) return undefined;
  const payload = short === 126 ? bytes.readUInt16BE(2) : short === 127 ? Number(bytes.readBigUInt64BE(2)) : short;
  return bytes.length >= start + payload ? start + payload : undefined;
}
