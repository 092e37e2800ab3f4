/**
 * The example conformance: the suite has nothing against any of its five ways to send a message back.
 *
 * @module-tag slow
 */
import { afterAll, beforeAll, expect, test } from "vitest";
import { commandLine } from "../support/program.ts";
import { type ExampleProcess, startExample, stopExamples } from "./example-process.ts";

const groups = ["fragments", "order", "close"].flatMap((group) => ["--group", group]);
const judge = commandLine("conformance/main.ts");
let server: ExampleProcess;

beforeAll(() => {
  server = startExample("conformance");
});
afterAll(stopExamples);

const passes = async (path: string) => {
  const { code, out } = await judge("--server", `ws://localhost:${await server.port()}/${path}`, ...groups);
  expect(code, out).toBe(0);
  expect(out).toMatch(/1\d{2} cases: .*, 0 fail, 0 skip\s*$/);
};

test("what comes back part by part passes [G104]", () => passes("parts"));

test.each(["message", "prepared", "streams", "collected"])(
  "what comes back in the way of /%s passes [G104]",
  { tags: "slow" },
  (path) => passes(path),
);

test("a client that leaves in the middle of a message is nothing to complain about", async () => {
  const { code, output } = await server.stop();
  expect(code).toBe(0);
  expect(output).not.toContain("threw");
});
