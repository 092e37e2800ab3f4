/** A transport and a clock that do what a test says, and when it says it. */
import type { Buffer } from "node:buffer";
import type { Clock } from "../../src/transport/clock.ts";
import { setImmediate } from "../../src/transport/scheduling.ts";
import type { Transport, TransportListener, Written } from "../../src/transport/transport.ts";

/** Keeps the rules of `Transport`. What arrives while it is paused is delivered inside `resume`, where that is allowed. */
export class ScriptedTransport implements Transport {
  ended = false;
  peerEnded = false;
  destroyed = false;
  waiting = 0;
  backlog = 0;
  bytesReceived = 0;
  readonly readsAtOnce = true;
  readonly mayLeaveAtOnce = true;
  readonly keepsPieces = true;
  readonly givesBack = false;
  readonly remoteAddress = undefined;
  readonly remotePort = undefined;
  readonly localAddress = undefined;
  readonly localPort = undefined;
  /** Whether it takes nothing from the next write on. */
  stalls = false;
  #listener!: TransportListener;
  #reads = false;
  #closes = false;
  readonly #arrived: (Buffer | "end")[] = [];

  get writable(): boolean {
    return !this.ended && !this.destroyed;
  }

  listen(listener: TransportListener): void {
    this.#listener = listener;
  }

  write(bytes: Uint8Array | Uint8Array[]): Written {
    if (!this.stalls) return "left";
    this.waiting += Array.isArray(bytes) ? bytes.reduce((sum, { length }) => sum + length, 0) : bytes.length;
    this.backlog = this.waiting;
    return "full";
  }

  pause(): void {
    this.#reads = false;
  }

  resume(): void {
    this.#reads = true;
    while (this.#reads && !this.destroyed && typeof this.#arrived[0] === "object") {
      const chunk = this.#arrived.shift() as Buffer;
      this.#listener.received(chunk, false, chunk.length);
    }
    if (this.#arrived[0] === "end") setImmediate(() => this.#tellOfEnd());
  }

  end(): void {
    this.ended = true;
    if (this.peerEnded) this.#close();
  }

  destroy(): void {
    this.destroyed = true;
    this.#close();
  }

  reset(): void {
    this.destroy();
  }

  unref(): void {}

  becomeStream(): never {
    throw new Error("Not here");
  }

  // What the other end and the system do

  /** Bytes arrive. */
  arrive(chunk: Buffer): void {
    if (this.destroyed || this.peerEnded || this.#arrived.includes("end")) return;
    this.bytesReceived += chunk.length;
    if (this.#reads) this.#listener.received(chunk, false, chunk.length);
    else this.#arrived.push(chunk);
  }

  /** The peer sends nothing more. */
  endArrives(): void {
    if (this.#arrived.includes("end") || this.peerEnded) return;
    this.#arrived.push("end");
    if (this.#reads) this.#tellOfEnd();
  }

  /** What waits has left. */
  flow(): void {
    this.stalls = false;
    const stalled = this.waiting > 0;
    this.waiting = this.backlog = 0;
    if (stalled && !this.destroyed) this.#listener.transportDrained();
  }

  /** It breaks. */
  break(error: Error): void {
    if (this.destroyed) return;
    this.destroyed = true;
    this.#listener.transportFailed(error);
    this.#close();
  }

  #tellOfEnd(): void {
    if (this.#arrived[0] !== "end" || this.destroyed || this.peerEnded) return;
    this.#arrived.shift();
    this.peerEnded = true;
    this.#listener.receivedEnd();
    if (this.ended) this.#close();
  }

  #close(): void {
    if (this.#closes) return;
    this.#closes = true;
    setImmediate(() => {
      this.destroyed = true;
      this.#listener.transportClosed();
    });
  }
}

/** Time that stands still until `pass`. */
export class ScriptedClock implements Clock {
  #now = 0;
  readonly #timers = new Set<{ readonly at: number; readonly call: () => void }>();

  now(): number {
    return this.#now;
  }

  after(delay: number, call: () => void): () => void {
    const timer = { at: this.#now + delay, call };
    this.#timers.add(timer);
    return () => void this.#timers.delete(timer);
  }

  /** Lets so many milliseconds pass, with all that is due meanwhile, in order. */
  pass(milliseconds: number): void {
    const until = this.#now + milliseconds;
    for (;;) {
      const due = [...this.#timers].filter(({ at }) => at <= until).sort((one, other) => one.at - other.at)[0];
      if (due === undefined) break;
      this.#timers.delete(due);
      this.#now = due.at;
      due.call();
    }
    this.#now = until;
  }
}
