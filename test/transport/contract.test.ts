/** Every kind of transport keeps the rules: over real sockets, real TLS, a pair of streams and the pair in memory. */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { Duplex } from "node:stream";
import {
  type ConnectionOptions,
  createServer as createTlsServer,
  type TLSSocket,
  connect as tlsConnect,
} from "node:tls";
import { afterAll } from "vitest";
import { HandleTransport } from "../../src/transport/handles/handle-transport.ts";
import { memoryPair } from "../../src/transport/memory-pair.ts";
import type { NetSocket } from "../../src/transport/streams/net-socket.ts";
import { canLendReads } from "../../src/transport/streams/shared-reads.ts";
import { transportOver } from "../../src/transport/streams/transport-over.ts";
import { acceptedHandle } from "../support/accepted-handle.ts";
import { makeCertificates } from "../support/certificates.ts";
import { describeContract, type TransportPair } from "./contract.ts";

const certificates = makeCertificates();
const plain = createServer({ allowHalfOpen: true }).listen(0, "127.0.0.1");
const secure = createTlsServer({ ...certificates.server, allowHalfOpen: true }).listen(0, "127.0.0.1");
await Promise.all([once(plain, "listening"), once(secure, "listening")]);

afterAll(() => {
  plain.close();
  secure.close();
  certificates.remove();
});

async function socketPair(own: boolean): Promise<TransportPair> {
  const { port } = plain.address() as AddressInfo;
  const far = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  const [stream] = (await once(plain, "connection")) as [Socket];
  if (far.connecting) await once(far, "connect");
  return { near: transportOver(stream, own), stream, far };
}

async function tlsPair(): Promise<TransportPair> {
  const { port } = secure.address() as AddressInfo;
  const options: ConnectionOptions & { allowHalfOpen: boolean } = {
    ...{ port, host: "127.0.0.1", servername: "localhost", ca: certificates.ca },
    allowHalfOpen: true,
  };
  const far = tlsConnect(options);
  const [[stream]] = (await Promise.all([once(secure, "secureConnection"), once(far, "secureConnect")])) as [
    [TLSSocket],
    unknown,
  ];
  return { near: transportOver(stream, true), stream, far };
}

/** One end of two streams of an application's, whose writes are done when the other end has read them. */
class Side extends Duplex {
  other!: Side;
  #done: (() => void) | undefined;

  constructor() {
    super({ allowHalfOpen: true });
  }

  override _read(): void {
    const done = this.#done;
    this.#done = undefined;
    done?.();
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    if (this.other.destroyed || chunk.length === 0) return done();
    this.other.#done = done;
    this.other.push(chunk);
  }

  override _final(done: () => void): void {
    this.other.push(null);
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    setImmediate(() => this.other.destroy());
    done(error);
  }
}

async function streamPair(): Promise<TransportPair> {
  const [stream, far] = [new Side(), new Side()];
  [stream.other, far.other] = [far, stream];
  return { near: transportOver(stream, true), stream, far };
}

async function pairInMemory(): Promise<TransportPair> {
  const [stream, far] = memoryPair();
  return { near: transportOver(stream, true), stream, far };
}

/** A socket of our own that has become a stream before it was listened to. */
async function becomeStream(): Promise<TransportPair> {
  const pair = await socketPair(true);
  (pair.near as NetSocket).becomeStream();
  return pair;
}

async function handlePair(): Promise<TransportPair> {
  const { handle, far, owner } = await acceptedHandle();
  return { near: new HandleTransport(handle, owner, { isRead: false }), stream: undefined, far };
}

/** A handle that has become a stream before it was listened to. */
async function handleAsStream(): Promise<TransportPair> {
  const { near, far } = await handlePair();
  return { near, stream: near.becomeStream(), far };
}

const ofSockets = { resets: true, addresses: true };
describeContract("a bare handle", { ...ofSockets, make: handlePair, borrows: canLendReads, isBare: true });
describeContract("a handle that has become a stream", { ...ofSockets, make: handleAsStream, borrows: false });
describeContract("a socket of our own", { ...ofSockets, make: () => socketPair(true), borrows: canLendReads });
describeContract("a socket that has become a stream", { ...ofSockets, make: becomeStream, borrows: false });
describeContract("a socket that others may use", { ...ofSockets, make: () => socketPair(false), borrows: false });
describeContract("a socket of TLS", { make: tlsPair, borrows: canLendReads, resets: false, addresses: true });
describeContract("any stream", { make: streamPair, borrows: false, resets: false, addresses: false });
describeContract("a pair in memory", { make: pairInMemory, borrows: false, resets: true, addresses: false });
