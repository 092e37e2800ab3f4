/** Short messages without zlib, against zlib, against the tests' own inflater, and against data that no compressor makes. */
import { constants, deflateRawSync, inflateRawSync } from "node:zlib";
import fc from "fast-check";
import { afterEach, describe, expect, test, vi } from "vitest";
import { inflateAsync } from "../../../src/connection/compression/zlib-one-shot.ts";
import * as native from "../../../src/protocol/deflate/short-messages.ts";
import { copyFrom, json, noise, samples } from "../../support/deflate-samples.ts";
import { DeflateWriter } from "../../support/deflate-writer.ts";
import { referenceInflate } from "../../support/reference-inflate.ts";
import { withoutNatives } from "../../support/without-natives.ts";

const { deflateShort, inflateShort, longestShort } = native;
const portable = await withoutNatives(() => import("../../../src/protocol/deflate/short-messages.ts"));
const noLimit = Number.POSITIVE_INFINITY;
const tail = Uint8Array.of(0x00, 0x00, 0xff, 0xff);

afterEach(() => {
  vi.unstubAllGlobals();
  vi.resetModules();
});

function allocate(length: number): Uint8Array {
  return new Uint8Array(length);
}

function deflate(message: string | Uint8Array, bits = 15): Uint8Array {
  return deflateShort(message, bits, allocate)!;
}

function inflate(payload: Uint8Array, limit = noLimit): Uint8Array | string {
  const outcome = inflateShort(payload, limit, false);
  if (typeof outcome === "object" && "text" in outcome) throw new Error("Got text that was not asked for");
  return outcome;
}

function hex(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, "hex"));
}

function bytes(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text));
}

/** Compares without the cost of a printed difference. */
function expectSame(actual: unknown, expected: Uint8Array): void {
  if (!(actual instanceof Uint8Array)) throw new Error(`Got ${actual} instead of ${expected.length} bytes`);
  if (Buffer.compare(actual, expected) !== 0) expect(actual).toEqual(expected);
}

function inflatedByZlib(payload: Uint8Array, windowBits = 15): Uint8Array {
  const whole = Buffer.concat([payload, tail]);
  return new Uint8Array(inflateRawSync(whole, { windowBits, finishFlush: constants.Z_SYNC_FLUSH }));
}

function ofZlib(message: Uint8Array, options: object = {}): Uint8Array {
  return deflateRawSync(message, { ...options, finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, -tail.length);
}

/** What zlib makes of a message, a final block within it included. */
function verdictOfZlib(payload: Uint8Array): Promise<Uint8Array | string> {
  return inflateAsync({ direction: "inflate", options: { windowBits: 15 } }, payload, new Uint8Array(0), noLimit);
}

/** Messages of many kinds, among them such as have codes of 15 bits and distances as far as there are. */
const anyMessage = fc.oneof(
  fc.uint8Array({ maxLength: 600, size: "max" }),
  fc.array(fc.constantFrom(...Object.values(samples)), { maxLength: 20 }).map(join),
  fc
    .tuple(fc.nat(200), fc.nat(15_000), fc.nat(300))
    .map(([seed, between, length]) => join([noise(300, seed), new Uint8Array(between), noise(length, seed)])),
  fc.array(fc.nat(40), { maxLength: 3000, size: "max" }).map((list) => Uint8Array.from(list, (n) => Math.clz32(n * n))),
);

function join(parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts)).subarray(0, longestShort);
}

/** Each symbol twice as often as the one before, so that codes get as long as they may. */
function doubling(symbols: number): Uint8Array {
  return join(Array.from({ length: symbols }, (_, symbol) => new Uint8Array(2 ** symbol).fill(symbol))).map(
    (_, index, all) => all[(index * 7919) % all.length]!,
  );
}

