import { constants, deflateRawSync, inflateRawSync } from "node:zlib";
import fc from "fast-check";
import { afterEach, describe, expect, test, vi } from "vitest";
import { MessageDeflate, type MessageDeflateOptions } from "../../../src/connection/compression/message-deflate.ts";
import { ContextSlot, countKeptContexts, mostContextsKept } from "../../../src/connection/compression/zlib-context.ts";
import { Inflation } from "../../../src/connection/compression/zlib-one-shot.ts";
import { deflateShort } from "../../../src/protocol/deflate/short-messages.ts";
import type { Role } from "../../../src/protocol/frames/frame.ts";
import { copyFrom, json, noise, samples } from "../../support/deflate-samples.ts";
import { referenceInflate } from "../../support/reference-inflate.ts";

const roles: readonly Role[] = ["client", "server"];
const noLimit = Number.POSITIVE_INFINITY;

interface Setup {
  readonly takeover: boolean;
  readonly publicZlibOnly: boolean;
  /** Short messages go through zlib, too, as they do where its level is set. Default true. */
  readonly zlibOnly?: boolean;
  readonly bits?: number;
  readonly level?: number | undefined;
}

const made: MessageDeflate[] = [];
afterEach(() => {
  for (const each of made.splice(0)) each.release();
});

function create(
  role: Role,
  { takeover, publicZlibOnly, zlibOnly = true, bits = 15, level = zlibOnly ? 6 : undefined }: Setup,
): MessageDeflate {
  const parameters = {
    serverNoContextTakeover: !takeover,
    clientNoContextTakeover: !takeover,
    serverMaxWindowBits: bits,
    clientMaxWindowBits: bits,
  };
  const memLevel = zlibOnly ? 8 : undefined;
  const deflate = new MessageDeflate(role, parameters, { threshold: 0, level, memLevel, publicZlibOnly, zlibOnly });
  made.push(deflate);
  return deflate;
}

function hex(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, "hex"));
}

async function inflatedText(inflater: MessageDeflate, payload: string): Promise<string> {
  const outcome = await inflater.inflate(hex(payload), 100);
  return typeof outcome === "string" ? outcome : Buffer.from(outcome).toString();
}

/** Compares without the cost of a printed difference. */
function expectSame(actual: unknown, expected: Uint8Array): void {
  if (!(actual instanceof Uint8Array)) throw new Error(`Got ${actual} instead of ${expected.length} bytes`);
  if (Buffer.compare(actual, expected) !== 0) expect(actual).toEqual(expected);
}

const setups: Required<Pick<Setup, "takeover" | "publicZlibOnly" | "zlibOnly">>[] = [
  { takeover: true, publicZlibOnly: false, zlibOnly: true },
  { takeover: true, publicZlibOnly: true, zlibOnly: true },
  { takeover: false, publicZlibOnly: false, zlibOnly: true },
  { takeover: false, publicZlibOnly: true, zlibOnly: true },
  { takeover: false, publicZlibOnly: false, zlibOnly: false },
];

