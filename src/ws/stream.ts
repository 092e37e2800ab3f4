/**
 * `createWebSocketStream` of `ws`: a WebSocket as a Duplex of Node, whose writes are messages and whose reads are theirs.
 */

import { Duplex, type DuplexOptions } from "node:stream";
import type { RawData } from "./message-data.ts";
import { WebSocket } from "./websocket.ts";

type Done = (error?: Error | null) => void;

/**
 * Returns a Duplex over a WebSocket, which may still be connecting. With `readableObjectMode` text is read as strings.
 *
 * Ending it closes the WebSocket, destroying it destroys that, and so does an error of either for the other.
 */
export function createWebSocketStream(webSocket: WebSocket, options?: DuplexOptions): Duplex {
  return new WebSocketStream(webSocket, options);
}

class WebSocketStream extends Duplex {
  readonly #webSocket: WebSocket;
  /** Whether destroying the stream destroys the WebSocket: not after an error of its own, when that ends by itself. */
  #endsWebSocket = true;

  constructor(webSocket: WebSocket, options: DuplexOptions = {}) {
    super({ ...options, autoDestroy: false, emitClose: false, objectMode: false, writableObjectMode: false });
    this.#webSocket = webSocket;
    webSocket.on("message", (data: RawData, isBinary: boolean) => {
      const chunk = !isBinary && this.readableObjectMode ? String(data) : data;
      if (!this.push(chunk)) webSocket.pause();
    });
    webSocket.once("error", (error) => {
      if (this.destroyed) return;
      // The handshake may have failed, or the peer broken a rule: Close is under way, and destroying would lose it.
      this.#endsWebSocket = false;
      this.destroy(error);
    });
    webSocket.once("close", () => {
      if (!this.destroyed) this.push(null);
    });
    // Both sides have ended: `close` follows.
    this.on("end", () => {
      if (!this.destroyed && this.writableFinished) this.destroy();
    });
    this.on("error", this.#rethrowUnheard);
  }

  override _read(): void {
    if (this.#webSocket.isPaused) this.#webSocket.resume();
  }

  override _write(chunk: unknown, encoding: BufferEncoding, done: Done): void {
    this.#whenOpen(
      () => this.#webSocket.send(chunk, done),
      () => this._write(chunk, encoding, done),
    );
  }

  override _final(done: Done): void {
    const webSocket = this.#webSocket;
    if (webSocket.readyState === WebSocket.CONNECTING) return void webSocket.once("open", () => this._final(done));
    const socket = webSocket._socket;
    // The handshake failed, and the stream with it.
    if (socket === null) return;
    if (socket.writableFinished) {
      done();
      if (this.readableEnded) this.destroy();
      return;
    }
    socket.once("finish", () => done());
    webSocket.close();
  }

  override _destroy(error: Error | null, done: Done): void {
    const webSocket = this.#webSocket;
    const finish = () => {
      done(error);
      nextTickClose(this);
    };
    if (webSocket.readyState === WebSocket.CLOSED) return finish();
    let told = false;
    webSocket.once("error", (late) => {
      told = true;
      done(late);
    });
    webSocket.once("close", () => {
      if (!told) done(error);
      nextTickClose(this);
    });
    if (this.#endsWebSocket) webSocket.terminate();
  }

  #whenOpen(now: () => void, later: () => void): void {
    if (this.#webSocket.readyState === WebSocket.CONNECTING) this.#webSocket.once("open", later);
    else now();
  }

  /** The only listener of an error is this one: the program gets it as of any stream. */
  #rethrowUnheard(error: Error): void {
    this.removeListener("error", this.#rethrowUnheard);
    this.destroy();
    if (this.listenerCount("error") === 0) this.emit("error", error);
  }
}

function nextTickClose(stream: Duplex): void {
  process.nextTick(() => stream.emit("close"));
}