describe("compressing", () => {
  test("writes the standard's own example [R7692-7.2.3-1, R7692-7.2.1-1]", () => {
    expect(deflate("Hello")).toEqual(hex("f248cdc9c90700"));
  });

  test("takes the shortest of a fixed, an own and a stored block", () => {
    const types = { Hello: 1, [json(20).toString()]: 2 };
    for (const [message, type] of Object.entries(types)) expect((deflate(message)[0]! >> 1) & 3).toBe(type);
    const stored = deflate(noise(300, 1));
    expect(stored).toEqual(join([hex("002c01d3fe"), noise(300, 1), hex("00")]));
    expect(deflate(new Uint8Array(0))).toHaveLength(2);
  });

  test.each(Object.keys(samples))("what becomes of %s, zlib inflates", (name) => {
    for (let bits = 8; bits <= 15; bits++) expectSame(inflatedByZlib(deflate(samples[name]!, bits)), samples[name]!);
  });

  test("any message comes back by zlib, by the tests' inflater and by our own", () => {
    fc.assert(
      fc.property(anyMessage, fc.integer({ min: 8, max: 15 }), (message, bits) => {
        const payload = deflate(message, bits);
        expect(payload.length).toBeLessThanOrEqual(message.length + 6);
        expectSame(inflatedByZlib(payload, Math.max(9, bits)), message);
        expectSame(inflate(payload), message);
        if (message.length < 1000) expectSame(referenceInflate(payload)?.message, message);
      }),
      { numRuns: 400 },
    );
  });

  test("codes are never longer than 15 bits, nor those of their lengths than 7", () => {
    for (const symbols of [2, 8, 14]) {
      const message = doubling(symbols);
      expectSame(inflatedByZlib(deflate(message)), message);
    }
    // Fibonacci's numbers make the deepest tree.
    const counts = [1, 1];
    while (counts.length < 20) counts.push(counts.at(-1)! + counts.at(-2)!);
    const parts = counts.map((count, symbol) => new Uint8Array(Math.min(count, 4000)).fill(symbol * 3));
    const all = join(parts);
    const shuffled = all.map((_, index) => all[(index * 7919) % all.length]!);
    expectSame(inflatedByZlib(deflate(shuffled)), shuffled);
    expectSame(inflate(deflate(shuffled)), shuffled);
  });

  test.each([8, 9, 10, 11, 12, 13, 14])(
    "with a window of %i bits, goes back as far and no further [R7692-7.2.1-2, R7692-7.1-1]",
    (bits) => {
      const window = 2 ** bits;
      const once = noise(40, bits);
      for (const distance of [window - 1, window, window + 1, 2 * window]) {
        if (distance > longestShort - 40) continue;
        const message = join([once, new Uint8Array(distance - 40), once]);
        const { maxDistance } = referenceInflate(deflate(message, bits))!;
        expect(maxDistance === distance).toBe(distance <= window);
        expect(maxDistance).toBeLessThanOrEqual(window);
      }
    },
  );

  test("is about as short as zlib with the defaults, over texts and records", () => {
    let [ours, zlibs] = [0, 0];
    for (const records of [1, 3, 6, 10, 20, 80, 300]) {
      const messages = [
        json(records),
        bytes(Array.from({ length: records }, (_, n) => `line ${n * n}, ${n % 7}`).join("\n")),
      ];
      for (const message of messages) {
        const short = message.subarray(0, longestShort);
        ours += deflate(short, 12).length;
        zlibs += ofZlib(short, { level: 3, memLevel: 5, windowBits: 12 }).length;
      }
    }
    expect(ours).toBeLessThanOrEqual(zlibs * 1.02);
  });

  test("the same message gives the same bytes, whatever came before", async () => {
    vi.resetModules();
    const fresh = await import("../../../src/protocol/deflate/short-messages.ts");
    for (const message of Object.values(samples)) {
      inflate(deflate(json(300).subarray(0, longestShort)));
      deflate(noise(9000, 3));
      expectSame(deflate(message), fresh.deflateShort(message, 15, allocate)!);
    }
  });

  test("text is compressed as UTF-8, a lone surrogate as U+FFFD", () => {
    for (const text of ["", "ascii", "äöü", "世界 ".repeat(9), "😀", "\ufeffmark"]) {
      expectSame(inflatedByZlib(deflate(text)), bytes(text));
    }
    expectSame(inflatedByZlib(deflate("a\ud800b")), bytes("a\ufffdb"));
  });

  test("takes up to 16 KiB of UTF-8, and leaves longer messages alone", () => {
    const full = "世".repeat(5461);
    expectSame(inflatedByZlib(deflate(`${full}x`)), bytes(`${full}x`));
    for (const long of [`${full}xy`, "世".repeat(longestShort), "x".repeat(longestShort + 1), "x".repeat(100_000)]) {
      expect(deflateShort(long, 15, allocate)).toBeUndefined();
      expect(deflateShort(bytes(long), 15, allocate)).toBeUndefined();
    }
    expectSame(inflatedByZlib(deflate(noise(longestShort, 2))), noise(longestShort, 2));
  });

  test("writes to the memory that it is given, and what cannot be given is thrown", () => {
    const memory = new Uint8Array(100).fill(0xaa);
    const payload = deflateShort("Hello", 15, (length) => memory.subarray(10, 10 + length))!;
    expect(payload.buffer).toBe(memory.buffer);
    expect([memory[9], memory[17]]).toEqual([0xaa, 0xaa]);
    const none = () => {
      throw new RangeError("Array buffer allocation failed");
    };
    expect(() => deflateShort("Hello", 15, none)).toThrow(RangeError);
    expect(deflate("Hello")).toEqual(hex("f248cdc9c90700"));
  });

  test("takes bytes for what they are, not for what they say [D10]", () => {
    const message = bytes("Hello");
    Object.defineProperty(message, "length", { value: 90_000 });
    expect(deflate(message)).toEqual(hex("f248cdc9c90700"));
    expect(() => deflate({ length: 3 } as Uint8Array)).toThrow(TypeError);
  });
});

