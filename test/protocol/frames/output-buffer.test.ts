/** Output gathered and taken: the bytes stay in order, and stay what they are until they have left. */
import { Buffer } from "node:buffer";
import { describe, expect, test } from "vitest";
import { giveOutput, OutputBuffer, slabSize, takeOutput } from "../../../src/protocol/frames/output-buffer.ts";

function put(output: OutputBuffer, text: string, exact = false): void {
  const at = output.reserve(text.length, exact);
  output.slab.set(Buffer.from(text, "latin1"), at);
  output.position = at + text.length;
}

function join(pieces: readonly Uint8Array[]): string {
  return Buffer.concat(pieces).toString("latin1");
}

/** Has other connections write over every slab that is in the pool. */
function scribble(): void {
  const others = Array.from({ length: 40 }, () => new OutputBuffer());
  for (const other of others) put(other, "!".repeat(slabSize));
  for (const other of others) other.clear();
}

describe("gathering", () => {
  test("keeps the order of small and of long output, and counts it [R6455-5.4-3]", () => {
    const output = new OutputBuffer();
    expect(output.length).toBe(0);
    expect(output.take()).toEqual([]);
    put(output, "a");
    put(output, "b");
    const long = Buffer.from("LONG");
    output.append(long);
    put(output, "c");
    expect(output.length).toBe(7);
    const pieces = output.take();
    expect(join(pieces)).toBe("abLONGc");
    expect(pieces[1]).toBe(long);
    expect(output.length).toBe(0);
    output.taken(true);
    expect(output.take()).toEqual([]);
  });

  test("a burst leaves in one piece, and a slab that is full is followed by another", () => {
    const output = new OutputBuffer();
    for (let i = 0; i < 100; i++) put(output, "x");
    expect(output.take()).toHaveLength(1);
    output.taken(true);
    put(output, "x".repeat(slabSize - 10));
    put(output, "y".repeat(10));
    expect(output.take()).toHaveLength(1);
    output.taken(true);
    for (const letter of "abc") put(output, letter.repeat(slabSize - 10));
    expect(output.length).toBe(3 * (slabSize - 10));
    const pieces = output.take();
    expect(pieces).toHaveLength(3);
    expect(join(pieces)).toBe([..."abc"].map((letter) => letter.repeat(slabSize - 10)).join(""));
    output.taken(true);
  });

  test("counts what others hold as well, until it is taken or forgotten", () => {
    const output = new OutputBuffer();
    put(output, "own");
    output.append(Buffer.from("own too"));
    output.append(Buffer.from("shared"), true);
    output.append(Buffer.from("and"), true);
    expect([output.length, output.sharedLength]).toEqual([19, 9]);
    output.take();
    expect(output.sharedLength).toBe(0);
    output.append(Buffer.from("meanwhile"), true);
    output.taken(false);
    expect(output.sharedLength).toBe(9);
    output.clear();
    expect(output.sharedLength).toBe(0);
  });

  test("counts the messages until they are taken or forgotten", () => {
    const output = new OutputBuffer();
    put(output, "one");
    output.messages++;
    output.append(Buffer.from("two and three"));
    output.messages += 2;
    expect(output.messages).toBe(3);
    output.take();
    output.taken(false);
    expect(output.messages).toBe(0);
    output.messages++;
    output.clear();
    expect(output.messages).toBe(0);
  });

  test("clear forgets all of it", () => {
    const output = new OutputBuffer();
    put(output, "gone");
    output.append(Buffer.from("gone too"));
    put(output, "and this");
    output.clear();
    expect(output.length).toBe(0);
    expect(output.take()).toEqual([]);
    put(output, "new");
    expect(join(output.take())).toBe("new");
  });
});

describe("buffers that are handed on", () => {
  test("a buffer given back is taken again, and at most 32 are kept [D08]", () => {
    const outputs = Array.from({ length: 40 }, () => takeOutput());
    for (const output of outputs) expect(output.asNew).toBe(true);
    expect(new Set(outputs).size).toBe(40);
    for (const output of outputs) giveOutput(output);
    const again = Array.from({ length: 40 }, () => takeOutput());
    expect(new Set(again).size).toBe(40);
    expect(again.filter((output) => outputs.includes(output))).toHaveLength(32);
  });

  test("only one that holds nothing, and whose transport took all at once, is as new [D12]", () => {
    const output = new OutputBuffer();
    const states: boolean[] = [];
    const note = (): void => void states.push(output.asNew);
    output.take();
    note();
    put(output, "x");
    note();
    output.take();
    note();
    output.taken(true);
    note();
    output.append(Buffer.from("long"));
    note();
    output.take();
    note();
    output.taken(false);
    note();
    put(output, "y");
    output.take();
    output.taken(true);
    note();
    output.reserve(1);
    note();
    expect(states).toEqual([true, false, false, true, false, false, false, true, false]);
  });
});

