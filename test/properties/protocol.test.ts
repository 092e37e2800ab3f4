/** What must hold of the core for every input: random frames, cuts, schedules and rubbish. */
import { Buffer } from "node:buffer";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { readBuffer } from "../../src/protocol/frames/mask-wasm.ts";
import { Endpoint, type EndpointEvent, type Role, violations } from "../../src/protocol/index.ts";
import { Utf8Validator } from "../../src/protocol/messages/utf8.ts";
import { canBecomeUtf8, isWholeUtf8 } from "../support/utf8-table.ts";
import { cut, feed, frameFrom, peerOf, readFrames, takeBytes, takeFrames, type WireFrame } from "../support/wire.ts";

const role = fc.constantFrom<Role>("client", "server");
const text = fc.string({ unit: "binary", maxLength: 200 });
const bytes = fc.uint8Array({ maxLength: 200 });
const frame = fc.record({
  opcode: fc.constantFrom(0, 0, 0, 1, 1, 2, 2, 8, 9, 10, 3),
  fin: fc.boolean(),
  rsv: fc.constantFrom(0, 0, 0, 0, 0, 4, 1),
  payload: fc.oneof(text, bytes, fc.constant("")),
});

/** Where to cut `length` bytes, from numbers between 0 and 1. */
function cutsOf(shares: readonly number[], length: number): number[] {
  return shares.map((share) => Math.floor(share * length));
}
const shares = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 12 });

/** Answers what must be inflated by the payload itself. */
function feedAll(
  endpoint: Endpoint,
  wire: Uint8Array,
  cuts: "whole" | "bytewise" | readonly number[],
): EndpointEvent[] {
  const events: EndpointEvent[] = [];
  feed(endpoint, wire, cuts, (event) => {
    events.push(event);
    if (event.type === "inflate") events.push(endpoint.inflated(event.payload));
  });
  return events;
}

describe("receiving", () => {
  test("A10 R6455-5.4-9 R6455-6.2-1 any chunking gives the same events, answers and state", () => {
    fc.assert(
      fc.property(role, fc.array(frame, { maxLength: 12 }), shares, fc.boolean(), (own, frames, at, compression) => {
        const wire = Buffer.concat(frames.map((each) => frameFrom(peerOf(own), each as WireFrame)));
        const results = (["whole", "bytewise", cutsOf(at, wire.length)] as const).map((cuts) => {
          const endpoint = new Endpoint({ role: own, compression, maxMessageSize: 500, maxEmptyFragments: 2 });
          const events = feedAll(endpoint, wire, cuts);
          const { state, unfinishedLength, insideMessage } = endpoint;
          const sent = takeFrames(endpoint).map(({ opcode, payload }) => [opcode, payload.toString("hex")]);
          return { events, state, unfinishedLength, insideMessage, sent };
        });
        expect(results[1]).toEqual(results[0]);
        expect(results[2]).toEqual(results[0]);
      }),
      { numRuns: 400 },
    );
  });

  test("A10 D08 R6455-6.2-1 so do reads that share one buffer, whatever is read before it is used again", () => {
    const short = fc.record({ opcode: fc.constantFrom(1, 1, 2), payload: fc.oneof(text, bytes, fc.string()) });
    const frames = fc.array(fc.oneof({ arbitrary: short, weight: 4 }, frame), { maxLength: 30 });
    const taken = fc.array(fc.nat(6), { maxLength: 12 });
    fc.assert(
      fc.property(role, frames, shares, taken, (own, sent, at, takenOfEach) => {
        const wire = Buffer.concat(sent.map((each) => frameFrom(peerOf(own), each as WireFrame)));
        const alone = new Endpoint({ role: own, maxMessageSize: 500 });
        const expected = feedAll(alone, wire, "whole");
        const sharing = new Endpoint({ role: own, maxMessageSize: 500 });
        const events: EndpointEvent[] = [];
        const take = (most: number): void => {
          for (let left = most; left > 0; left--) {
            const event = sharing.nextEvent();
            if (event === undefined) return;
            events.push(event);
          }
        };
        for (const [index, piece] of cut(wire, cutsOf(at, wire.length)).entries()) {
          readBuffer.set(piece);
          sharing.receive(readBuffer, true, piece.length);
          take(takenOfEach[index] ?? Number.POSITIVE_INFINITY);
          sharing.releaseChunk();
          readBuffer.fill(0xff, 0, piece.length);
        }
        take(Number.POSITIVE_INFINITY);
        expect(events).toEqual(expected);
        expect(sharing.state).toBe(alone.state);
        const answers = (endpoint: Endpoint) =>
          takeFrames(endpoint).map(({ opcode, payload }) => [opcode, `${payload}`]);
        expect(answers(sharing)).toEqual(answers(alone));
      }),
      { numRuns: 400 },
    );
  });

  test("A01 A02 R6455-10.7-1 rubbish gives events or a violation, never a throw, and little memory", () => {
    const piece = fc.oneof(
      { weight: 3, arbitrary: fc.uint8Array({ maxLength: 60 }) },
      { weight: 2, arbitrary: fc.tuple(role, frame).map(([from, each]) => frameFrom(from, each as WireFrame)) },
      {
        weight: 1,
        arbitrary: fc
          .tuple(role, fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }))
          .map(([from, announced]) => frameFrom(from, { opcode: 2, announced, lengthBits: 64, payload: "xyz" })),
      },
    );
    fc.assert(
      fc.property(role, fc.array(piece, { maxLength: 20 }), shares, fc.boolean(), (own, pieces, at, compression) => {
        const wire = Buffer.concat(pieces);
        const endpoint = new Endpoint({ role: own, compression, maxMessageSize: 300 });
        let received = 0;
        for (const chunk of cut(wire, cutsOf(at, wire.length))) {
          received += chunk.length;
          for (const event of feedAll(endpoint, chunk, "whole")) {
            if (event.type === "failed") expect(violations).toHaveProperty(event.violation);
          }
          expect(endpoint.unfinishedLength).toBeLessThanOrEqual(300);
          expect(endpoint.unparsedLength).toBe(0);
          expect(endpoint.outputLength).toBeLessThanOrEqual(3 * received + 131);
        }
        expect(endpoint.violation === undefined || endpoint.state === "discarding").toBe(true);
        readFrames(takeBytes(endpoint));
      }),
      { numRuns: 1500 },
    );
  });
});

