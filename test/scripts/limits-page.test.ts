/** The page of the limits names each limit of the code once, with its default, and no other; SECURITY.md names some. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import {
  clientLimits,
  connectionLimits,
  type ServerLimits,
  serverLimits,
} from "../../src/connection/options/limits.ts";

const page = readFileSync(new URL("../../docs/guides/limits.md", import.meta.url), "utf8");
const security = readFileSync(new URL("../../SECURITY.md", import.meta.url), "utf8");

/** The rows of the table under a heading: name and default. */
function rowsUnder(heading: string, page: string): [string, string][] {
  const section = page.split(/^## /m).find((text) => text.startsWith(heading)) ?? "";
  return [...section.matchAll(/^\| `(\w+)` \| ([^|]+?) \|/gm)].map(([, name = "", value = ""]) => [name, value]);
}

/** A default as the page writes it. */
function written(name: keyof ServerLimits, limits: Partial<ServerLimits> = serverLimits): string {
  const value = limits[name]!;
  if (name === "maxConnections") return "95 % of the limit on open files";
  if (value === Number.POSITIVE_INFINITY) return "none";
  if (name.endsWith("Timeout")) return `${value / 1000} s`;
  if (name === "readBudget") return `${value} ms`;
  if (!/Size$|Mark$/.test(name)) return String(value);
  return value >= 1024 * 1024 ? `${value / 1024 / 1024} MiB` : `${value / 1024} KiB`;
}

const own = Object.keys(connectionLimits) as (keyof ServerLimits)[];
const others = (Object.keys(serverLimits) as (keyof ServerLimits)[]).filter((name) => !own.includes(name));

test.each([
  ["Of each connection", own],
  ["Of a server", others],
])("%s: each limit with its default, in the order of the code", (heading, names) => {
  expect(names.length).toBeGreaterThan(5);
  expect(rowsUnder(heading, page)).toEqual(names.map((name) => [name, written(name)]));
});

test("Of a client: its own limit with its default", () => {
  const rows = rowsUnder("Of a client", page);
  expect(rows).toEqual([["maxHeaderSize", written("maxHeaderSize", clientLimits)]]);
});

test("SECURITY.md: what it names has the default that it says", () => {
  const rows = rowsUnder("Limits", security);
  expect(rows.length).toBeGreaterThan(10);
  for (const [name, value] of rows) expect([name, value]).toEqual([name, written(name as keyof ServerLimits)]);
});
