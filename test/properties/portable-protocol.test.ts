/** The protocol with Node's functions and without them: both do the same. */
import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { expect, test } from "vitest";
import * as native from "../../src/protocol/endpoint/endpoint.ts";
import type { Role } from "../../src/protocol/frames/frame.ts";
import { type Outcome, programText } from "../support/protocol-vectors.ts";
import { feed, frameFrom, peerOf, takeFrames } from "../support/wire.ts";
import { withoutNatives } from "../support/without-natives.ts";

const portable = await withoutNatives(() => import("../../src/protocol/endpoint/endpoint.ts"));
const built = new URL("../../dist/protocol", import.meta.url).href;

/** The outcome in a process of its own, after `first` has run there. */
function outcomeAfter(first: string): Outcome {
  const module = `data:text/javascript,${encodeURIComponent(programText(built))}`;
  const program = `${first}; import(${JSON.stringify(module)}).then((m) => console.log(JSON.stringify(m.outcome)));`;
  const cwd = fileURLToPath(new URL("../..", import.meta.url));
  return JSON.parse(execFileSync(process.execPath, ["-e", program], { cwd, encoding: "utf8" })) as Outcome;
}

test("handshakes, messages, fragments, Pings and Closes are the same in a runtime without Node's modules", () => {
  const withNode = outcomeAfter("");
  const without = outcomeAfter("delete process.getBuiltinModule");
  expect([withNode.native, without.native]).toEqual([true, false]);
  expect(withNode.lines.length).toBeGreaterThan(100);
  expect(without.lines).toEqual(withNode.lines);
});

/** Text of any UTF-16 units, and its UTF-8 with a byte changed now and then. */
const text = fc.string({ unit: fc.constantFrom("a", "é", "€", "😀", "\ufeff", "\ufffd", "\ud800") });
const payload = fc.oneof(
  text.map((some) => Buffer.from(some)),
  fc.tuple(text, fc.integer({ min: 0, max: 255 })).map(([some, byte]) => Buffer.from([...Buffer.from(some), byte])),
  fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
);
const frame = fc.record({
  opcode: fc.constantFrom(0, 1, 1, 2, 2, 8, 9, 10),
  fin: fc.boolean(),
  rsv: fc.constantFrom(0, 0, 0, 4),
  payload,
});

test.each<Role>(["server", "client"])("a %s receives the same and answers the same, whatever comes", (role) => {
  const options = { role, compression: true, maxMessageSize: 500 };
  const kinds = fc.record({
    textAsBytes: fc.boolean(),
    streaming: fc.boolean(),
    cut: fc.integer({ min: 1, max: 400 }),
  });
  fc.assert(
    fc.property(fc.array(frame, { maxLength: 6 }), kinds, (frames, { textAsBytes, streaming, cut }) => {
      const input = Buffer.concat(frames.map((each) => frameFrom(peerOf(role), each)));
      const [one, other] = [native, portable].map(({ Endpoint }) => {
        const endpoint = new Endpoint({ ...options, textAsBytes });
        endpoint.streaming = streaming;
        const events = [];
        for (let at = 0; at < input.length; at += cut) {
          for (const event of feed(endpoint, input.subarray(at, at + cut))) {
            events.push(event.type === "inflate" ? { ...event, payload: [...event.payload] } : event);
            if (event.type === "inflate") events.push(endpoint.inflated(Uint8Array.from(event.payload)));
          }
        }
        const sent = takeFrames(endpoint).map(({ opcode, payload }) => [opcode, payload.toString("hex")]);
        return { events, sent, state: endpoint.state, violation: endpoint.violation };
      });
      expect(other).toEqual(one);
    }),
  );
});

test.each<Role>(["server", "client"])("a %s sends the same", (role) => {
  fc.assert(
    fc.property(fc.array(fc.oneof(text, payload), { maxLength: 4 }), text, (messages, reason) => {
      const [one, other] = [native, portable].map(({ Endpoint }) => {
        const endpoint = new Endpoint({ role });
        for (const message of messages) endpoint.sendMessage(message);
        let thrown = "";
        try {
          endpoint.close(1000, reason);
        } catch (error) {
          thrown = String(error);
        }
        const frames = takeFrames(endpoint).map(({ opcode, payload }) => [opcode, payload.toString("hex")]);
        return { frames, thrown };
      });
      expect(other).toEqual(one);
    }),
  );
});
