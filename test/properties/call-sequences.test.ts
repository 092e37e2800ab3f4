/**
 * Random sequences of calls on a connection over TCP, in both roles: its peer gets the messages of a simple model, whole
 * and in the order of the calls, then one Close, and nothing happens outside of the calls (faults D09, D10, D12).
 */
import fc from "fast-check";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { MessageDeflate } from "../../src/connection/compression/message-deflate.ts";
import { Connection, coreOf } from "../../src/connection/connection.ts";
import type { ConnectionSettings } from "../../src/connection/handlers/connection-settings.ts";
import { connectionLimits } from "../../src/connection/options/limits.ts";
import { PreparedMessage } from "../../src/connection/sending/prepared-message.ts";
import { Endpoint } from "../../src/protocol/endpoint/endpoint.ts";
import type { Role } from "../../src/protocol/frames/frame.ts";
import { leaveTopics, ServerConnection } from "../../src/server/server-connection.ts";
import { Topics } from "../../src/topics/topics.ts";
import { transportOver } from "../../src/transport/streams/transport-over.ts";
import { CallModel } from "../support/call-model.ts";
import { deflateParameters, until } from "../support/connection-pair.ts";
import { nextTurn } from "../support/held-duplex.ts";
import { leavesNothing } from "../support/leaves-nothing.ts";
import { RawPeer, socketPair } from "../support/raw-peer.ts";
import { peerOf, type ReadFrame } from "../support/wire.ts";

const warnings: Error[] = [];
const noteWarning = (warning: Error) => void warnings.push(warning);

leavesNothing();

beforeAll(() => void process.on("warning", noteWarning));
afterEach(() => expect(warnings).toEqual([]));
afterAll(() => void process.off("warning", noteWarning));

/** Stands in the title, so that a failure can be had again, also one that is a wait in vain. */
const ownSeed = Date.now() % 2 ** 31;
const size = fc.constantFrom(0, 1, 125, 126, 4000, 20_000, 65_536, 65_537, 70_000);
const form = fc.constantFrom("string", "bytes", "view", "Blob", "prepared string", "prepared bytes");
const maybe = fc.constantFrom(undefined, true, false);

/** A call of the connection, or something that its peer does meanwhile. */
const call = fc.oneof(
  { weight: 12, arbitrary: fc.record({ call: fc.constant("send"), form, size, compress: maybe, copy: maybe }) },
  { weight: 6, arbitrary: fc.record({ call: fc.constant("publish"), form, size }) },
  {
    weight: 4,
    arbitrary: fc.record({
      call: fc.constant("sendFragments"),
      sizes: fc.array(size, { maxLength: 4 }),
      text: fc.boolean(),
      turns: fc.nat({ max: 2 }),
      fails: fc.constantFrom(false, false, false, false, true),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ call: fc.constantFrom("ping", "pong"), size: fc.integer({ min: 4, max: 125 }) }),
  },
  { weight: 1, arbitrary: fc.record({ call: fc.constant("close"), code: fc.constantFrom(1000, 1005, 3001, 4999) }) },
  // More than the system's own buffers take, so that output waits while the peer does not read.
  { weight: 1, arbitrary: fc.record({ call: fc.constant("sendMuch"), size: fc.constantFrom(1_200_000, 2_500_000) }) },
  { weight: 3, arbitrary: fc.record({ call: fc.constantFrom("peerPauses", "peerReads", "peerPings", "turn") }) },
  { weight: 1, arbitrary: fc.record({ call: fc.constantFrom("terminate", "sendBrokenBlob") }) },
) as fc.Arbitrary<Call>;

type Call =
  | { call: "send"; form: Form; size: number; compress?: boolean; copy?: boolean }
  | { call: "publish"; form: Form; size: number }
  | { call: "sendFragments"; sizes: number[]; text: boolean; turns: number; fails: boolean }
  | { call: "ping" | "pong"; size: number }
  | { call: "close"; code: number }
  | { call: "sendMuch"; size: number }
  | { call: "peerPauses" | "peerReads" | "peerPings" | "turn" | "terminate" | "sendBrokenBlob" };
type Form = "string" | "bytes" | "view" | "Blob" | "prepared string" | "prepared bytes";

/** Calls that are made one after another in one turn: in the message handler or outside of it. */
const group = fc.record({ inHandler: fc.boolean(), calls: fc.array(call, { maxLength: 8 }) });
const sequence = fc.array(group, { minLength: 1, maxLength: 6 });

/** A text or bytes of about this length that no other call sends. */
function textOf(number: number, length: number): string {
  return `${number}:${"€é x".repeat(length / 4)}`.slice(0, Math.max(length, 6));
}
const bytesOf = (number: number, length: number) => Buffer.from(textOf(number, length));

