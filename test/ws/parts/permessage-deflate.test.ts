import { deflateRawSync, inflateRawSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { PerMessageDeflateOptions } from "../../../src/ws/parts/permessage-deflate.ts";
import type { ReceiverError } from "../../../src/ws/parts/receiver-error.ts";
import { both, control, type Exports, ours, outcomeOf } from "../implementations.ts";

type Instance = InstanceType<Exports["PerMessageDeflate"]>;

function compress(instance: Instance, data: Uint8Array | string, fin: boolean): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    instance.compress(data, fin, (error, output) => (error ? reject(error) : resolve(output!)));
  });
}

function decompress(instance: Instance, data: Uint8Array, fin: boolean): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    instance.decompress(data, fin, (error, output) => (error ? reject(error) : resolve(output!)));
  });
}

/** What `accept` makes of a header field. */
function accepted(
  { extension, PerMessageDeflate }: Exports,
  options: PerMessageDeflateOptions,
  header: string,
): string {
  const offers = extension.parse(header)["permessage-deflate"]!;
  return outcomeOf(() => {
    const instance = new PerMessageDeflate(options);
    const result = instance.accept(offers);
    if (instance.params !== result) throw new Error("The parameters are not those that were agreed");
    return result;
  });
}

const offers: readonly (readonly [options: PerMessageDeflateOptions, offer: object])[] = [
  [{}, { client_max_window_bits: true }],
  [{ clientMaxWindowBits: false }, {}],
  [
    { clientMaxWindowBits: true, serverMaxWindowBits: true },
    { server_max_window_bits: true, client_max_window_bits: true },
  ],
  [
    { serverNoContextTakeover: true, clientNoContextTakeover: true, serverMaxWindowBits: 10, clientMaxWindowBits: 11 },
    {
      server_no_context_takeover: true,
      client_no_context_takeover: true,
      server_max_window_bits: 10,
      client_max_window_bits: 11,
    },
  ],
];

const all =
  "server_no_context_takeover; client_no_context_takeover; server_max_window_bits=10; client_max_window_bits=11";
const allRead =
  '{"server_no_context_takeover":true,"client_no_context_takeover":true,"server_max_window_bits":10,"client_max_window_bits":11}';
const none = "Error: None of the extension offers can be accepted";

const negotiations: readonly (readonly [options: PerMessageDeflateOptions, parameters: string, outcome: string])[] = [
  [
    {},
    "server_no_context_takeover; server_no_context_takeover",
    'Error: Parameter "server_no_context_takeover" must have only a single value',
  ],
  [{}, "foo", 'Error: Unknown parameter "foo"'],
  [{}, "client_no_context_takeover=10", 'TypeError: Invalid value for parameter "client_no_context_takeover": 10'],
  [{}, "server_no_context_takeover=10", 'TypeError: Invalid value for parameter "server_no_context_takeover": 10'],
  [{}, "server_max_window_bits=7", 'TypeError: Invalid value for parameter "server_max_window_bits": 7'],
  [{}, "server_max_window_bits", 'TypeError: Invalid value for parameter "server_max_window_bits": true'],
  [{}, "client_max_window_bits=16", 'TypeError: Invalid value for parameter "client_max_window_bits": 16'],
  [
    { isServer: true },
    "client_max_window_bits=16",
    'TypeError: Invalid value for parameter "client_max_window_bits": 16',
  ],
  [{}, "client_max_window_bits", 'TypeError: Invalid value for parameter "client_max_window_bits": true'],
  [{ isServer: true }, all, allRead],
  [{}, all, allRead],
  [{ isServer: true }, "client_max_window_bits", "{}"],
  [
    {
      isServer: true,
      serverNoContextTakeover: true,
      clientNoContextTakeover: true,
      serverMaxWindowBits: 12,
      clientMaxWindowBits: 11,
    },
    "server_max_window_bits=14; client_max_window_bits=13",
    '{"server_max_window_bits":12,"client_max_window_bits":11,"server_no_context_takeover":true,"client_no_context_takeover":true}',
  ],
  [
    { isServer: true, serverMaxWindowBits: 11 },
    "server_max_window_bits=10, permessage-deflate",
    '{"server_max_window_bits":11}',
  ],
  [{ isServer: true, clientMaxWindowBits: false }, "client_max_window_bits=10", "{}"],
  [{ isServer: true, serverNoContextTakeover: false }, "server_no_context_takeover", none],
  [{ isServer: true, serverMaxWindowBits: false }, "server_max_window_bits=10", none],
  [{ isServer: true, serverMaxWindowBits: 11 }, "server_max_window_bits=10", none],
  [{ isServer: true, clientMaxWindowBits: 10 }, "server_max_window_bits=10", none],
  [{ isServer: true, clientMaxWindowBits: 10 }, "client_max_window_bits=9", none],
  [
    { clientNoContextTakeover: false },
    "client_no_context_takeover",
    'Error: Unexpected parameter "client_no_context_takeover"',
  ],
  [
    { clientMaxWindowBits: false },
    "client_max_window_bits=10",
    'Error: Unexpected or invalid parameter "client_max_window_bits"',
  ],
  [
    { clientMaxWindowBits: 10 },
    "client_max_window_bits=11",
    'Error: Unexpected or invalid parameter "client_max_window_bits"',
  ],
  [{ clientMaxWindowBits: 10 }, "server_max_window_bits=9", '{"server_max_window_bits":9,"client_max_window_bits":10}'],
];