describe("memory", () => {
  test("output that has left gives its slab back, and an idle connection holds none [D08 G35]", () => {
    const output = new OutputBuffer();
    put(output, "x");
    const slab = output.slab;
    output.take();
    output.taken(true);
    expect(output.slab).toHaveLength(0);
    const next = new OutputBuffer();
    put(next, "y");
    expect(next.slab).toBe(slab);
    next.clear();
  });

  test("the pool keeps at most 32 slabs [D08]", () => {
    scribble();
    const slabs = new Set<ArrayBufferLike>();
    const outputs = Array.from({ length: 40 }, () => new OutputBuffer());
    for (const output of outputs) {
      put(output, "x");
      slabs.add(output.slab.buffer);
    }
    expect(slabs.size).toBe(40);
    for (const output of outputs) output.clear();
    const again = Array.from({ length: 40 }, () => new OutputBuffer());
    for (const output of again) put(output, "y");
    expect(again.filter((output) => slabs.has(output.slab.buffer))).toHaveLength(32);
    for (const output of again) output.clear();
  });

  /** Fills this many slabs, and returns the output and them. */
  function fill(count: number): { output: OutputBuffer; slabs: Uint8Array[] } {
    const output = new OutputBuffer();
    const slabs: Uint8Array[] = [];
    for (let i = 0; i < count; i++) {
      put(output, "z".repeat(slabSize));
      slabs.push(output.slab);
    }
    expect(new Set(slabs).size).toBe(count);
    return { output, slabs };
  }

  test("all the slabs of one connection go back to the pool, and no more than it keeps [D08]", () => {
    const three = fill(3);
    three.output.take();
    three.output.taken(true);
    expect(new Set(fill(3).slabs)).toEqual(new Set(three.slabs));
    const many = fill(40);
    many.output.clear();
    const again = fill(40);
    expect(again.slabs.filter((slab) => many.slabs.includes(slab))).toHaveLength(32);
    const others = fill(40);
    others.output.clear();
    again.output.clear();
    expect(fill(40).slabs.filter((slab) => again.slabs.includes(slab))).toHaveLength(0);
  });

  test("what was taken and has not left keeps its bytes while others write [D12]", () => {
    const output = new OutputBuffer();
    put(output, "a".repeat(slabSize));
    put(output, "b".repeat(100));
    const first = output.take();
    output.taken(false);
    put(output, "second");
    const second = output.take();
    output.taken(false);
    put(output, "c".repeat(slabSize / 2));
    const third = output.take();
    output.taken(false);
    put(output, "d");
    output.append(Buffer.from("D"));
    const fourth = output.take();
    output.taken(false);
    scribble();
    expect(join(first)).toBe("a".repeat(slabSize) + "b".repeat(100));
    expect(join(second)).toBe("second");
    expect(join(third)).toBe("c".repeat(slabSize / 2));
    expect(join(fourth)).toBe("dD");
  });

  test("small output of a stalled transport is copied out of its slab [D08]", () => {
    const output = new OutputBuffer();
    put(output, "x");
    output.take();
    output.taken(false);
    put(output, "small");
    const slab = output.slab;
    const [piece] = output.take();
    expect(piece!.buffer).not.toBe(slab.buffer);
    expect(output.slab).toHaveLength(0);
    output.taken(true);
    put(output, "next");
    expect(output.take()[0]!.buffer).toBe(output.slab.buffer);
    output.taken(true);
  });

  test("so is that of one of which it is known beforehand that it takes nothing at once [D08]", () => {
    const output = new OutputBuffer();
    put(output, "small");
    const { slab } = output;
    const [piece] = output.take(false, true);
    expect([join([piece!]), piece!.buffer === slab.buffer]).toEqual(["small", false]);
    const other = new OutputBuffer();
    put(other, "other");
    expect(other.slab).toBe(slab);
    other.clear();
  });

  test("long output of a stalled transport is not copied, nor what is not in a slab, and none is none [D08]", () => {
    const output = new OutputBuffer();
    for (const [length, copied] of [
      [slabSize / 4 - 1, true],
      [slabSize / 4, false],
    ] as const) {
      put(output, "x");
      output.take();
      output.taken(false);
      put(output, "y".repeat(length));
      const { slab } = output;
      expect(output.take()[0]!.buffer === slab.buffer).toBe(!copied);
    }
    output.taken(false);
    const long = Buffer.from("long");
    output.append(long);
    expect(output.take()[0]).toBe(long);
    output.taken(false);
    expect(output.take()).toEqual([]);
  });

  /** An output whose transport did not take all at once. */
  function waiting(): OutputBuffer {
    const output = new OutputBuffer();
    put(output, "x");
    output.take();
    output.taken(false);
    return output;
  }

  test.each([
    [4096, true, true],
    [4095, true, false],
    [4096, false, false],
  ])(
    "of %i bytes whose length is exact, %s, a stalled transport's have a slab of their own: %s [D08]",
    (length, exact, own) => {
      const output = waiting();
      put(output, "y".repeat(length), exact);
      const { slab } = output;
      expect(slab).toHaveLength(own ? 4096 : slabSize);
      const [piece] = output.take();
      expect(piece!.buffer === slab.buffer).toBe(own);
      expect(join([piece!])).toBe("y".repeat(length));
    },
  );

  test("where all left at once there is no such slab, nor behind a long frame, and no pool keeps one [D08]", () => {
    const output = new OutputBuffer();
    put(output, "y".repeat(4096), true);
    expect(output.slab).toHaveLength(slabSize);
    output.clear();
    for (const end of ["", "z"]) {
      const stalled = waiting();
      put(stalled, "y".repeat(4096), true);
      put(stalled, end);
      expect(join(stalled.take())).toBe(`${"y".repeat(4096)}${end}`);
      stalled.taken(true);
      const others = Array.from({ length: 40 }, () => new OutputBuffer());
      for (const other of others) put(other, "other");
      expect(others.every(({ slab }) => slab.length === slabSize)).toBe(true);
      for (const other of others) other.clear();
    }
  });

  test("clear while a write is under way leaves the bytes of the write alone [D12]", () => {
    const output = new OutputBuffer();
    put(output, "f".repeat(slabSize));
    put(output, "in flight");
    const pieces = output.take();
    put(output, "not taken");
    output.clear();
    scribble();
    expect(join(pieces)).toBe(`${"f".repeat(slabSize)}in flight`);
    output.taken(true);
    put(output, "after");
    expect(join(output.take())).toBe("after");
  });

  test.each([true, false])("what a transport causes while it is written to is kept, left: %s [D12]", (left) => {
    const output = new OutputBuffer();
    put(output, "question");
    const question = output.take();
    put(output, "ans");
    output.append(Buffer.from("w"));
    put(output, "er");
    output.taken(left);
    if (!left) {
      scribble();
      expect(join(question)).toBe("question");
    }
    expect(output.length).toBe(6);
    put(output, "!");
    const answer = output.take();
    output.taken(false);
    scribble();
    expect(join(answer)).toBe("answer!");
  });

  test("memory of a caller is taken as it is, or copied where that is asked for [D22]", () => {
    const payload = Buffer.from("the caller's");
    for (const copied of [false, true]) {
      const output = new OutputBuffer();
      put(output, "head");
      output.refer(payload);
      expect(output.refers).toBe(true);
      const pieces = output.take(copied);
      expect([pieces[1] === payload, join(pieces), output.refers]).toEqual([!copied, "headthe caller's", false]);
      output.taken(true);
    }
  });

  test("nothing is taken when a caller has given his memory away [D22]", () => {
    const output = new OutputBuffer();
    const payload = new Uint8Array(8);
    put(output, "head");
    output.refer(payload);
    structuredClone(payload, { transfer: [payload.buffer] });
    expect(() => output.take()).toThrow("given away or made shorter");
    output.clear();
    expect([output.length, output.refers]).toEqual([0, false]);
  });
});

