import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { deflateRawSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { ReceiverOptions } from "../../../src/ws/parts/receiver.ts";
import type { ReceiverError } from "../../../src/ws/parts/receiver-error.ts";
import { until } from "../../support/connection-pair.ts";
import { both, control, type Exports, ours } from "../implementations.ts";

/** What a receiver emitted, one line for each event: bytes in hex. */
async function eventsOf(
  { Receiver, PerMessageDeflate }: Exports,
  { deflate = false, ...options }: ReceiverOptions & { readonly deflate?: boolean },
  chunks: readonly Uint8Array[],
): Promise<string[]> {
  const side = { isServer: options.isServer, maxPayload: options.maxPayload };
  const perMessageDeflate = new PerMessageDeflate(side);
  perMessageDeflate.accept([{}]);
  const receiver = new Receiver(
    deflate ? { ...options, extensions: { "permessage-deflate": perMessageDeflate } } : options,
  );
  const events: string[] = [];
  receiver.on("message", (data, isBinary) => events.push(`${isBinary ? "binary" : "text"} ${show(data)}`));
  for (const event of ["ping", "pong"]) receiver.on(event, (data) => events.push(`${event} ${show(data)}`));
  receiver.on("conclude", (code, reason) => events.push(`conclude ${code} ${show(reason)}`));
  receiver.on("error", (error: ReceiverError) =>
    events.push(`${error.name} ${error.code}: ${error.message}; ${closeCodeOf(error)}`),
  );
  for (const chunk of chunks) {
    if (receiver.destroyed || receiver.writableEnded) break;
    await new Promise<unknown>((resolve) => receiver.write(Buffer.from(chunk), resolve));
  }
  await new Promise(setImmediate);
  perMessageDeflate.cleanup();
  return events;
}

function show(data: Buffer | readonly Buffer[] | ArrayBuffer): string {
  if (data instanceof ArrayBuffer) return `memory ${Buffer.from(data).toString("hex")}`;
  return Array.isArray(data) ? data.map((piece) => piece.toString("hex")).join("|") : (data as Buffer).toString("hex");
}

/** The close code of an error is under a symbol. */
function closeCodeOf(error: Error): unknown {
  const symbol = Object.getOwnPropertySymbols(error).find(({ description }) => description === "status-code");
  return symbol && (error as unknown as Record<symbol, unknown>)[symbol];
}

function whole(hex: string): Buffer[] {
  return [Buffer.from(hex.replaceAll(" ", ""), "hex")];
}

function byteByByte(hex: string): Buffer[] {
  return whole(hex).flatMap((bytes) => [...bytes].map((byte) => Buffer.of(byte)));
}

const hello = "48656c6c6f";
const compressed = deflateRawSync("Hello", { finishFlush: 2 }).subarray(0, -4).toString("hex");
const [firstHalf, secondHalf] = [compressed.slice(0, 6), compressed.slice(6)];
const compressedLength = `0${compressed.length / 2}`;

const cases: readonly (readonly [
  title: string,
  options: ReceiverOptions & { readonly deflate?: boolean },
  input: string,
  events: readonly string[],
])[] = [
  ["text", {}, `81 05 ${hello}`, [`text ${hello}`]],
  ["masked text", { isServer: true }, "81 85 37fa213d 7f9f4d5158", [`text ${hello}`]],
  ["text masked with zeros", { isServer: true }, `81 85 00000000 ${hello}`, [`text ${hello}`]],
  ["empty messages", {}, "81 00 82 00", ["text ", "binary "]],
  ["a 16-bit length", {}, `82 7e 00c8 ${"61".repeat(200)}`, [`binary ${"61".repeat(200)}`]],
  ["a 64-bit length that is not minimal", {}, `82 7f 0000000000000005 ${hello}`, [`binary ${hello}`]],
  ["fragments with a ping inside", {}, "01 02 4865 89 01 aa 80 03 6c6c6f", ["ping aa", `text ${hello}`]],
  ["fragments, some empty", {}, "02 00 00 02 4865 00 00 80 00", ["binary 4865"]],
  ["a character across fragments", {}, "01 01 c3 80 01 a9", ["text c3a9"]],
  ["pings and pongs", {}, "89 00 8a 01 aa", ["ping ", "pong aa"]],
  ["a Close, and nothing behind it", {}, `88 00 81 05 ${hello}`, ["conclude 1005 "]],
  ["a Close with a code", {}, "88 02 03e8", ["conclude 1000 "]],
  ["a Close with a reason", {}, "88 06 03e8 444f4e45", ["conclude 1000 444f4e45"]],
  ["a compressed message", { deflate: true }, `c1 ${compressedLength} ${compressed}`, [`text ${hello}`]],
  [
    "compressed fragments with a ping inside",
    { deflate: true },
    `42 03 ${firstHalf} 89 01 aa 80 0${secondHalf.length / 2} ${secondHalf} 81 01 41`,
    ["ping aa", `binary ${hello}`, "text 41"],
  ],
  ["fragments as pieces", { binaryType: "fragments" }, "02 02 4865 00 00 80 03 6c6c6f", ["binary 4865|6c6c6f"]],
  ["binary as an ArrayBuffer", { binaryType: "arraybuffer" }, `82 05 ${hello}`, [`binary memory ${hello}`]],
  ["no empty piece for an empty message", { binaryType: "fragments" }, "82 00", ["binary "]],
  [
    "a message as long as allowed",
    { maxPayload: 5 },
    `82 05 ${hello} 82 05 ${hello}`,
    [`binary ${hello}`, `binary ${hello}`],
  ],
  [
    "as many fragments as allowed",
    { maxFragments: 2 },
    "02 01 61 80 01 62 02 01 61 80 01 62",
    ["binary 6162", "binary 6162"],
  ],
  ["a control frame that is no fragment", { maxFragments: 1 }, "89 00 89 00 82 01 61", ["ping ", "ping ", "binary 61"]],
  [
    "text that is not UTF-8, where that is allowed",
    { skipUTF8Validation: true },
    "81 01 f8 88 03 03e8f8",
    ["text f8", "conclude 1000 f8"],
  ],
  [
    "one event a turn",
    { allowSynchronousEvents: false },
    "81 01 31 89 01 32 8a 01 33 82 01 34",
    ["text 31", "ping 32", "pong 33", "binary 34"],
  ],
  ...(
    [
      [
        "RSV1 without compression",
        {},
        "c2 80 00000000",
        "RangeError WS_ERR_UNEXPECTED_RSV_1: Invalid WebSocket frame: RSV1 must be clear; 1002",
      ],
      [
        "RSV1 on a continuation",
        { deflate: true },
        "40 00",
        "RangeError WS_ERR_UNEXPECTED_RSV_1: Invalid WebSocket frame: RSV1 must be clear; 1002",
      ],
      [
        "RSV1 on a ping",
        { deflate: true },
        "c9 00",
        "RangeError WS_ERR_UNEXPECTED_RSV_1: Invalid WebSocket frame: RSV1 must be clear; 1002",
      ],
      [
        "RSV2",
        {},
        "a2 00",
        "RangeError WS_ERR_UNEXPECTED_RSV_2_3: Invalid WebSocket frame: RSV2 and RSV3 must be clear; 1002",
      ],
      [
        "RSV3",
        {},
        "92 00",
        "RangeError WS_ERR_UNEXPECTED_RSV_2_3: Invalid WebSocket frame: RSV2 and RSV3 must be clear; 1002",
      ],
      [
        "nothing to continue",
        {},
        "00 00",
        "RangeError WS_ERR_INVALID_OPCODE: Invalid WebSocket frame: invalid opcode 0; 1002",
      ],
      [
        "text inside a message",
        {},
        "01 00 01 00",
        "RangeError WS_ERR_INVALID_OPCODE: Invalid WebSocket frame: invalid opcode 1; 1002",
      ],
      [
        "binary inside a message",
        {},
        "01 00 82 00",
        "RangeError WS_ERR_INVALID_OPCODE: Invalid WebSocket frame: invalid opcode 2; 1002",
      ],
      [
        "a reserved opcode",
        {},
        "83 00",
        "RangeError WS_ERR_INVALID_OPCODE: Invalid WebSocket frame: invalid opcode 3; 1002",
      ],
      [
        "a reserved control opcode",
        {},
        "8b 00",
        "RangeError WS_ERR_INVALID_OPCODE: Invalid WebSocket frame: invalid opcode 11; 1002",
      ],
      [
        "a fragmented ping",
        {},
        "09 00",
        "RangeError WS_ERR_EXPECTED_FIN: Invalid WebSocket frame: FIN must be set; 1002",
      ],
      [
        "no mask from a client",
        { isServer: true },
        "81 02 6869",
        "RangeError WS_ERR_EXPECTED_MASK: Invalid WebSocket frame: MASK must be set; 1002",
      ],
      [
        "a mask from a server",
        {},
        "81 82 563aac80 3e53",
        "RangeError WS_ERR_UNEXPECTED_MASK: Invalid WebSocket frame: MASK must be clear; 1002",
      ],
      [
        "a ping of 126 bytes",
        {},
        "89 7e",
        "RangeError WS_ERR_INVALID_CONTROL_PAYLOAD_LENGTH: Invalid WebSocket frame: invalid payload length 126; 1002",
      ],
      [
        "a Close of one byte",
        {},
        "88 01",
        "RangeError WS_ERR_INVALID_CONTROL_PAYLOAD_LENGTH: Invalid WebSocket frame: invalid payload length 1; 1002",
      ],
      [
        "a Close code that must not be sent",
        {},
        "88 02 03ed",
        "RangeError WS_ERR_INVALID_CLOSE_CODE: Invalid WebSocket frame: invalid status code 1005; 1002",
      ],
      [
        "a reason that is not UTF-8",
        {},
        "88 06 03ef cebae1bd",
        "Error WS_ERR_INVALID_UTF8: Invalid WebSocket frame: invalid UTF-8 sequence; 1007",
      ],
      [
        "text that is not UTF-8",
        {},
        "81 04 cebae1bd",
        "Error WS_ERR_INVALID_UTF8: Invalid WebSocket frame: invalid UTF-8 sequence; 1007",
      ],
      [
        "a length beyond 2^53 - 1",
        {},
        "82 7f 0020000000000000",
        "RangeError WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH: Unsupported WebSocket frame: payload length > 2^53 - 1; 1009",
      ],
      [
        "a length with the top bit",
        {},
        "82 7f 8000000000000000",
        "RangeError WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH: Unsupported WebSocket frame: payload length > 2^53 - 1; 1009",
      ],
      [
        "a message that is too long",
        { maxPayload: 4 },
        "82 05",
        "RangeError WS_ERR_UNSUPPORTED_MESSAGE_LENGTH: Max payload size exceeded; 1009",
      ],
      [
        "fragments that are too long together",
        { maxPayload: 4 },
        "02 03 616263 80 02",
        "RangeError WS_ERR_UNSUPPORTED_MESSAGE_LENGTH: Max payload size exceeded; 1009",
      ],
      [
        "too many fragments",
        { maxFragments: 2 },
        "02 01 61 00 00 00 00",
        "RangeError WS_ERR_TOO_MANY_BUFFERED_PARTS: Too many message fragments; 1008",
      ],
      [
        "a compressed message that is no DEFLATE data",
        { deflate: true },
        "c2 02 ffff",
        "Error Z_DATA_ERROR: invalid block type; 1007",
      ],
    ] as const
  ).map(([title, options, input, error]) => [title, options, input, [error]] as const),
];

describe.each(both)("a receiver of %s", (_name, exports) => {
  describe.each([
    ["whole", whole],
    ["byte by byte", byteByByte],
  ])("that gets its input %s", (_how, cut) => {
    test.each(cases)("emits what there is of %s", async (_title, options, input, events) => {
      expect(await eventsOf(exports, options, cut(input))).toEqual(events);
    });
  });

  test("stops inflating at the limit", async () => {
    const bomb = deflateRawSync(Buffer.alloc(1024 * 1024), { finishFlush: 2 }).subarray(0, -4);
    const frame = Buffer.concat([Buffer.from("c27e", "hex"), Buffer.of(bomb.length >> 8, bomb.length), bomb]);
    const [event] = await eventsOf(exports, { deflate: true, maxPayload: 2000 }, [frame]);
    expect(event).toBe("RangeError WS_ERR_UNSUPPORTED_MESSAGE_LENGTH: Max payload size exceeded; 1009");
  });

  test("keeps as many chunks of a frame as allowed", async () => {
    const chunks = ["8205", "61", "62", "63"].map((hex) => Buffer.from(hex, "hex"));
    expect(await eventsOf(exports, { maxBufferedChunks: 2 }, chunks)).toEqual([
      "RangeError WS_ERR_TOO_MANY_BUFFERED_PARTS: Too many buffered chunks; 1008",
    ]);
    const rest = Buffer.from("62636465", "hex");
    expect(await eventsOf(exports, { maxBufferedChunks: 2 }, [...chunks.slice(0, 2), rest])).toEqual([
      "binary 6162636465",
    ]);
  });

  test("takes a long message in chunks of any size", async () => {
    const message = randomBytes(200_000);
    const frame = Buffer.concat(
      exports.Sender.frame(message, { opcode: 2, fin: true, mask: true, readOnly: true }) as Buffer[],
    );
    for (const size of [1000, 65_536, frame.length]) {
      const chunks: Buffer[] = [];
      for (let at = 0; at < frame.length; at += size) chunks.push(frame.subarray(at, at + size));
      expect(await eventsOf(exports, { isServer: true }, chunks)).toEqual([`binary ${message.toString("hex")}`]);
    }
  });

  test("gives a Blob where one is asked for", async () => {
    const receiver = new exports.Receiver({ binaryType: "blob" });
    receiver.write(Buffer.from(`0202486580036c6c6f`, "hex"));
    const received = once(receiver, "message");
    receiver.write(Buffer.from(`8200`, "hex"));
    const [blob] = (await received) as [Blob];
    expect(blob).toBeInstanceOf(Blob);
  });

  test("gives an ArrayBuffer of the message alone where one is asked for, of one fragment or several", async () => {
    const receiver = new exports.Receiver({ binaryType: "arraybuffer" });
    const received: ArrayBuffer[] = [];
    receiver.on("message", (data) => received.push(data));
    receiver.write(Buffer.from("0201780001798001" + "7a" + "820161" + "8200", "hex"));
    await until(() => received.length === 3);
    expect(received.map((memory) => [...new Uint8Array(memory)])).toEqual([[0x78, 0x79, 0x7a], [0x61], []]);
  });

  test("emits one event a turn where that is asked for", async () => {
    const receiver = new exports.Receiver({ allowSynchronousEvents: false });
    const order: string[] = [];
    receiver.on("message", (data) => {
      order.push(`${data}`);
      queueMicrotask(() => order.push(`after ${data}`));
    });
    await new Promise<unknown>((resolve) => receiver.write(Buffer.from("810131810132", "hex"), resolve));
    expect(order).toEqual(["1", "after 1", "2", "after 2"]);
  });

  test("lets what a listener throws escape to whoever writes", () => {
    const receiver = new exports.Receiver();
    receiver.on("message", () => {
      throw new Error("Oops");
    });
    expect(() => receiver.write(Buffer.from("8200", "hex"))).toThrow("Oops");
  });

  test("says how many bytes the message under way has announced", () => {
    const receiver = new exports.Receiver({ maxPayload: 10 });
    receiver.write(Buffer.from("01024865", "hex"));
    expect(receiver._totalPayloadLength).toBe(2);
    receiver.write(Buffer.from("80036c6c6f", "hex"));
    expect(receiver._totalPayloadLength).toBe(0);
  });

  test("emits nothing any more once it is destroyed inside an event", async () => {
    const receiver = new exports.Receiver({ allowSynchronousEvents: false });
    const seen: string[] = [];
    receiver.on("message", (data) => {
      seen.push(`${data}`);
      receiver.removeAllListeners("message");
      receiver.destroy();
    });
    receiver.write(Buffer.from("810131810132", "hex"));
    await once(receiver, "close");
    await new Promise(setImmediate);
    expect(seen).toEqual(["1"]);
  });
});

test("whatever is received, ours and that of ws emit the same", async () => {
  const frame = fc
    .record({
      first: fc.oneof(
        { weight: 8, arbitrary: fc.constantFrom(0x81, 0x82, 0x01, 0x02, 0x00, 0x80, 0x89, 0x8a) },
        { weight: 1, arbitrary: fc.integer({ min: 0, max: 255 }) },
        { weight: 1, arbitrary: fc.constant(0x88) },
      ),
      masked: fc.oneof({ weight: 12, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) }),
      payload: fc.oneof(
        fc.uint8Array({ maxLength: 6 }),
        fc.string({ maxLength: 130 }).map((text) => Buffer.from(text)),
      ),
    })
    // ws judges FIN before RSV1, and we the other way round; both are 1002.
    .filter(({ first }) => !((first & 0x08) !== 0 && (first & 0xc0) === 0x40))
    .map(({ first, masked, payload }) => {
      const mask = masked ? 0x80 : 0;
      const length =
        payload.length < 126 ? [mask | payload.length] : [mask | 126, payload.length >> 8, payload.length & 0xff];
      return Buffer.concat([Uint8Array.of(first, ...length), masked ? Buffer.alloc(4) : Buffer.alloc(0), payload]);
    });
  const options = fc.record(
    { maxPayload: fc.constantFrom(0, 8, 200), maxFragments: fc.constantFrom(0, 2), skipUTF8Validation: fc.boolean() },
    { requiredKeys: [] },
  );
  const cuts = fc.array(fc.integer({ min: 1, max: 9 }), { maxLength: 8 });
  await fc.assert(
    fc.asyncProperty(fc.array(frame, { maxLength: 8 }), options, cuts, async (frames, given, sizes) => {
      const bytes = Buffer.concat(frames);
      const chunks: Buffer[] = [];
      let at = 0;
      for (const size of [...sizes, bytes.length]) {
        if (at < bytes.length) chunks.push(bytes.subarray(at, at + size));
        at += size;
      }
      expect(await eventsOf(ours, given, chunks)).toEqual(await eventsOf(control, given, chunks));
    }),
    { numRuns: 1000 },
  );
});