describe("sending", () => {
  const size = fc.oneof(
    fc.constantFrom(
      0,
      1,
      31,
      32,
      33,
      124,
      125,
      126,
      127,
      21_845,
      21_846,
      22_523,
      22_524,
      65_535,
      65_536,
      65_537,
      70_000,
    ),
    fc.nat({ max: 300 }),
  );
  const unit = fc.constantFrom("a", "é", "€", "😀", "\ud800", "\udfff", "a\ud83d", "\u0000", "\ufeff");
  const data = fc.oneof(
    fc.tuple(unit, size).map(([of, times]) => of.repeat(times)),
    fc.string({ unit: "binary", maxLength: 100 }),
    fc.array(fc.nat({ max: 0xffff }), { maxLength: 80 }).map((units) => String.fromCharCode(...units)),
    size.chain((length) => fc.nat({ max: 255 }).map((seed) => new Uint8Array(length).map((_, i) => i * seed + seed))),
  );

  test("R6455-5.2-5 R6455-5.6-1 R6455-6.1-2 D10 encode, then decode, is the identity but for lone surrogates", () => {
    fc.assert(
      fc.property(role, fc.array(data, { minLength: 1, maxLength: 4 }), shares, (own, messages, at) => {
        const sender = new Endpoint({ role: own });
        for (const message of messages) expect(sender.sendMessage(message)).toBe(true);
        const wire = takeBytes(sender);
        const receiver = new Endpoint({ role: peerOf(own) });
        const got = feed(receiver, wire, cutsOf(at, wire.length)) as { text: boolean; data: string | Uint8Array }[];
        expect(got).toHaveLength(messages.length);
        got.forEach(({ text: isText, data: back }, i) => {
          const message = messages[i]!;
          expect(isText).toBe(typeof message === "string");
          const same =
            typeof message === "string"
              ? back === Buffer.from(message).toString()
              : Buffer.from(message).equals(back as Uint8Array);
          if (!same) expect.fail(`message ${i} of ${message.length} came back as another`);
        });
      }),
      { numRuns: 250 },
    );
  });
});

