/**
 * A TCP connection on a bare handle, of which Node has made no socket: half of the memory of an idle connection, and a
 * third of the work of a handshake (measured).
 *
 * It reads into the buffer that all share, and every write is direct. It becomes a socket of Node's when somebody asks for
 * a stream, and then goes on as the transport over that.
 */

import type { Buffer } from "node:buffer";
import { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { readBuffer } from "../../protocol/frames/mask-wasm.ts";
import { nextTick } from "../scheduling.ts";
import { type DirectWriter, directWriteError, systemError, waitingIn, writeTo } from "../streams/direct-writes.ts";
import { streamOver } from "../streams/shared-reads.ts";
import { StreamSocket } from "../streams/stream-socket.ts";
import type { Transport, TransportListener, Written } from "../transport.ts";
import { emptyRead, type Place, shutdownRequest, type TcpHandle } from "./tcp-handle.ts";

/** Who has accepted a handle, and counts those that are open. */
export interface HandleOwner {
  /** The handle is being closed. */
  handleClosing(): void;
  /** The handle is a socket's from now on, which says itself when it closes. */
  handleBecame(socket: Socket): void;
}

/** Where a handle has its transport. */
const transportKey = Symbol("transport");

type HeardHandle = TcpHandle & { [transportKey]?: HandleTransport };

// The bits of what has become of it.
/** It is being read. */
const reading = 1;
/** `end` was called. */
const ended = 2;
/** This side's end has left. */
const shut = 4;
/** The peer's end came. */
const peerEnded = 8;

/** What few connections have. */
interface Rare {
  /** The other end, once it was looked at: a handle that is closed knows it no more. */
  peer: Partial<Place> | undefined;
  /** The transport over the socket that it became, and whether that is listened to. */
  stream: StreamSocket | undefined;
  hears: boolean;
  /** Set while that socket has ended, and what it waits for has not left. */
  shutDone: (() => void) | undefined;
}

/** See the head of this file. */
export class HandleTransport implements Transport, DirectWriter {
  readonly #owner: HandleOwner;
  /** Undefined once it is closed, or a socket's. */
  #handle: TcpHandle | undefined;
  /** Set by `listen`, before anything is heard. */
  #listener: TransportListener | undefined;
  #flags: number;
  #received: number;
  /** Bytes of a write that waited when it was made; the handle knows them no more once it is closed. */
  #behind = 0;
  #rare: Rare | undefined;

  /** `isRead` when the handle is being read already. It may be written to before `listen`. */
  constructor(handle: TcpHandle, owner: HandleOwner, { isRead }: { readonly isRead: boolean }) {
    this.#handle = handle;
    this.#owner = owner;
    this.#flags = isRead ? reading : 0;
    this.#received = handle.bytesRead;
  }

  /** May be called again, for another listener in place of the one before. */
  listen(listener: TransportListener): void {
    this.#listener = listener;
    const handle: HeardHandle | undefined = this.#handle;
    if (handle === undefined) return this.#listenToStream();
    handle[transportKey] = this;
    handle.useUserBuffer(readBuffer);
    handle.onread = onRead;
  }

  get writable(): boolean {
    return this.#handle === undefined ? this.#stream?.writable === true : !this.#is(ended);
  }

  get ended(): boolean {
    return this.#is(ended) || this.#stream?.ended === true;
  }

  get peerEnded(): boolean {
    return this.#is(peerEnded) || this.#stream?.peerEnded === true;
  }

  get destroyed(): boolean {
    return this.#handle === undefined && this.#stream?.destroyed !== false;
  }

  write(bytes: Uint8Array | Uint8Array[], tell: boolean): Written {
    const handle = this.#handle;
    if (handle === undefined) return this.#stream?.write(bytes, tell) ?? "left";
    if (this.#is(ended)) return "left";
    const outcome = writeTo(handle, bytes, this);
    if (outcome === "left") return "left";
    if (outcome !== "waits") {
      this.#failSoon(directWriteError(outcome));
      return "left";
    }
    this.#behind = handle.writeQueueSize;
    return "full";
  }

  writeCompleted(status: number): void {
    if (this.destroyed) return;
    this.#behind = status === 0 ? (this.#handle?.writeQueueSize ?? 0) : 0;
    // What was written before it was listened to may wait as well.
    if (this.#behind > 0) return;
    if (status === 0) this.#listener!.transportDrained();
    else if (this.#handle === undefined) this.#stream!.stream.destroy(directWriteError(status));
    else this.#fail(directWriteError(status));
  }

  get waiting(): number {
    const handle = this.#handle;
    if (this.#behind === 0) return this.#stream?.waiting ?? 0;
    if (handle !== undefined) return handle.writeQueueSize;
    const { stream } = this;
    return stream === undefined ? this.#behind : stream.writableLength + (waitingIn(stream) ?? this.#behind);
  }

  get backlog(): number {
    return this.#handle?.writeQueueSize ?? this.#stream?.backlog ?? 0;
  }

  get bytesReceived(): number {
    return this.#stream?.bytesReceived ?? this.#received;
  }

  get readsAtOnce(): boolean {
    return this.#stream?.readsAtOnce ?? true;
  }

  get mayLeaveAtOnce(): boolean {
    return this.#stream?.mayLeaveAtOnce ?? true;
  }

  get keepsPieces(): boolean {
    return this.#stream === undefined;
  }

  get givesBack(): boolean {
    return this.#stream?.givesBack ?? true;
  }

  pause(): void {
    const handle = this.#handle;
    if (handle === undefined) return this.#stream?.pause();
    if (!this.#is(reading)) return;
    this.#flags &= ~reading;
    handle.readStop();
  }

  resume(): void {
    const handle = this.#handle;
    if (handle === undefined) return this.#stream?.resume();
    if (this.#is(reading | peerEnded)) return;
    this.#flags |= reading;
    const status = handle.readStart();
    if (status !== 0) this.#failSoon(systemError("read", status));
  }

  end(): void {
    const handle = this.#handle;
    if (handle === undefined) return this.#stream?.end();
    if (this.#is(ended)) return;
    this.#flags |= ended;
    // To close says it as well.
    if (this.#is(peerEnded) && handle.writeQueueSize === 0) return this.#close();
    const status = handle.shutdown(shutdownRequest(() => this.#shutDone()));
    // The peer is gone, or both sides have ended.
    if (status !== 0) this.#shutDone();
  }

  destroy(): void {
    if (this.#handle === undefined) this.#stream?.destroy();
    else this.#close();
  }

  reset(): void {
    if (this.#handle === undefined) this.#stream?.reset();
    else this.#close(true);
  }

  unref(): void {
    if (this.#handle === undefined) this.#stream?.unref();
    else this.#handle.unref();
  }

  get remoteAddress(): string | undefined {
    return this.#stream?.remoteAddress ?? this.#peer()?.address;
  }

  get remotePort(): number | undefined {
    return this.#stream?.remotePort ?? this.#peer()?.port;
  }

  get localAddress(): string | undefined {
    return this.#stream?.localAddress ?? this.#local().address;
  }

  get localPort(): number | undefined {
    return this.#stream?.localPort ?? this.#local().port;
  }

  becomeStream(): Duplex {
    const handle = this.#handle;
    if (handle === undefined) return this.stream ?? new Socket().destroy();
    handle.readStop();
    const socket = streamOver(handle);
    this.#handle = undefined;
    this.#owner.handleBecame(socket);
    const rare = this.#keepRare();
    rare.stream = new StreamSocket(socket);
    if (!this.#is(reading | peerEnded)) socket.pause();
    if (this.#is(peerEnded)) socket.push(null);
    if (this.#is(ended)) {
      // What waits would be lost if the socket thought that its end has left.
      socket._final = (done) => {
        if (this.#is(shut)) done();
        else rare.shutDone = done;
      };
      socket.end();
    }
    if (this.#listener !== undefined) this.#listenToStream();
    return socket;
  }

  /** The socket that it became. */
  get stream(): Socket | undefined {
    return this.#stream?.stream;
  }

  /** The system has called the handle. */
  read(handle: TcpHandle): void {
    const { bytesRead } = handle;
    const length = bytesRead - this.#received;
    if (length > 0) {
      this.#received = bytesRead;
      return this.#listener!.received(readBuffer as Buffer, true, length);
    }
    const result = emptyRead();
    if (result === "nothing") return;
    if (result !== "end") return this.#fail(result);
    this.#flags = (this.#flags & ~reading) | peerEnded;
    this.#listener!.receivedEnd();
    if (this.#is(shut)) this.#close();
  }

  /** The handle is closed; the last call. */
  closed(): void {
    this.#listener?.transportClosed();
  }

  get #stream(): StreamSocket | undefined {
    return this.#rare?.stream;
  }

  #keepRare(): Rare {
    this.#rare ??= { peer: undefined, stream: undefined, hears: false, shutDone: undefined };
    return this.#rare;
  }

  #is(flag: number): boolean {
    return (this.#flags & flag) !== 0;
  }

  /** The other end, as far as it is known. */
  #peer(): Partial<Place> | undefined {
    const handle = this.#handle;
    if (this.#rare?.peer !== undefined || handle === undefined) return this.#rare?.peer;
    const peer: Partial<Place> = {};
    handle.getpeername(peer);
    this.#keepRare().peer = peer;
    return peer;
  }

  #local(): Partial<Place> {
    const place: Partial<Place> = {};
    this.#handle?.getsockname(place);
    return place;
  }

  #listenToStream(): void {
    const rare = this.#rare;
    if (rare?.stream === undefined || rare.hears) return;
    rare.hears = true;
    const wasTold = this.#is(peerEnded);
    rare.stream.listen({
      received: (chunk, borrowed, length) => this.#listener!.received(chunk, borrowed, length),
      receivedEnd: () => wasTold || this.#listener!.receivedEnd(),
      transportDrained: () => this.#listener!.transportDrained(),
      transportFailed: (error) => this.#listener!.transportFailed(error),
      transportClosed: () => this.#listener!.transportClosed(),
    });
  }

  #shutDone(): void {
    this.#flags |= shut;
    this.#rare?.shutDone?.();
    if (this.#is(peerEnded)) this.#close();
  }

  #close(resets = false): void {
    const handle = this.#handle;
    if (handle === undefined) return;
    if (this.#behind > 0) this.#behind = handle.writeQueueSize;
    this.#handle = undefined;
    // A side that is ending cannot be reset, and a handle that was asked to can be closed no more.
    const isEnding = this.#is(ended) && !this.#is(shut);
    if (resets && !isEnding) handle.reset(onClosed);
    else handle.close(onClosed);
    this.#owner.handleClosing();
  }

  #failSoon(error: Error): void {
    this.#close();
    nextTick(() => this.#listener?.transportFailed(error));
  }

  #fail(error: Error): void {
    this.#close();
    this.#listener?.transportFailed(error);
  }
}

function onRead(this: HeardHandle): void {
  this[transportKey]!.read(this);
}

function onClosed(this: HeardHandle): void {
  this[transportKey]?.closed();
}
