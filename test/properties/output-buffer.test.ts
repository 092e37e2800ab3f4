/** Output buffers that share one pool of slabs, against a model: bytes come out in order and stay until they have left. */
import { Buffer } from "node:buffer";
import fc from "fast-check";
import { expect, test } from "vitest";
import { OutputBuffer, slabSize } from "../../src/protocol/frames/output-buffer.ts";

/** One output with what the model knows of it: what is gathered, what was taken, and what left later than it was taken. */
class Modelled {
  readonly output = new OutputBuffer();
  gathered: Buffer[] = [];
  taken: { pieces: Uint8Array[]; wanted: Buffer }[] = [];
  readonly late: { pieces: Uint8Array[]; wanted: Buffer }[] = [];

  put(bytes: Buffer): void {
    const at = this.output.reserve(bytes.length);
    this.output.slab.set(bytes, at);
    this.output.position = at + bytes.length;
    this.gathered.push(bytes);
  }

  append(bytes: Buffer): void {
    this.output.append(bytes);
    this.gathered.push(bytes);
  }

  take(): void {
    this.taken.push({ pieces: this.output.take(), wanted: Buffer.concat(this.gathered) });
    this.gathered = [];
  }

  say(left: boolean): void {
    if (left) this.verify(this.taken);
    else this.late.push(...this.taken);
    this.taken = [];
    this.output.taken(left);
  }

  clear(): void {
    this.output.clear();
    this.gathered = [];
  }

  verify(all: readonly { pieces: Uint8Array[]; wanted: Buffer }[]): void {
    for (const { pieces, wanted } of all) expect(Buffer.concat(pieces).equals(wanted)).toBe(true);
  }
}

test("D12 D10 bytes taken never change before they are said to have left, whatever others do with the pool", () => {
  const size = fc.oneof(
    fc.integer({ min: 1, max: 300 }),
    fc.integer({ min: 15_000, max: slabSize }),
    fc.constant(slabSize),
  );
  const act = fc.oneof(
    { weight: 6, arbitrary: fc.record({ do: fc.constant("put" as const), size }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("append" as const), size }) },
    { weight: 4, arbitrary: fc.record({ do: fc.constant("take" as const) }) },
    { weight: 4, arbitrary: fc.record({ do: fc.constant("say" as const), left: fc.boolean() }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("clear" as const) }) },
  );
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat({ max: 2 }), act), { maxLength: 60 }), (acts) => {
      const all = [new Modelled(), new Modelled(), new Modelled()];
      let fill = 0;
      for (const [which, action] of acts) {
        const one = all[which]!;
        if (action.do === "put") one.put(Buffer.alloc(action.size, ++fill));
        else if (action.do === "append") one.append(Buffer.alloc(action.size, ++fill));
        else if (action.do === "take") one.take();
        else if (action.do === "say") one.say(action.left);
        else one.clear();
        expect(one.output.length).toBe(one.gathered.reduce((sum, bytes) => sum + bytes.length, 0));
      }
      for (const one of all) {
        one.take();
        one.verify(one.taken);
        one.verify(one.late);
      }
    }),
    { numRuns: 300 },
  );
});
