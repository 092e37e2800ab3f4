/**
 * The example backpressure: what becomes of a fast reader, a slow one, and a slow one of the latest value.
 *
 * @module-tag slow
 */
import { afterEach, expect, test } from "vitest";
import { startExample, stopExamples } from "./example-process.ts";

afterEach(stopExamples);

test("the slow reader of all is let go, that of the latest misses values, and the fast one gets each", {
  tags: "slow",
}, async () => {
  const server = startExample("backpressure", { args: ["250"] });
  const env = { PORT: String(await server.port()) };
  const client = startExample("backpressure", { script: "client", args: ["20"], env });
  await client.until(/slow, all .* ended with 1013 Too much output is waiting\n/);
  const { code, output } = await client.stop();
  expect(code).toBe(0);
  const last = output.slice(output.lastIndexOf("reader"));
  const rowOf = (name: string) => new RegExp(`^${name} +(\\d+) +(\\d+) +\\d+ ms +(.*)$`, "m").exec(last)!.slice(1);
  const [all, latest] = [rowOf("fast, all"), rowOf("slow, latest")];
  expect([all[1], all[2]]).toEqual(["0", "ended with 1000 "]);
  expect(Number(rowOf("slow, all")[0])).toBeLessThan(Number(all[0]));
  expect(Number(latest[1])).toBeGreaterThan(Number(latest[0]));
  expect(latest[2]).toBe("ended with 1000 ");
  expect((await server.stop()).output.match(/Let a reader of all values go/g)).toHaveLength(1);
});
