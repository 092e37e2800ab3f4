/**
 * Invariant: whatever arrives and however it is cut, an endpoint delivers and answers what RFC 6455 says, and never throws.
 *
 * What it should do is told by `model`, a slow reading of sections 5, 7 and 8 of all bytes at once. The first byte of an
 * input sets the options; the second gives the rest whole, or cuts it into chunks that are borrowed and spoilt after use.
 */
import { Endpoint } from "../../src/protocol/endpoint/endpoint.ts";
import type { EndpointEvent } from "../../src/protocol/endpoint/endpoint-events.ts";
import type { Role } from "../../src/protocol/frames/frame.ts";
import { violations } from "../../src/protocol/protocol-error.ts";
import { check, type Outcome, type Target } from "../target.ts";
import { type Expected, type ModelOptions, model, type Step } from "./frame-model.ts";

const limits = { maxMessageSize: 64, maxEmptyFragments: 3 };
const optionBits = { compression: 1, textAsBytes: 2, closeFirst: 4 };

/** Frames as `role` receives them. */
export function framesTarget(role: Role): Target {
  return {
    name: `frames-${role}`,
    maxLength: 144,
    dictionary: role === "server" ? masked(words) : words,
    run: (input) => run(role, input),
  };
}

/** Headers and payloads, unmasked. */
const words = [
  "81 05",
  "01 05",
  "00 05",
  "80 00",
  "00 00",
  "82 02",
  "c1 05",
  "41 03",
  "88 00",
  "88 02 03e8",
  '88 05 03e8 "end"',
  "89 00",
  '89 01 "p"',
  "8a 00",
  "81 7e 0040",
  "81 7e 007e",
  "82 7f 0000000000000040",
  "82 7f 0000000000010000",
  "82 7f 8000000000000000",
  "89 7e 007e",
  '"hello"',
  "c3 a9",
  "e2 82 ac",
  "f0 9f 98 80",
  "ed a0 80",
  "f4 90",
];

/** The same with the mask bit and a key of zeros, so that a change to a byte is a change to what it says. */
function masked(unmasked: readonly string[]): string[] {
  const changed = unmasked.map((word) =>
    word.replace(/^([048c]\w) (\w\w)(?: ([0-9a-f]{4,16})\b(?! *"))?/i, (all, first, second, length) => {
      if (word.startsWith("c3")) return all;
      const bits = (Number.parseInt(second, 16) | 0x80).toString(16);
      const extended = second === "7e" || second === "7f";
      return extended ? `${first} ${bits} ${length} 00000000` : `${first} ${bits} 00000000 ${length ?? ""}`;
    }),
  );
  return [...changed, "37 fa 21 3d"];
}

function run(role: Role, input: Uint8Array): Outcome {
  const bits = input[0] ?? 0;
  const cutting = input[1] ?? 0;
  const wire = input.subarray(2);
  const options: ModelOptions = {
    role,
    ...limits,
    compression: (bits & optionBits.compression) !== 0,
    closeFirst: (bits & optionBits.closeFirst) !== 0,
  };
  const textAsBytes = (bits & optionBits.textAsBytes) !== 0;
  const expected = model(wire, options);

  const session = new Session(options, textAsBytes);
  if (cutting < 64) {
    session.give(Buffer.from(new Uint8Array(wire).buffer));
  } else {
    let size = cutting;
    for (let at = 0; at < wire.length; size = (size * 5 + 3) & 0xff) {
      const end = Math.min(wire.length, at + (cutting === 64 ? 1 : 1 + (size & 0x1f)));
      session.lend(wire.subarray(at, end));
      at = end;
    }
  }
  compare(session, expected);
  return summary(expected, session.endpoint);
}

/** What borrowed chunks come in. */
const borrowed = Buffer.from(new ArrayBuffer(64));

/** An endpoint and what it found. */
class Session {
  readonly endpoint: Endpoint;
  readonly events: EndpointEvent[] = [];

  constructor(options: ModelOptions, textAsBytes: boolean) {
    this.endpoint = new Endpoint({ ...options, textAsBytes });
    if (options.closeFirst) this.endpoint.close(1000);
  }

  give(chunk: Buffer): void {
    this.endpoint.receive(chunk);
    this.#drain();
  }

  /** Gives the bytes in memory that is spoilt right after. */
  lend(bytes: Uint8Array): void {
    borrowed.set(bytes);
    this.endpoint.receive(borrowed, true, bytes.length);
    this.#drain();
    this.endpoint.releaseChunk();
    borrowed.fill(0xaa);
  }

  #drain(): void {
    const { endpoint, events } = this;
    for (let event = endpoint.nextEvent(); event !== undefined; event = endpoint.nextEvent()) {
      // The payload of a Ping and a compressed one are only lent.
      if (event.type === "ping" || event.type === "pong") events.push({ ...event, payload: event.payload.slice() });
      else if (event.type === "inflate") {
        const payload = event.payload.slice();
        events.push({ ...event, payload });
        events.push(endpoint.inflated(payload[0] === 0xff ? "invalid-deflate-data" : payload));
      } else events.push(event);
      if (event.type === "close") endpoint.echoClose();
    }
    check(endpoint.unparsedLength === 0, "Bytes are left unparsed");
    check(endpoint.unfinishedLength <= limits.maxMessageSize, "More is kept of a message than the limit");
  }
}

