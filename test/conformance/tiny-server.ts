/**
 * An echo server of a few lines, correct enough for the cases it is put to, and wrong in one way on demand.
 */

import { isUtf8 } from "node:buffer";
import { createServer, type Server, type Socket } from "node:net";
import { encodeFrame, type Frame, FrameReader, type FrameSpec, Op } from "../../conformance/wire/frame.ts";
import { acceptFor, type Head, splitHead, valuesOf } from "../../conformance/wire/head.ts";

/** The ways in which it can be wrong. */
export type Fault =
  | "none"
  | "wrong-accept"
  | "unasked-extension"
  | "masks"
  | "no-pong"
  | "wrong-pong"
  | "text-as-binary"
  | "drops-a-message"
  | "swaps-messages"
  | "ignores-rsv"
  | "ignores-opcodes"
  | "ignores-utf8"
  | "wide-lengths"
  | "close-1005"
  | "keeps-tcp"
  | "takes-unmasked"
  | "never-answers";

/** Starts it on a port of its own; `stop` ends it and its connections. */
export async function tinyServer(fault: Fault): Promise<{ url: string; stop: () => void }> {
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    serve(socket, fault);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  const stop = (): void => {
    for (const socket of sockets) socket.destroy();
    server.close();
  };
  return { url: `ws://127.0.0.1:${port}/`, stop };
}

function serve(socket: Socket, fault: Fault): void {
  const frames = new FrameReader();
  const connection = new TinyConnection(socket, fault);
  let head: Buffer | undefined = Buffer.alloc(0);
  socket.on("data", (chunk) => {
    if (head === undefined) frames.push(chunk);
    else {
      head = Buffer.concat([head, chunk]);
      const split = splitHead(head);
      if (split === undefined) return;
      head = undefined;
      answer(socket, split.head, fault);
      frames.push(Buffer.from(split.rest));
    }
    for (let frame = frames.next(); frame !== undefined; frame = frames.next()) connection.take(frame);
  });
}

function answer(socket: Socket, head: Head, fault: Fault): void {
  if (fault === "never-answers") return;
  if (valuesOf(head, "Sec-WebSocket-Version").join() !== "13") {
    socket.end("HTTP/1.1 426 Upgrade Required\r\nSec-WebSocket-Version: 13\r\nContent-Length: 0\r\n\r\n");
    return;
  }
  const accept = acceptFor(valuesOf(head, "Sec-WebSocket-Key")[0] ?? "");
  socket.write(
    [
      "HTTP/1.1 101 Switching Protocols",
      "Upgrade: websocket",
      "Connection: Upgrade",
      `Sec-WebSocket-Accept: ${fault === "wrong-accept" ? acceptFor("other") : accept}`,
      ...(fault === "unasked-extension" ? ["Sec-WebSocket-Extensions: permessage-deflate"] : []),
      "\r\n",
    ].join("\r\n"),
  );
}

class TinyConnection {
  readonly #socket: Socket;
  readonly #fault: Fault;
  #held: FrameSpec | undefined;
  #count = 0;
  #over = false;
  constructor(socket: Socket, fault: Fault) {
    this.#socket = socket;
    this.#fault = fault;
  }

  take(frame: Frame): void {
    const { opcode, payload } = frame;
    const fault = this.#fault;
    if (this.#over) return;
    if (frame.maskingKey === undefined && fault !== "takes-unmasked") return this.#fail(1002);
    if (frame.rsv !== 0 && fault !== "ignores-rsv") return this.#fail(1002);
    if (![1, 2, 8, 9, 10].includes(opcode)) return fault === "ignores-opcodes" ? undefined : this.#fail(1002);
    if (opcode === Op.Text && !isUtf8(payload) && fault !== "ignores-utf8") return this.#fail(1007);
    if (opcode === Op.Ping && fault !== "no-pong") {
      this.#send({ opcode: Op.Pong, payload: fault === "wrong-pong" ? "other" : payload });
    }
    if (opcode === Op.Close) this.#close(fault === "close-1005" ? Buffer.from([0x03, 0xed]) : payload);
    if (opcode === Op.Text || opcode === Op.Binary) this.#echo(opcode, payload);
  }

  #echo(opcode: number, payload: Buffer): void {
    this.#count++;
    const echo = { opcode: this.#fault === "text-as-binary" ? Op.Binary : opcode, payload };
    if (this.#fault === "drops-a-message" && this.#count === 2) return;
    if (this.#fault === "swaps-messages" && this.#count === 1) {
      this.#held = echo;
      return;
    }
    this.#send(echo);
    if (this.#held !== undefined) this.#send(this.#held);
    this.#held = undefined;
  }

  #fail(code: number): void {
    this.#close(Buffer.from([code >> 8, code & 255]));
  }

  #close(payload: Buffer): void {
    this.#over = true;
    this.#send({ opcode: Op.Close, payload });
    if (this.#fault !== "keeps-tcp") this.#socket.end();
  }

  #send(spec: FrameSpec): void {
    const wide: Partial<FrameSpec> = this.#fault === "wide-lengths" ? { lengthForm: 64 } : {};
    this.#socket.write(encodeFrame({ ...spec, ...wide }, this.#fault === "masks", () => Buffer.from([1, 2, 3, 4])));
  }
}