describe("inflating", () => {
  test.each([
    ["one block", "f248cdc9c90700", "Hello"],
    ["a stored block", "000500faff48656c6c6f00", "Hello"],
    ["a final block", "f348cdc9c9070000", "Hello"],
    ["two blocks", "f24805000000ffffcac9c90700", "Hello"],
    ["an empty message", "00", ""],
    ["an empty block that is the last, and not sent whole", "f248cdc9c90704", "Hello"],
    ["two final blocks and one that is not", "f348cdc9c90700f348cdc9c90700f248cdc9c90700", "HelloHelloHello"],
    ["a final block, and a copy of what was before it", "f348cdc9c90700f200110000", "HelloHello"],
  ])("%s [R7692-7.2.3-1, R7692-7.2.3.4-1, B06]", (_, payload, text) => {
    expectSame(inflate(hex(payload)), bytes(text));
  });

  test("what zlib makes with any level, window, strategy and memory", () => {
    const options = fc.record({
      level: fc.integer({ min: 0, max: 9 }),
      windowBits: fc.integer({ min: 9, max: 15 }),
      strategy: fc.integer({ min: 0, max: 4 }),
      memLevel: fc.integer({ min: 1, max: 9 }),
    });
    fc.assert(
      fc.property(anyMessage, options, (message, each) => {
        const payload = ofZlib(message, each);
        if (payload.length <= longestShort) expectSame(inflate(payload), message);
      }),
      { numRuns: 400 },
    );
  });

  test("distances and lengths of every symbol", () => {
    const first = noise(8192, 5);
    const whole = join([first, new Uint8Array(8000), first.subarray(0, 192)]);
    expectSame(inflate(ofZlib(whole)), whole);
    for (let length = 3; length <= 258; length++) {
      const message = join([noise(300, 4), noise(300, 4).subarray(0, length), noise(5, 6)]);
      expectSame(inflate(ofZlib(message, { level: 9 })), message);
      expectSame(inflate(deflate(message)), message);
    }
    for (const distance of [256, 512, 1024, 2048, 4096, 8192]) {
      const start = noise(distance, 7);
      const stored = ofZlib(start, { level: 0 });
      const payload = join([stored, tail, copyFrom(distance)]);
      expectSame(inflate(payload), join([start, start.subarray(0, 3)]));
    }
  });

  test("copies that run into what they write", () => {
    for (let distance = 1; distance <= 17; distance++) {
      const message = join(Array<Uint8Array>(30).fill(noise(distance, distance)));
      expectSame(inflate(ofZlib(message)), message);
      expectSame(inflate(deflate(message)), message);
    }
  });

  test("codes of 15 bits, of literals and of distances", () => {
    // Sixteen literals with codes of 1, 2, … 15, 15 bits, the end of the block among them.
    const literals = [...Array<number>(65).fill(0), 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
    const lengths = [...literals, ...Array<number>(256 - literals.length).fill(0), 15];
    const code = (symbol: number) => "1".repeat(symbol).padEnd(symbol + 1, "0");
    const letters = Array.from({ length: 14 }, (_, symbol) => code(symbol));
    const writer = new DeflateWriter().block(2).lengths(257, 1, [...lengths, 0]);
    const payload = writer.code(...letters, `${"1".repeat(14)}0`, "1".repeat(15)).end();
    expectSame(referenceInflate(payload)?.message, bytes("ABCDEFGHIJKLMNO"));
    expectSame(inflatedByZlib(payload), bytes("ABCDEFGHIJKLMNO"));
    expectSame(inflate(payload), bytes("ABCDEFGHIJKLMNO"));
    // "A", the end and length 3; distances with codes of 1, 2, … 15, 15 bits.
    const few = [...Array<number>(65).fill(0), 1, ...Array<number>(190).fill(0), 2, 2];
    const distances = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 15];
    const copies = new DeflateWriter().block(2).lengths(258, 16, [...few, ...distances]);
    copies.code("0".repeat(200)).code("11", "1".repeat(14), "1").number(0, 6).code("10");
    expectSame(inflatedByZlib(copies.end()), bytes("A".repeat(203)));
    expectSame(inflate(copies.bytes()), bytes("A".repeat(203)));
  });

  test("a code of one bit, and none, where the standard has them", () => {
    const literals = [...Array<number>(65).fill(0), 1, ...Array<number>(190).fill(0), 2, 2];
    const one = new DeflateWriter()
      .block(2)
      .lengths(258, 1, [...literals, 1])
      .code("0", "11", "0", "10")
      .end();
    expectSame(inflatedByZlib(one), bytes("AAAA"));
    expectSame(inflate(one), bytes("AAAA"));
    const none = new DeflateWriter()
      .block(2)
      .lengths(258, 1, [...literals, 0])
      .code("0", "0", "10")
      .end();
    expectSame(inflate(none), bytes("AA"));
    const nothing = new DeflateWriter()
      .block(2)
      .lengths(257, 1, [...Array<number>(256).fill(0), 1, 0])
      .code("0")
      .end();
    expectSame(inflatedByZlib(nothing), new Uint8Array(0));
    expectSame(inflate(nothing), new Uint8Array(0));
  });

  describe("what is broken is left to zlib, which refuses it, too [R7692-X-1, B06]", () => {
    const zeros = (count: number) => Array<number>(count).fill(0);
    const literals = [...zeros(65), 1, ...zeros(190), 2, 2];
    const header = (distances: readonly number[], lengths: readonly number[] = literals) =>
      new DeflateWriter().block(2).lengths(lengths.length, distances.length, [...lengths, ...distances]);
    const many = new DeflateWriter();
    for (let count = 0; count < 257; count++) many.block(1, true).code("0000000").align();

    test.each<[string, Uint8Array]>([
      ["a reserved block type", hex("07")],
      ["what follows a final block", hex("f348cdc9c907005a5a5a")],
      ["a final block and nothing behind it", hex("010000ffff")],
      ["stored lengths that differ", hex("000500faf048656c6c6f00")],
      ["a stored block that breaks off", hex("000500faff48656c6c")],
      ["a stored block whose length breaks off", hex("0005")],
      ["a stored block of which only the tail is missing", hex("00040000fbff")],
      ["the tail itself", hex("0000ffff")],
      ["the tail behind an empty block's type", hex("000000ffff")],
      ["a type that breaks off", new DeflateWriter().block(1).code("0000000").bytes().subarray(0, 1)],
      ["a reference to before the beginning", hex("f200110000")],
      ["a length that no symbol is for", new DeflateWriter().block(1).code("11000110").end()],
      ["the other one", new DeflateWriter().block(1).code("11000111").end()],
      ["a distance that no symbol is for", new DeflateWriter().block(1).code("00110000", "0000001", "11110").end()],
      ["the other one of these", new DeflateWriter().block(1).code("00110000", "0000001", "11111").end()],
      [
        "287 literals",
        header([1], [...literals, ...zeros(29)])
          .code("10")
          .end(),
      ],
      [
        "31 distances",
        header([1, ...zeros(30)])
          .code("10")
          .end(),
      ],
      [
        "no code for the end of the block",
        header([0], [...zeros(65), 1, ...zeros(190), 0, 1])
          .code("0")
          .end(),
      ],
      [
        "more literals than there are codes",
        header([1], [...zeros(65), 1, 1, ...zeros(189), 1])
          .code("0")
          .end(),
      ],
      [
        "codes of literals that no symbol is for",
        header([1], [...zeros(65), 2, ...zeros(190), 2])
          .code("00")
          .end(),
      ],
      ["more distances than there are codes", header([1, 1, 1]).code("10").end()],
      ["codes of distances that no symbol is for", header([2, 2]).code("10").end()],
      ["the code beside a distance's only one", header([1]).code("0", "11", "1", "10").end()],
      ["a distance where there is none", header([0]).code("0", "11", "0", "10").end()],
      [
        "the code beside the only one",
        header([0], [...zeros(256), 1])
          .code("1", "0")
          .end(),
      ],
      [
        "a repetition of nothing",
        new DeflateWriter()
          .block(2)
          .lengths(257, 1, [[16, 0]])
          .end(),
      ],
      [
        "a repetition beyond the last length",
        new DeflateWriter()
          .block(2)
          .lengths(257, 1, [...literals.slice(0, 257), [18, 0]])
          .end(),
      ],
      ["no code for the lengths", new DeflateWriter().block(2).number(0, 14).number(0, 12).number(0, 300).end()],
      ["one code for the lengths", new DeflateWriter().block(2).number(0, 14).number(1, 12).number(0, 300).end()],
      ["too many codes for the lengths", new DeflateWriter().block(2).number(0, 14).number(0o1111, 12).end()],
      ["257 final blocks", many.end()],
    ])("%s", async (_, payload) => {
      expect(await verdictOfZlib(payload)).toBe("invalid-deflate-data");
      expect(inflate(payload)).toBe("needs-zlib");
    });

    test("256 final blocks are not broken", async () => {
      const most = new DeflateWriter();
      for (let count = 0; count < 256; count++) most.block(1, true).code("0000000").align();
      const payload = most.end();
      expectSame(await verdictOfZlib(payload), new Uint8Array(0));
      expectSame(inflate(payload), new Uint8Array(0));
    });
  });

  test.each(Object.keys(samples))("refuses %s truncated at every byte [R7692-X-1, B06]", (name) => {
    for (const options of [{ level: 6 }, { level: 1 }, { strategy: constants.Z_FIXED }, { level: 0 }]) {
      const whole = ofZlib(samples[name]!, options);
      expectSame(inflate(whole), samples[name]!);
      for (let length = 1; length < whole.length; length++) {
        const payload = whole.subarray(0, length);
        // What is left may be a message in its own right: the first byte of a stored block is an empty message.
        const expected = referenceInflate(payload);
        if (expected === undefined) expect(inflate(payload)).toBe("needs-zlib");
        else expectSame(inflate(payload), expected.message);
      }
    }
  });

  test("bytes that zlib takes for a message, and no others", { tags: "slow" }, async () => {
    const seeds = Object.values(samples).flatMap((message) => [
      ofZlib(message),
      deflate(message),
      ofZlib(message, { level: 1 }),
    ]);
    for (let round = 0; round < 4000; round++) {
      const payload = new Uint8Array(seeds[round % seeds.length]!);
      const [change = 0, at = 0, value = 0] = noise(30, round).subarray(27);
      payload[(at * 3) % payload.length] =
        change & 1 ? value : payload[(at * 3) % payload.length]! ^ (1 << (value & 7));
      const verdict = await verdictOfZlib(payload);
      if (typeof verdict === "string") expect(inflate(payload)).toBe("needs-zlib");
      else expectSame(inflate(payload), verdict);
    }
  });

  test("the limit is inclusive, and nothing longer than it comes out [B01]", () => {
    for (const length of [1, 2, 3, 258, 1000, 65_535, 65_536]) {
      const payload = ofZlib(new Uint8Array(length));
      expectSame(inflate(payload, length), new Uint8Array(length));
      expect(inflate(payload, length - 1)).toBe("message-too-big");
    }
    expectSame(inflate(hex("00"), 0), new Uint8Array(0));
    expect(inflate(hex("f248cdc9c90700"), 4)).toBe("message-too-big");
  });

  test("what comes out longer than 64 KiB is left to zlib, by whichever kind of block [B01]", () => {
    const stored = (length: number) => ofZlib(new Uint8Array(length), { level: 0 });
    const run = ofZlib(new Uint8Array(60_000));
    for (const more of [5537, 5800, 9000]) {
      for (const rest of [ofZlib(noise(300, 1).map((byte) => byte & 1)), stored(more)]) {
        const payload = join([
          run,
          tail,
          ...Array<Uint8Array>(2).fill(join([rest, tail])),
          ofZlib(new Uint8Array(more)),
        ]);
        expect(inflate(payload)).toBe("needs-zlib");
      }
    }
    for (const length of [65_537, 65_538, 65_800, 66_000, 10_000_000]) {
      expect(inflate(ofZlib(new Uint8Array(length)))).toBe("needs-zlib");
    }
    // One literal more than fits, and a stored byte more.
    const full = join([ofZlib(new Uint8Array(65_536)), tail]);
    expect(inflate(join([full, hex("4a0400")]))).toBe("needs-zlib");
    expect(inflate(join([full, hex("000100feff4100")]))).toBe("needs-zlib");
    expectSame(inflate(join([full, hex("00")])), new Uint8Array(65_536));
  });

  test("payloads of more than 16 KiB are left to zlib", () => {
    expect(inflate(ofZlib(noise(longestShort, 1), { level: 0 }))).toBe("needs-zlib");
    const most = join([hex("00fa3f05c0"), noise(longestShort - 6, 1), hex("00")]);
    expect(most).toHaveLength(longestShort);
    expectSame(inflate(most), noise(longestShort - 6, 1));
  });

  test("what comes out lies in memory of its own, which no later message touches [D21]", () => {
    const first = inflate(deflate("the first message"));
    const second = inflate(deflate("another one, which is longer"));
    expectSame(first, bytes("the first message"));
    expectSame(second, bytes("another one, which is longer"));
    for (const outcome of [first, second] as Uint8Array[]) {
      expect(Object.getPrototypeOf(outcome)).toBe(Uint8Array.prototype);
      expect(outcome.buffer.byteLength).toBe(outcome.length);
    }
  });

  test("nothing of an earlier message comes out of a later one [D21]", () => {
    const secret = bytes("secret ".repeat(2000));
    for (const payload of [hex("f200110000"), hex("000500faff48656c"), copyFrom(256), hex("f248cd")]) {
      expectSame(inflate(deflate(secret)), secret);
      expect(inflate(payload)).toBe("needs-zlib");
      deflate(secret);
      expect(Buffer.from(deflate("sec")).includes("ret")).toBe(false);
      expectSame(inflate(deflate("sec")), bytes("sec"));
    }
  });
});