describe.each(setups)("takeover $takeover, public zlib only $publicZlibOnly, zlib only $zlibOnly", (setup) => {
  describe.each(roles)("inflating as %s", (role) => {
    test.each([
      ["one block", "f248cdc9c90700", "Hello"],
      ["a stored block", "000500faff48656c6c6f00", "Hello"],
      ["a final block", "f348cdc9c9070000", "Hello"],
      ["two blocks", "f248050000 00ffffcac9c90700".replace(" ", ""), "Hello"],
      ["an empty message", "00", ""],
      ["an empty message as zlib leaves it after another", "", ""],
      ["two final blocks and one that is not", "f348cdc9c90700f348cdc9c90700f248cdc9c90700", "HelloHelloHello"],
    ])("%s [R7692-7.2.3-1]", async (_, payload, text) => {
      const inflater = create(role, setup);
      expect(await inflatedText(inflater, payload)).toBe(text);
      expect(await inflatedText(inflater, payload)).toBe(text);
    });

    test("the window is kept between messages exactly when it is taken over [R7692-7.2.2-1]", async () => {
      const inflater = create(role, setup);
      expect(await inflatedText(inflater, "f248cdc9c90700")).toBe("Hello");
      expect(await inflatedText(inflater, "f200110000")).toBe(setup.takeover ? "Hello" : "invalid-deflate-data");
    });

    test("a final block ends neither the message nor its window [R7692-7.2.3.4-1, B06]", async () => {
      const final = hex("f348cdc9c90700");
      const back = hex("f200110000");
      const payload = Buffer.concat([final, back]);
      expect(referenceInflate(payload)?.message).toEqual(new Uint8Array(Buffer.from("HelloHello")));
      expect(await inflatedText(create(role, setup), payload.toString("hex"))).toBe("HelloHello");
    });

    test("after a message with a final block, the window is there when it is taken over [R7692-7.2.3.4-1, B06]", async () => {
      const inflater = create(role, setup);
      expect(await inflatedText(inflater, "f348cdc9c9070000")).toBe("Hello");
      expect(await inflatedText(inflater, "f200110000")).toBe(setup.takeover ? "Hello" : "invalid-deflate-data");
    });

    test("the empty block that the tail belongs to may itself be a final one [R7692-7.2.3.4-1, B06]", async () => {
      for (const [payload, text] of [
        ["01", ""],
        ["f248cdc9c90704", "Hello"],
      ] as const) {
        expect(referenceInflate(hex(payload))?.message).toEqual(new Uint8Array(Buffer.from(text)));
        const inflater = create(role, setup);
        expect(await inflatedText(inflater, payload)).toBe(text);
        expect(await inflatedText(inflater, "f248cdc9c90700")).toBe("Hello");
      }
    });

    test.each([
      ["a reserved block type", "ff"],
      ["what follows a final block", "f348cdc9c907005a5a5a"],
      ["what is stored with lengths that differ", "000500faf048656c6c6f00"],
      ["a reference to before the beginning", "f200110000"],
    ])("R7692-X-1, B06: refuses %s", async (_, payload) => {
      expect(referenceInflate(hex(payload))).toBeUndefined();
      expect(await inflatedText(create(role, setup), payload)).toBe("invalid-deflate-data");
    });

    const steps = [
      ["at every 11th byte", 11, {}],
      ["at every byte", 1, { tags: "slow" }],
    ] as const;
    for (const [where, step, when] of steps) {
      test.each(Object.keys(samples))(`refuses %s truncated ${where} [R7692-X-1, B06]`, when, async (name) => {
        for (const options of [{ level: 6 }, { level: 1 }, { level: 6, strategy: constants.Z_FIXED }, { level: 0 }]) {
          const whole = deflateRawSync(samples[name]!, { ...options, finishFlush: constants.Z_SYNC_FLUSH }).subarray(
            0,
            -4,
          );
          expectSame(await create(role, setup).inflate(whole, noLimit), samples[name]!);
          for (let length = 1; length < whole.length; length += step) {
            const payload = whole.subarray(0, length);
            // What is left may be a message in its own right: the first byte of a stored block is an empty message.
            const expected = referenceInflate(payload);
            const outcome = await create(role, setup).inflate(payload, noLimit);
            if (expected === undefined) expect(`${length}: ${outcome}`).toBe(`${length}: invalid-deflate-data`);
            else expectSame(outcome, expected.message);
          }
        }
      });
    }

    const elsewhere = setup.publicZlibOnly ? "refused as such" : "inflated elsewhere";
    test(`what there is no memory for at once is ${elsewhere}, and nothing is thrown [D23]`, async () => {
      const [deflater, inflater] = [create(role === "client" ? "server" : "client", setup), create(role, setup)];
      const text = Buffer.from("a message of some length. ".repeat(6000));
      for (const exhausted of [true, false]) {
        const payload = await deflater.deflate(text);
        const concat = vi.spyOn(Buffer, "concat");
        if (exhausted) {
          concat.mockImplementationOnce(() => {
            throw new RangeError("Array buffer allocation failed");
          });
        }
        const outcome = inflater.inflate(payload, noLimit);
        concat.mockRestore();
        if (exhausted && setup.publicZlibOnly) return expect(await outcome).toBe("inflate-failed");
        expectSame(await outcome, new Uint8Array(text));
      }
    });

    test("R7692-X-1: a stored block is not filled up with the tail", async () => {
      const stored = hex("000500faff48656c6c6f00");
      for (let length = 1; length < stored.length; length++) {
        const outcome = await create(role, setup).inflate(stored.subarray(0, length), noLimit);
        if (length === 1) expectSame(outcome, new Uint8Array(0));
        else expect(outcome).toBe("invalid-deflate-data");
      }
    });

    test.each(["0000ffff", "0000ffff010000ffff", "000000ffff", "480000ffff"])(
      "R7692-X-1: a message that ends like the tail, %s, is not taken for truncated",
      async (message) => {
        const [sender, receiver] = [create(other(role), setup), create(role, setup)];
        for (let round = 0; round < 3; round++) {
          expectSame(await receiver.inflate(await sender.deflate(hex(message)), noLimit), hex(message));
        }
      },
    );

    test("the limit is inclusive, for messages inflated at once and in jobs [B01]", async () => {
      for (const length of [1, 1000, 65_536, 200_000, 262_144, 1_000_000]) {
        const payload = await create(other(role), setup).deflate(new Uint8Array(length));
        expectSame(await create(role, setup).inflate(payload, length), new Uint8Array(length));
        expect(await create(role, setup).inflate(payload, length - 1)).toBe("message-too-big");
      }
    });

    test("nothing fits a limit of 0 but the empty message [B01]", async () => {
      expectSame(await create(role, setup).inflate(hex("00"), 0), new Uint8Array(0));
      expect(await create(role, setup).inflate(hex("f248cdc9c90700"), 0)).toBe("message-too-big");
    });

    test("other connections are untouched by one that failed", async () => {
      const failing = create(role, setup);
      expect(await inflatedText(failing, "ff")).toBe("invalid-deflate-data");
      expect(await inflatedText(create(role, setup), "f248cdc9c90700")).toBe("Hello");
    });
  });

  describe.each(roles)("deflating as %s", (role) => {
    test("an empty message is one byte, each time its own [R7692-7.2.3.6-1]", async () => {
      const sender = create(role, setup);
      for (let round = 0; round < 3; round++) {
        const payload = await sender.deflate(new Uint8Array(0));
        expect(payload).toEqual(hex("00"));
        payload.fill(0xff);
        await sender.deflate(hex("48656c6c6f"));
      }
    });

    test("the tail is taken off and no block is final [R7692-7.2.1-1]", async () => {
      for (const message of Object.values(samples)) {
        const payload = await create(role, setup).deflate(message);
        expectSame(referenceInflate(payload)?.message, message);
        const inflated = inflateRawSync(Buffer.concat([payload, hex("0000ffff010000ffff")]));
        expectSame(new Uint8Array(inflated), message);
      }
    });

    test("the result is not the input's memory, nor that of a later result", async () => {
      const [sender, receiver] = [create(role, setup), create(other(role), setup)];
      const message = Uint8Array.from(samples.json!);
      const first = await sender.deflate(message);
      const kept = first.slice();
      message.fill(0);
      const second = await sender.deflate(noise(1000, 4));
      expectSame(first, kept);
      const inflated = (await receiver.inflate(first, noLimit)) as Uint8Array;
      first.fill(0);
      await receiver.inflate(second, noLimit);
      expectSame(inflated, samples.json!);
      expect(Object.getPrototypeOf(inflated)).toBe(Uint8Array.prototype);
    });

    test("settings that zlib refuses do not make it fail [B02]", async () => {
      const [sender, receiver] = [create(role, { ...setup, level: 99 }), create(other(role), setup)];
      for (const length of [1, 65_535, 65_536, 200_000]) {
        const message = noise(length, length);
        expectSame(await receiver.inflate(await sender.deflate(message), noLimit), message);
      }
    });
  });

  describe.each(roles)("between %s and the other side", (role) => {
    test("messages of all kinds and sizes arrive, those worked on at once and those in jobs in turn", async () => {
      const [sender, receiver] = [create(role, setup), create(other(role), setup)];
      const sizes = [0, 1, 300, 5000, 32_768, 32_769, 300, 70_000, 7, 262_144, 262_145, 1, 1_000_000, 300];
      for (const size of sizes) {
        for (const message of [noise(size, size), json(size / 30).subarray(0, size), new Uint8Array(size)]) {
          expectSame(await receiver.inflate(await sender.deflate(message), message.length), message);
        }
      }
    });

    test("R7692-X-1: no whole message is refused, whatever it holds", async () => {
      const bytes = fc.uint8Array({ maxLength: 400, size: "max" });
      const words = fc.array(fc.constantFrom(hex("0000ffff"), hex("00"), hex("48656c6c6f"), noise(40, 5), json(3)));
      const message = fc.oneof(
        bytes,
        words.map((list) => new Uint8Array(Buffer.concat(list))),
      );
      await fc.assert(
        fc.asyncProperty(
          fc.array(message, { minLength: 1, maxLength: 8 }),
          fc.integer({ min: 0, max: 9 }),
          async (list, level) => {
            const [sender, receiver] = [create(role, { ...setup, level }), create(other(role), setup)];
            for (const each of list) expectSame(await receiver.inflate(await sender.deflate(each), each.length), each);
            sender.release();
            receiver.release();
          },
        ),
        { numRuns: 400 },
      );
    });

    test.each([8, 9, 10, 11, 12, 13, 14, 15])("with a window of %i bits [R7692-7.2.1-2, R7692-7.1-1]", async (bits) => {
      const [sender, receiver] = [create(role, { ...setup, bits }), create(other(role), { ...setup, bits })];
      const window = 2 ** bits;
      let history = new Uint8Array(0);
      let furthest = 0;
      for (const period of [window - 300, window - 10, window, window + 1, window + 100, 200]) {
        if (period <= 0) continue;
        const once = noise(period, period);
        const message = new Uint8Array(Buffer.concat([once, once.subarray(0, 400)]));
        const payload = await sender.deflate(message);
        const inflated = referenceInflate(payload, setup.takeover ? history : undefined);
        expectSame(inflated?.message, message);
        furthest = Math.max(furthest, inflated!.maxDistance);
        // An inflater with exactly this window reads it; zlib has none with 8 bits.
        const exact = { windowBits: Math.max(9, bits), finishFlush: constants.Z_SYNC_FLUSH };
        const zlib = inflateRawSync(
          payload,
          setup.takeover && history.length > 0 ? { ...exact, dictionary: history } : exact,
        );
        expectSame(new Uint8Array(zlib), message);
        expectSame(await receiver.inflate(payload, noLimit), message);
        history = new Uint8Array(Buffer.concat([history, message]));
      }
      expect(furthest).toBeLessThanOrEqual(window);
      expect(furthest).toBeGreaterThanOrEqual(Math.min(200, window - 300));
      // zlib keeps the last 262 bytes of the window for itself; messages beyond 16 KiB go to it.
      if (bits >= 10) expect(furthest).toBe(setup.zlibOnly || bits > 13 ? window - 300 : window);
    });
  });

  describe.each(roles)("a window as large as agreed, to its last byte, as %s", (role) => {
    test.each([8, 9, 10, 11, 12, 13, 14, 15])("%i bits [R7692-7.1.2]", async (bits) => {
      const window = 2 ** bits;
      const inflater = create(role, { ...setup, bits });
      const first = noise(window, bits);
      const stored = deflateRawSync(first, { level: 0, finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, -4);
      const within = Buffer.concat([stored, hex("0000ffff"), copyFrom(window)]);
      expectSame(await inflater.inflate(within, noLimit), new Uint8Array(Buffer.concat([first, first.subarray(0, 3)])));
      if (!setup.takeover) return;
      const next = create(role, { ...setup, bits });
      expectSame(await next.inflate(stored, noLimit), first);
      expectSame(await next.inflate(copyFrom(window), noLimit), first.subarray(0, 3));
    });
  });
});

describe("short messages without context takeover", () => {
  const own: Setup = { takeover: false, publicZlibOnly: false, zlibOnly: false, bits: 12 };
  const message = samples.json!;

  function made(
    options: Pick<MessageDeflateOptions, "level" | "memLevel">,
    bits = 12,
    takeover = false,
  ): MessageDeflate {
    const parameters = {
      serverNoContextTakeover: !takeover,
      clientNoContextTakeover: !takeover,
      serverMaxWindowBits: bits,
      clientMaxWindowBits: bits,
    };
    return new MessageDeflate("server", parameters, { threshold: 0, ...options });
  }

  function ofZlib(level: number, memLevel: number): Uint8Array {
    const options = { level, memLevel, windowBits: 12, finishFlush: constants.Z_SYNC_FLUSH };
    return new Uint8Array(deflateRawSync(message, options).subarray(0, -4));
  }

  test("are compressed without zlib unless its level or memory is set", () => {
    const ours = deflateShort(message, 12, (length) => new Uint8Array(length))!;
    expect(ours).not.toEqual(ofZlib(3, 5));
    expectSame(made({ level: undefined, memLevel: undefined }).deflate(message), ours);
    expectSame(made({ level: 3, memLevel: undefined }).deflate(message), ofZlib(3, 5));
    expectSame(made({ level: undefined, memLevel: 5 }).deflate(message), ofZlib(3, 5));
    expectSame(made({ level: 9, memLevel: 9 }).deflate(message), ofZlib(9, 9));
    expectSame(made({ level: undefined, memLevel: undefined }, 12, true).deflate(message), ofZlib(3, 5));
  });

  test("longer ones are compressed by zlib with its defaults [R7692-7.2.1-1]", async () => {
    const long = json(600);
    const options = { level: 3, memLevel: 5, windowBits: 12, finishFlush: constants.Z_SYNC_FLUSH };
    const expected = new Uint8Array(deflateRawSync(long, options).subarray(0, -4));
    expectSame(await create("server", own).deflate(long), expected);
    expectSame(await create("server", own).deflate(Buffer.from(long).toString()), expected);
  });

  test("are shared by those alone who have the same window, 8 bits and 9 told apart [R7692-7.2.1-2]", () => {
    const once = noise(20, 1);
    const far = new Uint8Array(Buffer.concat([once, new Uint8Array(300), once]));
    const unset = { level: undefined, memLevel: undefined };
    const keys = new Set<string | undefined>();
    for (let bits = 8; bits <= 15; bits++) {
      const [one, other] = [made(unset, bits), made(unset, bits)];
      expect(one.sharedKey).toBe(other.sharedKey);
      keys.add(one.sharedKey);
      expectSame(one.deflateShared(far), other.deflateShared(far));
      expectSame(one.deflateShared("text"), one.deflate("text") as Uint8Array);
      expect(referenceInflate(one.deflateShared(far))!.maxDistance <= 256).toBe(bits === 8);
    }
    keys.add(made({ level: 3, memLevel: undefined }).sharedKey);
    keys.add(made({ level: undefined, memLevel: 5 }).sharedKey);
    keys.add(undefined);
    expect(keys.size).toBe(11);
    expect(made(unset, 12, true).sharedKey).toBeUndefined();
  });

  test("take no zlib context, either way [B03]", () => {
    const before = countKeptContexts();
    const [sender, receiver] = [create("client", { ...own, bits: 14 }), create("server", { ...own, bits: 14 })];
    expectSame(receiver.inflate(sender.deflate(message) as Uint8Array, noLimit), message);
    expect(countKeptContexts()).toBe(before);
  });

  test("are inflated to text where that is asked for, whoever compressed them", () => {
    const text = "grüße ".repeat(9);
    for (const sender of [create("client", own), create("client", { ...own, zlibOnly: true })]) {
      const payload = sender.deflate(text) as Uint8Array;
      const inflation = new Inflation(() => {}, true);
      expect(create("server", own).inflate(payload, noLimit, inflation)).toEqual({ text });
      expectSame(create("server", own).inflate(payload, noLimit, new Inflation()), Buffer.from(text));
      expectSame(create("server", { ...own, zlibOnly: true }).inflate(payload, noLimit, inflation), Buffer.from(text));
    }
  });

  test("longer ones may lie in memory that is used again when inflating them has begun [D21]", async () => {
    const long = noise(100_000, 1);
    const payload = await create("client", own).deflate(long);
    const memory = new Uint8Array(payload.length + 10);
    memory.set(payload, 5);
    const outcome = create("server", own).inflate(memory.subarray(5, 5 + payload.length), noLimit);
    memory.fill(0xff);
    expectSame(await outcome, long);
  });

  test("for which there is no memory are left to zlib's functions [D23]", () => {
    const payload = create("client", own).deflate(message) as Uint8Array;
    const slice = vi.spyOn(Uint8Array.prototype, "slice").mockImplementationOnce(() => {
      throw new RangeError("Array buffer allocation failed");
    });
    const outcome = create("server", own).inflate(payload, noLimit);
    slice.mockRestore();
    expectSame(outcome, message);
  });
});

describe("zlib left to itself", () => {
  const leftToItself = (payload: string) =>
    inflateRawSync(hex(`${payload}0000ffff`), { finishFlush: constants.Z_SYNC_FLUSH }).toString("latin1");

  test("R7692-X-1: makes something of truncated data", () => {
    expect(leftToItself("f248cd")).toBe("Heh");
    expect(leftToItself("000500faff48")).toBe("H\x00\x00\xff\xff");
  });

  test("takes no notice of what follows a final block [B06]", () => {
    expect(leftToItself("f348cdc9c90700f248cdc9c90700")).toBe("Hello");
    expect(leftToItself("f348cdc9c907005a5a5a")).toBe("Hello");
  });
});

describe("what a connection keeps", () => {
  const driven = { publicZlibOnly: false };

  test("nothing before its first message, and nothing of its own without takeover [B03, G96]", async () => {
    const idle = Array.from({ length: 2000 }, () => create("server", { ...driven, takeover: false, bits: 13 }));
    const before = countKeptContexts();
    for (const each of idle) {
      expectSame(await each.inflate(await each.deflate(samples.json!), noLimit), samples.json!);
    }
    // One shape each way, shared by all.
    expect(countKeptContexts()).toBeLessThanOrEqual(before + 2);
  });

  test("with takeover one context each way, freed when it is released [B03]", async () => {
    const before = countKeptContexts();
    const [sender, receiver] = [
      create("client", { ...driven, takeover: true }),
      create("server", { ...driven, takeover: true }),
    ];
    expect(countKeptContexts()).toBe(before);
    await receiver.inflate(await sender.deflate(samples.json!), noLimit);
    expect(countKeptContexts()).toBe(before + 2);
    sender.release();
    receiver.release();
    expect(countKeptContexts()).toBe(before);
  });

  test("connections whose contexts had to go carry on from their windows [B03]", async () => {
    const [sender, receiver] = [
      create("client", { ...driven, takeover: true }),
      create("server", { ...driven, takeover: true }),
    ];
    const first = await sender.deflate(samples.json!);
    expectSame(await receiver.inflate(first, noLimit), samples.json!);
    const slots = Array.from({ length: mostContextsKept }, () => {
      const slot = new ContextSlot({ direction: "inflate", options: { windowBits: 9 } });
      slot.take();
      return slot;
    });
    const second = await sender.deflate(samples.json!);
    expect(second.length).toBeLessThan(first.length / 4);
    expectSame(await receiver.inflate(second, noLimit), samples.json!);
    for (const slot of slots) slot.empty();
    expectSame(await receiver.inflate(await sender.deflate(samples.json!), noLimit), samples.json!);
  });
});

/** A sample as four ways of compressing write it, whole and cut off after every byte; with the message if that is one. */
function truncations(
  name: string,
): readonly { readonly payload: Uint8Array; readonly message: Uint8Array | undefined }[] {
  let list = knownTruncations.get(name);
  if (list === undefined) {
    list = [{ level: 6 }, { level: 1 }, { strategy: constants.Z_FIXED }, { level: 0 }].flatMap((options) => {
      const whole = deflateRawSync(samples[name]!, { ...options, finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, -4);
      return Array.from(whole, (_, index) => {
        const payload = whole.subarray(0, index + 1);
        // Even what is cut off may be a message: the first byte of a stored block is an empty one.
        return { payload, message: referenceInflate(payload)?.message };
      });
    });
    const whole = list.filter(({ message }) => message?.length === samples[name]!.length);
    if (whole.length !== 4) throw new Error(`The second inflater does not read ${name}`);
    knownTruncations.set(name, list);
  }
  return list;
}

const knownTruncations = new Map<string, ReturnType<typeof truncations>>();

function other(role: Role): Role {
  return role === "server" ? "client" : "server";
}
