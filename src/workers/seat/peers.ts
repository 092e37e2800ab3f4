/**
 * The links of a process to the other workers: sockets that need no port, on which each begins with a secret.
 *
 * Who joins dials those that have joined before, and dials again as long as they are there.
 */

import { Buffer } from "node:buffer";
import { randomBytes, timingSafeEqual } from "node:crypto";
import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { realTime } from "../../transport/clock.ts";
import { type FramePort, SocketPort } from "../links/frame-port.ts";
import type { Address } from "../wire/calls.ts";

/** The wait before a worker that is there is dialed again, in milliseconds. */
const redialDelay = 100;
/** How long a connection may take to say the secret, in milliseconds. */
const secretTimeout = 10_000;
/** Nothing listens there any more. */
const goneCodes: readonly unknown[] = ["ECONNREFUSED", "ENOENT"];

/** See the head of this file. */
export class Peers {
  readonly #linked: (port: FramePort) => void;
  readonly #server: Server;
  readonly #secret = randomBytes(32).toString("hex");
  #isOver = false;

  constructor(linked: (port: FramePort) => void) {
    this.#linked = linked;
    this.#server = createServer((socket) => this.#admit(socket));
  }

  /** Resolves with where it can be dialed from now on. */
  async listen(): Promise<Address> {
    const address = { path: freshPath(), secret: this.#secret };
    this.#server.listen(address.path);
    await once(this.#server, "listening");
    // Where no more can be accepted, who dials tries again.
    this.#server.on("error", () => {});
    this.#server.unref();
    process.once("exit", () => this.close());
    return address;
  }

  /** Makes a link to another worker, and makes it again as long as that is there. */
  dial(address: Address): void {
    if (this.#isOver) return;
    const socket = connect(address.path);
    let isGone = false;
    socket.on("error", ({ code }: NodeJS.ErrnoException) => {
      isGone = goneCodes.includes(code);
    });
    socket.once("close", () => isGone || realTime.after(redialDelay, () => this.dial(address), true));
    socket.write(address.secret);
    this.#linked(new SocketPort(socket));
  }

  /** No more links are made. */
  close(): void {
    this.#isOver = true;
    this.#server.close();
  }

  /** Who does not begin with the secret is no worker. */
  #admit(socket: Socket): void {
    const end = () => socket.destroy();
    socket.on("error", end);
    socket.setTimeout(secretTimeout, end);
    socket.unref();
    const secret = Buffer.from(this.#secret);
    let begun = Buffer.alloc(0);
    const look = (chunk: Buffer) => {
      begun = Buffer.concat([begun, chunk]);
      if (begun.length < secret.length) return;
      socket.off("data", look);
      if (!timingSafeEqual(begun.subarray(0, secret.length), secret)) {
        end();
        return;
      }
      socket.setTimeout(0);
      socket.pause();
      if (begun.length > secret.length) socket.unshift(begun.subarray(secret.length));
      this.#linked(new SocketPort(socket));
      socket.resume();
    };
    socket.on("data", look);
  }
}

/** A path that no file stands for where the system has such. */
function freshPath(): string {
  const name = `openline-${randomBytes(16).toString("hex")}`;
  if (process.platform === "linux") return `\0${name}`;
  return process.platform === "win32" ? `\\\\.\\pipe\\${name}` : join(tmpdir(), name);
}
