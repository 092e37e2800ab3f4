/** The judge of clients: `ws` passes what it is known to do well, and deliberate faults are caught. */
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { CASES } from "../../conformance/cases/index.ts";
import { type Result, runCases } from "../../conformance/judge/runner.ts";
import { ClientProcesses } from "../../conformance/judge/sources.ts";

const path = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url));
const WS = `${process.execPath} ${path("../../conformance/peers/rivals/ws-client.mjs")} {url}`;
const broken = (fault: string): string => `${process.execPath} ${path("broken-client.mjs")} {url} ${fault}`;

async function resultsOf(command: string, ...ids: string[]): Promise<Result[]> {
  const clients = new ClientProcesses(command);
  try {
    await clients.start(1);
    const cases = CASES.filter(({ id }) => ids.includes(id));
    expect(cases).toHaveLength(ids.length);
    return await runCases(cases, clients, { concurrency: 1, deadline: 1000 });
  } finally {
    clients.stop();
  }
}

const GOOD = [
  "handshake.response.request.key",
  "handshake.response.bad.no-accept",
  "framing.length.5.text",
  "masking.quality.fresh",
];

test("ws passes its cases, one connection after another", { timeout: 30_000 }, async () => {
  const results = await resultsOf(WS, ...GOOD, "deflate.vector.hello.whole");
  expect(results.map(({ verdict }) => verdict)).toEqual(["pass", "pass", "pass", "pass", "pass"]);
});

test.each([
  ["does-not-mask", "framing.length.5.text", "without a mask"],
  ["short-key", "handshake.response.request.key", ""],
  ["constant-mask", "masking.quality.fresh", ""],
  ["opens-anyway", "handshake.response.bad.no-accept", ""],
  ["crashes", "framing.length.5.text", "the client process ended with 1"],
])("a client that %s is caught by %s", { timeout: 30_000 }, async (fault, id, says) => {
  const [result] = await resultsOf(broken(fault), id);
  expect(result).toMatchObject({ verdict: "fail", seen: expect.stringContaining(says) });
});
