/**
 * What carries an opening handshake until it is answered, and the transport that it is from then on: a stream, or a bare
 * handle.
 */

import { Buffer } from "node:buffer";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { type HandleOwner, HandleTransport } from "../../transport/handles/handle-transport.ts";
import type { TcpHandle } from "../../transport/handles/tcp-handle.ts";
import { ignoreError } from "../../transport/ignore-error.ts";
import { transportOver } from "../../transport/streams/transport-over.ts";
import type { Transport } from "../../transport/transport.ts";
import { requireUnanswered } from "./claim.ts";
import { otherEnd } from "./client-address.ts";
import type { UpgradeRequest } from "./upgrade-request.ts";
import { earlyDataMark, StreamClient, type WaitingClient } from "./waiting-client.ts";

/** See the head of this file. */
export interface Opening {
  /** The address of its other end, or the one that a trusted proxy's header gave for it. */
  readonly remoteAddress: string | undefined;
  /** The stream; where there is none yet, it is made. */
  readonly socket: Duplex;
  /** The client, while the application decides about its request. */
  clientOf(exchange: UpgradeRequest): WaitingClient;
  /** Writes the 101; the transport has to be listened to in the same turn. */
  answer(response: string): Transport;
}

/** A handshake over a stream; `own` when nothing else reads the stream or writes to it. */
export class StreamOpening implements Opening {
  readonly socket: Duplex;
  readonly #own: boolean;

  constructor(socket: Duplex, own: boolean) {
    this.socket = socket;
    this.#own = own;
  }

  get remoteAddress(): string | undefined {
    return otherEnd(this);
  }

  clientOf(exchange: UpgradeRequest): WaitingClient {
    return new StreamClient(exchange);
  }

  answer(response: string): Transport {
    const { socket } = this;
    prepareSocket(socket as Socket);
    socket.write(response, "latin1");
    // A write that failed at once says so a tick later.
    socket.off("error", ignoreError);
    return transportOver(socket, this.#own);
  }
}

/** A handshake over a handle that is being read, and its client. */
export class HandleOpening implements Opening, WaitingClient {
  readonly #handle: TcpHandle;
  readonly #owner: HandleOwner;
  /** Made when the client is answered, waits, or becomes a stream. */
  #transport: HandleTransport | undefined;

  constructor(handle: TcpHandle, owner: HandleOwner) {
    this.#handle = handle;
    this.#owner = owner;
  }

  get remoteAddress(): string | undefined {
    const peer: { address?: string } = {};
    this.#handle.getpeername(peer);
    return peer.address;
  }

  answer(response: string): Transport {
    const transport = this.#own();
    if (transport.stream) prepareSocket(transport.stream);
    transport.write(Buffer.from(response, "latin1"), false);
    return transport;
  }

  readonly encrypted: boolean = false;

  get writable(): boolean {
    return this.#own().writable;
  }

  /** Its socket, an ordinary one from then on. */
  get socket(): Socket {
    const transport = this.#own();
    if (transport.stream !== undefined) return transport.stream;
    const socket = transport.becomeStream() as Socket;
    // Whoever asked for it may never listen.
    return socket.on("error", ignoreError);
  }

  clientOf(): WaitingClient {
    return this;
  }

  wait(left: () => void): () => Buffer {
    const transport = this.#own();
    let early: Buffer = Buffer.alloc(0);
    let isOver = false;
    const leave = () => isOver || left();
    transport.listen({
      received: (chunk, _, length) => {
        if (isOver) return;
        early = Buffer.concat([early, chunk.subarray(0, length)]);
        if (early.length > earlyDataMark) transport.pause();
      },
      receivedEnd: leave,
      transportDrained: () => {},
      transportFailed: leave,
      transportClosed: leave,
    });
    return () => {
      isOver = true;
      return early;
    };
  }

  requireUnanswered(): void {
    const socket = this.#transport?.stream;
    if (socket !== undefined) requireUnanswered(socket, 0);
  }

  destroy(): void {
    this.#own().destroy();
  }

  #own(): HandleTransport {
    this.#transport ??= new HandleTransport(this.#handle, this.#owner, { isRead: true });
    return this.#transport;
  }
}

/**
 * Undoes what `node:http`, or the application, sets on sockets for requests. A Duplex that is no socket has none of these.
 *
 * With `allowHalfOpen`, bytes before the peer's end are still answered: over TLS, and for a socket that another process
 * has accepted, Node would end our side at once.
 */
function prepareSocket(socket: Partial<Socket>): void {
  socket.setTimeout?.(0);
  socket.setNoDelay?.(true);
  socket.allowHalfOpen = true;
}
