/** Messages from parts: what comes out, what fails, and how much memory is taken and copied on the way. */
import { Buffer } from "node:buffer";
import { afterEach, describe, expect, test, vi } from "vitest";
import { MessageAssembler } from "../../../src/protocol/messages/message-assembler.ts";
import { StreamedMessage } from "../../../src/protocol/messages/streamed-message.ts";

const maxSize = 16 * 1024 * 1024;

afterEach(() => {
  vi.restoreAllMocks();
});

/** Notes the size of every buffer that is allocated from here on. */
function watchAllocations(): number[] {
  const sizes: number[] = [];
  const allocate = Buffer.allocUnsafeSlow;
  vi.spyOn(Buffer, "allocUnsafeSlow").mockImplementation((size) => {
    sizes.push(size);
    return allocate(size);
  });
  return sizes;
}

function addFragments(message: MessageAssembler, count: number, size: number): void {
  const chunk = Buffer.alloc(size, 0x61);
  for (let i = 0; i < count; i++) message.add(chunk, 0, size, 0);
  expect(message.length).toBe(count * size);
}

describe("what comes out", () => {
  test("the parts in order, from inside their chunks [R6455-5.4-3 R6455-5.4-5]", () => {
    const message = new MessageAssembler(false, false, maxSize);
    expect(message.add(Buffer.from("xxabcx"), 2, 5, 0)).toBeUndefined();
    expect(message.add(Buffer.from("never"), 3, 3, 0)).toBeUndefined();
    expect(message.add(Buffer.from("defg"), 0, 4, 0)).toBeUndefined();
    expect(message.length).toBe(7);
    expect(message.finish().toString()).toBe("abcdefg");
  });

  test("nothing from no parts [R6455-5.4-5]", () => {
    expect(new MessageAssembler(true, false, maxSize).finish()).toHaveLength(0);
  });

  test.each([1, 255, 256, 257, 1000, 65_536, 65_537, 200_000, 1_048_576, 1_048_577, 3_000_000])(
    "%i bytes in memory of exactly their size, with fragments and with one frame in parts [D10]",
    (size) => {
      const bytes = Buffer.from(Uint8Array.from({ length: size }, (_, i) => i * 13));
      for (const coming of [false, true]) {
        const message = new MessageAssembler(false, false, maxSize);
        for (let at = 0; at < size; at += 97) {
          const end = Math.min(at + 97, size);
          expect(message.add(bytes, at, end, coming ? size - end : 0)).toBeUndefined();
        }
        const payload = message.finish() as Buffer;
        expect(payload.equals(bytes)).toBe(true);
        expect(payload.buffer.byteLength).toBe(size);
      }
    },
  );
});

describe("text", () => {
  test("a character may be cut, and the text fails as soon as it cannot be UTF-8 [R6455-5.6-1 A10]", () => {
    const euro = Buffer.from("€");
    const message = new MessageAssembler(true, false, maxSize);
    expect(message.add(euro, 0, 1, 0)).toBeUndefined();
    expect(message.add(euro, 1, 3, 0)).toBeUndefined();
    expect(message.finish().toString()).toBe("€");
    const broken = new MessageAssembler(true, false, maxSize);
    expect(broken.add(euro, 0, 2, 5)).toBeUndefined();
    expect(broken.add(Buffer.from("a"), 0, 1, 4)).toBe("text-not-utf8");
  });

  test("what is not to be validated is put together as it came", () => {
    const message = new MessageAssembler(true, false, maxSize, { validates: false });
    expect(message.add(Uint8Array.of(0xff), 0, 1, 0)).toBeUndefined();
    expect(message.finish()).toEqual(Buffer.of(0xff));
  });

  test("a text that ends inside a character fails [R6455-8.1-1]", () => {
    const message = new MessageAssembler(true, false, maxSize);
    message.add(Buffer.from("€"), 0, 2, 0);
    expect(message.finish()).toBe("text-not-utf8");
  });

  test("compressed text and binary data are not judged [R7692-6.2-1]", () => {
    for (const [text, compressed] of [
      [true, true],
      [false, false],
    ] as const) {
      const message = new MessageAssembler(text, compressed, maxSize);
      expect(message.text).toBe(text);
      expect(message.compressed).toBe(compressed);
      expect(message.add(Buffer.from([0xff, 0xc3]), 0, 2, 0)).toBeUndefined();
      expect(message.finish()).toEqual(Buffer.from([0xff, 0xc3]));
    }
  });
});

