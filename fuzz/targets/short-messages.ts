/**
 * Invariant: what we compress without zlib, zlib inflates to the same within the agreed window; what zlib compresses, and
 * whatever else zlib takes for a message, we inflate to the same; and nothing else.
 *
 * The first byte of an input says which of the three is tried, the second with which window, the third with which level,
 * strategy and memory of zlib. A message to compress is made from the rest, see `messageFrom`.
 */
import { constants, deflateRawSync, inflateRawSync } from "node:zlib";
import { type InflateOutcome, MessageDeflate } from "../../src/connection/compression/message-deflate.ts";
import { deflateShort, inflateShort, longestShort } from "../../src/protocol/deflate/short-messages.ts";
import { referenceInflate } from "../../test/support/reference-inflate.ts";
import { check, type Outcome, type Target } from "../target.ts";

/** Short messages, compressed and not. */
export const shortMessagesTarget: Target = {
  name: "short-messages",
  maxLength: 400,
  dictionary: [
    "f2 48 cd c9 c9 07 00",
    "f3 48 cd c9 c9 07 00 00",
    "00 05 00 fa ff 48 65 6c 6c 6f 00",
    "01 00 00 ff ff",
    "00 00 00 ff ff",
    "05 c0 81 00 00 00 00 00 90 56 ff 13 b4 01",
    "4a 04 02 00",
    "62 1c 05 a3 60 14 0c 77 00 00",
    "ed c0 01 09 00 00 00 c2 a0 f5 4f ed 61 0d",
    '"{\\"id\\":10037,\\"name\\":\\"item-31\\",\\"available\\":true}"',
  ],
  run,
};

const largestOutput = 64 * 1024;
const limit = 2000;
const parameters = {
  serverNoContextTakeover: true,
  clientNoContextTakeover: true,
  serverMaxWindowBits: 15,
  clientMaxWindowBits: 15,
};
const withZlib = new MessageDeflate("server", parameters, {
  threshold: 0,
  level: undefined,
  memLevel: undefined,
  publicZlibOnly: true,
});
const tail = Uint8Array.of(0x00, 0x00, 0xff, 0xff);

function run(input: Uint8Array): Outcome | Promise<Outcome> {
  const [kind = 0, window = 0, effort = 0] = input;
  const rest = new Uint8Array(input.subarray(3));
  if (kind % 4 === 0) return inflateAnything(rest);
  const message = messageFrom(rest);
  return kind % 4 === 1 ? inflateOfZlib(message, window, effort) : compress(message, 8 + (window & 7));
}

function compress(message: Uint8Array, bits: number): Outcome {
  const payload = deflateShort(message, bits, (length) => new Uint8Array(length));
  if (message.length > longestShort) {
    check(payload === undefined, "A long message is compressed");
    return "long";
  }
  check(payload !== undefined, "A message is not compressed");
  const whole = Buffer.concat([payload, tail]);
  // zlib's smallest window is 9 bits; it inflates with any that is large enough.
  const inflated = inflateRawSync(whole, { finishFlush: constants.Z_SYNC_FLUSH, windowBits: Math.max(9, bits) });
  check(inflated.equals(message), "zlib does not inflate it to the same");
  check(payload.length <= message.length + 6, "It is longer than a stored block");
  // The other inflater takes its time, so it sees those alone whose window says something.
  if (message.length > 2 ** bits && message.length < 3000) {
    const { maxDistance = 0 } = referenceInflate(payload) ?? {};
    check(maxDistance <= 2 ** bits, "A distance goes beyond the window");
  }
  if (payload.length <= longestShort) checkInflated(inflateShort(payload, message.length, false), message);
  return `block ${(payload[0]! >> 1) & 3} ${Math.ceil(Math.log2(message.length + 1))} ${Math.ceil(Math.log2(payload.length))}`;
}

function inflateOfZlib(message: Uint8Array, window: number, effort: number): Outcome {
  const options = {
    windowBits: 9 + (window % 7),
    level: effort % 10,
    strategy: (effort >> 4) % 5,
    memLevel: 1 + ((window >> 4) % 9),
    finishFlush: constants.Z_SYNC_FLUSH,
  };
  const payload = new Uint8Array(deflateRawSync(message, options).subarray(0, -tail.length));
  const outcome = inflateShort(payload, message.length, false);
  if (payload.length > longestShort || message.length > largestOutput) {
    check(outcome === "needs-zlib", "A long message is inflated");
    return "long of zlib";
  }
  checkInflated(outcome, message);
  if (message.length > 0) check(inflateShort(payload, message.length - 1, false) === "message-too-big", "The limit");
  return `zlib ${options.strategy} ${(payload[0]! >> 1) & 3} ${Math.ceil(Math.log2(message.length + 1))}`;
}

function checkInflated(outcome: ReturnType<typeof inflateShort>, message: Uint8Array): void {
  check(outcome instanceof Uint8Array, `It is not inflated: ${String(outcome)}`);
  check(Buffer.from(outcome.buffer).equals(message), "It is inflated to something else");
}

async function inflateAnything(payload: Uint8Array): Promise<Outcome> {
  const outcome = inflateShort(payload, limit, false);
  if (payload.length === 0) {
    check(outcome === "needs-zlib", "No bytes are taken for a message");
    return "nothing";
  }
  const expected: InflateOutcome = await withZlib.inflate(payload, limit);
  if (expected === "invalid-deflate-data") {
    check(outcome === "needs-zlib", "What zlib refuses is inflated");
    return `refused ${(payload[0]! >> 1) & 3}`;
  }
  if (expected === "message-too-big") {
    check(typeof outcome === "string", "What is too big is inflated");
    return `too big ${outcome}`;
  }
  if (!(expected instanceof Uint8Array)) throw new Error(expected);
  checkInflated(outcome, expected);
  return `whole ${(payload[0]! >> 1) & 3} ${Math.ceil(Math.log2(expected.length + 1))}`;
}

/** The longest message that is made, a little longer than what is compressed without zlib. */
const longestMade = longestShort + 100;

/**
 * Makes a message of up to 16 KiB. Each step is two bytes: of the first, the low bits say what to add, the others how
 * much; of the second it is made.
 */
function messageFrom(recipe: Uint8Array): Uint8Array {
  const message = new Uint8Array(longestMade);
  let length = 0;
  let random = 1;
  for (let at = 0; at + 1 < recipe.length && length < longestMade; at += 2) {
    const [step = 0, value = 0] = recipe.subarray(at, at + 2);
    const distance = ((value * value) >> 2) + 1;
    const amount = step >> 3;
    const wanted = (step & 7) < 4 ? amount + 1 : amount * amount * 4;
    const end = Math.min(longestMade, length + wanted);
    for (; length < end; length++) {
      random = (Math.imul(random, 1_664_525) + 1_013_904_223) >>> 0;
      const noise = random >>> 24;
      if ((step & 3) === 0) message[length] = recipe[at + 1 + (length % 7)] ?? value;
      else if ((step & 3) === 1) message[length] = length < distance ? value : message[length - distance]!;
      else if ((step & 3) === 2) message[length] = value < 128 ? 0x20 + (noise % (1 + (value & 63))) : noise;
      else message[length] = value;
    }
  }
  return message.subarray(0, length);
}