describe("two endpoints on one wire", () => {
  const act = fc.oneof(
    { weight: 4, arbitrary: fc.record({ do: fc.constant("send" as const), data: fc.oneof(text, bytes) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant("ping" as const), data: fc.uint8Array({ maxLength: 125 }) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant("fragment" as const), data: bytes }) },
    {
      weight: 4,
      arbitrary: fc.record({ do: fc.constant("deliver" as const), share: fc.double({ min: 0, max: 1, noNaN: true }) }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("stall" as const) }) },
    {
      weight: 1,
      arbitrary: fc.record({ do: fc.constant("close" as const), code: fc.constantFrom(1000, 1001, 3000, 1005) }),
    },
  );

  /** One end with the bytes that are on their way to the other. */
  class End {
    readonly endpoint: Endpoint;
    readonly sent: (string | Uint8Array)[] = [];
    readonly got: (string | Uint8Array)[] = [];
    onTheWay: Buffer = Buffer.alloc(0);
    fragments: Uint8Array[] = [];

    constructor(own: Role) {
      this.endpoint = new Endpoint({ role: own });
    }

    send(message: string | Uint8Array): void {
      this.endFragments();
      if (this.endpoint.sendMessage(message)) this.sent.push(message);
    }

    fragment(part: Uint8Array): void {
      const first = this.fragments.length === 0;
      if (this.endpoint.sendFragment(false, part, { first, last: false })) this.fragments.push(part);
    }

    endFragments(): void {
      if (this.fragments.length === 0) return;
      const ended = this.endpoint.sendFragment(false, new Uint8Array(0), { first: false, last: true });
      if (ended) this.sent.push(Buffer.concat(this.fragments));
      this.fragments = [];
    }

    /** Moves a share of the bytes, at least one, to the other end. */
    deliver(to: End, share: number): void {
      if (!this.endpoint.stalled) this.onTheWay = Buffer.concat([this.onTheWay, takeBytes(this.endpoint)]);
      const length = Math.ceil(share * this.onTheWay.length);
      for (const event of feed(to.endpoint, this.onTheWay.subarray(0, length))) {
        if (event.type === "message") to.got.push(event.data);
        if (event.type === "close") to.endFragments();
      }
      this.onTheWay = this.onTheWay.subarray(length);
    }
  }

  test("R6455-7.1.4-1 R6455-5.5.1-4 R6455-2.1-1 reach closed by any schedule, cleanly, with every message in order", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.boolean(), act), { maxLength: 40 }), fc.boolean(), (schedule, clientCloses) => {
        const client = new End("client");
        const server = new End("server");
        for (const [byClient, action] of schedule) {
          const [from, to] = byClient ? [client, server] : [server, client];
          if (action.do === "send") from.send(action.data);
          else if (action.do === "fragment") from.fragment(action.data);
          else if (action.do === "ping") from.endpoint.ping(action.data);
          else if (action.do === "deliver") from.deliver(to, action.share);
          else if (action.do === "stall") from.endpoint.stalled = !from.endpoint.stalled;
          else {
            from.endFragments();
            from.endpoint.close(action.code);
          }
        }
        client.endpoint.stalled = server.endpoint.stalled = false;
        for (const end of [client, server]) end.endFragments();
        (clientCloses ? client : server).endpoint.close(1000);
        for (let round = 0; round < 3; round++) {
          for (const end of [client, server]) end.endpoint.echoClose();
          client.deliver(server, 1);
          server.deliver(client, 1);
        }
        for (const [end, other] of [
          [client, server],
          [server, client],
        ] as const) {
          expect(end.endpoint.violation).toBeUndefined();
          expect(end.endpoint.state).toBe("discarding");
          expect(end.endpoint.closeReceived?.code).toBe(other.endpoint.closeSent?.code);
          expect(end.got.map((each) => Buffer.from(each).toString("hex"))).toEqual(
            other.sent.map((each) => Buffer.from(each).toString("hex")),
          );
          end.endpoint.receiveEnd();
          expect(end.endpoint.state).toBe("closed");
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe("streaming UTF-8", () => {
  const nearText = fc.array(
    fc.oneof(
      fc.string({ unit: "binary", minLength: 1, maxLength: 2 }).map((each) => [...Buffer.from(each)]),
      fc.constantFrom([0x80], [0xc0], [0xc3], [0xe0, 0x9f], [0xed, 0xa0], [0xf0, 0x90], [0xf4, 0x8f, 0xbf], [0xff]),
    ),
    { maxLength: 8 },
  );

  test("R6455-8.1-1 A10 agrees with the table and with TextDecoder, in every split into three", () => {
    fc.assert(
      fc.property(nearText, (parts) => {
        const all = Uint8Array.from(parts.flat());
        const whole = isWholeUtf8(all);
        let decoded = true;
        try {
          new TextDecoder("utf-8", { fatal: true }).decode(all);
        } catch {
          decoded = false;
        }
        expect(decoded).toBe(whole);
        for (let first = 0; first <= all.length; first++) {
          for (let second = first; second <= all.length; second++) {
            const validator = new Utf8Validator();
            const steps: [number, number][] = [
              [0, first],
              [first, second],
              [second, all.length],
            ];
            let valid = true;
            for (const [start, end] of steps) {
              valid = valid && validator.write(all, start, end);
              if (valid !== canBecomeUtf8(all.subarray(0, end))) expect.fail(`wrong about ${all.subarray(0, end)}`);
            }
            if ((valid && validator.complete) !== whole) expect.fail(`wrong about the end of ${all}`);
          }
        }
      }),
      { numRuns: 200 },
    );
  });
});
