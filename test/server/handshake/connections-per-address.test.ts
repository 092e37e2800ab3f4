import { expect, test } from "vitest";
import { ConnectionsPerAddress } from "../../../src/server/handshake/connections-per-address.ts";

test("counts by address, IPv6 by its first 64 bits", () => {
  const counts = new ConnectionsPerAddress();
  for (const address of ["1.2.3.4", "::ffff:1.2.3.4", "2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"]) {
    counts.add(address);
  }
  expect(counts.count("1.2.3.4")).toBe(2);
  expect(counts.count("2001:db8::3")).toBe(2);
  expect(counts.count("2001:db8:0:1::9")).toBe(1);
  counts.remove("1.2.3.4");
  expect(counts.count("1.2.3.4")).toBe(1);
  counts.remove("1.2.3.4");
  expect(counts.count("1.2.3.4")).toBe(0);
});

test("does not count an undefined address", () => {
  const counts = new ConnectionsPerAddress();
  counts.add(undefined);
  expect(counts.count(undefined)).toBe(0);
  counts.remove(undefined);
  expect(counts.count(undefined)).toBe(0);
});
