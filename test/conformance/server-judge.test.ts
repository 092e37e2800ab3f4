/** The judge of servers: a correct server passes, and each deliberate fault is caught by the case that is about it. */
import { afterEach, expect, test } from "vitest";
import { CASES } from "../../conformance/cases/index.ts";
import { type Result, runCases } from "../../conformance/judge/runner.ts";
import { serverAt } from "../../conformance/judge/sources.ts";
import { type Fault, tinyServer } from "./tiny-server.ts";

const stops: (() => void)[] = [];
afterEach(() => {
  for (const stop of stops.splice(0)) stop();
});

async function resultOf(fault: Fault, id: string): Promise<Result> {
  const server = await tinyServer(fault);
  stops.push(server.stop);
  const found = CASES.filter((one) => one.id === id);
  expect(found).toHaveLength(1);
  const [result] = await runCases(found, serverAt(server.url), { concurrency: 1, deadline: 400 });
  return result!;
}

const CAUGHT: readonly (readonly [Fault, id: string])[] = [
  ["wrong-accept", "handshake.request.good.plain"],
  ["unasked-extension", "handshake.request.good.plain"],
  ["never-answers", "handshake.request.good.plain"],
  ["never-answers", "handshake.request.bad.version.12"],
  ["masks", "framing.length.5.text"],
  ["wide-lengths", "framing.length.5.text"],
  ["text-as-binary", "framing.length.5.text"],
  ["drops-a-message", "framing.one-segment.10"],
  ["swaps-messages", "framing.one-segment.2"],
  ["no-pong", "control.ping.length-4"],
  ["wrong-pong", "control.ping.length-4"],
  ["ignores-rsv", "rsv.text.rsv2"],
  ["ignores-opcodes", "opcodes.0x3.payload"],
  ["ignores-utf8", "utf8.surrogate.d800.alone"],
  ["close-1005", "close.code.1000"],
  ["keeps-tcp", "order.ends-tcp"],
  ["takes-unmasked", "masking.missing.text.payload"],
];

test.each(CAUGHT)("a server that %s is caught by %s, which a correct one passes", async (fault, id) => {
  expect(await resultOf("none", id)).toMatchObject({ verdict: "pass" });
  expect(await resultOf(fault, id)).toMatchObject({ verdict: "fail" });
});

test("a server without permessage-deflate cannot be asked about compressed messages", async () => {
  expect(await resultOf("none", "deflate.vector.hello.whole")).toMatchObject({ verdict: "skip" });
});

test("a case against a port where nobody listens fails and says so", async () => {
  const server = await tinyServer("none");
  server.stop();
  const cases = CASES.filter(({ id }) => id === "framing.length.5.text");
  const [result] = await runCases(cases, serverAt(server.url), { concurrency: 1, deadline: 400 });
  expect(result).toMatchObject({ verdict: "fail", seen: expect.stringContaining("no connection") });
});

test("the trace shows both directions, and is the same for the same exchange", async () => {
  const { trace } = await resultOf("none", "framing.length.5.text");
  expect(trace).toContainEqual(expect.stringMatching(/^> Text fin · 8185[0-9a-f]{8} \| 61 62 63 64 65$/));
  expect(trace).toContainEqual("< Text fin · 8105 | 61 62 63 64 65");
  const again = await resultOf("none", "framing.length.5.text");
  const withoutPort = (lines: readonly string[]): string[] => lines.filter((line) => !/Host|GET/.test(line));
  expect(withoutPort(again.trace)).toEqual(withoutPort(trace));
});
