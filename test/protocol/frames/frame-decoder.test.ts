/** Headers and payloads out of chunks that are cut anywhere. */
import { Buffer } from "node:buffer";
import { describe, expect, test } from "vitest";
import { FrameDecoder, giveDecoder, takeDecoder } from "../../../src/protocol/frames/frame-decoder.ts";
import { readBuffer } from "../../../src/protocol/frames/mask-wasm.ts";
import { collectGarbage } from "../../support/collect-garbage.ts";
import { buildFrame, type Cuts, cut, ownCopy, testKey } from "../../support/wire.ts";

interface Decoded {
  firstByte: number;
  masked: boolean;
  lengthBits: number;
  lengthSign: boolean;
  payloadLength: number;
  payload: string;
}

/** The part of the payload that was read last. */
function payloadOf({ chunk, start, end }: FrameDecoder): Buffer {
  return Buffer.from(chunk.subarray(start, end));
}

function decode(bytes: Uint8Array, cuts: Cuts): Decoded[] {
  const decoder = new FrameDecoder();
  const frames: Decoded[] = [];
  let inside = false;
  for (const chunk of cut(bytes, cuts)) {
    decoder.push(chunk);
    for (;;) {
      if (!inside) {
        if (!decoder.readHeader()) break;
        const { firstByte, masked, lengthBits, lengthSign, payloadLength } = decoder;
        frames.push({ firstByte, masked, lengthBits, lengthSign, payloadLength, payload: "" });
      }
      decoder.readPayload();
      frames.at(-1)!.payload += payloadOf(decoder).toString("hex");
      inside = decoder.remaining > 0;
      if (inside) break;
    }
    expect(decoder.unread).toBe(0);
  }
  expect(inside).toBe(false);
  return frames;
}

const lengths = [0, 1, 2, 3, 4, 5, 125, 126, 127, 300, 65535, 65536, 65537];
const forms: Cuts[] = [
  "whole",
  [1],
  [2],
  [3],
  [4, 5],
  [6],
  [7],
  [8],
  [9, 12],
  [10],
  [13],
  [14],
  [15],
  [1, 2, 3, 14, 200],
];

describe.each([
  ["masked", testKey],
  ["unmasked", undefined],
] as const)("%s frames", (_, key) => {
  test.each(lengths)(
    "a payload of %i bytes, cut in the header and after [R6455-5.2-1 R6455-5.3-3 R6455-6.2-1]",
    (length) => {
      const payload = Buffer.from(Uint8Array.from({ length }, (_, i) => i * 7));
      const bytes = buildFrame({ opcode: 2, payload, key });
      const expected = {
        firstByte: 0x82,
        masked: key !== undefined,
        lengthBits: length < 126 ? 7 : length < 65536 ? 16 : 64,
        lengthSign: false,
        payloadLength: length,
        payload: payload.toString("hex"),
      };
      const cuts: Cuts[] = length < 1000 ? [...forms, "bytewise"] : forms;
      for (const form of cuts) {
        const inside = typeof form === "string" ? form : form.filter((at) => at < bytes.length);
        expect(decode(bytes, inside)).toEqual([expected]);
      }
    },
  );

  test("several frames in one chunk, in two chunks cut anywhere, and byte by byte [R6455-6.2-1]", () => {
    const bytes = Buffer.concat([
      buildFrame({ opcode: 1, payload: "one", fin: false, key }),
      buildFrame({ opcode: 9, payload: "", key }),
      buildFrame({ opcode: 0, payload: "x".repeat(130), rsv: 4, key }),
    ]);
    const whole = decode(bytes, "whole");
    expect(whole.map(({ firstByte, payload }) => [firstByte, Buffer.from(payload, "hex").toString()])).toEqual([
      [0x01, "one"],
      [0x89, ""],
      [0xc0, "x".repeat(130)],
    ]);
    for (let at = 1; at < bytes.length; at++) expect(decode(bytes, [at])).toEqual(whole);
    expect(decode(bytes, "bytewise")).toEqual(whole);
  });

  test.each([
    [2n ** 31n, 2 ** 31, false],
    [2n ** 32n + 5n, 2 ** 32 + 5, false],
    [2n ** 53n, 2 ** 53, false],
    [2n ** 63n - 1n, 2 ** 63, false],
    [2n ** 63n, 2 ** 63, true],
    [2n ** 64n - 1n, 2 ** 64, true],
  ])(
    "announces %i bytes as a number, with the top bit apart [A01 R6455-5.2-4]",
    (announced, payloadLength, lengthSign) => {
      const header = buildFrame({ opcode: 2, announced, key });
      for (const form of ["whole", "bytewise"] as const) {
        const decoder = new FrameDecoder();
        const complete = cut(header, form).map((chunk) => {
          decoder.push(chunk);
          return decoder.readHeader();
        });
        expect(complete.at(-1)).toBe(true);
        expect(complete.slice(0, -1)).not.toContain(true);
        const { lengthBits, remaining } = decoder;
        expect({ length: decoder.payloadLength, lengthSign: decoder.lengthSign, lengthBits, remaining }).toEqual({
          length: payloadLength,
          lengthSign,
          lengthBits: 64,
          remaining: payloadLength,
        });
      }
    },
  );
});

