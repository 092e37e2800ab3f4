/**
 * The client of an opening handshake while the application decides.
 */

import { Buffer } from "node:buffer";
import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { TLSSocket } from "node:tls";
import { bytesWrittenTo, requireUnanswered } from "./claim.ts";

/** See the head of this file. */
export interface WaitingClient {
  /** The address of the other end; undefined where it has none. */
  readonly remoteAddress: string | undefined;
  /** Whether it speaks TLS with this process. */
  readonly encrypted: boolean;
  /** Whether it can be answered. */
  readonly writable: boolean;
  /**
   * From now on what it sends is kept, and `left` is called when it leaves, until the function that is returned is called:
   * that returns the bytes.
   */
  wait(left: () => void): () => Buffer;
  /** Throws an Error when somebody else has answered it since it came. */
  requireUnanswered(): void;
  /** Gives it up. */
  destroy(): void;
}

/** From this many early bytes on, nothing more is read until the decision. */
export const earlyDataMark: number = 16 * 1024;

/** The client at the other end of a stream. */
export class StreamClient implements WaitingClient {
  readonly #request: IncomingMessage;
  readonly #socket: Duplex;
  readonly #bytesWritten: number | undefined;

  constructor({ request, socket }: { readonly request: IncomingMessage; readonly socket: Duplex }) {
    this.#request = request;
    this.#socket = socket;
    this.#bytesWritten = bytesWrittenTo(socket);
  }

  get remoteAddress(): string | undefined {
    return (this.#socket as Partial<Socket>).remoteAddress;
  }

  get encrypted(): boolean {
    // On Bun, a socket under TLS is no TLSSocket.
    return (this.#request.socket as Partial<TLSSocket>).encrypted === true;
  }

  get writable(): boolean {
    return this.#socket.writable;
  }

  wait(left: () => void): () => Buffer {
    const socket = this.#socket;
    let early: Buffer = Buffer.alloc(0);
    const keep = (chunk: Buffer) => {
      early = Buffer.concat([early, chunk]);
      if (early.length > earlyDataMark) socket.pause();
    };
    socket.on("data", keep).once("end", left).once("close", left);
    return () => {
      socket.pause();
      socket.off("data", keep).off("end", left).off("close", left);
      return early;
    };
  }

  requireUnanswered(): void {
    requireUnanswered(this.#socket, this.#bytesWritten);
  }

  destroy(): void {
    this.#socket.destroy();
  }
}
