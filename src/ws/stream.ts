/**
 * `createWebSocketStream` of `ws`: a WebSocket as a Duplex of Node, whose writes are messages and whose reads are theirs.
 */

import { Duplex, type DuplexOptions } from "node:stream";
import { nextTick } from "../transport/scheduling.ts";
import type { RawData } from "./parts/message-data.ts";
import { WebSocket } from "./websocket.ts";

type Done = (error?: Error | null) => void;

/**
 * Returns a Duplex over a WebSocket, which may still be connecting. With `readableObjectMode` text is read as strings.
 *
 * Ending it closes the WebSocket, destroying it destroys that, and an error of the WebSocket destroys it.
 */
export function createWebSocketStream(webSocket: WebSocket, options?: DuplexOptions): Duplex {
  const stream = new Duplex({
    ...options,
    autoDestroy: false,
    emitClose: false,
    objectMode: false,
    writableObjectMode: false,
  });
  // After an error of its own it ends by itself, behind its Close.
  let endsWebSocket = true;

  webSocket.on("message", (data: RawData, isBinary: boolean) => {
    const chunk = !isBinary && stream.readableObjectMode ? String(data) : data;
    if (!stream.push(chunk)) webSocket.pause();
  });
  webSocket.once("error", (error) => {
    if (stream.destroyed) return;
    endsWebSocket = false;
    stream.destroy(error);
  });
  webSocket.once("close", () => {
    if (!stream.destroyed) stream.push(null);
  });
  stream.on("end", () => {
    if (!stream.destroyed && stream.writableFinished) stream.destroy();
  });
  stream.on("error", function unheard(error: Error) {
    stream.removeListener("error", unheard);
    stream.destroy();
    // Where no other listener is, it is thrown, as by any stream.
    if (stream.listenerCount("error") === 0) stream.emit("error", error);
  });

  const write = (chunk: unknown, _encoding: BufferEncoding, done: Done): void => {
    if (webSocket.readyState === WebSocket.CONNECTING) webSocket.once("open", () => webSocket.send(chunk, done));
    else webSocket.send(chunk, done);
  };
  const final = (done: Done): void => {
    if (webSocket.readyState === WebSocket.CONNECTING) return void webSocket.once("open", () => final(done));
    const socket = webSocket._socket;
    // Where the handshake has failed, the stream fails with it.
    if (socket === null) return;
    if (socket.writableFinished) {
      done();
      if (stream.readableEnded) stream.destroy();
      return;
    }
    socket.once("finish", () => done());
    webSocket.close();
  };
  const destroy = (error: Error | null, done: Done): void => {
    let told = false;
    const finish = () => {
      if (!told) done(error);
      nextTick(() => stream.emit("close"));
    };
    if (webSocket.readyState === WebSocket.CLOSED) return finish();
    webSocket.once("error", (late) => {
      told = true;
      done(late);
    });
    webSocket.once("close", finish);
    if (endsWebSocket) webSocket.terminate();
  };
  stream._read = () => {
    if (webSocket.isPaused) webSocket.resume();
  };
  stream._write = write;
  stream._final = final;
  stream._destroy = destroy;
  return stream;
}
