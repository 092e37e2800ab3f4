/**
 * A connection as the server has it: with what `upgrade` gave it and the path it came in by.
 */

import type { Socket } from "node:net";
import { Connection, type ConnectionParts } from "../connection/connection.ts";

/** What the server knows of a connection besides its stream. */
export interface ServerConnectionParts<Data, Params> extends ConnectionParts<ServerConnection<Data, Params>> {
  readonly data: Data;
  readonly params: Params;
  readonly path: string;
}

/** One client of a server. */
export class ServerConnection<Data = unknown, Params = Readonly<Record<string, string>>> extends Connection {
  /** What the route's `upgrade` returned as `data`; the application's to use. */
  data: Data;
  /** The values of the names in the route's path. */
  readonly params: Params;
  /** The path that was asked for, without the query. */
  readonly path: string;
  readonly #socket: Socket;

  /** @internal For `accept` and `serve`. */
  constructor(parts: ServerConnectionParts<Data, Params>) {
    super(parts as unknown as ConnectionParts<Connection>);
    this.data = parts.data;
    this.params = parts.params;
    this.path = parts.path;
    this.#socket = parts.socket as Socket;
  }

  /** The client's address; undefined when the connection is closed or is not over TCP. */
  get remoteAddress(): string | undefined {
    return this.#socket.remoteAddress;
  }
}