describe.each(both)("permessage-deflate of %s", (_name, exports) => {
  const { PerMessageDeflate } = exports;

  function agreed(options: PerMessageDeflateOptions = {}, parameters: object = {}): Instance {
    const instance = new PerMessageDeflate(options);
    instance.accept([parameters]);
    return instance;
  }

  test("has the name of the extension", () => {
    expect(PerMessageDeflate.extensionName).toBe("permessage-deflate");
  });

  test.each(offers)("with %j offers %j", (options, offer) => {
    expect(new PerMessageDeflate(options).offer()).toEqual(offer);
  });

  test.each(negotiations)("with %j makes of %j %s", (options, parameters, outcome) => {
    expect(accepted(exports, options, `permessage-deflate; ${parameters}`)).toBe(outcome);
  });

  test("takes null for no options", () => {
    expect(new PerMessageDeflate(null as never).offer()).toEqual({ client_max_window_bits: true });
  });

  test("agrees on no parameters", () => {
    expect(new PerMessageDeflate().params).toBe(null);
    for (const isServer of [true, false]) expect(accepted(exports, { isServer }, "permessage-deflate")).toBe("{}");
  });

  test("compresses and inflates messages, whole and piece by piece", async () => {
    const instance = agreed();
    for (const data of ["", "short", "long ".repeat(50_000)]) {
      const bytes = Buffer.from(data);
      expect(await decompress(instance, await compress(instance, bytes, true), true)).toEqual(bytes);
      const cut = Math.floor(bytes.length / 2);
      const pieces = [
        await compress(instance, bytes.subarray(0, cut), false),
        await compress(instance, bytes.subarray(cut), true),
      ];
      const parts = [await decompress(instance, pieces[0]!, false), await decompress(instance, pieces[1]!, true)];
      expect(Buffer.concat(parts)).toEqual(bytes);
    }
    expect(await decompress(instance, await compress(instance, "text", true), true)).toEqual(Buffer.from("text"));
  });

  test("leaves off the tail of a message only", async () => {
    const instance = agreed();
    expect((await compress(instance, "Hello", true)).toString("hex")).toBe("f248cdc9c90700");
    expect((await compress(agreed(), "Hello", false)).toString("hex")).toBe("f248cdc9c907000000ffff");
  });

  test.each([
    [true, { server_no_context_takeover: [true] }, true],
    [true, {}, false],
    [false, { client_no_context_takeover: [true] }, true],
    [false, { server_no_context_takeover: [true] }, false],
  ])("as the server (%s) with %j starts each message with an empty window: %s", async (isServer, parameters, empty) => {
    const instance = agreed({ isServer }, parameters);
    const first = await compress(instance, "foofoo", true);
    const second = await compress(instance, "foofoo", true);
    expect(second.equals(first)).toBe(empty);
  });

  test.each([
    [true, { client_no_context_takeover: [true] }],
    [false, { server_no_context_takeover: [true] }],
  ])("as the server (%s) with %j inflates each message alone", async (isServer, parameters) => {
    const instance = agreed({ isServer }, parameters);
    const message = deflateRawSync("foofoo", { finishFlush: 2 }).subarray(0, -4);
    for (let i = 0; i < 2; i++) expect(`${await decompress(instance, message, true)}`).toBe("foofoo");
  });

  test("uses the options for zlib, and the windows that were agreed", async () => {
    const options = { zlibDeflateOptions: { level: 0, chunkSize: 256 }, zlibInflateOptions: { chunkSize: 2048 } };
    const instance = agreed(options, { client_max_window_bits: ["9"], server_max_window_bits: ["10"] });
    expect([instance._deflate, instance._inflate]).toEqual([null, null]);
    const data = Buffer.alloc(1000, "a");
    const output = await compress(instance, data, true);
    expect(output.length).toBeGreaterThan(1000);
    expect(await decompress(instance, output, true)).toEqual(data);
    const { _deflate, _inflate } = instance as unknown as Record<string, { _chunkSize: number }>;
    expect([_deflate!._chunkSize, _inflate!._chunkSize]).toEqual([256, 2048]);
    const far = Buffer.concat([
      Buffer.from("0123456789abcdef"),
      Buffer.alloc(600, "."),
      Buffer.from("0123456789abcdef"),
    ]);
    const near = agreed({}, { client_max_window_bits: ["9"] });
    expect((await compress(near, far, true)).length).toBeGreaterThan((await compress(agreed(), far, true)).length);
  });

  test("begins anew after a final block", async () => {
    const instance = agreed();
    const final = Buffer.concat([deflateRawSync("12345678"), Buffer.of(0)]);
    for (let i = 0; i < 3; i++) expect(`${await decompress(instance, final, true)}`).toBe("12345678");
  });

  test("says what is wrong with data, and takes other data then", async () => {
    const instance = agreed();
    const error: ReceiverError = await decompress(instance, Buffer.from("something invalid"), true).catch((e) => e);
    expect(error).toMatchObject({ code: "Z_DATA_ERROR", errno: -3 });
    const good = deflateRawSync("good", { finishFlush: 2 }).subarray(0, -4);
    expect(`${await decompress(instance, good, true)}`).toBe("good");
  });

  test.each([50, 1024 * 1024])("stops at the limit of 25 bytes, of %i", async (length) => {
    const instance = agreed({ maxPayload: 25 });
    const data = await compress(instance, Buffer.alloc(length, "A"), true);
    const error: ReceiverError = await decompress(instance, data, true).catch((e) => e);
    expect(error).toBeInstanceOf(RangeError);
    expect(error).toMatchObject({ code: "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH", message: "Max payload size exceeded" });
  });

  test("fails what is being compressed when it is cleaned up", async () => {
    const instance = agreed();
    const pending = compress(instance, Buffer.alloc(50), true).catch(String);
    instance.cleanup();
    expect(await pending).toBe("Error: The deflate stream was closed while data was being processed");
    instance.cleanup();
  });
});

