/**
 * Servers without a defence, built from our parts, to see that a test of that defence can fail.
 */
import type { Socket } from "node:net";
import { createInflateRaw, inflateRawSync } from "node:zlib";
import type { MessageDeflate } from "../../src/connection/compression/message-deflate.ts";
import { Connection, coreOf } from "../../src/connection/connection.ts";
import { type ConnectionLimits, connectionLimits } from "../../src/connection/options/limits.ts";
import { Endpoint } from "../../src/protocol/endpoint/endpoint.ts";
import { FrameDecoder } from "../../src/protocol/frames/frame-decoder.ts";
import { transportOver } from "../../src/transport/streams/transport-over.ts";
import { type Answer, acceptance } from "./raw-server.ts";
import type { Application } from "./target.ts";

/** Makes what answers each request. */
export type StandIn = (application: Application) => Answer;

/** Memory that was announced and not received (A01). */
const trusting: Buffer[] = [];

/** Everything that it was told in Pongs (A05). */
const remembered: Uint8Array[] = [];

/** Every connection that there was (A05). */
const registered = new Set<Connection>();

export const standIns = {
  /** Takes memory for a message as soon as its length is announced (A01). */
  "trusts lengths": () => (request, socket) => {
    const decoder = new FrameDecoder();
    socket.on("data", (chunk: Buffer) => {
      decoder.push(chunk, chunk.length);
      if (decoder.readHeader()) trusting.push(Buffer.alloc(decoder.remaining, 1));
    });
    return acceptance(request);
  },
  /** Remembers every Pong (A05). */
  "remembers Pongs": (application) => (request, socket) => {
    converse(application, socket, {
      pong: (payload) => {
        remembered.push(payload.slice());
        application.pong();
      },
    });
    return acceptance(request);
  },
  /** Strikes no connection off its list (A05). */
  "registers connections": (application) => (request, socket) => {
    registered.add(converse(application, socket, {}));
    return acceptance(request);
  },
  /** Gives zlib whatever window the client names (B02). */
  "trusts windows": () => (request) => {
    const [value = ""] = request.values("sec-websocket-extensions");
    const bits = /client_max_window_bits="?([^";,]*)/.exec(value)?.[1];
    if (bits !== undefined) createInflateRaw({ windowBits: Number(bits) }).close();
    return acceptance(request);
  },
  /** Inflates each message at once, however large it is, and as many in a turn as there are (B07). */
  "inflates at once": (application) => (request, socket) => {
    const tail = Buffer.from("0000ffff010000ffff", "hex");
    const deflate = {
      inflate: (payload: Uint8Array) => new Uint8Array(inflateRawSync(Buffer.concat([payload, tail]))),
      release: () => {},
    };
    const limits = { ...connectionLimits, readBudget: Number.POSITIVE_INFINITY };
    converse(application, socket, { deflate: deflate as unknown as MessageDeflate, limits });
    return acceptance(request, { "Sec-WebSocket-Extensions": "permessage-deflate; client_no_context_takeover" });
  },
} as const satisfies Record<string, StandIn>;

interface Differences {
  readonly pong?: (payload: Uint8Array) => void;
  readonly deflate?: MessageDeflate;
  readonly limits?: ConnectionLimits;
}

/** A connection of ours with the application, once the answer to its handshake has been sent. */
function converse(
  application: Application,
  socket: Socket,
  { pong, deflate, limits = connectionLimits }: Differences,
): Connection {
  const connection = new Connection({
    endpoint: new Endpoint({ role: "server", compression: deflate !== undefined }),
    transport: transportOver(socket, false),
    deflate,
    settings: {
      limits,
      keepalive: undefined,
      handlers: {
        message: (self, data) => application.message(data, (text) => void self.send(text, { compress: false })),
        pong: (_, payload) => (pong ?? application.pong)(payload),
      },
    },
  });
  process.nextTick(() => coreOf(connection).start());
  return connection;
}