/** One sequence on one connection. */
class Play {
  readonly model = new CallModel();
  readonly connection: Connection;
  readonly peer: RawPeer;
  readonly topics = new Topics();
  /** The handlers that were called. */
  readonly #called: string[] = [];
  #number = 0;
  #work: (() => void) | undefined;
  /** Settled when everything that was promised is. */
  readonly #promises: Promise<unknown>[] = [];

  constructor(role: Role, compress: boolean, [near, far]: Awaited<ReturnType<typeof socketPair>>) {
    this.peer = new RawPeer(far, peerOf(role));
    const settings: ConnectionSettings<Connection> = {
      limits: { ...connectionLimits, maxOutboxSize: Number.POSITIVE_INFINITY },
      keepalive: undefined,
      handlers: {
        message: () => {
          this.#note("message");
          this.#work?.();
          this.#work = undefined;
        },
        ping: () => {
          this.#note("ping");
          this.#work = undefined;
        },
        drain: () => this.#note("drain"),
        error: () => this.#note("error"),
        close: () => this.#note("close"),
      },
      ended: (connection) => void (connection instanceof ServerConnection && leaveTopics(connection)),
    };
    const deflate = compress
      ? new MessageDeflate(role, deflateParameters, { threshold: 0, level: 1, memLevel: 8 })
      : undefined;
    const parts = {
      endpoint: new Endpoint({ role, compression: compress }),
      transport: transportOver(near, true),
      settings,
      deflate,
    };
    if (role === "server") {
      const own = { data: undefined, params: {}, path: "/", topics: this.topics };
      const connection = new ServerConnection<undefined, object>({ ...parts, ...own } as never);
      connection.subscribe("topic");
      this.connection = connection;
    } else {
      this.connection = new Connection(parts);
    }
    coreOf(this.connection).start();
  }

