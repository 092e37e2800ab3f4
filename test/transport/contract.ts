/**
 * The rules in the head of transport.ts, for any transport: a pair is made whose far side is a stream of Node, built
 * without the code under test.
 *
 * The listener breaks its test when it hears something against the order of calls, or from inside a call where it must not.
 */
import { Buffer } from "node:buffer";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { afterEach, describe, expect, test } from "vitest";
import type { Transport, TransportListener, Written } from "../../src/transport/transport.ts";
import { until } from "../support/connection-pair.ts";
import { nextTurn } from "../support/held-duplex.ts";

/** A transport and the other end of it. */
export interface TransportPair {
  readonly near: Transport;
  /** The stream below the transport; undefined where there is none before `becomeStream`. */
  readonly stream: Duplex | undefined;
  readonly far: Duplex;
}

/** What a kind of transport has besides the rules. */
export interface Kind {
  make(): Promise<TransportPair>;
  /** Whether its chunks are lent. */
  readonly borrows: boolean;
  /** Whether a reset of one side is an error of the other's. */
  readonly resets: boolean;
  /** Whether it has addresses. */
  readonly addresses: boolean;
  /** Whether there is no stream below it. */
  readonly isBare?: boolean;
}

type Said = "bytes" | "end" | "drained" | "failed" | "closed";

/** Listens to a transport, and keeps its rules. */
export class Heard implements TransportListener {
  readonly said: Said[] = [];
  readonly chunks: Buffer[] = [];
  readonly borrowed: boolean[] = [];
  error: Error | undefined;
  /** Called after each call of the listener. */
  react: (said: Said) => void = () => {};
  /** What was broken, for the test's end: an exception inside a stream's callback may go astray. */
  readonly broken: string[] = [];
  #calls = 0;

  get bytes(): Buffer {
    return Buffer.concat(this.chunks);
  }

  get length(): number {
    return this.chunks.reduce((sum, { length }) => sum + length, 0);
  }

  get text(): string {
    return this.bytes.toString("latin1");
  }

  /** What it heard, each kind of thing once. */
  get order(): readonly Said[] {
    return this.said.filter((one, index) => one !== this.said[index - 1]);
  }

  count(said: Said): number {
    return this.said.filter((one) => one === said).length;
  }

  /** Calls the transport, inside which nothing but bytes may be heard. */
  call<Result>(method: () => Result): Result {
    this.#calls++;
    try {
      return method();
    } finally {
      this.#calls--;
    }
  }

  received(chunk: Buffer, borrowed: boolean, length: number): void {
    this.#hear("bytes", ["end", "failed"]);
    if (length < 1 || length > chunk.length) this.broken.push(`${length} bytes of ${chunk.length}`);
    this.chunks.push(Buffer.from(chunk.subarray(0, length)));
    this.borrowed.push(borrowed);
    // Unmasking writes to them.
    chunk.fill(0xff, 0, length);
    this.react("bytes");
  }

  receivedEnd(): void {
    this.#hear("end", ["end", "failed"]);
    this.react("end");
  }

  transportDrained(): void {
    this.#hear("drained", ["failed"]);
    this.react("drained");
  }

  transportFailed(error: Error): void {
    this.#hear("failed", ["failed"]);
    this.error = error;
    this.react("failed");
  }

  transportClosed(): void {
    this.#hear("closed", ["closed"]);
    this.react("closed");
  }

  #hear(said: Said, notAfter: readonly Said[]): void {
    if (said !== "bytes" && this.#calls > 0) this.broken.push(`${said} inside a call`);
    for (const one of [...notAfter, "closed"] as const) {
      if (this.said.includes(one)) this.broken.push(`${said} after ${one}`);
    }
    this.said.push(said);
  }
}

