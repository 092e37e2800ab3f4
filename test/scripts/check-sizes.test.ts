/**
 * The gate sizes: what it measures, and that it can fail.
 *
 * @module-tag slow
 */
import { beforeAll, expect, test } from "vitest";
import { sizeLimits, sizeOf } from "../../scripts/check-sizes.ts";
import { unpackInto } from "../../scripts/packed.ts";

let folder: string;

beforeAll(() => {
  folder = unpackInto("sizes-test");
});

test("a name brings nothing of what it does not use: connect is the smallest, and all are less than their sum", async () => {
  const sizes = new Map<string, number>();
  for (const { from, names } of sizeLimits) sizes.set(names, await sizeOf(names, folder, from));
  const [socket, connect, loop, all] = sizeLimits.map(({ names }) => sizes.get(names)!) as [
    number,
    number,
    number,
    number,
  ];
  expect(connect).toBeLessThan(loop);
  expect(loop).toBeLessThan(socket);
  expect(all).toBeLessThan(socket + loop);
  for (const { names, most } of sizeLimits) expect(sizes.get(names)).toBeLessThanOrEqual(most);
});

test("control: with more names it is more, beyond the limit of one", async () => {
  const most = sizeLimits.find(({ names }) => names === "{ connect }")!.most;
  expect(await sizeOf("{ connect, HandshakeError, reconnecting }", folder)).toBeGreaterThan(most);
});