describe("slabs of what waits, where they come back", () => {
  const length = 5000;

  /** An output that has waited once, so that what is long has a slab of its own. */
  function slow(): OutputBuffer {
    const output = new OutputBuffer();
    put(output, "x");
    output.take();
    output.taken(false);
    return output;
  }

  /** Puts a frame that has a slab of its own, and returns the slab. */
  function putLong(output: OutputBuffer, letter: string): Uint8Array {
    put(output, letter.repeat(length), true);
    return output.slab;
  }

  /** Has others write over every slab of that length that may be used again; returns the slabs. */
  function scribbleLong(): Uint8Array[] {
    return Array.from({ length: 500 }, () => putLong(slow(), "!"));
  }

  test("each is used again when all has left, and not before [D12]", () => {
    scribbleLong();
    const output = slow();
    const slab = putLong(output, "a");
    const pieces = output.take();
    output.taken(false, true);
    expect(output.lends).toBe(true);
    scribbleLong();
    expect(join(pieces)).toBe("a".repeat(length));
    output.left();
    expect(output.lends).toBe(false);
    expect(scribbleLong()).toContain(slab);
    // The control: what is given back too soon is written over.
    expect(join(pieces)).toBe("!".repeat(length));
  });

  test("a common one comes back, too, and full ones before it", () => {
    scribble();
    const output = slow();
    put(output, "a".repeat(slabSize));
    const slabs = [output.slab];
    put(output, "b".repeat(slabSize / 2));
    slabs.push(output.slab);
    output.take();
    output.taken(false, true);
    output.left();
    const others = Array.from({ length: 40 }, () => new OutputBuffer());
    for (const other of others) put(other, "other");
    expect(others.filter(({ slab }) => slabs.includes(slab))).toHaveLength(2);
    for (const other of others) other.clear();
  });

  test("one that holds what was gathered meanwhile does not come back [D12]", () => {
    const output = slow();
    put(output, "question".repeat(slabSize / 16));
    output.take();
    put(output, "answer");
    output.taken(false, true);
    expect(output.lends).toBe(false);
    output.left();
    scribble();
    expect(join(output.take())).toBe("answer");
  });

  test("small output lends none, nor does what is never given back, and none that waits goes to another", () => {
    for (const [text, comesBack] of [
      ["small", true],
      ["y".repeat(slabSize / 2), false],
    ] as const) {
      const output = slow();
      put(output, text);
      output.take();
      output.taken(false, comesBack);
      expect([output.lends, output.asNew]).toEqual([false, false]);
    }
    const output = slow();
    putLong(output, "a");
    output.take();
    output.taken(false, true);
    put(output, "b");
    output.take();
    output.taken(true);
    expect([output.lends, output.asNew]).toEqual([true, false]);
    output.left();
    expect(output.asNew).toBe(true);
  });

  test("an output whose transport is never empty lends four at most [D08]", () => {
    scribbleLong();
    const output = slow();
    const slabs = Array.from({ length: 10 }, () => {
      const slab = putLong(output, "a");
      output.take();
      output.taken(false, true);
      return slab;
    });
    output.left();
    expect(scribbleLong().filter((slab) => slabs.includes(slab))).toHaveLength(4);
  });

  test("2 MiB of them are kept at most, and lengths that are used no more make room [D08]", () => {
    const lend = (size: number, count: number): Uint8Array[] => {
      const outputs = Array.from({ length: count }, slow);
      const slabs = outputs.map((output) => {
        put(output, "z".repeat(size), true);
        const { slab } = output;
        output.take();
        output.taken(false, true);
        return slab;
      });
      for (const output of outputs) output.left();
      return slabs;
    };
    const kept = (size: number, of: Uint8Array[]): number => {
      const taken = Array.from({ length: of.length }, () => {
        const output = slow();
        put(output, "y".repeat(size), true);
        return output.slab;
      });
      return taken.filter((slab) => of.includes(slab)).length;
    };
    scribbleLong();
    const many = lend(32 * 1024, 100);
    const again = kept(32 * 1024, many);
    expect(again).toBeGreaterThan(0);
    expect(again).toBeLessThanOrEqual(64);
    lend(32 * 1024, 64);
    const others = lend(48 * 1024, 10);
    expect(kept(48 * 1024, others)).toBe(10);
  });
});
