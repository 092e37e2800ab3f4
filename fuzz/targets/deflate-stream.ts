/**
 * Invariant: two messages in a row inflate to what RFC 1951 and RFC 7692 section 7.2.2 say, or break the rule they break.
 *
 * What they should be is told by an inflater of the tests' own. The first byte of an input sets the options; the second is
 * the first message's length, or with the highest option bit both are text to compress, which must come back the same.
 */
import { type InflateOutcome, MessageDeflate } from "../../src/connection/compression/message-deflate.ts";
import { referenceInflate } from "../../test/support/reference-inflate.ts";
import { check, type Outcome, type Target } from "../target.ts";

/** Payloads of compressed messages. */
export const deflateStreamTarget: Target = {
  name: "deflate-stream",
  maxLength: 96,
  dictionary: [
    "f2 48 cd c9 c9 07 00",
    "f2 00 11 00 00",
    "00 05 00 fa ff 48 65 6c 6c 6f 00",
    "f3 48 cd c9 c9 07 00 00",
    "f2 48 05 00 00 00 ff ff ca c9 c9 07 00",
    "00 00 00 ff ff",
    "01 00 00 ff ff",
    "05 c0 81 00 00 00 00 00 90 56 ff 13 b4 01",
    "4a 04 02 00",
    "06 07",
    '"abcabcabcabc"',
  ],
  run,
};

const limit = 2000;
const largestWindow = 32 * 1024;

async function run(input: Uint8Array): Promise<Outcome> {
  const bits = input[0] ?? 0;
  const rest = input.subarray(2);
  const split = Math.min(rest.length, input[1] ?? 0);
  const messages = [rest.slice(0, split), rest.slice(split)].map((each) => new Uint8Array(each));
  const takeover = (bits & 8) !== 0;
  const windowBits = 8 + (bits & 7);
  const parameters = {
    serverNoContextTakeover: !takeover,
    clientNoContextTakeover: !takeover,
    serverMaxWindowBits: windowBits,
    clientMaxWindowBits: windowBits,
  };
  const options = { threshold: 0, level: (bits >> 4) & 3 || 3, memLevel: 5, publicZlibOnly: (bits & 64) !== 0 };
  const receiver = new MessageDeflate("server", parameters, options);
  try {
    if ((bits & 128) === 0) return await inflateBoth(receiver, messages, takeover ? windowBits : undefined);
    const sender = new MessageDeflate("client", parameters, options);
    for (const message of messages) {
      const payload = await sender.deflate(message);
      const back = await receiver.inflate(new Uint8Array(payload), limit);
      check(typeof back === "object" && Buffer.from(back).equals(message), "What was compressed does not come back");
    }
    sender.release();
    return "round trip";
  } finally {
    receiver.release();
  }
}

/** `windowBits` is undefined without context takeover, where the largest window is allowed. */
async function inflateBoth(
  receiver: MessageDeflate,
  payloads: readonly Uint8Array[],
  windowBits: number | undefined,
): Promise<Outcome> {
  let history: Uint8Array = new Uint8Array(0);
  const outcomes: Outcome[] = [];
  for (const payload of payloads) {
    const given = new Uint8Array(payload);
    const outcome = await receiver.inflate(given, limit);
    outcomes.push(judge(outcome, payload, history, windowBits));
    if (typeof outcome === "string") break;
    if (windowBits !== undefined) history = Buffer.concat([history, outcome]).subarray(-largestWindow);
  }
  return outcomes.join(", ");
}

function judge(
  outcome: InflateOutcome,
  payload: Uint8Array,
  history: Uint8Array,
  windowBits: number | undefined,
): Outcome {
  if (payload.length === 0) {
    check(typeof outcome === "object" && outcome.length === 0, "No bytes are not taken for an empty message");
    return "nothing";
  }
  const expected = referenceInflate(payload, history);
  if (expected === undefined) {
    check(typeof outcome === "string", "Broken data is delivered");
    return outcome as string;
  }
  const { message, maxDistance } = expected;
  // zlib has no window of 8 bits; a larger one than agreed is the peer's fault, and may be seen or not.
  const tooFar = windowBits !== undefined && maxDistance > 2 ** windowBits;
  if (tooFar && outcome === "invalid-deflate-data") return "beyond the window";
  if (message.length > limit) {
    check(outcome === "message-too-big", "A message beyond the limit is not refused as such");
    return "too big";
  }
  if (typeof outcome === "string") throw new Error(`Whole, valid data is refused: ${outcome}`);
  check(Buffer.from(outcome).equals(message), "The message is another");
  return `whole ${Math.min(4, Math.ceil(Math.log2(message.length + 1) / 2))} ${Math.ceil(Math.log2(maxDistance + 1))}`;
}