test("compresses on after it was cleaned up, where ws takes the end of the old stream for the new one's", async () => {
  const instance = new ours.PerMessageDeflate();
  instance.accept([{}]);
  const pending = compress(instance, Buffer.alloc(50), true).catch(String);
  instance.cleanup();
  expect(inflateRawSync(await compress(instance, "more", false), { finishFlush: 2 })).toEqual(Buffer.from("more"));
  expect(await pending).toContain("The deflate stream was closed");
  instance.cleanup();
});

test("calls that do not wait for each other are worked on one after another", async () => {
  for (const parameters of [{}, { client_no_context_takeover: [true], server_no_context_takeover: [true] }]) {
    const instance = new ours.PerMessageDeflate();
    instance.accept([parameters]);
    const messages = Array.from({ length: 40 }, (_, i) => `message ${i} `.repeat(i));
    const outputs = await Promise.all(messages.map((message) => compress(instance, message, true)));
    const inflated = await Promise.all(outputs.map((output) => decompress(instance, output, true)));
    expect(inflated.map(String)).toEqual(messages);
  }
});

test("everything that is being inflated fails when it is cleaned up", async () => {
  const instance = new ours.PerMessageDeflate();
  instance.accept([{}]);
  const pending = Array.from({ length: 30 }, () => decompress(instance, Buffer.of(0), true).catch(String));
  instance.cleanup();
  const outcomes = await Promise.all(pending);
  expect(outcomes.filter((outcome) => String(outcome).includes("The inflate stream was closed"))).not.toEqual([]);
});

