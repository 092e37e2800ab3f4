/** Histories where the runtime's raw zlib streams look at dictionaries, and where they do not, as on Deno. */
import { afterEach, describe, expect, test, vi } from "vitest";
import type { MessageDeflate } from "../../../src/connection/compression/message-deflate.ts";
import type { Role } from "../../../src/protocol/frames/frame.ts";
import { json } from "../../support/deflate-samples.ts";
import { peerOf } from "../../support/wire.ts";

const folder = "../../../src/connection/compression";
const parameters = { serverNoContextTakeover: false, clientNoContextTakeover: false };
const windows = { serverMaxWindowBits: 15, clientMaxWindowBits: 15 };

/** The modules over a zlib whose inflaters, or all of whose raw streams, pay no heed to a dictionary. */
async function withoutDictionaries(of: "inflaters" | "all") {
  vi.resetModules();
  vi.doMock("node:zlib", async (original) => {
    const zlib = await original<typeof import("node:zlib")>();
    const without = ({ dictionary: _, ...options }: { dictionary?: unknown }) => options;
    return {
      ...zlib,
      createInflateRaw: (options: object) => zlib.createInflateRaw(without(options)),
      inflateRawSync: (input: Uint8Array, options: object) => zlib.inflateRawSync(input, without(options)),
      ...(of === "all" && {
        createDeflateRaw: (options: object) => zlib.createDeflateRaw(without(options)),
        deflateRawSync: (input: Uint8Array, options: object) => zlib.deflateRawSync(input, without(options)),
      }),
    };
  });
  return await import(`${folder}/message-deflate.ts`);
}

afterEach(() => {
  vi.doUnmock("node:zlib");
  vi.resetModules();
});

const settings = { threshold: 0, level: 6, memLevel: 8 };

describe.each<Role>(["server", "client"])("a %s that inflates without dictionaries", (role) => {
  test.each([true, false])("knows its history over messages of every length; public zlib only: %s", async (only) => {
    const options = { ...settings, publicZlibOnly: only };
    const { MessageDeflate: Plain } = await import(`${folder}/message-deflate.ts`);
    const deflater: MessageDeflate = new Plain(peerOf(role), { ...parameters, ...windows }, settings);
    const { MessageDeflate: Without } = await withoutDictionaries("inflaters");
    const inflater: MessageDeflate = new Without(role, { ...parameters, ...windows }, options);
    // Short ones after long ones, so that contexts are made anew in the middle.
    for (const records of [2, 5000, 1, 1, 8000, 20, 2000, 1]) {
      const message = json(records);
      const outcome = await inflater.inflate(await deflater.deflate(message), message.length);
      expect(Buffer.compare(outcome as Uint8Array, message), `${records} records`).toBe(0);
    }
    deflater.release();
    inflater.release();
  });

  test("keeps the limit, and the window behind a final block [R7692-7.2.3.4-1]", async () => {
    const { MessageDeflate: Without } = await withoutDictionaries("inflaters");
    const inflater: MessageDeflate = new Without(role, { ...parameters, ...windows }, settings);
    const hello = Buffer.from("f348cdc9c9070000", "hex");
    const again = Buffer.from("f200110000", "hex");
    expect(Buffer.from((await inflater.inflate(hello, 5)) as Uint8Array).toString()).toBe("Hello");
    expect(Buffer.from((await inflater.inflate(again, 5)) as Uint8Array).toString()).toBe("Hello");
    const both = Buffer.from("f348cdc9c90700f200110000", "hex");
    expect(Buffer.from((await inflater.inflate(both, 10)) as Uint8Array).toString()).toBe("HelloHello");
    expect(await inflater.inflate(both, 9)).toBe("message-too-big");
    inflater.release();
  });
});

test("a deflater that makes no use of its history sends what any peer inflates", async () => {
  const { MessageDeflate: Without } = await withoutDictionaries("all");
  const deflater: MessageDeflate = new Without("server", { ...parameters, ...windows }, settings);
  vi.doUnmock("node:zlib");
  vi.resetModules();
  const { MessageDeflate: Plain } = await import(`${folder}/message-deflate.ts`);
  const inflater: MessageDeflate = new Plain("client", { ...parameters, ...windows }, settings);
  for (const records of [2, 5000, 1, 2000, 1]) {
    const message = json(records);
    const outcome = await inflater.inflate(await deflater.deflate(message), message.length);
    expect(Buffer.compare(outcome as Uint8Array, message), `${records} records`).toBe(0);
  }
  deflater.release();
  inflater.release();
});

test("control: without the blocks ahead, what refers to the history is not inflated", async () => {
  vi.doMock(`${folder}/zlib-history.ts`, async (original) => ({
    ...(await original<typeof import("../../../src/connection/compression/zlib-history.ts")>()),
    blocksAhead: () => new Uint8Array(0),
  }));
  const { MessageDeflate: Without } = await withoutDictionaries("inflaters");
  vi.doUnmock(`${folder}/zlib-history.ts`);
  const inflater: MessageDeflate = new Without("client", { ...parameters, ...windows }, settings);
  expect(await inflater.inflate(Buffer.from("f348cdc9c90700f200110000", "hex"), 100)).toBe("invalid-deflate-data");
  inflater.release();
});