test("a message in parts leaves its text to them [R6455-5.4-1]", () => {
  const parts = new StreamedMessage(true, false);
  const message = new MessageAssembler(true, false, maxSize, { parts });
  expect(message.parts).toBe(parts);
  expect(message.add(Buffer.from([0xff]), 0, 1, 0)).toBeUndefined();
});

describe("memory that is let go of", () => {
  /** Every buffer that is allocated from here on. */
  function watchBuffers(): Buffer[] {
    const buffers: Buffer[] = [];
    const allocate = Buffer.allocUnsafeSlow;
    vi.spyOn(Buffer, "allocUnsafeSlow").mockImplementation((size) => {
      const buffer = allocate(size);
      buffers.push(buffer);
      return buffer;
    });
    return buffers;
  }

  /** A text of which 70 000 bytes have come, in a frame of 100 000. */
  function begin(): MessageAssembler {
    const message = new MessageAssembler(true, false, maxSize);
    expect(message.add(Buffer.alloc(70_000, 0x61), 0, 70_000, 30_000)).toBeUndefined();
    return message;
  }

  test("discard frees it at once, and may be called twice [A02]", () => {
    const buffers = watchBuffers();
    const message = begin();
    expect(buffers.map(({ length }) => length)).toEqual([100_000]);
    message.discard();
    message.discard();
    expect(buffers.map(({ length }) => length)).toEqual([0]);
  });

  test("growing and finishing free what was copied, and a payload is the caller's [A02]", () => {
    const buffers = watchBuffers();
    const message = begin();
    message.add(Buffer.alloc(40_000, 0x62), 0, 40_000, 0);
    const payload = message.finish() as Buffer;
    expect(buffers.map(({ length }) => length)).toEqual([0, 0, 110_000]);
    expect(payload).toBe(buffers[2]);
    message.discard();
    expect(payload.equals(Buffer.from("a".repeat(70_000) + "b".repeat(40_000)))).toBe(true);
  });

  /** A frame of 4 MiB of which a quarter has come, so that there may be a buffer for all of it. */
  function whole(): MessageAssembler {
    const message = new MessageAssembler(false, false, maxSize);
    const chunk = Buffer.alloc(65_536);
    for (let i = 1; i <= 16; i++) message.add(chunk, 0, chunk.length, maxSize / 4 - i * chunk.length);
    return message;
  }

  test("a long frame has one buffer for all of it from a 32nd on, and that is its payload [A02]", () => {
    const buffers = watchBuffers();
    const message = new MessageAssembler(false, false, maxSize);
    const bytes = Buffer.from(Uint8Array.from({ length: maxSize }, (_, i) => i * 13));
    for (let at = 0; at < maxSize; at += 65_536) {
      message.add(bytes, at, at + 65_536, maxSize - at - 65_536);
      const whole = buffers.findIndex(({ length }) => length === maxSize);
      expect(
        whole === -1 ? at + 65_536 < maxSize / 16 : at + 65_536 >= maxSize / 32 && whole === buffers.length - 1,
      ).toBe(true);
    }
    const payload = message.finish() as Buffer;
    expect(payload).toBe(buffers.at(-1));
    expect(payload.equals(bytes)).toBe(true);
    expect(buffers.slice(0, -1).every(({ length }) => length === 0)).toBe(true);
  });

  test("fragments behind a long frame follow in segments", () => {
    const message = new MessageAssembler(false, false, 2 * maxSize);
    const bytes = Buffer.from(Uint8Array.from({ length: 4_000_000 }, (_, i) => i * 13));
    for (let at = 0; at < 3_000_000; at += 60_000) message.add(bytes, at, at + 60_000, 3_000_000 - at - 60_000);
    for (let at = 3_000_000; at < 4_000_000; at += 50_000) message.add(bytes, at, at + 50_000, 0);
    expect((message.finish() as Buffer).equals(bytes)).toBe(true);
  });

  test.each(["discarded", "finished"])(
    "16 MiB are allotted to long messages at a time, and what is %s is given back [A02]",
    (way) => {
      const wholes = Array.from({ length: 4 }, whole);
      const buffers = watchBuffers();
      const late = whole();
      expect(buffers.length).toBeGreaterThan(3);
      expect(Math.max(...buffers.map(({ length }) => length))).toBe(262_144);
      const ofLate = [...buffers];
      for (const message of wholes) {
        if (way === "discarded") message.discard();
        else message.finish();
        message.discard();
      }
      late.discard();
      expect(ofLate.every(({ length }) => length === 0)).toBe(true);
      const again = Array.from({ length: 4 }, whole);
      expect(buffers.filter(({ length }) => length === maxSize / 4)).toHaveLength(4);
      for (const message of again) message.discard();
    },
  );

  test("a frame of which a 32nd comes at once has all of its memory at once, and a short message none ahead [A02]", () => {
    const buffers = watchBuffers();
    const long = new MessageAssembler(false, false, maxSize);
    long.add(Buffer.alloc(65_536), 0, 65_536, 32 * 65_536 - 65_536);
    expect(buffers.map(({ length }) => length)).toEqual([32 * 65_536]);
    expect(long.ahead).toBe(31 * 65_536);
    long.discard();
    const short = new MessageAssembler(false, false, maxSize);
    short.add(Buffer.alloc(65_536), 0, 65_536, 65_536);
    expect(short.ahead).toBe(0);
    short.discard();
  });

  test("segments count, too, and what may be allotted can be another number [A02]", () => {
    const segmented = new MessageAssembler(false, false, 2 * maxSize, { maxProcessAllotment: 0 });
    const chunk = Buffer.alloc(65_536);
    for (let at = 0; at < maxSize - 4 * chunk.length; at += chunk.length)
      segmented.add(chunk, 0, chunk.length, maxSize);
    expect(segmented.ahead).toBeLessThan(262_144);
    const buffers = watchBuffers();
    const late = whole();
    expect(Math.max(...buffers.map(({ length }) => length))).toBe(262_144);
    const more = new MessageAssembler(false, false, maxSize, { maxProcessAllotment: 2 * maxSize });
    for (let i = 1; i <= 16; i++) more.add(chunk, 0, chunk.length, maxSize / 4 - i * chunk.length);
    expect(buffers.at(-1)).toHaveLength(maxSize / 4);
    expect(more.ahead).toBe(maxSize / 4 - 16 * chunk.length);
    for (const message of [segmented, late, more]) {
      message.discard();
      expect(message.ahead).toBe(0);
    }
  });

  test.each([0, 1])(
    "a long message in fragments: all that is taken is freed and of one size, discarded or finished: %i [A02]",
    (way) => {
      const buffers = watchBuffers();
      const message = new MessageAssembler(false, false, maxSize);
      const chunk = Buffer.alloc(100_000, 0x61);
      message.add(Buffer.alloc(1_048_576), 0, 1_048_576, 0);
      for (let i = 0; i < 20; i++) message.add(chunk, 0, chunk.length, 0);
      expect(new Set(buffers.slice(1).map(({ length }) => length))).toEqual(new Set([262_144]));
      if (way === 0) message.discard();
      else expect(message.finish()).toHaveLength(3_048_576);
      expect(buffers.map(({ length }) => length).filter((length) => length > 0)).toEqual(way === 0 ? [] : [3_048_576]);
    },
  );

  test("a text that breaks off is freed [A02]", () => {
    const buffers = watchBuffers();
    const message = begin();
    message.add(Buffer.from([0xc3]), 0, 1, 0);
    expect(message.finish()).toBe("text-not-utf8");
    expect(buffers.map(({ length }) => length)).toEqual([0]);
  });
});