describe("what it keeps", () => {
  test("a header cut off is all that it remembers of a chunk [A06]", () => {
    const decoder = new FrameDecoder();
    const bytes = buildFrame({ opcode: 1, payload: "x".repeat(70_000), key: testKey });
    decoder.push(ownCopy(bytes.subarray(0, 13)));
    expect(decoder.headerProgress).toBe(0);
    expect(decoder.readHeader()).toBe(false);
    expect(decoder.headerProgress).toBe(13);
    expect(decoder.unread).toBe(0);
    decoder.discard();
    expect(decoder.chunk).toHaveLength(0);
    decoder.push(ownCopy(bytes.subarray(13)));
    expect(decoder.readHeader()).toBe(true);
    expect(decoder.headerProgress).toBe(0);
    expect(decoder.payloadLength).toBe(70_000);
  });

  test("a chunk that nothing was left before is read where it is, and unmasked in place [D12]", () => {
    const decoder = new FrameDecoder();
    for (let i = 0; i < 2; i++) {
      const chunk = ownCopy(buildFrame({ opcode: 1, payload: "here", key: testKey }));
      decoder.push(chunk);
      expect(decoder.chunk).toBe(chunk);
      decoder.readHeader();
      decoder.readPayload();
      expect(chunk.toString("latin1", 6)).toBe("here");
    }
  });

  test.each([
    ["that was lent", (bytes: Buffer) => ({ chunk: bytes, lent: true })],
    ["whose memory holds more behind it", (bytes: Buffer) => ({ chunk: bytes.subarray(0, -1) })],
    ["whose memory holds more before it", (bytes: Buffer) => ({ chunk: bytes.subarray(1) })],
    ["of which a part was received", (bytes: Buffer) => ({ chunk: bytes, length: bytes.length - 1 })],
  ])("the memory of a chunk %s is not handed out [A06 D10]", (_, push) => {
    const frame = buildFrame({ opcode: 2, payload: Buffer.alloc(100, 1) });
    const pushed: { chunk: Buffer; length?: number; lent?: boolean } = push(ownCopy(Buffer.concat([frame, frame])));
    const shift = pushed.chunk.byteOffset;
    frame.copy(pushed.chunk);
    const decoder = new FrameDecoder();
    const length = frame.length;
    decoder.push(pushed.chunk.subarray(0, shift + length), pushed.length && length, pushed.lent);
    decoder.readHeader();
    decoder.readPayload();
    const bytes = decoder.takePayload();
    expect(bytes).toEqual(new Uint8Array(100).fill(1));
    expect(bytes.buffer.byteLength).toBe(100);
  });

  test("an empty chunk changes nothing", () => {
    const decoder = new FrameDecoder();
    decoder.push(ownCopy(new Uint8Array(0)));
    expect(decoder.readHeader()).toBe(false);
    expect(decoder.headerProgress).toBe(0);
  });

  test("a chunk pushed before the last was read joins it", () => {
    const decoder = new FrameDecoder();
    const bytes = buildFrame({ opcode: 1, payload: "joined", key: testKey });
    decoder.push(ownCopy(bytes.subarray(0, 3)));
    decoder.push(ownCopy(bytes.subarray(3)));
    expect(decoder.unread).toBe(bytes.length);
    expect(decoder.readHeader()).toBe(true);
    decoder.readPayload();
    expect(payloadOf(decoder).toString("latin1")).toBe("joined");
  });

  test.each([true, false])(
    "what was kept is memory of its own, also when it is kept again: first: %s [D08 D21]",
    (first) => {
      const decoder = new FrameDecoder();
      const frames = [70, 71, 72].map((length, i) => buildFrame({ opcode: 2, payload: Buffer.alloc(length, i + 1) }));
      const shared = ownCopy(Buffer.concat(frames));
      decoder.push(shared, shared.length, true);
      const read = () => {
        decoder.readHeader();
        decoder.readPayload();
        return decoder.takePayload();
      };
      const payloads = first ? [read()] : [];
      decoder.keepUnread();
      shared.fill(0);
      while (payloads.length < (first ? 3 : 2)) {
        payloads.push(read());
        decoder.keepUnread();
      }
      for (const [index, payload] of payloads.entries()) {
        expect(payload).toEqual(new Uint8Array(70 + index).fill(index + 1));
        expect(payload.buffer.byteLength).toBe(payload.length);
      }
    },
  );

  test("keepUnread copies what is left, so that the chunk's memory may be overwritten", () => {
    const decoder = new FrameDecoder();
    const shared = ownCopy(
      Buffer.concat([buildFrame({ opcode: 1, payload: "a" }), buildFrame({ opcode: 1, payload: "kept" })]),
    );
    decoder.push(shared, shared.length, true);
    decoder.readHeader();
    decoder.readPayload();
    decoder.keepUnread();
    shared.fill(0);
    expect(decoder.readHeader()).toBe(true);
    decoder.readPayload();
    expect(payloadOf(decoder).toString("latin1")).toBe("kept");
    decoder.keepUnread();
    expect(decoder.chunk).toHaveLength(0);
    expect(decoder.unread).toBe(0);
  });

  /** A decoder that has read the first of two frames of these lengths, in one chunk, and that chunk. */
  function readFirst(length: number, { behind, borrowed = false }: { behind: number; borrowed?: boolean }) {
    const decoder = new FrameDecoder();
    const frames = [length, behind].map((bytes, i) => buildFrame({ opcode: 2, payload: Buffer.alloc(bytes, i + 1) }));
    const chunk = ownCopy(Buffer.concat(frames));
    decoder.push(chunk, chunk.length, borrowed);
    decoder.readHeader();
    decoder.readPayload();
    return { decoder, chunk };
  }

  test("what is lent of a lent chunk is the part where it was read", () => {
    const { decoder, chunk } = readFirst(10, { behind: 5000, borrowed: true });
    const lent = decoder.lendPayload();
    expect(lent).toEqual(new Uint8Array(10).fill(1));
    expect([lent.buffer, lent.byteOffset]).toEqual([chunk.buffer, 2]);
  });

  test("what is lent of a chunk of its own is the application's, with nothing unread in its memory [D21]", () => {
    const { decoder } = readFirst(100, { behind: 5000 });
    expect(decoder.lendPayload().buffer.byteLength).toBe(100);
    decoder.readHeader();
    decoder.readPayload();
    expect(decoder.lendPayload()).toEqual(new Uint8Array(5000).fill(2));
  });

  test.each([
    [65, 61, true],
    [65, 62, false],
    [60, 40, false],
    [5000, 4992, true],
    [5000, 4993, false],
  ])(
    "the last payload is a view where that wastes little: %i bytes, %i before: %s [D08 D21]",
    (length, before, view) => {
      const { decoder, chunk } = readFirst(before, { behind: length });
      expect(decoder.takePayload().buffer.byteLength).toBe(before);
      decoder.readHeader();
      decoder.readPayload();
      const bytes = decoder.takePayload();
      expect(bytes).toEqual(new Uint8Array(length).fill(2));
      expect(bytes.buffer === chunk.buffer).toBe(view);
      expect(bytes.buffer.byteLength).toBe(view ? chunk.length : length);
    },
  );

  test.each([1, 100, 5000])("a payload of %i bytes with something unread behind it is a copy [D21]", (length) => {
    const { decoder } = readFirst(length, { behind: 0 });
    const bytes = decoder.takePayload();
    expect(bytes).toEqual(new Uint8Array(length).fill(1));
    expect(bytes.buffer.byteLength).toBe(length);
  });

  test.each([
    [10, 4083],
    [5000, 0],
  ])("payloads of a lent chunk are a copy: %i bytes with %i behind [D08]", (length, behind) => {
    const { decoder, chunk } = readFirst(length, { behind, borrowed: true });
    const own = decoder.takePayload();
    chunk.fill(0);
    expect(own).toEqual(new Uint8Array(length).fill(1));
    expect(own.buffer.byteLength).toBe(length);
  });

  test("short payloads of what sockets read into are a copy, each its own [D08]", () => {
    const decoder = new FrameDecoder();
    const frames = ["one", "two"].map((payload) => buildFrame({ opcode: 2, payload, key: testKey }));
    const length = Buffer.concat(frames).copy(readBuffer);
    decoder.push(readBuffer, length, true);
    const payloads = frames.map(() => {
      decoder.readHeader();
      decoder.readPayload();
      return decoder.takePayload();
    });
    readBuffer.fill(0, 0, length);
    expect(payloads.map((payload) => Buffer.from(payload).toString())).toEqual(["one", "two"]);
    for (const payload of payloads) {
      expect(Object.getPrototypeOf(payload)).toBe(Uint8Array.prototype);
      expect([payload.byteOffset, payload.buffer.byteLength]).toEqual([0, 3]);
    }
  });

  test("tells whether a masked part is ASCII, and never claims so for what it did not look at [R6455-5.6-1]", () => {
    const decoder = new FrameDecoder();
    const see = (bytes: Uint8Array): number => {
      decoder.push(ownCopy(bytes));
      decoder.readHeader();
      decoder.readPayload();
      return decoder.seen & 0x80;
    };
    expect(see(buildFrame({ opcode: 1, payload: "ascii", key: testKey }))).toBe(0);
    expect(see(buildFrame({ opcode: 1, payload: "é", key: testKey }))).toBe(0x80);
    expect(see(buildFrame({ opcode: 1, payload: "ascii" }))).toBe(0x80);
  });
});

