import { inflateRawSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { MessageDeflate } from "../../../src/connection/compression/message-deflate.ts";
import { countKeptContexts } from "../../../src/connection/compression/zlib-context.ts";
import { connectionLimits } from "../../../src/connection/options/limits.ts";
import { newCounters } from "../../../src/connection/process-wide/diagnostics.ts";
import { Outbox } from "../../../src/connection/sending/outbox.ts";
import { PreparedMessage } from "../../../src/connection/sending/prepared-message.ts";
import { SendQueue } from "../../../src/connection/sending/send-queue.ts";
import { Endpoint } from "../../../src/protocol/endpoint/endpoint.ts";
import type { Role } from "../../../src/protocol/frames/frame.ts";
import { realTime } from "../../../src/transport/clock.ts";
import { transportOver } from "../../../src/transport/streams/transport-over.ts";
import { until } from "../../support/connection-pair.ts";
import { HeldDuplex, nextTurn } from "../../support/held-duplex.ts";
import { referenceInflate } from "../../support/reference-inflate.ts";
import { type ReadFrame, readFrames } from "../../support/wire.ts";

const roles: readonly Role[] = ["client", "server"];

function make(role: Role, compress = false, takeover = false) {
  const socket = new HeldDuplex(100_000_000);
  const endpoint = new Endpoint({ role, compression: compress });
  const outbox = new Outbox(endpoint, transportOver(socket, false), {
    limits: connectionLimits,
    counters: newCounters(),
    outboxLow: () => {},
    clock: realTime,
    outboxStuck: () => {},
    outboxLate: () => {},
    outboxTooLarge: () => {},
    outboxSpoiled: () => {},
  });
  const parameters = {
    serverNoContextTakeover: !takeover,
    clientNoContextTakeover: !takeover,
    serverMaxWindowBits: 15,
    clientMaxWindowBits: 15,
  };
  const deflate = compress
    ? new MessageDeflate(role, parameters, { threshold: 100, level: 1, memLevel: 8 })
    : undefined;
  const errors: unknown[] = [];
  const sender = new SendQueue(endpoint, outbox, deflate, {
    compress: true,
    sendingFailed: (error) => errors.push(error),
  });
  const frames = async (count: number): Promise<ReadFrame[]> => {
    // The test's own time limit ends this when they do not come.
    for (;;) {
      await nextTurn();
      const read = readFrames(socket.written);
      if (read.length >= count) return read;
    }
  };
  return { socket, endpoint, outbox, sender, deflate, frames, errors };
}

describe.each(roles)("the sender of a %s", (role) => {
  test("every form becomes one frame, in order, also behind a Blob [R6455-6.1-2, G79]", async () => {
    const { sender, frames, outbox } = make(role);
    const prepared = new PreparedMessage("prepared");
    for (const data of ["text", new Uint8Array([1]), new Blob(["blob"]), "after", prepared, new Blob([]), "end"]) {
      sender.send(data, undefined);
    }
    const read = await frames(7);
    expect(read.map(({ opcode, payload }) => [opcode, payload.toString("latin1")])).toEqual([
      [1, "text"],
      [2, "\x01"],
      [2, "blob"],
      [1, "after"],
      [1, "prepared"],
      [2, ""],
      [1, "end"],
    ]);
    expect(read.every(({ key }) => (key !== undefined) === (role === "client"))).toBe(true);
    expect(outbox.size).toBe(0);
  });

  test("what stands in line counts as waiting, in bytes of UTF-8", async () => {
    const { sender, frames, outbox } = make(role);
    sender.send(new Blob(["12345"]), undefined);
    expect(outbox.waiting).toBe(5);
    sender.send("grüße", undefined);
    sender.send(new Uint8Array(10), undefined);
    sender.send(new PreparedMessage("xyz"), undefined);
    sender.send(new Blob(["12"]), undefined);
    expect(outbox.waiting).toBe(5 + 7 + 10 + 3 + 2);
    await frames(5);
    expect(outbox.waiting).toBe(0);
  });

  test("options are read at the call, which throws what their getters throw, also while others are under way [D09]", async () => {
    const { sender, frames, errors } = make(role);
    const hostile = Object.defineProperty({}, "copy", {
      get: () => {
        throw new Error("Not for you");
      },
    });
    expect(() => sender.send("lost", hostile)).toThrow("Not for you");
    sender.send(new Blob(["blob"]), undefined);
    expect(() => sender.send("lost", hostile)).toThrow("Not for you");
    expect(() => sender.send(new Blob(["lost"]), hostile)).toThrow("Not for you");
    sender.send("next", undefined);
    expect((await frames(2)).map(({ payload }) => payload.toString())).toEqual(["blob", "next"]);
    expect(errors).toEqual([]);
  });

  test("bytes may change after the call, also while they stand in line [D12]", async () => {
    const { sender, frames } = make(role);
    const [first, second] = [new Uint8Array(1000).fill(1), new Uint8Array(100_000).fill(2)];
    sender.send(first, undefined);
    first.fill(9);
    sender.send(new Blob(["holds up"]), undefined);
    sender.send(second, undefined);
    second.fill(9);
    const read = await frames(3);
    expect(read[0]!.payload.every((byte) => byte === 1)).toBe(true);
    expect(read[2]!.payload.every((byte) => byte === 2)).toBe(true);
  });

  test("more than 64 KiB may change after the call, but inside a chunk a server refers to them unless it copies [D12]", async () => {
    for (const insideChunk of [false, true]) {
      for (const copy of [false, true]) {
        const { sender, frames, outbox } = make(role);
        const bytes = new Uint8Array(64 * 1024 + 1).fill(1);
        outbox.insideChunk = insideChunk;
        sender.send(bytes, { copy });
        bytes.fill(9);
        outbox.insideChunk = false;
        outbox.flush();
        const [frame] = await frames(1);
        const seen = role === "server" && insideChunk && !copy ? 9 : 1;
        expect(frame!.payload.every((byte) => byte === seen)).toBe(true);
      }
    }
  });

  test.each([false, true])(
    "bytes that a compressor works on elsewhere may change as well, copy: %s [D12]",
    async (copy) => {
      const { sender, frames } = make(role, true);
      const bytes = new Uint8Array(200_000).fill(1);
      sender.send(bytes, { copy });
      bytes.fill(9);
      const [frame] = await frames(1);
      const inflated = inflateRawSync(Buffer.concat([frame!.payload, Buffer.of(0, 0, 255, 255)]), { finishFlush: 2 });
      expect(inflated.equals(Buffer.alloc(200_000, 1))).toBe(true);
    },
  );

  test("once the connection is over, a Blob that cannot be read is nobody's mistake", async () => {
    const { sender, errors } = make(role);
    let fail!: (error: Error) => void;
    const reading = new Promise<ArrayBuffer>((_, reject) => {
      fail = reject;
    });
    sender.send(Object.assign(new Blob(["gone"]), { arrayBuffer: () => reading }), undefined);
    sender.stop();
    fail(new Error("unreadable"));
    await nextTurn();
    expect([errors, sender.busy]).toEqual([[], false]);
  });

  /** A Blob that is never read, and one that gives something else. */
  const unread = () => Object.assign(new Blob(["x"]), { arrayBuffer: () => new Promise<never>(() => {}) });

  test("what waits when the connection is over is unsent, and nothing waits any more", async () => {
    const { sender, outbox, socket } = make(role);
    sender.send(unread(), undefined);
    sender.send("one", undefined);
    sender.afterwards(() => {}, { size: 100, messages: 3 });
    let ran = false;
    sender.afterwards(() => {
      ran = true;
    });
    expect([sender.unsentMessages, outbox.waiting]).toEqual([5, 104]);
    sender.stop();
    expect([sender.unsentMessages, outbox.waiting]).toEqual([5, 0]);
    await nextTurn();
    expect([ran, socket.writes]).toEqual([false, []]);
  });

  test("what stands in line when the connection is over leaves no context of a compressor behind [B03]", async () => {
    const { sender, deflate } = make(role, true, true);
    const before = countKeptContexts();
    sender.send("x".repeat(1000), undefined);
    expect(countKeptContexts()).toBe(before + 1);
    sender.send(new Uint8Array(100_000), undefined);
    sender.send("small, behind it".repeat(100), undefined);
    sender.stop();
    deflate!.release();
    await until(() => !sender.busy);
    await nextTurn();
    expect(countKeptContexts()).toBe(before);
  });

  test("a message that waited and was sent is not unsent, one that the endpoint took no more is", async () => {
    const { sender, frames, endpoint } = make(role);
    sender.send(new Blob(["x"]), undefined);
    sender.send("sent", undefined);
    await frames(2);
    expect(sender.unsentMessages).toBe(0);
    sender.send(new Blob(["x"]), undefined);
    sender.send("late", undefined);
    endpoint.close();
    await until(() => !sender.busy);
    expect(sender.unsentMessages).toBe(2);
  });

  test("a step that throws is an error, and what is behind it goes on [D09]", async () => {
    const { sender, frames, errors } = make(role);
    sender.send(new Blob(["x"]), undefined);
    sender.afterwards(() => {
      throw new Error("in line");
    });
    sender.send("behind", undefined);
    expect((await frames(2))[1]!.payload.toString()).toBe("behind");
    expect(errors).toEqual([new Error("in line")]);
  });

  test.each([
    ["nothing", () => undefined],
    ["a number", () => 5],
    ["bytes", () => new Uint8Array(1)],
    ["what only looks like an ArrayBuffer", () => Object.create(ArrayBuffer.prototype)],
    [
      "a thenable that throws",
      () => ({
        // biome-ignore lint/suspicious/noThenProperty: it is the fault
        then: () => {
          throw new TypeError("no thenable");
        },
      }),
    ],
    [
      "a thenable that calls back twice",
      () => ({
        // biome-ignore lint/suspicious/noThenProperty: it is the fault
        then: (resolve: (value: unknown) => void) => {
          resolve(5);
          resolve(new ArrayBuffer(1));
        },
      }),
    ],
  ])("a Blob that gives %s is an error, and what is behind it goes on [D10]", async (_, arrayBuffer) => {
    const { sender, frames, errors } = make(role);
    sender.send(Object.assign(new Blob(["x"]), { arrayBuffer }) as Blob, undefined);
    sender.send("behind", undefined);
    expect((await frames(1))[0]!.payload.toString()).toBe("behind");
    expect(errors).toEqual([expect.any(TypeError)]);
  });

  test("a Blob that cannot be read is an error, and what is behind it goes on", async () => {
    const { sender, frames, errors, outbox } = make(role);
    const blob = new Blob(["gone"]);
    blob.arrayBuffer = () => Promise.reject(new Error("The file is gone"));
    sender.send(blob, undefined);
    sender.send("behind", undefined);
    expect((await frames(1))[0]!.payload.toString()).toBe("behind");
    expect(errors).toEqual([new Error("The file is gone")]);
    expect(outbox.waiting).toBe(0);
  });

  test("a step comes after all that was sent before it, and before what is sent after it", async () => {
    const { sender, frames, endpoint, outbox } = make(role);
    sender.afterwards(() => endpoint.ping(Buffer.from("0")));
    sender.send(new Blob(["1"]), undefined);
    sender.send("2", undefined);
    sender.afterwards(() => {
      endpoint.ping(Buffer.from("3"));
      outbox.changed();
    });
    sender.send("4", undefined);
    const read = await frames(5);
    expect(read.map(({ payload }) => payload.toString()).join("")).toBe("01234");
  });

  test.each(["a Blob", "fragments"])(
    "what the first step of a send sends itself stands in line behind it: %s",
    async (what) => {
      const { sender, frames, errors } = make(role);
      const reading = async () => {
        sender.send(new Blob(["2"]), undefined);
        sender.send("3", undefined);
        await nextTurn();
        sender.send("4", undefined);
        return new TextEncoder().encode("1").buffer;
      };
      const inner = Object.assign(new Blob(["1"]), { arrayBuffer: reading });
      const run = async () => {
        await reading();
      };
      const long = { run, stop: () => {} };
      const sent = what === "fragments" ? sender.sendLong(long) : sender.send(inner, undefined);
      sender.send("after", undefined);
      await sent;
      const read = await frames(what === "fragments" ? 4 : 5);
      const own = what === "fragments" ? [] : ["1"];
      expect(read.map(({ payload }) => payload.toString())).toEqual([...own, "2", "3", "after", "4"]);
      await until(() => !sender.busy);
      expect([sender.unsentMessages, errors]).toEqual([0, []]);
    },
  );

  test("what a step of the line sends comes behind all that stood in it before", async () => {
    const { sender, frames } = make(role);
    const sending = () => {
      sender.send("last", undefined);
      return Promise.resolve(new TextEncoder().encode("second").buffer);
    };
    sender.send(new Blob(["first"]), undefined);
    sender.send(Object.assign(new Blob(["second"]), { arrayBuffer: sending }), undefined);
    sender.send("third", undefined);
    expect((await frames(4)).map(({ payload }) => payload.toString())).toEqual(["first", "second", "third", "last"]);
  });

  test("a line of very many messages behind two Blobs is no strain on the stack", async () => {
    const { sender, frames } = make(role);
    const count = 200_000;
    sender.send(new Blob(["a"]), undefined);
    sender.send(new Blob(["b"]), undefined);
    for (let i = 0; i < count; i++) sender.send("", undefined);
    expect(await frames(count + 2)).toHaveLength(count + 2);
  });

  test("messages from the threshold on are compressed, by option all or none [B08, R7692-6-2, R7692-8-1, G82]", async () => {
    const { sender, frames } = make(role, true);
    const long = "a".repeat(100);
    const cases: [data: string | Uint8Array | PreparedMessage, compress: boolean | undefined, rsv: number][] = [
      ["short", undefined, 0],
      [long, undefined, 4],
      ["short", true, 4],
      [long, false, 0],
      [new Uint8Array(100), undefined, 4],
      [new PreparedMessage(long), undefined, 4],
      [new PreparedMessage(new Uint8Array(3)), true, 4],
      ["", true, 4],
    ];
    for (const [data, compress] of cases) sender.send(data, compress === undefined ? undefined : { compress });
    const read = await frames(cases.length);
    expect(read.map(({ rsv }) => rsv)).toEqual(cases.map(([, , rsv]) => rsv));
    for (const [index, [data]] of cases.entries()) {
      const { rsv, payload, opcode } = read[index]!;
      const plain = data instanceof PreparedMessage ? data.data : data;
      expect(opcode).toBe(typeof plain === "string" ? 1 : 2);
      const inflated = rsv === 0 ? payload : Buffer.from(inflate(payload));
      expect(inflated.equals(Buffer.from(plain as string))).toBe(true);
    }
  });

  test("a long message that is compressed elsewhere keeps its place, is counted, and may change [D12]", async () => {
    const { sender, frames, outbox } = make(role, true);
    const long = new Uint8Array(64 * 1024).map((_, index) => index % 251);
    const copy = new Uint8Array(long);
    sender.send(long, undefined);
    expect(outbox.waiting).toBe(long.length);
    long.fill(0);
    sender.send("behind", undefined);
    const read = await frames(2);
    expect(read.map(({ rsv }) => rsv)).toEqual([4, 0]);
    expect(Buffer.compare(Buffer.from(inflate(read[0]!.payload)), copy)).toBe(0);
    expect(outbox.size).toBe(0);
  });
});

function inflate(payload: Uint8Array): Uint8Array {
  const inflated = referenceInflate(payload);
  if (inflated === undefined) throw new Error("The payload is not whole, valid data");
  return inflated.message;
}
