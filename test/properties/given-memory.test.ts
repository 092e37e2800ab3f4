/**
 * An application that does at random what it may do with memory: it gives away, overwrites and shortens what it was handed
 * and what it has sent, in both roles, over every kind of stream, with every reader. The wire's model is two lists of
 * messages, one for each way: what arrives is what was sent (faults D12, D21, D22).
 *
 * The application keeps to the guide: more than 64 KiB that a server did not copy stay as they are until they have left.
 */
import { Buffer } from "node:buffer";
import { once } from "node:events";
import type { Socket } from "node:net";
import { Duplex } from "node:stream";
import { connect as connectTls, TLSSocket } from "node:tls";
import { MessageChannel } from "node:worker_threads";
import { constants, deflateRawSync, inflateRawSync } from "node:zlib";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Connection, coreOf } from "../../src/connection/connection.ts";
import { channels } from "../../src/connection/process-wide/diagnostics.ts";
import { PreparedMessage } from "../../src/connection/sending/prepared-message.ts";
import type { Role } from "../../src/protocol/frames/frame.ts";
import { readBuffer } from "../../src/protocol/frames/mask-wasm.ts";
import { type Certificates, makeCertificates } from "../support/certificates.ts";
import { connectionOver, until } from "../support/connection-pair.ts";
import { nextTurn } from "../support/held-duplex.ts";
import { RawPeer, socketPair } from "../support/raw-peer.ts";
import { frameFrom, peerOf, type ReadFrame } from "../support/wire.ts";

let certificates: Certificates;
const nowhere = new MessageChannel();

beforeAll(() => {
  certificates = makeCertificates();
});
afterAll(() => {
  certificates.remove();
  nowhere.port1.close();
});

type Resizable = ArrayBuffer & { readonly resizable?: boolean; resize(length: number): void };
type Deed = "nothing" | "gives away" | "overwrites" | "shortens";

/** Does it with all memory under the bytes, as far as that can be done with this memory. */
function act(deed: Deed, { buffer }: { readonly buffer: ArrayBufferLike }): void {
  if (deed === "gives away") nowhere.port1.postMessage(undefined, [buffer as ArrayBuffer]);
  else if (deed === "overwrites") new Uint8Array(buffer).fill(0xee);
  else if (deed === "shortens" && (buffer as Resizable).resizable) (buffer as Resizable).resize(0);
}

/** Lent memory cannot be given away: newer versions of Node say so, older ones send a copy. */
function keepsLent(bytes: Uint8Array): void {
  const { length } = bytes;
  try {
    act("gives away", bytes);
  } catch (error) {
    expect((error as Error).name).toBe("DataCloneError");
  }
  expect(bytes.length).toBe(length);
}

/** The streams that a connection may have, each with the raw socket at its other end. */
const transports = {
  "a socket of its own": () => socketPair(),
  "a socket that others made": () => socketPair(),
  TLS: async () => {
    const [near, far] = await socketPair();
    const server = new TLSSocket(far, { ...certificates.server, isServer: true });
    const client = connectTls({ socket: near, ca: certificates.ca, servername: "localhost" });
    await once(client, "secureConnect");
    return [client, server];
  },
  "another stream": async () => {
    const [near, far] = await socketPair();
    return [new Passing(near), far];
  },
} satisfies Record<string, () => Promise<readonly [Duplex, Socket]>>;

const size = fc.constantFrom(0, 1, 64, 65, 125, 126, 1000, 4000, 20_000, 65_536, 65_537, 100_000, 300_000);
const deed = fc.constantFrom<Deed>("nothing", "gives away", "overwrites", "shortens");

const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      step: fc.constant("receive" as const),
      messages: fc.array(fc.record({ size, compress: fc.boolean() }), { minLength: 1, maxLength: 6 }),
      cuts: fc.array(fc.nat({ max: 400_000 }), { maxLength: 4 }),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      step: fc.constant("send" as const),
      form: fc.constantFrom("bytes", "ArrayBuffer", "DataView", "shared", "prepared", "Blob", "fragments"),
      size,
      deed,
      copy: fc.boolean(),
      compress: fc.constantFrom(undefined, false),
      inHandler: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ step: fc.constant("sendMuch" as const) }) },
  { weight: 1, arbitrary: fc.record({ step: fc.constant("ping" as const), size: fc.nat({ max: 125 }), deed }) },
  { weight: 3, arbitrary: fc.record({ step: fc.constantFrom("peerPauses", "peerReads", "turn") }) },
);
type Step = typeof step extends fc.Arbitrary<infer Value> ? Value : never;

const setup = fc.record({
  role: fc.constantFrom<Role>("server", "client"),
  compress: fc.boolean(),
  borrow: fc.boolean(),
  listens: fc.boolean(),
  reader: fc.constantFrom("handler", "slow handler", "loop", "messages", "readable", "duplex"),
  deed: fc.constantFrom<Deed>("nothing", "gives away", "overwrites"),
  steps: fc.array(step, { minLength: 1, maxLength: 12 }),
});
type Setup = typeof setup extends fc.Arbitrary<infer Value> ? Value : never;