describe("limits", () => {
  test("empty fragments are counted in a row, and a byte starts the count anew [A07]", () => {
    const message = new MessageAssembler(false, false, maxSize);
    for (let round = 0; round < 2; round++) {
      for (let i = 0; i < 3; i++) expect(message.addEmptyFragment(3)).toBeUndefined();
      message.add(Buffer.from("a"), 0, 1, 0);
    }
    for (let i = 0; i < 3; i++) expect(message.addEmptyFragment(3)).toBeUndefined();
    expect(message.addEmptyFragment(3)).toBe("too-many-empty-fragments");
  });

  test("of what is announced, a frame of up to 1 MiB takes 32 times what was received, then all [A01]", () => {
    const sizes = watchAllocations();
    const message = new MessageAssembler(false, false, maxSize);
    const chunk = Buffer.alloc(1000);
    for (let received = 1000; received <= 1_000_000; received += 1000) {
      message.add(chunk, 0, chunk.length, 1_048_000 - received);
    }
    expect(sizes).toEqual([65_536, 1_048_000]);
  });

  test("a huge announced frame takes 64 KiB, then at most 32 times what was received [A01]", () => {
    const sizes = watchAllocations();
    const message = new MessageAssembler(false, false, maxSize);
    const chunk = Buffer.alloc(1000);
    for (let received = 1000; received <= 2_000_000; received += 1000) {
      message.add(chunk, 0, chunk.length, maxSize - received);
      expect(Math.max(...sizes)).toBeLessThanOrEqual(Math.max(65_536, 32 * received));
    }
    expect(sizes.slice(0, 3)).toEqual([65_536, 262_144, 262_144]);
    expect(sizes.length).toBeLessThan(10);
  });

  test("counts what is handed on, and keeps none of it [A11]", () => {
    const message = new MessageAssembler(false, false, maxSize);
    expect(message.handedOn).toBe(0);
    for (const length of [5, 0, 3]) message.handOn(length);
    expect([message.handedOn, message.length]).toEqual([8, 0]);
  });

  test("a part that carries nothing does not end the row, and handOn with a length does [A07]", () => {
    const message = new MessageAssembler(false, false, maxSize);
    expect(message.addEmptyFragment(1)).toBeUndefined();
    message.add(Buffer.from("a"), 1, 1, 0);
    message.handOn(0);
    expect(message.addEmptyFragment(1)).toBe("too-many-empty-fragments");
    message.handOn(1);
    expect(message.addEmptyFragment(1)).toBeUndefined();
  });

  test("a frame that comes in parts, and fills its buffer exactly, is copied once [A08]", () => {
    const sizes = watchAllocations();
    const message = new MessageAssembler(false, false, maxSize);
    const bytes = Buffer.from("0123456789");
    message.add(bytes, 0, 5, 5);
    message.add(bytes, 5, 10, 0);
    expect(message.finish()).toEqual(bytes);
    expect(sizes).toEqual([10]);
  });

  test("fragments never take more than the limit, and small ones take little [A07]", () => {
    const sizes = watchAllocations();
    const small = new MessageAssembler(false, false, maxSize);
    addFragments(small, 100, 1);
    expect(Math.max(...sizes)).toBe(256);
    const full = new MessageAssembler(false, false, 100_000);
    addFragments(full, 100, 1000);
    expect(Math.max(...sizes)).toBe(100_000);
  });

  test("twice as many fragments copy at most 2.1 times the bytes [A08]", () => {
    const copied = [50_000, 100_000].map((count) => {
      const sizes = watchAllocations();
      addFragments(new MessageAssembler(false, false, maxSize), count, 1);
      vi.restoreAllMocks();
      return sizes.reduce((sum, size) => sum + size, count);
    });
    expect(copied[1]! / copied[0]!).toBeLessThanOrEqual(2.1);
  });
});