describe.each([
  ["with Node's functions", native],
  ["without", portable],
])("text, %s", (_, short) => {
  const decoded = (message: Uint8Array) => short.inflateShort(ofZlib(message), noLimit, true);

  test("is decoded where it was inflated, a byte order mark kept", () => {
    for (const text of ["", "ascii", "äöü", "世界 ".repeat(9), "😀", "\ufeffmark", "\ufffd", "x".repeat(60_000)]) {
      expect(decoded(bytes(text))).toEqual({ text });
      expectSame(short.inflateShort(ofZlib(bytes(text)), noLimit, false), bytes(text));
      const ours = short.deflateShort(text, 15, allocate);
      if (ours !== undefined) expect(short.inflateShort(ours, noLimit, true)).toEqual({ text });
    }
  });

  test("that is not UTF-8 comes as bytes [R6455-8.1-1]", () => {
    for (const broken of ["ff", "c3", "616263eda08064", "f4908080", "efbfbdff"]) {
      expectSame(decoded(hex(broken)), hex(broken));
    }
  });

  test("that is stored is looked at, too", () => {
    for (const text of ["ascii", "ä"]) {
      expect(short.inflateShort(ofZlib(bytes(text), { level: 0 }), noLimit, true)).toEqual({ text });
    }
  });

  test("beyond the limit is refused", () => {
    expect(short.inflateShort(ofZlib(bytes("äöü")), 5, true)).toBe("message-too-big");
    expect(short.inflateShort(ofZlib(bytes("äöü")), 6, true)).toEqual({ text: "äöü" });
  });
});

describe("without WebAssembly", () => {
  test("all is left to the caller", async () => {
    expect(native.canDeflateShort()).toBe(true);
    vi.stubGlobal("WebAssembly", undefined);
    vi.resetModules();
    const without = await import("../../../src/protocol/deflate/short-messages.ts");
    expect(without.canDeflateShort()).toBe(false);
    expect(without.deflateShort("Hello", 15, allocate)).toBeUndefined();
    expect(without.inflateShort(hex("f248cdc9c90700"), noLimit, true)).toBe("needs-zlib");
  });
});
