/**
 * A connection under test in either role, and a raw peer at the other end of a real TCP connection or of a stream in
 * memory. No opening handshake is done.
 */

import type { Duplex } from "node:stream";
import { afterEach } from "vitest";
import { MessageDeflate } from "../../src/connection/compression/message-deflate.ts";
import { Connection, coreOf } from "../../src/connection/connection.ts";
import type { ConnectionHandlers } from "../../src/connection/handlers/handlers.ts";
import { type AnsweredHeartbeat, resolveHeartbeat } from "../../src/connection/options/heartbeat.ts";
import type { KeepaliveOptions } from "../../src/connection/options/keepalive-options.ts";
import {
  type ConnectionLimits,
  connectionLimits,
  endpointLimits,
  resolveLimits,
} from "../../src/connection/options/limits.ts";
import { Endpoint } from "../../src/protocol/endpoint/endpoint.ts";
import type { EndpointOptions } from "../../src/protocol/endpoint/endpoint-options.ts";
import type { Role } from "../../src/protocol/frames/frame.ts";
import type { Violation } from "../../src/protocol/protocol-error.ts";
import type { Clock } from "../../src/transport/clock.ts";
import { transportOver } from "../../src/transport/streams/transport-over.ts";
import { RawPeer, socketPair } from "./raw-peer.ts";
import { peerOf } from "./wire.ts";

/** What a connection under test differs in. */
export interface ConnectionOptions {
  readonly handlers?: ConnectionHandlers<Connection>;
  readonly limits?: Partial<ConnectionLimits>;
  readonly keepalive?: Required<KeepaliveOptions>;
  readonly heartbeat?: AnsweredHeartbeat;
  readonly compress?: boolean;
  readonly ended?: (connection: Connection) => void;
  readonly failed?: (connection: Connection, violation: Violation) => void;
  readonly endpoint?: Partial<EndpointOptions>;
  /** Whether the stream is the connection's alone; default false. */
  readonly own?: boolean;
  readonly clock?: Clock;
}

const ends: Duplex[] = [];

afterEach(() => {
  for (const end of ends.splice(0)) end.destroy();
});

/** The parameters that both sides of a compressed connection agree on here. */
export const deflateParameters = {
  serverNoContextTakeover: true,
  clientNoContextTakeover: true,
  serverMaxWindowBits: 15,
  clientMaxWindowBits: 15,
};

/** Makes a connection over a stream; it reads nothing before `start`. */
export function connectionOver(socket: Duplex, role: Role, options: ConnectionOptions = {}): Connection {
  const { handlers = {}, compress = false, keepalive, ended, failed, clock } = options;
  const heartbeat = resolveHeartbeat(options.heartbeat);
  const limits = resolveLimits(connectionLimits, options.limits);
  ends.push(socket);
  return new Connection({
    endpoint: new Endpoint({
      role,
      ...endpointLimits(limits),
      compression: compress,
      longestWhole: heartbeat?.bytes.length ?? 0,
      ...options.endpoint,
    }),
    transport: transportOver(socket, options.own === true),
    settings: {
      limits,
      handlers,
      keepalive,
      ...(heartbeat && { heartbeat }),
      ...(ended && { ended }),
      ...(failed && { failed }),
      ...(clock && { clock }),
    },
    deflate: compress
      ? new MessageDeflate(role, deflateParameters, { threshold: 0, level: 1, memLevel: 8 })
      : undefined,
  });
}

/** A started connection in `role`, and its peer, over TCP. */
export async function connectionPair(
  role: Role,
  options: ConnectionOptions = {},
): Promise<{ connection: Connection; peer: RawPeer }> {
  const [near, far] = await socketPair();
  ends.push(far);
  const peer = new RawPeer(far, peerOf(role));
  const connection = connectionOver(near, role, { own: true, ...options });
  coreOf(connection).start();
  return { connection, peer };
}

/** Resolves when the condition holds; looks once a turn of the event loop. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}

/** A promise that somebody else settles. */
export function gate(): { readonly opened: Promise<void>; open(): void } {
  let open!: () => void;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}
