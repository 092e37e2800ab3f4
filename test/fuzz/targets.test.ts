/** Every target holds for its corpus, says what must hold, and is seen to fail over a parser that is wrong. */
import { readdirSync, readFileSync } from "node:fs";
import { afterEach, describe, expect, it, vi } from "vitest";
import { Fuzzer } from "../../fuzz/fuzzer.ts";
import { parseCorpus } from "../../fuzz/notation.ts";
import { targets } from "../../fuzz/targets/index.ts";
import type * as CloseCodes from "../../src/protocol/close-payload.ts";
import type * as FrameRules from "../../src/protocol/frames/frame-rules.ts";
import type * as HeaderFields from "../../src/protocol/handshake/header-fields.ts";

const folder = new URL("../../fuzz/", import.meta.url);

function corpusOf(name: string): Buffer[] {
  return parseCorpus(readFileSync(new URL(`corpus/${name}.txt`, folder), "utf8"));
}

describe.each(targets.map((target) => [target.name, target] as const))("%s", (name, target) => {
  it("holds for its corpus, with many kinds of outcome, and for 500 changes of it", async () => {
    const corpus = corpusOf(name);
    const fuzzer = new Fuzzer(target, 1);
    const until = Number.POSITIVE_INFINITY;
    expect(await fuzzer.fuzz(corpus, { runs: corpus.length + 500, until })).toBeUndefined();
    expect(fuzzer.outcomes).toBeGreaterThanOrEqual(8);
    for (const input of corpus) expect(input.length).toBeLessThanOrEqual(target.maxLength);
  });
});

it("every corpus belongs to a target, and every target says its invariant first", () => {
  const files = readdirSync(new URL("corpus/", folder));
  expect(files.sort()).toEqual(targets.map(({ name }) => `${name}.txt`).sort());
  for (const file of readdirSync(new URL("targets/", folder))) {
    if (/^(index|head|frame-model)\.ts$/.test(file)) continue;
    expect(readFileSync(new URL(`targets/${file}`, folder), "utf8")).toMatch(/^\/\*\*\n \* Invariant: /);
  }
});

/** Each with one rule forgotten; the targets are loaded anew on top of it. */
describe("over a parser that is wrong", () => {
  afterEach(() => {
    vi.doUnmock("../../src/protocol/frames/frame-rules.ts");
    vi.doUnmock("../../src/protocol/close-payload.ts");
    vi.doUnmock("../../src/protocol/handshake/header-fields.ts");
    vi.resetModules();
  });

  async function failsWith(names: readonly string[]): Promise<void> {
    vi.resetModules();
    const { targets: anew } = (await import("../../fuzz/targets/index.ts")) as { targets: typeof targets };
    for (const name of names) {
      const target = anew.find((each) => each.name === name)!;
      const failure = await new Fuzzer(target, 1).fuzz(corpusOf(name), {
        runs: 20_000,
        until: Number.POSITIVE_INFINITY,
      });
      expect([name, failure?.error]).toEqual([name, expect.any(Error)]);
    }
  }

  it("fails when lengths need not be minimal", async () => {
    vi.doMock("../../src/protocol/frames/frame-rules.ts", async (original) => {
      const { brokenFrameRule } = await original<typeof FrameRules>();
      return {
        brokenFrameRule: (...given: Parameters<typeof brokenFrameRule>) => {
          const broken = brokenFrameRule(...given);
          return broken === "length-not-minimal" ? undefined : broken;
        },
      };
    });
    await failsWith(["frames-server", "frames-client"]);
  });

  it("fails when 1005 may be received", async () => {
    vi.doMock("../../src/protocol/close-payload.ts", async (original) => {
      const real = await original<typeof CloseCodes>();
      const decodeClosePayload = (payload: Uint8Array) =>
        payload[0] === 3 && payload[1] === 0xed ? { code: 1005, reason: "" } : real.decodeClosePayload(payload);
      return { ...real, decodeClosePayload };
    });
    await failsWith(["close-payload", "frames-server"]);
  });

  it("fails when a field is read that has another name, and lists keep what is no token", async () => {
    vi.doMock("../../src/protocol/handshake/header-fields.ts", async (original) => {
      const real = await original<typeof HeaderFields>();
      return {
        ...real,
        fieldValues: (raw: readonly string[], name: string) => real.fieldValues(raw, name).slice(0, 1),
        parseExtensionList: (lines: readonly string[]) =>
          real.parseExtensionList(lines.map((line) => line.replaceAll("08", "8"))),
      };
    });
    await failsWith(["request", "response", "header-fields"]);
  });
});
