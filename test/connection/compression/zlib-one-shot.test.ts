import { execFileSync } from "node:child_process";
import { constants, deflateRawSync, inflateRawSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { typescriptProgram } from "../../../scripts/typescript-program.ts";
import type { ContextShape } from "../../../src/connection/compression/zlib-context.ts";
import {
  deflateAsync,
  deflateSync,
  inflateAsync,
  inflateSync,
} from "../../../src/connection/compression/zlib-one-shot.ts";
import { copyFrom, json, noise } from "../../support/deflate-samples.ts";
import { referenceInflate } from "../../support/reference-inflate.ts";

const deflateShape: ContextShape = { direction: "deflate", options: { windowBits: 12, level: 6, memLevel: 5 } };
const impossibleShape: ContextShape = { direction: "deflate", options: { windowBits: 12, level: 99, memLevel: 5 } };
const inflateShape: ContextShape = { direction: "inflate", options: { windowBits: 15 } };
const nothing = new Uint8Array(0);
const noLimit = Number.POSITIVE_INFINITY;
const mebibyte = 1 << 20;

function same(actual: unknown, expected: Uint8Array): boolean {
  return actual instanceof Uint8Array && Buffer.compare(actual, expected) === 0;
}

function deflated(message: Uint8Array, finishFlush: number = constants.Z_SYNC_FLUSH): Buffer {
  const compressed = deflateRawSync(message, { finishFlush });
  return finishFlush === constants.Z_SYNC_FLUSH ? compressed.subarray(0, -4) : compressed;
}

describe("a large message", () => {
  const message = new Uint8Array(Buffer.concat([json(3000), noise(300_000, 7), json(3000)]));

  test("is compressed and inflated piece by piece", async () => {
    const payload = await deflateAsync(deflateShape, message, nothing);
    expect(same(inflateRawSync(Buffer.concat([payload, Buffer.from("0000ffff010000ffff", "hex")])), message)).toBe(
      true,
    );
    expect(same(await inflateAsync(inflateShape, payload, nothing, message.length), message)).toBe(true);
  });

  test("refers to its history [R7692-7.2.2-1]", async () => {
    const history = noise(3500, 8);
    const alone = await deflateAsync(deflateShape, history, nothing);
    const after = await deflateAsync(deflateShape, history, history);
    expect(after.length).toBeLessThan(alone.length / 4);
    expect(referenceInflate(after)).toBeUndefined();
    expect(same(referenceInflate(after, history)?.message, history)).toBe(true);
    expect(same(await inflateAsync(inflateShape, after, history, noLimit), history)).toBe(true);
    expect(await inflateAsync(inflateShape, after, nothing, noLimit)).toBe("invalid-deflate-data");
  });

  test("R7692-X-1, B06: is refused when truncated, wherever a piece ends", async () => {
    const payload = deflated(message);
    const lengths = [payload.length - 1, payload.length - 2, payload.length >> 1];
    for (let piece = 16_384; piece < payload.length; piece += 16_384) lengths.push(piece - 1, piece, piece + 1);
    for (const length of lengths) {
      expect(await inflateAsync(inflateShape, payload.subarray(0, length), nothing, noLimit)).toBe(
        "invalid-deflate-data",
      );
    }
  });

  test("is refused when anything but blocks follows it [B06]", async () => {
    for (const trailer of ["5a", "00ff", "0000"]) {
      const payload = Buffer.concat([deflated(message), Buffer.from(trailer, "hex")]);
      expect(await inflateAsync(inflateShape, payload, nothing, noLimit)).toBe("invalid-deflate-data");
    }
  });

  test("goes on after final blocks, with the window of everything before [R7692-7.2.3.4-1]", async () => {
    const first = deflated(message, constants.Z_FINISH);
    const whole = new Uint8Array(Buffer.concat([message, message.subarray(-32_768, -32_765)]));
    const payload = Buffer.concat([first, copyFrom(32_768)]);
    expect(same(await inflateAsync(inflateShape, payload, nothing, whole.length), whole)).toBe(true);
    expect(await inflateAsync(inflateShape, payload, nothing, whole.length - 1)).toBe("message-too-big");
  });

  test("a final block may end where a piece does [R7692-7.2.3.4-1]", async () => {
    for (let padding = 16_370; padding < 16_390; padding++) {
      const stored = deflateRawSync(noise(padding, 9), { level: 0 });
      const payload = Buffer.concat([stored, deflated(Buffer.from("Hello"))]);
      const outcome = await inflateAsync(inflateShape, payload, nothing, noLimit);
      expect(same(outcome, new Uint8Array(Buffer.concat([noise(padding, 9), Buffer.from("Hello")])))).toBe(true);
    }
  });

  test("has 256 final blocks at most, since each costs a context [B06]", async () => {
    const blocks = (count: number) =>
      Buffer.concat([...Array<Buffer>(count).fill(Buffer.from("0300", "hex")), Buffer.of(0)]);
    expect(await inflateAsync(inflateShape, blocks(256), nothing, noLimit)).toEqual(nothing);
    expect(await inflateAsync(inflateShape, blocks(257), nothing, noLimit)).toBe("invalid-deflate-data");
  });

  test("is stored when zlib gives no context [B02]", async () => {
    const payload = await deflateAsync(impossibleShape, message, nothing);
    expect(payload.length).toBe(message.length + 5 * Math.ceil(message.length / 65_535) + 1);
    expect(same(await inflateAsync(inflateShape, payload, nothing, noLimit), message)).toBe(true);
  });

  test("a failure of zlib that is not about the data is not blamed on the peer", async () => {
    const payload = deflated(message);
    expect(await inflateAsync(impossibleShape, payload, nothing, noLimit)).toBe("inflate-failed");
    expect(inflateSync(impossibleShape, payload, nothing, noLimit, message.length)).toBe("inflate-failed");
  });

  test("does not make a smaller one wait that came after it [B07]", async () => {
    const order: string[] = [];
    const large = inflateAsync(inflateShape, deflated(noise(16 * mebibyte, 10)), nothing, noLimit);
    const small = inflateAsync(inflateShape, deflated(noise(100_000, 11)), nothing, noLimit);
    await Promise.all([large.then(() => order.push("large")), small.then(() => order.push("small"))]);
    expect(order).toEqual(["small", "large"]);
  });

  test("hundreds at once all get their turn [B04]", async () => {
    const payloads = Array.from({ length: 300 }, (_, index) => noise(40_000 + index, index));
    const outcomes = await Promise.all(
      payloads.map(async (each) => {
        const compressed = await deflateAsync(deflateShape, each, nothing);
        return same(await inflateAsync(inflateShape, compressed, nothing, each.length), each);
      }),
    );
    expect(outcomes.every((arrived) => arrived)).toBe(true);
  });

  test("an invalid one leaves its place to others", async () => {
    const invalid = Array.from({ length: 200 }, () => inflateAsync(inflateShape, noise(50_000, 12), nothing, noLimit));
    expect(new Set(await Promise.all(invalid))).toEqual(new Set(["invalid-deflate-data"]));
    expect(same(await inflateAsync(inflateShape, deflated(message), nothing, noLimit), message)).toBe(true);
  });
});

describe("a small message", () => {
  const message = json(20);

  test("is compressed and inflated at once, with its history", () => {
    const payload = deflateSync(deflateShape, message, message);
    expect(payload.length).toBeLessThan(deflateSync(deflateShape, message, nothing).length / 4);
    expect(same(inflateSync(inflateShape, payload, message, noLimit, 10_000), message)).toBe(true);
    expect(inflateSync(inflateShape, payload, nothing, noLimit, 10_000)).toBe("invalid-deflate-data");
  });

  test("is left to jobs when it is too long or its end is not plain", () => {
    expect(inflateSync(inflateShape, deflated(message), nothing, noLimit, message.length - 1)).toBeUndefined();
    expect(inflateSync(inflateShape, deflated(message, constants.Z_FINISH), nothing, noLimit, 10_000)).toBeUndefined();
    expect(
      inflateSync(inflateShape, deflated(Buffer.from("0000ffff", "hex")), nothing, noLimit, 10_000),
    ).toBeUndefined();
  });

  test("is stored when zlib gives no context", () => {
    expect(same(referenceInflate(deflateSync(impossibleShape, message, nothing))?.message, message)).toBe(true);
  });
});

describe("memory of a process", { tags: "slow" }, () => {
  function measure(...task: string[]): { outcome: string; grown: number } {
    const script = new URL("../../support/inflate-memory.ts", import.meta.url).pathname;
    return JSON.parse(
      execFileSync(process.execPath, ["--expose-gc", ...typescriptProgram(script), ...task], { encoding: "utf8" }),
    );
  }

  test("a bomb is stopped within 16 MiB of the limit; the same bytes without one take all they claim [B01]", () => {
    // Whatever else a process takes meanwhile only adds to it.
    const stopped = Array.from({ length: 3 }, () => measure("bomb", String(8 * mebibyte)));
    expect(stopped.map(({ outcome }) => outcome)).toEqual(Array(3).fill("message-too-big"));
    expect(Math.min(...stopped.map(({ grown }) => grown))).toBeLessThan(24 * mebibyte);
    const unstopped = measure("bomb", "Infinity");
    expect(unstopped.outcome).toBe("inflated");
    expect(unstopped.grown).toBeGreaterThan(100 * mebibyte);
  });

  test("a connection that keeps its contexts costs at most 128 KiB [B03]", () => {
    // Whatever else a process takes meanwhile, its heap first of all, only adds to it.
    const grown = Math.min(...Array.from({ length: 3 }, () => measure("takeover", "300").grown));
    expect(grown / 300).toBeLessThan(128 * 1024);
    // The control: it is contexts that were measured.
    expect(grown / 300).toBeGreaterThan(32 * 1024);
  });

  test("30 000 small messages in a row leave less than 64 MiB [B04]", () => {
    expect(measure("deflates", "30000").grown).toBeLessThan(64 * mebibyte);
  });
});
