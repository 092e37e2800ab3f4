/** The fuzzer finds what is wrong, makes it small, and tries the same inputs again for the same seed. */
import { describe, expect, it } from "vitest";
import { Fuzzer, minimise } from "../../fuzz/fuzzer.ts";
import type { Target } from "../../fuzz/target.ts";

function target(run: Target["run"]): Target {
  return { name: "trial", maxLength: 40, dictionary: ['"word"', "00 ff"], run };
}

const forever = Number.POSITIVE_INFINITY;

async function triedInputs(seed: number, runs: number): Promise<string[]> {
  const tried: string[] = [];
  const fuzzer = new Fuzzer(
    target((input) => {
      tried.push(Buffer.from(input).toString("hex"));
      return input.length;
    }),
    seed,
  );
  expect(await fuzzer.fuzz([Buffer.from("corpus")], { runs, until: forever })).toBeUndefined();
  expect([fuzzer.runs, fuzzer.outcomes]).toEqual([runs, new Set(tried.map(({ length }) => length)).size]);
  return tried;
}

describe("Fuzzer", () => {
  it("tries the corpus first, then changes of it, each time the same for a seed and within the length", async () => {
    const tried = await triedInputs(7, 3000);
    expect(tried[0]).toBe(Buffer.from("corpus").toString("hex"));
    expect(await triedInputs(7, 3000)).toEqual(tried);
    expect(await triedInputs(8, 3000)).not.toEqual(tried);
    expect(Math.max(...tried.map(({ length }) => length))).toBe(80);
    expect(new Set(tried).size).toBeGreaterThan(2000);
  });

  it("tells what was tried before it is tried", async () => {
    const told: Uint8Array[] = [];
    const fuzzer = new Fuzzer(
      target((input) => {
        expect(told.at(-1)).toBe(input);
        return 0;
      }),
      1,
      (input) => told.push(input),
    );
    expect(await fuzzer.fuzz([], { runs: 100, until: forever })).toBeUndefined();
    expect(told).toHaveLength(100);
  });

  it("stops when its time is over", async () => {
    const fuzzer = new Fuzzer(
      target(() => 0),
      1,
    );
    await fuzzer.fuzz([], { runs: forever, until: performance.now() });
    expect(fuzzer.runs).toBe(0);
  });

  it.each(["at once", "later"])("gets through three gates in a row by their outcomes, and fails %s", async (when) => {
    const gates = target((input) => {
      const text = Buffer.from(input).toString("latin1");
      if (text.startsWith("word\xff\0word!")) {
        if (when === "later") return Promise.reject(new Error("Through"));
        throw new Error("Through");
      }
      return ["word\xff\0word", "word\xff\0", "word\xff", "word"].findIndex((gate) => text.startsWith(gate));
    });
    const failure = await new Fuzzer(gates, 3).fuzz([], { runs: 2_000_000, until: forever });
    expect(failure?.error).toEqual(new Error("Through"));
    expect(Buffer.from(failure!.input).toString("latin1")).toMatch(/^word\xff\0word!/);
  });
});

describe("minimise", () => {
  it("takes out and makes zero all that the failure does not need", async () => {
    const picky = target((input) => {
      const at = input.indexOf(0x42);
      if (at >= 0 && input.length > at + 2) throw new Error(`At ${at}`);
      return 0;
    });
    const input = Buffer.from("some bytes, then B and a tail");
    const smallest = await minimise(picky, { input, error: new Error("First") });
    expect(Buffer.from(smallest.input)).toEqual(Buffer.of(0x42, 0, 0));
    expect(smallest.error).toEqual(new Error("At 0"));
  });
});
