/**
 * The handles that an own listener accepts, taken before Node makes sockets of them.
 *
 * The first bytes of each are looked at. What is not taken then, what stays silent, and every handle of a server that
 * somebody else has a say in, goes to Node by the very function that would have had it, as if it had just been accepted:
 * its limits, events and errors are Node's then. A handle that is taken counts among the connections of the server as a
 * socket does.
 */

import { Buffer } from "node:buffer";
import { channel } from "node:diagnostics_channel";
import type { Server as HttpServer } from "node:http";
import type { Socket } from "node:net";
import type { HandleOwner } from "../../transport/handles/handle-transport.ts";
import {
  canUseHandles,
  emptyRead,
  firstBuffer,
  isTcpHandle,
  readFirst,
  type TcpHandle,
} from "../../transport/handles/tcp-handle.ts";
import { HandleOpening, type Opening } from "../handshake/opening.ts";
import { SilentPeers } from "./silent-peers.ts";

/** What is used of a server besides its public members. */
interface BareServer extends Omit<HttpServer, "maxConnections"> {
  readonly _handle: ListeningHandle | null;
  /** The number of open connections, for `getConnections` and for the end of `close`. */
  _connections: number;
  _emitCloseIfDrained(): void;
  readonly maxConnections?: number;
  readonly blockList?: unknown;
  readonly pauseOnConnect?: boolean;
  readonly keepAlive?: boolean;
}

interface ListeningHandle {
  onconnection: (this: ListeningHandle, error: number, handle?: object) => void;
}

/** How handles are taken. */
export interface AcceptedHandlesOptions {
  /** The longest time for which a handle may be silent here, in milliseconds. */
  readonly handshakeTimeout: number;
  /** Takes a handle by the first `length` bytes of the chunk, or returns false with the opening untouched. */
  take(chunk: Buffer, length: number, opening: Opening): boolean;
}

/** Subscribers hear of every socket that Node accepts. */
const acceptedSockets = channel("net.server.socket");

/** The handles of one HTTP server. */
export class AcceptedHandles implements HandleOwner {
  readonly #http: BareServer;
  readonly #take: AcceptedHandlesOptions["take"];
  readonly #silent: SilentPeers<TcpHandle>;
  readonly #onread: (this: TcpHandle) => void;
  /** The listening handle, and Node's function for it; undefined where Node has every connection. */
  #listening: { readonly handle: ListeningHandle; readonly accept: ListeningHandle["onconnection"] } | undefined;
  /** Set while Node makes a socket of a handle that was looked at; `chunk` is what was read of it. */
  #given: { readonly chunk: Buffer | undefined } | undefined;

  constructor(http: HttpServer, { handshakeTimeout, take }: AcceptedHandlesOptions) {
    this.#http = http as unknown as BareServer;
    this.#take = take;
    this.#silent = new SilentPeers(handshakeTimeout, (handle) => this.#giveBack(handle));
    const look = (handle: TcpHandle): void => this.#look(handle);
    // What it returns is read into next.
    this.#onread = function () {
      look(this);
    };
    http.once("listening", () => this.#begin());
  }

  /** Tells once what was read of the handle of which Node makes a socket just now; undefined for every other socket. */
  takeGiven(): { readonly chunk: Buffer | undefined } | undefined {
    const given = this.#given;
    this.#given = undefined;
    return given;
  }

  /** Gives all handles back, and leaves each later one to Node. */
  stop(): void {
    if (this.#listening === undefined) return;
    const { handle, accept } = this.#listening;
    handle.onconnection = accept;
    for (const silent of this.#silent.takeAll()) this.#giveBack(silent);
  }

  handleClosing(): void {
    this.#http._connections--;
    this.#http._emitCloseIfDrained();
  }

  handleBecame(socket: Socket): void {
    // Closing, it counts itself out.
    Object.assign(socket, { server: this.#http, _server: this.#http });
  }

  #begin(): void {
    const http = this.#http;
    const handle = http._handle;
    if (!canUseHandles || typeof handle?.onconnection !== "function") return;
    if (typeof http._connections !== "number" || typeof http._emitCloseIfDrained !== "function") return;
    const accept = handle.onconnection;
    this.#listening = { handle, accept };
    const taken = (accepted: object): boolean => this.#accept(accepted);
    handle.onconnection = function (error, accepted) {
      if (error !== 0 || accepted === undefined || !taken(accepted)) accept.call(this, error, accepted);
    };
  }

  /** Whether the handle is taken; else nothing was done with it. */
  #accept(handle: object): boolean {
    if (!this.#isAlone() || !isTcpHandle(handle)) return false;
    this.#http._connections++;
    handle.setNoDelay(true);
    readFirst(handle, this.#onread);
    // A handle that cannot be read has an error, which is Node's to find.
    if (handle.readStart() === 0) this.#silent.add(handle);
    else this.#giveBack(handle);
    return true;
  }

  /** Whether nobody else is told of connections, or has set what happens to them. */
  #isAlone(): boolean {
    const { maxConnections, blockList, pauseOnConnect, keepAlive } = this.#http;
    if (typeof maxConnections === "number" || blockList || pauseOnConnect || keepAlive) return false;
    return this.#http.listenerCount("connection") === 1 && !acceptedSockets.hasSubscribers;
  }

  #look(handle: TcpHandle): void {
    const length = handle.bytesRead;
    if (length === 0) {
      // A peer that ends instead of asking is answered with an end.
      if (emptyRead() !== "nothing") this.#drop(handle);
      return;
    }
    this.#silent.delete(handle);
    if (this.#take(firstBuffer, length, new HandleOpening(handle, this))) return;
    this.#giveBack(handle, Buffer.from(firstBuffer.subarray(0, length)));
  }

  #drop(handle: TcpHandle): void {
    this.#silent.delete(handle);
    handle.close();
    this.handleClosing();
  }

  /** Lets Node make a socket of a handle. */
  #giveBack(handle: TcpHandle, chunk?: Buffer): void {
    const { handle: listening, accept } = this.#listening!;
    handle.readStop();
    this.#http._connections--;
    this.#given = { chunk };
    try {
      accept.call(listening, 0, handle);
    } finally {
      this.#given = undefined;
      // It may have been dropped, as the last one.
      this.#http._emitCloseIfDrained();
    }
  }
}
