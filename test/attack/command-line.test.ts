/**
 * The command line: which servers it attacks, and what it cannot carry out.
 *
 * @module-tag slow
 */
import { expect, test } from "vitest";
import { peer } from "../../attack/peers.ts";
import { commandLine } from "../support/program.ts";

const command = commandLine("attack/main.ts");

test("a server that runs already is attacked by its URL, and measured by its process", {
  timeout: 60_000,
}, async () => {
  const target = peer("openline")!;
  const { url, pid } = await target.ready(true);
  const { code, out } = await command("--server", url.href, "--pid", String(pid), "--only", "C03,D16,D20");
  target.stop();
  expect(code).toBe(0);
  expect(out).toMatch(/held {3}C03 .* to \d+ MiB, CPU/);
  expect(out).toContain("held   D16");
  expect(out).toContain("n/a: the server is not one that this tool starts");
  const without = await command("--server", url.href, "--only", "C03");
  expect(without).toMatchObject({ code: 1, out: expect.stringContaining("nobody accepts") });
});

test.each([
  [["--server", "ws://192.0.2.1:80/"], "it is not on this machine's loopback"],
  [["--server", "ws://0.0.0.0:80/"], "it is not on this machine's loopback"],
  [["--server", "wss://127.0.0.1:443/"], "only ws: URLs are supported"],
  [["--server", "ws://127.0.0.1:9/", "--pid", "x"], "it is no number"],
  [["--peer", "nobody"], "There is no peer nobody"],
  [["--only", "A99"], "There is no row A99"],
])("%j cannot be carried out: 2", { timeout: 60_000 }, async (args, says) => {
  expect(await command(...args)).toMatchObject({ code: 2, errors: expect.stringContaining(says) });
});