describe("plain frames of one read", () => {
  const texts = Array.from({ length: 100 }, (_, i) => `${i}: ${"abc".repeat(i % 40)}`);
  const frames = texts.map((payload) => buildFrame({ opcode: 1, payload, key: testKey }));

  /** Lends the decoder a read of these bytes. */
  function lend(decoder: FrameDecoder, ...pieces: readonly Buffer[]): void {
    decoder.push(readBuffer, Buffer.concat(pieces).copy(readBuffer), true);
  }

  /** The text of the next frame, which must be there. */
  function readText(decoder: FrameDecoder): string {
    expect(decoder.readHeader()).toBe(true);
    decoder.readPayload();
    expect([decoder.firstByte, decoder.masked, decoder.lengthBits, decoder.remaining]).toEqual([0x81, true, 7, 0]);
    expect(decoder.end - decoder.start).toBe(decoder.payloadLength);
    expect(decoder.seen & 0x80).toBe(0);
    return decoder.takeAscii();
  }

  test("are read one by one, however many there are", () => {
    for (const count of [1, 2, 3, texts.length]) {
      const decoder = new FrameDecoder();
      lend(decoder, ...frames.slice(0, count));
      for (const text of texts.slice(0, count)) expect(readText(decoder)).toBe(text);
      expect([decoder.unread, decoder.readHeader()]).toEqual([0, false]);
    }
  });

  test("are kept, with what follows them, when the memory is used again after any of them [D08]", () => {
    const more = buildFrame({ opcode: 1, payload: "more", key: testKey });
    for (let kept = 0; kept <= 20; kept++) {
      const decoder = new FrameDecoder();
      lend(decoder, ...frames.slice(0, 20), more.subarray(0, 8));
      for (const text of texts.slice(0, kept)) expect(readText(decoder)).toBe(text);
      decoder.keepUnread();
      readBuffer.fill(0, 0, 4000);
      lend(decoder, more.subarray(8), ...frames.slice(0, 2));
      for (const text of [...texts.slice(kept, 20), "more", ...texts.slice(0, 2)]) {
        expect(readText(decoder)).toBe(text);
      }
      expect(decoder.unread).toBe(0);
    }
  });

  test("are not looked for inside a payload or a header", () => {
    const decoder = new FrameDecoder();
    const long = buildFrame({ opcode: 2, payload: Buffer.concat([...frames, ...frames]), key: [0, 0, 0, 0] });
    lend(decoder, long.subarray(0, 4));
    expect(decoder.readHeader()).toBe(false);
    lend(decoder, long.subarray(4, 1000));
    expect(decoder.readHeader()).toBe(true);
    decoder.readPayload();
    lend(decoder, long.subarray(1000), ...frames.slice(0, 2));
    decoder.readPayload();
    expect(payloadOf(decoder).equals(long.subarray(1000))).toBe(true);
    expect([readText(decoder), readText(decoder)]).toEqual(texts.slice(0, 2));
  });

  test("among others, and with text that is not ASCII, are told from them [R6455-5.6-1]", () => {
    const decoder = new FrameDecoder();
    const binary = buildFrame({ opcode: 2, payload: Buffer.of(0xff), key: testKey });
    const next = (): number => {
      expect(decoder.readHeader()).toBe(true);
      decoder.readPayload();
      return decoder.firstByte;
    };
    lend(decoder, binary, frames[3]!);
    expect([next(), Buffer.from(decoder.takePayload())]).toEqual([0x82, Buffer.of(0xff)]);
    expect(readText(decoder)).toBe(texts[3]);
    lend(decoder, frames[3]!, buildFrame({ opcode: 1, payload: "é", key: testKey }));
    expect([next(), decoder.seen & 0x80, next(), decoder.seen & 0x80]).toEqual([0x81, 0x80, 0x81, 0x80]);
    expect(payloadOf(decoder).toString()).toBe("é");
  });

  test("that are empty have no text", () => {
    const decoder = new FrameDecoder();
    const empty = buildFrame({ opcode: 1, key: testKey });
    lend(decoder, empty, empty, frames[3]!, empty);
    expect(Array.from({ length: 4 }, () => readText(decoder))).toEqual(["", "", texts[3], ""]);
  });

  /** Bytes of the heap in use, once garbage is collected. */
  function heapUsed(): number {
    collectGarbage();
    return process.memoryUsage().heapUsed;
  }

  test("share at most 4 KiB of text, so that one of them keeps no more [A02]", () => {
    const wire = Buffer.concat(Array.from({ length: 1800 }, () => frames[30]!));
    const kept: string[] = [];
    const before = heapUsed();
    for (let read = 0; read < 50; read++) {
      const decoder = new FrameDecoder();
      lend(decoder, wire);
      kept.push(readText(decoder));
      while (decoder.readHeader()) {
        decoder.readPayload();
        decoder.takeAscii();
      }
    }
    expect(heapUsed() - before).toBeLessThan((50 * wire.length) / 10);
    expect(kept).toEqual(Array.from({ length: 50 }, () => texts[30]));
  });
});

describe("decoders that are handed on", () => {
  test("a decoder given back is taken again, and at most 32 are kept [D08]", () => {
    const decoders = Array.from({ length: 40 }, () => takeDecoder());
    for (const decoder of decoders) expect(decoder.unread).toBe(0);
    expect(new Set(decoders).size).toBe(40);
    for (const decoder of decoders) giveDecoder(decoder);
    const again = Array.from({ length: 40 }, () => takeDecoder());
    expect(new Set(again).size).toBe(40);
    expect(again.filter((decoder) => decoders.includes(decoder))).toHaveLength(32);
  });
});