  #note(handler: string): void {
    this.#called.push(handler);
  }

  async run(groups: readonly { inHandler: boolean; calls: readonly Call[] }[]): Promise<void> {
    for (const { inHandler, calls } of groups) {
      if (!inHandler) {
        for (const each of calls) await this.#makeOutside(each);
        continue;
      }
      await this.#inHandler(() => {
        for (const each of calls) this.#make(each);
      });
    }
    const frames = await this.#finish();
    await nextTurn();
    expect(this.#called.indexOf("close"), String(this.#called)).toBe(this.#called.length - 1);
    this.model.check(frames, this.#called.filter((handler) => handler === "error").length);
  }

  /** Does it in the message handler; it may be too late for that, which the Ping behind the message tells. */
  async #inHandler(work: () => void): Promise<void> {
    if (this.connection.readyState === 3 || this.peer.ended) return;
    let thrown: { error: unknown } | undefined;
    this.#work = () => {
      try {
        work();
      } catch (error) {
        thrown = { error };
      }
    };
    const payload = this.model.peerPings();
    this.peer.send({ opcode: 1, payload: "go" }, { opcode: 9, payload });
    await until(() => this.#work === undefined || this.connection.readyState === 3);
    this.#work = undefined;
    if (thrown) throw thrown.error;
  }

  async #makeOutside(given: Call): Promise<void> {
    if (given.call === "turn") await nextTurn();
    else this.#make(given);
  }

  #make(given: Call): void {
    const { connection, model, peer } = this;
    const number = this.#number++;
    const open = connection.readyState === 1;
    switch (given.call) {
      case "send":
        return this.#send(number, given);
      case "sendMuch":
        return this.#send(number, { call: "send", form: "bytes", size: given.size });
      case "publish":
        return this.#publish(number, given);
      case "sendFragments":
        return this.#sendFragments(number, given);
      case "sendBrokenBlob": {
        const broken = Object.assign(new Blob(["lost"]), {
          arrayBuffer: () => Promise.reject(new Error("unreadable")),
        });
        expect(connection.send(broken)).toBe(open && connection.bufferedAmount < connectionLimits.outboxHighWaterMark);
        if (open) model.loses();
        return;
      }
      case "ping":
      case "pong": {
        const payload = Buffer.from(`${given.call[1]}${number}`.padEnd(given.size));
        model.controls(given.call, payload, open);
        const result = connection[given.call](payload);
        payload.fill(0xdb);
        if (result) this.#promises.push(result.catch((error) => expect(error).toBeInstanceOf(Error)));
        return;
      }
      case "close":
        connection.close(given.code, given.code === 1005 ? "" : `bye ${number}`);
        if (open) model.closes(given.code, given.code === 1005 ? "" : `bye ${number}`);
        expect(connection.readyState).not.toBe(1);
        return;
      case "terminate":
        connection.terminate();
        expect(connection.readyState).not.toBe(1);
        return model.terminates();
      case "peerPauses":
        return void peer.socket.pause();
      case "peerReads":
        return void peer.socket.resume();
      case "peerPings":
        if (!peer.ended) peer.send({ opcode: 9, payload: model.peerPings() });
    }
  }

  #send(number: number, { form: kind, size: length, compress, copy }: Call & { call: "send" }): void {
    const { connection } = this;
    const open = connection.readyState === 1;
    const text = kind.endsWith("string");
    if (open) this.model.sends(text, bytesOf(number, length));
    const data = dataOf(kind, number, length);
    const options = compress === undefined && copy === undefined ? undefined : { compress, copy };
    const gave = connection.send(data as never, options as never);
    expect(gave).toBe(open && connection.bufferedAmount < connectionLimits.outboxHighWaterMark);
    // A server refers to long payloads until they have left, unless it is told to copy them.
    if (!(data instanceof Uint8Array)) return;
    if (connection.role === "client" || copy || data.length <= 65_536) data.fill(0xdb);
  }

  #publish(number: number, { form: kind, size: length }: Call & { call: "publish" }): void {
    if (this.connection.role === "client") return;
    const data = dataOf(kind === "Blob" ? "bytes" : kind, number, length);
    if (this.connection.readyState === 1) this.model.sends(kind.endsWith("string"), bytesOf(number, length));
    this.topics.publish("topic", data as never);
    if (data instanceof Uint8Array) data.fill(0xdb);
  }

  #sendFragments(number: number, given: Call & { call: "sendFragments" }): void {
    const { sizes, text, turns, fails } = given;
    const fragments = sizes.map((length, index) => textOf(number * 10 + index, length));
    async function* give() {
      for (const fragment of fragments) {
        for (let turn = 0; turn < turns; turn++) await nextTurn();
        const bytes = Buffer.from(fragment);
        yield text ? fragment : bytes;
        bytes.fill(0xdb);
      }
      if (fails) throw new Error("no more");
    }
    const open = this.connection.readyState === 1;
    const sending = this.connection.sendFragments(give(), { text });
    const whole = open ? this.model.streams(text, Buffer.from(fragments.join("")), fails) : () => false;
    this.#promises.push(
      sending.then(
        () => whole(true),
        () => whole(false),
      ),
    );
  }

  /** Lets the peer read all, closes unless somebody has, and returns all frames that came. */
  async #finish(): Promise<ReadFrame[]> {
    const { connection, peer, model } = this;
    peer.socket.resume();
    if (connection.readyState === 1) {
      connection.close(4000, "the end");
      model.closes(4000, "the end");
    }
    const frames: ReadFrame[] = [];
    for (let frame = await peer.nextFrame(); frame; frame = await peer.nextFrame()) {
      frames.push(frame);
      expect(frame.key !== undefined, "masked").toBe(connection.role === "client");
      if (frame.opcode !== 8) continue;
      peer.close(1000);
      peer.end();
    }
    peer.end();
    const report = await connection.closed;
    await peer.closed;
    await Promise.all(this.#promises);
    await connection.ready;
    expect([connection.readyState, connection.send("late"), report.wasClean]).toEqual([3, false, !model.terminated]);
    return frames;
  }
}

function dataOf(kind: Form, number: number, length: number): unknown {
  if (kind === "string") return textOf(number, length);
  if (kind === "prepared string") return new PreparedMessage(textOf(number, length));
  const bytes = bytesOf(number, length);
  if (kind === "view") return new DataView(Uint8Array.from(bytes).buffer);
  if (kind === "Blob") return new Blob([bytes]);
  return kind === "prepared bytes" ? new PreparedMessage(bytes) : bytes;
}

describe.each<Role>(["server", "client"])("a %s", (role) => {
  describe.each([false, true])("compressed: %s", (compress) => {
    for (const [whose, seed, options] of [
      ["fixed", 20_261_122, {}],
      ["its own", ownSeed, { tags: "slow" }],
    ] as const) {
      test(
        `D09, D10, D12, R6455-5.4-3, R6455-5.4-4, R6455-5.5.1-3, R6455-6.1-1: seed ${whose}, ${seed}`,
        options,
        async () => {
          const played = fc.asyncProperty(sequence, async (groups) => {
            await new Play(role, compress, await socketPair()).run(groups);
          });
          await fc.assert(played, { numRuns: 40, seed });
        },
      );
    }
  });
});