test("a piece whose callback throws does not hold up the next", async () => {
  const thrown = new Promise((resolve) => process.once("uncaughtException", resolve));
  const before = process.listeners("uncaughtException").slice(0, -1) as (() => void)[];
  for (const listener of before) process.off("uncaughtException", listener);
  const instance = new ours.PerMessageDeflate();
  instance.accept([{}]);
  instance.compress("a", true, () => {
    throw new Error("Oops");
  });
  const next = compress(instance, "b", true);
  expect(String(await thrown)).toBe("Error: Oops");
  for (const listener of before) process.on("uncaughtException", listener);
  expect((await next).length).toBeGreaterThan(0);
});

test("whatever is negotiated, ours and that of ws agree on the same", () => {
  const bits = fc.constantFrom(undefined, true, false, 8, 10, 15);
  const takeover = fc.constantFrom(undefined, true, false);
  const options = fc.record({
    isServer: fc.boolean(),
    serverNoContextTakeover: takeover,
    clientNoContextTakeover: takeover,
    serverMaxWindowBits: bits,
    clientMaxWindowBits: bits,
  });
  const parameter = fc.constantFrom(
    "server_no_context_takeover",
    "client_no_context_takeover",
    "server_max_window_bits",
    ...[8, 10, 15, 16].map((value) => `server_max_window_bits=${value}`),
    "client_max_window_bits",
    ...[8, 10, 15].map((value) => `client_max_window_bits=${value}`),
  );
  const offer = fc.uniqueArray(parameter, { maxLength: 4 }).map((given) => ["permessage-deflate", ...given].join("; "));
  fc.assert(
    fc.property(options, fc.array(offer, { minLength: 1, maxLength: 3 }), (given, written) => {
      const header = written.join(", ");
      expect(accepted(ours, given, header)).toBe(accepted(control, given, header));
      const offered = [ours, control].map(({ PerMessageDeflate }) => new PerMessageDeflate(given).offer());
      expect(offered[0]).toEqual(offered[1]);
    }),
    { numRuns: 3000 },
  );
});

test("a window of 8 bits is one that zlib has, in both directions", async () => {
  const bits = { client_max_window_bits: ["8"], server_max_window_bits: ["8"] };
  const data = Buffer.from(Array.from({ length: 4000 }, (_, i) => (i * 7919) % 251));
  for (const isServer of [true, false]) {
    const [sending, receiving] = [isServer, !isServer].map((side) => {
      const instance = new ours.PerMessageDeflate({ isServer: side });
      instance.accept([{ ...bits }]);
      return instance;
    }) as [Instance, Instance];
    for (let i = 0; i < 3; i++) {
      expect(await decompress(receiving, await compress(sending, data, true), true)).toEqual(data);
    }
  }
});
