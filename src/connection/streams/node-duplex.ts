/**
 * A connection as a Node stream of bytes: the payloads of all messages, one after another; each write is one binary
 * message.
 *
 * A message is taken from the connection only when the stream has room, and a write is done when the outbox is below
 * its high-water mark.
 */

import { Buffer } from "node:buffer";
import { Duplex } from "node:stream";
import type { MessageData } from "../options/delivery-options.ts";
import {
  endError,
  finishedCodes,
  isOpen,
  isOver,
  type StreamedConnection,
  type StreamSource,
  tooLate,
} from "./web-streams.ts";

const encoder = new TextEncoder();

/** Makes the stream; it is the connection's only reader from then on. */
export function duplexOf(connection: StreamedConnection, source: StreamSource): Duplex {
  const messages = source.readToTheEnd();
  const duplex: Duplex = new Duplex({
    // When the peer has closed, nothing can be written either.
    allowHalfOpen: false,
    read: () => {
      source.holdInStream(duplex.readableLength);
      void pushNext();
    },
    write: (chunk: Buffer, _encoding, done) => {
      if (!isOpen(connection)) return done(tooLate());
      if (connection.send(chunk, { copy: true })) return done();
      void connection.ready.then(() => done(isOver(connection) ? tooLate() : null));
    },
    final: (done) => {
      connection.close();
      void connection.closed.then((report) => done(endError(report, finishedCodes)));
    },
    destroy: (error, done) => {
      connection.terminate();
      done(error);
    },
  });

  async function pushNext(): Promise<void> {
    let next = await messages.next();
    // An empty chunk would not make the stream ask again.
    while (!next.done && next.value.length === 0) next = await messages.next();
    if (!next.done) {
      if (duplex.destroyed) return;
      duplex.push(viewAsBuffer(next.value));
      return source.holdInStream(duplex.readableLength);
    }
    const error = endError(await connection.closed, finishedCodes);
    if (error) duplex.destroy(error);
    else duplex.push(null);
  }

  return duplex;
}

/** Views bytes as a Buffer; text is encoded in memory of its own, where `Buffer.from` would share Node's pool. */
function viewAsBuffer(data: MessageData): Buffer {
  const { buffer, byteOffset, length } = typeof data === "string" ? encoder.encode(data) : data;
  return Buffer.from(buffer, byteOffset, length);
}
