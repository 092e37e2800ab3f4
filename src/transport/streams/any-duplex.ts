/**
 * Any stream as a transport: one of the application's, a tunnel, a stream of HTTP/2.
 *
 * Nothing is taken on trust: chunks are copied, since they may be another's memory, which unmasking would change; what
 * was written is never used again, since it may have been handed on; what the stream throws destroys it; and one that was
 * destroyed and does not say that it is closed is taken for closed after a second.
 */

import { Buffer } from "node:buffer";
import type { Duplex } from "node:stream";
import { realTime } from "../clock.ts";
import type { TransportListener, Written } from "../transport.ts";
import { StreamTransport, transportOf } from "./stream-transport.ts";

/** How long a destroyed stream may take to say that it is closed, in milliseconds. */
const longestClose = 1000;

/** What is heard of a stream that was taken for closed goes nowhere. */
const noListener: TransportListener = {
  received: () => {},
  receivedEnd: () => {},
  transportDrained: () => {},
  transportFailed: () => {},
  transportClosed: () => {},
};

/** See the head of this file. */
export class AnyDuplex extends StreamTransport {
  #bytesReceived = 0;
  /** Cancels what takes the stream for closed; undefined until it is destroyed. */
  #cancelClose: (() => void) | undefined;

  hearBytes(): void {
    this.stream.on("data", onForeignData);
  }

  /** A chunk came, which stays the stream's. */
  receivedForeign(chunk: Uint8Array): void {
    this.#bytesReceived += chunk.length;
    this.listener.received(Buffer.from(chunk), false, chunk.length);
  }

  get bytesReceived(): number {
    return this.#bytesReceived;
  }

  override write(bytes: Uint8Array | Uint8Array[], tell: boolean): Written {
    try {
      return super.write(bytes, tell) === "full" ? "full" : "taken";
    } catch (error) {
      this.#destroy(asError(error));
      return "taken";
    }
  }

  override pause(): void {
    this.#safely(() => super.pause());
  }

  override resume(): void {
    this.#safely(() => super.resume());
  }

  override end(): void {
    this.#safely(() => super.end());
  }

  override destroy(): void {
    this.#destroy(undefined);
  }

  override reset(): void {
    super.reset();
    this.#limitClose();
  }

  override streamClosed(): void {
    this.#cancelClose?.();
    const { listener } = this;
    this.listener = noListener;
    listener.transportClosed();
  }

  #safely(step: () => void): void {
    try {
      step();
    } catch (error) {
      this.#destroy(asError(error));
    }
  }

  #destroy(error: Error | undefined): void {
    try {
      this.stream.destroy(error);
      this.#limitClose();
    } catch (thrown) {
      this.#cancelClose ??= realTime.after(0, () => {
        this.listener.transportFailed(error ?? asError(thrown));
        this.streamClosed();
      });
    }
  }

  /** Takes the stream for closed if it has not said so in time. */
  #limitClose(): void {
    if (this.listener !== noListener) this.#cancelClose ??= realTime.after(longestClose, () => this.streamClosed());
  }
}

function onForeignData(this: Duplex, chunk: Uint8Array): void {
  (transportOf(this) as AnyDuplex).receivedForeign(chunk);
}

function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error("The stream threw", { cause: thrown });
}