const tail = Buffer.of(0, 0, 0xff, 0xff);
const compressed = (bytes: Uint8Array) =>
  deflateRawSync(bytes, { finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, -tail.length);
const inflated = ({ rsv, payload }: ReadFrame) =>
  rsv === 4 ? inflateRawSync(Buffer.concat([payload, tail]), { finishFlush: constants.Z_SYNC_FLUSH }) : payload;

/** A stream over a socket, which keeps what it is given for a while. */
class Passing extends Duplex {
  readonly #below: Duplex;

  constructor(below: Duplex) {
    super();
    this.#below = below;
    below.on("data", (chunk: Buffer) => void this.push(chunk));
    below.on("end", () => void this.push(null));
    below.on("error", (error) => void this.destroy(error));
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    setImmediate(() => this.#below.write(chunk, done));
  }

  override _final(done: () => void): void {
    this.#below.end(done);
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#below.destroy();
    done(error);
  }
}

class Play {
  readonly #setup: Setup;
  readonly #connection: Connection;
  readonly #peer: RawPeer;
  /** What either side is to get, and what this side got. */
  readonly #toPeer: Buffer[] = [];
  readonly #toUs: Buffer[] = [];
  readonly #got: Buffer[] = [];
  #value = 0;
  #inHandler: (() => void)[] = [];
  /** Deeds that wait until what they are done to has left. */
  readonly #later: Promise<void>[] = [];
  readonly #sending: Promise<void>[] = [];

  constructor(setup: Setup, near: Duplex, far: Socket, own: boolean) {
    this.#setup = setup;
    const { role, compress, borrow, reader } = setup;
    const handled = reader.endsWith("handler");
    this.#peer = new RawPeer(far, peerOf(role));
    const take = (data: unknown) => this.#take(data as Uint8Array);
    const message =
      reader === "handler"
        ? (_connection: Connection, data: unknown) => take(data)
        : async (_connection: Connection, data: unknown) => {
            const kept = borrow ? new Uint8Array(data as Uint8Array) : data;
            await nextTurn();
            take(kept);
          };
    const givesAway = (_connection: Connection, bytes: Uint8Array) => act(setup.deed, bytes);
    this.#connection = connectionOver(near, role, {
      own,
      compress,
      endpoint: { compression: compress, lendsBytes: borrow && handled },
      handlers: { ping: givesAway, pong: givesAway, ...(handled && { message }) },
      limits: { maxOutboxSize: Number.POSITIVE_INFINITY },
    });
    coreOf(this.#connection).start();
    if (!handled) void this.#read(reader).catch(() => {});
  }

  async #read(reader: string): Promise<void> {
    const connection = this.#connection;
    if (reader === "messages") {
      for await (const parts of connection.messages()) for await (const part of parts) this.#take(part as Uint8Array);
      return;
    }
    const source: AsyncIterable<unknown> =
      reader === "loop" ? connection : reader === "readable" ? connection.readable : connection.toDuplex();
    for await (const data of source) this.#take(data as Uint8Array);
  }

  #take(bytes: Uint8Array): void {
    this.#got.push(Buffer.from(bytes));
    const lent = bytes.buffer === readBuffer.buffer;
    if (!lent) act(this.#setup.deed, bytes);
    else if (this.#setup.deed === "overwrites") bytes.fill(0xee);
    else if (this.#setup.deed === "gives away") keepsLent(bytes);
    for (const work of this.#inHandler.splice(0)) work();
  }

  async run(): Promise<void> {
    for (const each of this.#setup.steps) await this.#do(each);
    for (const work of this.#inHandler.splice(0)) work();
    this.#peer.socket.resume();
    const length = (all: readonly Buffer[]) => all.reduce((sum, bytes) => sum + bytes.length, 0);
    await until(() => length(this.#got) >= length(this.#toUs));
    await Promise.all([...this.#later, ...this.#sending]);
    expect(this.#connection.readyState).toBe(1);
    this.#connection.send("the end");
    const came: Buffer[] = [];
    let parts: Buffer[] = [];
    for (;;) {
      const frame = await this.#peer.nextFrame();
      if (frame === undefined) throw new Error("The connection ended early");
      if (frame.opcode > 7) continue;
      parts.push(inflated(frame));
      if (!frame.fin) continue;
      const whole = Buffer.concat(parts);
      if (whole.toString() === "the end") break;
      came.push(whole);
      parts = [];
    }
    expect(came.map((bytes) => bytes.length)).toEqual(this.#toPeer.map((bytes) => bytes.length));
    for (const [i, bytes] of this.#toPeer.entries()) expect(came[i]!.equals(bytes), `sent message ${i}`).toBe(true);
    expect(Buffer.concat(this.#got).equals(Buffer.concat(this.#toUs)), "what was received").toBe(true);
    this.#connection.terminate();
    this.#peer.socket.destroy();
    await this.#connection.closed;
  }

  async #do(each: Step): Promise<void> {
    switch (each.step) {
      case "receive":
        return this.#receive(each);
      case "send":
        if (each.inHandler) this.#inHandler.push(() => this.#send(each, true));
        else this.#send(each, false);
        return;
      case "sendMuch": {
        const bytes = new Uint8Array(3_000_000).fill(++this.#value);
        this.#toPeer.push(Buffer.from(bytes));
        this.#connection.send(bytes, { compress: false });
        return;
      }
      case "ping": {
        const payload = new Uint8Array(each.size).fill(++this.#value);
        this.#connection.ping(payload).catch(() => {});
        act(each.deed, payload);
        return;
      }
      case "peerPauses":
        return void this.#peer.socket.pause();
      case "peerReads":
        return void this.#peer.socket.resume();
      default:
        return nextTurn();
    }
  }

  async #receive({ messages, cuts }: Extract<Step, { step: "receive" }>): Promise<void> {
    const frames = messages.map(({ size: length, compress }) => {
      const payload = Buffer.alloc(length, ++this.#value);
      this.#toUs.push(payload);
      const deflate = compress && this.#setup.compress;
      return frameFrom(this.#peer.role, {
        opcode: 2,
        rsv: deflate ? 4 : 0,
        payload: deflate ? compressed(payload) : payload,
      });
    });
    const bytes = Buffer.concat([...frames, frameFrom(this.#peer.role, { opcode: 9, payload: "x".repeat(100) })]);
    let from = 0;
    for (const at of [...cuts.map((cut) => cut % bytes.length).sort((a, b) => a - b), bytes.length]) {
      this.#peer.socket.write(bytes.subarray(from, at));
      from = at;
      await nextTurn();
    }
  }

  #send(each: Extract<Step, { step: "send" }>, inHandler: boolean): void {
    const connection = this.#connection;
    const { form, size: length, copy, compress } = each;
    const value = ++this.#value & 255;
    const shorter = each.deed === "shortens" ? { maxByteLength: length } : undefined;
    const buffer =
      form === "shared"
        ? new SharedArrayBuffer(length)
        : new (ArrayBuffer as new (length: number, options?: object) => ArrayBuffer)(length, shorter);
    const bytes = new Uint8Array(buffer).fill(value);
    this.#toPeer.push(Buffer.alloc(length, value));
    const done = () => {
      // Shared memory can only be written to.
      if (form !== "shared") act(each.deed, bytes);
      else if (each.deed !== "nothing") bytes.fill(0xee);
    };
    const { stalled } = coreOf(connection).endpoint;
    if (form === "fragments") {
      const give = function* () {
        yield bytes.subarray(0, length >> 1);
        yield bytes.subarray(length >> 1);
        done();
      };
      this.#sending.push(connection.sendFragments(give(), { text: false }));
      return;
    }
    const data = {
      bytes: () => bytes,
      shared: () => bytes,
      ArrayBuffer: () => buffer,
      DataView: () => new DataView(buffer),
      prepared: () => new PreparedMessage(bytes),
      Blob: () => new Blob([bytes as Uint8Array<ArrayBuffer>]),
    }[form]!();
    connection.send(data as Uint8Array, { copy, ...(compress === undefined ? {} : { compress }) });
    const referred = connection.role === "server" && length > 65_536 && !copy && form !== "prepared" && form !== "Blob";
    if (!referred || stalled || (!inHandler && connection.bufferedAmount === 0)) return done();
    this.#later.push(until(() => connection.bufferedAmount === 0 || connection.readyState === 3).then(done));
  }
}

describe.each(Object.entries(transports))("over %s", (name, open) => {
  const ownSeed = Date.now() % 2 ** 31;
  for (const [whose, seed, numRuns, options] of [
    ["fixed", 20_261_129, 15, {}],
    ["its own", ownSeed, 100, { tags: "slow" }],
  ] as const)
    test(
      `D12, D21, D22: what arrives is what was sent, whatever becomes of the memory: seed ${whose}, ${seed}`,
      options,
      async () => {
        const listener = (event: unknown) => {
          const { data } = event as { data: Uint8Array };
          act("gives away", data);
        };
        const played = fc.asyncProperty(setup, async (given) => {
          const [near, far] = await open();
          if (given.listens) channels.message.subscribe(listener);
          try {
            await new Play(given, near, far, name === "a socket of its own").run();
          } finally {
            channels.message.unsubscribe(listener);
            near.destroy();
            far.destroy();
          }
        });
        await fc.assert(played, { numRuns, seed });
      },
    );
});
