/**
 * The example chat: a client that does not read is let go, and the others do not notice.
 *
 * @module-tag slow
 */
import { afterEach, expect, test } from "vitest";
import { startExample, stopExamples } from "./example-process.ts";

afterEach(stopExamples);

test("the slow client is let go with 1013, the other one has heard everything [G101]", async () => {
  const server = startExample("chat");
  const slow = startExample("chat", { script: "slow", env: { PORT: String(await server.port()) } });
  const { code, output } = await slow.ended;
  expect(code, output).toBe(0);
  const [, said, heard, got, why] =
    /said (\d+) lines and heard (\d+)\.\nThe slow client got (\d+) of them, and then (.*)\n$/.exec(output) ?? [];
  expect(heard).toBe(said);
  expect(Number(got)).toBeLessThan(Number(said));
  expect(why).toBe("1013 Too much output is waiting");
  expect((await server.stop()).output).toContain("Let a client go: ");
});

test("without a server, slow says what to start", async () => {
  const { code, output } = await startExample("chat", { script: "slow", args: ["ws://localhost:1/chat/noise"] }).ended;
  expect([code, output]).toEqual([1, expect.stringMatching(/nothing listens.*\nStart the server first: npm start\n$/)]);
});