/** The wire of a short conversation: three frames, one of them in two fragments. */
const script = Buffer.from([
  ...[0x81, 0x83, 1, 2, 3, 4, 0x60, 0x60, 0x60],
  ...[0x02, 0x82, 9, 8, 7, 6, 0x11, 0x12, 0x80, 0x81, 5, 5, 5, 5, 0x40],
  ...[0x88, 0x82, 0, 0, 0, 0, 3, 0xe8],
]);

/** No system holds so many writes of 100 KB. */
const mostWrites = 1000;

const opened: (TransportPair & { readonly heard: Heard })[] = [];

/** Runs every rule against one kind of transport. */
export function describeContract(name: string, kind: Kind): void {
  async function begin(before: (pair: TransportPair) => unknown = () => {}) {
    const pair = await kind.make();
    const { near, stream, far } = pair;
    const heard = new Heard();
    const farHas = {
      chunks: [] as Buffer[],
      length: 0,
      ended: false,
      error: undefined as NodeJS.ErrnoException | undefined,
      get bytes() {
        return Buffer.concat(this.chunks);
      },
    };
    opened.push({ heard, near, stream, far });
    far.on("error", (error) => {
      farHas.error = error;
    });
    far.on("end", () => {
      farHas.ended = true;
    });
    await before(pair);
    near.listen(heard);
    const read = () =>
      far.on("data", (chunk: Buffer) => {
        farHas.chunks.push(chunk);
        farHas.length += chunk.length;
      });
    const write = (bytes: Uint8Array | Uint8Array[], tell = false): Written =>
      heard.call(() => near.write(bytes, tell));
    const closed = () => until(() => heard.said.includes("closed"));
    return { near, stream, far, heard, farHas, read, write, closed };
  }

  /** Writes until the transport is full and stays so; all that was written. */
  async function fill({ write, near, heard }: Awaited<ReturnType<typeof begin>>): Promise<Buffer> {
    const all: Buffer[] = [];
    for (let index = 0; index < mostWrites; index++) {
      const bytes = Buffer.alloc(100_000, 0x61 + (index % 26));
      all.push(bytes);
      const before = heard.said.length;
      const written = write(bytes);
      // What is taken may leave in later turns, into what the system holds.
      for (let turns = 0; near.waiting > 0 && turns < 5; turns++) await nextTurn();
      if (written !== "full") continue;
      if (heard.said.length === before) return Buffer.concat(all);
      expect(heard.said.splice(before)).toEqual(["drained"]);
    }
    throw new Error("It takes whatever is written");
  }

  describe(name, () => {
    afterEach(() => {
      const all = opened.splice(0);
      for (const { near, stream, far } of all) {
        stream?.on("error", () => {});
        near.destroy();
        far.destroy();
      }
      expect(all.flatMap(({ heard }) => heard.broken)).toEqual([]);
    });

    describe("receiving", () => {
      test("begins with resume, and loses nothing that came before", async () => {
        const { near, far, heard } = await begin((pair) => void pair.far.write("early"));
        heard.call(() => near.pause());
        for (let turns = 0; turns < 5; turns++) await nextTurn();
        expect(heard.said).toEqual([]);
        heard.call(() => near.resume());
        await until(() => heard.text === "early");
        far.write(" and late");
        await until(() => heard.text === "early and late");
        expect(near.bytesReceived).toBe(14);
      });

      test.each(["whole", "byte by byte"])("gives the peer's bytes in order, %s", async (how) => {
        const { near, far, heard } = await begin();
        near.resume();
        for (const part of how === "whole" ? [script] : script.values()) {
          const before = heard.length;
          const bytes = typeof part === "number" ? Buffer.of(part) : part;
          far.write(bytes);
          await until(() => heard.length === before + bytes.length);
        }
        expect(heard.bytes.equals(script)).toBe(true);
        expect(heard.said.every((said) => said === "bytes")).toBe(true);
      });

      test("lends chunks or gives them, and changes neither's memory behind the other's back", async () => {
        const { near, far, heard } = await begin();
        near.resume();
        // What the listener does to a chunk must not reach the peer, which sends the same memory twice.
        const sent = Buffer.alloc(30_000, "s");
        for (let times = 1; times <= 3; times++) {
          far.write(sent);
          await until(() => heard.length === times * sent.length);
        }
        expect(sent.every((byte) => byte === 0x73)).toBe(true);
        expect(heard.bytes.every((byte) => byte === 0x73)).toBe(true);
        expect(new Set(heard.borrowed)).toEqual(new Set([kind.borrows]));
      });

      test("stops with pause, also from inside, and goes on with resume", async () => {
        const { near, far, heard } = await begin();
        heard.react = () => near.pause();
        near.resume();
        far.write("one ");
        await until(() => heard.text.length > 0);
        far.write("two ");
        for (let turns = 0; turns < 10; turns++) await nextTurn();
        expect(heard.text).toBe("one ");
        heard.react = () => {};
        near.resume();
        await until(() => heard.text === "one two ");
        for (let times = 0; times < 3; times++) {
          near.pause();
          near.pause();
          near.resume();
          near.resume();
        }
        far.write("three");
        await until(() => heard.text === "one two three");
      });

      test("holds back a peer that writes more than is read", async () => {
        const { near, far, heard, read } = await begin();
        read();
        near.resume();
        far.write("x");
        await until(() => heard.text === "x");
        near.pause();
        let written = 1;
        while (written < 64_000_000 && far.write(Buffer.alloc(100_000))) {
          written += 100_000;
          await nextTurn();
        }
        expect(far.writableNeedDrain).toBe(true);
        written += 100_000;
        near.resume();
        await until(() => heard.length === written);
      });
    });

    describe("writing", () => {
      test("leaves in order, one piece or several, and what has left is the writer's again", async () => {
        const { write, read, farHas } = await begin();
        read();
        let expected = "";
        let memory = Buffer.alloc(64);
        for (let index = 0; index < 200; index++) {
          const text = `message ${index} `;
          memory.write(text, "latin1");
          const bytes = memory.subarray(0, text.length);
          const pieces = index % 3 === 0 ? [bytes.subarray(0, 3), bytes.subarray(3, 3), bytes.subarray(3)] : bytes;
          const written = write(pieces);
          expected += text;
          if (written === "full") break;
          if (written === "left") memory.fill(0xff);
          else memory = Buffer.alloc(64);
          if (index % 5 === 0) await nextTurn();
        }
        await until(() => farHas.length === expected.length);
        expect(farHas.bytes.toString("latin1")).toBe(expected);
      });

      test("takes the kinds of bytes that there are", async () => {
        const { write, read, farHas } = await begin();
        read();
        write(new Uint8Array([0x61, 0x62]));
        write([new Uint8Array([0x63]), Buffer.from("d")]);
        await until(() => farHas.bytes.toString() === "abcd");
      });

      test("says full when it is, then drained once, and nothing is lost", async () => {
        const pair = await begin();
        const { near, heard, read, farHas } = pair;
        const all = await fill(pair);
        expect(near.waiting).toBeGreaterThan(0);
        expect(near.backlog).toBeGreaterThan(0);
        expect(heard.said).toEqual([]);
        read();
        await until(() => heard.said.length > 0 && farHas.length === all.length);
        await nextTurn();
        expect(heard.said).toEqual(["drained"]);
        expect(near.waiting).toBe(0);
        expect(farHas.bytes.equals(all)).toBe(true);
      });

      test("may go on from inside drained, as often as it is full", async () => {
        const pair = await begin();
        const { near, heard, read, farHas } = pair;
        let length = (await fill(pair)).length;
        let rounds = 0;
        heard.react = (said) => {
          if (said !== "drained" || ++rounds === 5) return;
          for (let writes = 0, written = ""; written !== "full" && writes < mostWrites; writes++) {
            written = near.write(Buffer.alloc(100_000), false);
            length += 100_000;
          }
        };
        read();
        await until(() => rounds === 5 && farHas.length === length);
      });

      test("tells of room where it was asked to, though it was never full", async () => {
        const { write, read, heard, near } = await begin();
        read();
        for (let index = 0; index < 20; index++) {
          const before = heard.count("drained");
          const written = write([Buffer.from("some"), Buffer.from("thing")], true);
          if (written !== "left") await until(() => heard.count("drained") > before);
          await until(() => near.waiting === 0);
        }
      });

      test("shows that bytes move within one large write", async () => {
        const { near, write, read, heard } = await begin();
        const size = 30_000_000;
        expect(write(Buffer.alloc(size))).toBe("full");
        await until(() => near.backlog > 0);
        const looks = [near.backlog];
        read();
        while (heard.said.length === 0) {
          if (near.backlog !== looks.at(-1)) looks.push(near.backlog);
          await nextTurn();
        }
        expect(near.backlog).toBeLessThan(looks[0]!);
        expect(near.waiting).toBe(0);
      });

      test("ends this side behind what was written, and receives on", async () => {
        const pair = await begin();
        const { near, far, heard, read, farHas, closed } = pair;
        near.resume();
        const all = await fill(pair);
        heard.call(() => near.end());
        expect([near.ended, near.writable]).toEqual([true, false]);
        read();
        await until(() => farHas.ended);
        expect(farHas.bytes.equals(all)).toBe(true);
        far.write("still here");
        await until(() => heard.text === "still here");
        far.end();
        await closed();
        expect(heard.order.filter((said) => said !== "drained")).toEqual(["bytes", "end", "closed"]);
      });
    });

    describe("the peer's end", () => {
      test("comes behind its bytes, and what is written then arrives", async () => {
        const { near, far, heard, write, read, farHas, closed } = await begin();
        read();
        near.resume();
        far.end("the last");
        await until(() => heard.said.includes("end"));
        expect([heard.text, near.peerEnded, near.destroyed]).toEqual(["the last", true, false]);
        write(Buffer.from("an answer"));
        near.end();
        await closed();
        await until(() => farHas.ended);
        expect(farHas.bytes.toString()).toBe("an answer");
        expect(heard.order).toEqual(["bytes", "end", "closed"]);
      });

      test("waits as bytes do while reading is paused", async () => {
        const { near, far, heard } = await begin();
        heard.react = () => near.pause();
        near.resume();
        far.write("one");
        await until(() => heard.text === "one");
        heard.react = () => {};
        far.end("two");
        for (let turns = 0; turns < 5; turns++) await nextTurn();
        near.resume();
        await until(() => heard.said.includes("end"));
        expect(heard.text).toBe("onetwo");
      });

      test("that came before listening is shown", async () => {
        const { near, closed } = await begin(async ({ stream, far }) => {
          far.end();
          stream?.resume();
          if (stream) await until(() => stream.readableEnded);
        });
        if (kind.isBare) return;
        expect([near.peerEnded, near.destroyed]).toEqual([true, false]);
        near.end();
        await closed();
      });
    });

    // Wherever in a frame it happens.
    describe.each(["end", "destroy", "reset"] as const)("a %s of the peer's", (cut) => {
      test("behind each byte of a script leaves what came before it, and one close", async () => {
        for (let at = 0; at <= script.length; at++) {
          const { near, far, heard, closed } = await begin();
          near.resume();
          if (at > 0) far.write(script.subarray(0, at));
          if (cut !== "reset") await nextTurn();
          else await until(() => heard.length === at);
          if (cut === "reset" && kind.resets) (far as Socket).resetAndDestroy();
          else if (cut === "end") far.end();
          else far.destroy();
          await until(() => heard.said.some((said) => said === "end" || said === "failed" || said === "closed"));
          if (cut !== "destroy") expect(heard.bytes.equals(script.subarray(0, at))).toBe(true);
          else expect(script.subarray(0, heard.length).equals(heard.bytes)).toBe(true);
          if (cut === "reset" && kind.resets) expect(heard.error).toMatchObject({ code: "ECONNRESET" });
          if (cut === "end") expect(heard.error).toBeUndefined();
          near.end();
          if (cut !== "end") near.destroy();
          await closed();
          expect(heard.count("closed")).toBe(1);
        }
      });
    });

    test("a peer that leaves while writes wait fails the transport, or lets it be given up", async () => {
      const pair = await begin();
      const { near, far, heard, closed } = pair;
      near.resume();
      await fill(pair);
      far.destroy();
      await until(() => heard.said.length > 0);
      near.destroy();
      await closed();
      expect(heard.said).not.toContain("drained");
    });

    describe.each(["destroy", "reset"] as const)("%s", (method) => {
      test("ends both sides at once, and says closed once, later", async () => {
        const { near, far, heard, closed, farHas, read } = await begin();
        read();
        near.resume();
        far.write("a");
        await until(() => heard.text === "a");
        far.write("lost");
        heard.said.length = 0;
        heard.call(() => near[method]());
        expect([near.destroyed, near.writable]).toEqual([true, false]);
        heard.call(() => near[method]());
        heard.call(() => near.pause());
        heard.call(() => near.resume());
        heard.call(() => near.end());
        await closed();
        heard.call(() => near.destroy());
        await until(() => farHas.ended || far.destroyed);
        await nextTurn();
        expect(heard.said).toEqual(["closed"]);
      });

      test("loses what waits, and is told of no room for it", async () => {
        const pair = await begin();
        const { near, heard, closed } = pair;
        await fill(pair);
        near[method]();
        await closed();
        expect(heard.said).toEqual(["closed"]);
      });
    });

    test("reset is an error of the peer's, where there is one", async () => {
      const { near, heard, farHas, far, read, closed } = await begin();
      if (!kind.resets) return;
      read();
      near.resume();
      far.write("a");
      await until(() => heard.text === "a");
      near.reset();
      await closed();
      await until(() => far.destroyed);
      expect(farHas.error).toMatchObject({ code: "ECONNRESET" });
    });

    test("destroyed before listening, it shows that", async () => {
      const { near } = await begin((pair) => {
        pair.stream?.on("error", () => {});
        if (pair.stream) pair.stream.destroy();
        else pair.near.destroy();
      });
      expect([near.destroyed, near.writable]).toEqual([true, false]);
    });

    describe("from inside", () => {
      const calls = {
        pause: (near: Transport) => near.pause(),
        resume: (near: Transport) => near.resume(),
        write: (near: Transport) => near.write(Buffer.from("w"), true),
        end: (near: Transport) => near.end(),
        destroy: (near: Transport) => near.destroy(),
        reset: (near: Transport) => near.reset(),
        unref: (near: Transport) => near.unref(),
        becomeStream: (near: Transport) => near.becomeStream(),
      };
      const names = Object.keys(calls) as (keyof typeof calls)[];

      test.each(names)("received, the end and the close, %s may be called", async (name) => {
        const { near, far, heard, read, closed } = await begin();
        read();
        heard.react = (said) => {
          // Each write would be told of, and a transport that is closed is a stream no more.
          if (said === "drained" || (said === "closed" && name === "becomeStream")) return;
          heard.call(() => calls[name](near));
        };
        near.resume();
        far.write(script);
        await until(() => heard.said.length > 0);
        if (name === "pause") near.resume();
        far.end();
        if (name !== "destroy" && name !== "reset") {
          await until(() => {
            if (name === "pause" && !heard.said.includes("end")) near.resume();
            return heard.said.includes("end");
          });
        }
        near.end();
        await closed();
        expect(heard.bytes.equals(script)).toBe(true);
      });

      test.each(["pause", "resume", "end", "destroy", "reset"] as const)("drained, %s may be called", async (name) => {
        const pair = await begin();
        const { near, far, heard, read, closed } = pair;
        await fill(pair);
        heard.react = (said) => {
          if (said === "drained") heard.call(() => calls[name](near));
        };
        read();
        near.resume();
        await until(() => heard.said.length > 0);
        near.resume();
        near.end();
        far.end();
        await closed();
      });
    });

    describe("become a stream", () => {
      test("it is the stream below, and the listener and others hear the same", async () => {
        const { near, stream: below, far, heard, farHas, read, write } = await begin();
        read();
        near.resume();
        far.write("before ");
        await until(() => heard.text === "before ");
        const stream = near.becomeStream();
        if (below !== undefined) expect(stream).toBe(below);
        expect(near.becomeStream()).toBe(stream);
        let others = 0;
        stream.on("data", (chunk: Buffer) => {
          others += chunk.length;
        });
        heard.borrowed.length = 0;
        far.write("after");
        await until(() => heard.text === "before after");
        expect(others).toBe(5);
        expect(heard.borrowed.every((borrowed) => !borrowed)).toBe(true);
        write(Buffer.from("one "));
        stream.write("two ");
        write(Buffer.from("three"));
        await until(() => farHas.bytes.toString() === "one two three");
        expect(near.bytesReceived).toBe(12);
      });

      test("it is read on as others read streams, when the listener's reading is paused", async () => {
        const { near, far, heard } = await begin();
        near.resume();
        far.write("one");
        await until(() => heard.text === "one");
        near.pause();
        const stream = near.becomeStream();
        far.write("two");
        for (let turns = 0; turns < 5; turns++) await nextTurn();
        expect(heard.text).toBe("one");
        near.resume();
        await until(() => heard.text === "onetwo");
        stream.pause();
        far.write("three");
        for (let turns = 0; turns < 5; turns++) await nextTurn();
        expect(heard.text).toBe("onetwo");
        stream.resume();
        await until(() => heard.text === "onetwothree");
        far.end();
        near.end();
        await until(() => heard.said.includes("closed"));
        expect(heard.order).toEqual(["bytes", "end", "closed"]);
      });

      test("what waited leaves first, and drained is told", async () => {
        const pair = await begin();
        const { near, heard, read, farHas } = pair;
        const all = await fill(pair);
        const stream = near.becomeStream();
        stream.write("behind it");
        read();
        await until(() => heard.said.includes("drained") && farHas.length === all.length + 9);
        expect(heard.said).toEqual(["drained"]);
        expect(farHas.bytes.subarray(all.length).toString()).toBe("behind it");
      });
    });

    test("unref leaves the conversation as it is", async () => {
      const { near, far, heard, read } = await begin();
      read();
      heard.call(() => near.unref());
      near.resume();
      far.write("a");
      await until(() => heard.text === "a");
    });

    test("the addresses are those of both ends, where there are any", async () => {
      const { near, far } = await begin();
      const { remoteAddress, remotePort, localAddress, localPort } = near;
      const all = [remoteAddress, remotePort, localAddress, localPort];
      if (!kind.addresses) return expect(all).toEqual([undefined, undefined, undefined, undefined]);
      const other = far as Socket;
      expect(all).toEqual([other.localAddress, other.localPort, other.remoteAddress, other.remotePort]);
      expect([remoteAddress, localAddress]).toEqual(["127.0.0.1", "127.0.0.1"]);
    });

    test("D08 all transports of a kind listen with the same functions", async () => {
      const [one, two] = [(await begin()).stream, (await begin()).stream];
      if (one === undefined || two === undefined) return expect(kind.isBare).toBe(true);
      const events = ["data", "end", "error", "close"].filter((event) => one.listenerCount(event) > 0);
      expect(events).toContain("close");
      for (const event of events) {
        const ours = one.listeners(event).filter((listener) => two.listeners(event).includes(listener));
        expect(ours.length).toBeGreaterThan(0);
      }
    });
  });
}