/** The events, looked at after all memory that they may not refer to was spoilt, and the bytes that answer them. */
function compare({ endpoint, events }: Session, { steps, sent }: Expected): void {
  for (let index = 0; index < Math.max(events.length, steps.length); index++) {
    if (events[index]?.type !== steps[index]?.type) throw new Error(`${list(events)} instead of ${list(steps)}`);
    compareEvent(events[index]!, steps[index]!);
  }
  compareOutput(endpoint, sent, events.at(-1));
}

function compareEvent(event: EndpointEvent, step: Step): void {
  if (event.type === "failed") {
    check(step.rules!.includes(event.violation), "The rule is not one of those that are broken");
  } else if (event.type === "close") {
    check(event.code === step.code && event.reason === step.text, "The Close says something else");
  } else if (event.type === "message") {
    check(event.text === (step.text !== undefined), "Text and binary are mixed up");
    const same = typeof event.data === "string" ? event.data === step.text : equal(event.data, step.bytes!);
    check(same, "The message is another");
  } else if (event.type === "part") {
    check(false, "A message came in parts that nobody asked for");
  } else {
    check(equal(event.payload, step.bytes!), "The payload of an event is another");
  }
}

function compareOutput(endpoint: Endpoint, sent: Expected["sent"], last: EndpointEvent | undefined): void {
  const parts = endpoint.takeOutput();
  const output = parts.length === 1 ? parts[0]! : Buffer.concat(parts);
  endpoint.outputTaken(true);
  const client = endpoint.role === "client";
  let at = 0;
  for (const frame of sent) {
    let payload = frame.payload;
    if (frame.opcode === 8 && last?.type === "failed" && payload === undefined) {
      const { closeCode, text } = violations[last.violation];
      payload = Buffer.concat([Buffer.of(closeCode >> 8, closeCode & 0xff), Buffer.from(text)]);
    }
    const length = payload!.length;
    check(output[at] === (0x80 | frame.opcode), "A frame is missing in the output");
    check(output[at + 1] === (client ? 0x80 | length : length), "The length or the mask bit of the output is wrong");
    const start = at + (client ? 6 : 2);
    for (let index = 0; index < length; index++) {
      const key = client ? output[at + 2 + (index & 3)]! : 0;
      check((output[start + index]! ^ key) === payload![index], "A payload of the output is another");
    }
    at = start + length;
  }
  check(at === output.length, "There is more output than the answers");
}

function equal(one: Uint8Array, other: Uint8Array): boolean {
  if (one.length !== other.length) return false;
  for (let index = 0; index < one.length; index++) if (one[index] !== other[index]) return false;
  return true;
}

function list(events: readonly { readonly type: string }[]): string {
  return events.length === 0 ? "Nothing" : events.map(({ type }) => type).join(", ");
}

/** The first four kinds of event, how it ended, and whether something is under way. */
function summary({ steps }: Expected, endpoint: Endpoint): Outcome {
  let hash = endpoint.insideMessage ? 1 : 0;
  for (let index = 0; index < steps.length && index < 4; index++) {
    const step = steps[index]!;
    hash = (Math.imul(hash, 31) + step.type.length * (step.text === undefined ? 1 : 2)) | 0;
  }
  const rule = steps.at(-1)?.rules?.[0] ?? "";
  for (let index = 0; index < rule.length; index++) hash = (Math.imul(hash, 31) + rule.charCodeAt(index)) | 0;
  return hash;
}
