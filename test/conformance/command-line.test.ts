/**
 * The command line: what it prints, writes and exits with, against servers that are right and wrong.
 *
 * @module-tag slow
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { commandLine } from "../support/program.ts";
import { type Fault, tinyServer } from "./tiny-server.ts";

const command = commandLine("conformance/main.ts");
const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup();
});

async function urlOf(fault: Fault): Promise<string> {
  const server = await tinyServer(fault);
  cleanups.push(server.stop);
  return server.url;
}

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), "conformance-"));
  cleanups.push(() => rmSync(made, { recursive: true }));
  return made;
}

const CASE = ["--case", "framing.length.5.text"];

test("the exit code is 0 when every must case passes, and 1 when one fails", { timeout: 60_000 }, async () => {
  const right = await command("--server", await urlOf("none"), ...CASE, "--trace");
  expect(right).toMatchObject({ code: 0, out: expect.stringContaining("1 cases: 1 pass, 0 accepted, 0 fail, 0 skip") });
  expect(right.out).toContain("< Text fin · 8105 | 61 62 63 64 65");
  const wrong = await command("--server", await urlOf("masks"), ...CASE);
  expect(wrong).toMatchObject({ code: 1, out: expect.stringContaining("a server's frame with a mask (section 5.1)") });
});

test.each([
  [["--case", "no.such.case"], "No case has such an id"],
  [["--peer", "nobody"], "There is no peer nobody"],
  [["--client", "node client.js"], "has no {url}"],
])("%j cannot be carried out: 2", { timeout: 60_000 }, async (args, says) => {
  expect(await command(...args)).toMatchObject({ code: 2, errors: expect.stringContaining(says) });
});

test("ids may hold a caret and a star", { timeout: 60_000 }, async () => {
  const { out } = await command("--list", "--case", "limits.top-bit.2^63.*");
  expect(out.match(/^limits\.top-bit\.2\^63\.\w+ {2}\[must, server and client\]/gm)).toHaveLength(3);
});

test("results are written, added to by a later run, and made into one page", {
  timeout: 60_000,
}, async () => {
  const [json, html, table] = ["run.json", "page.html", "table.json"].map((name) => join(folder(), name)) as [
    string,
    string,
    string,
  ];
  await command("--server", await urlOf("none"), "--name", "right", ...CASE, "--json", json);
  await command(
    "--server",
    await urlOf("masks"),
    "--name",
    "wrong",
    ...CASE,
    "--add",
    json,
    "--html",
    html,
    "--table",
    table,
  );
  expect(JSON.parse(readFileSync(table, "utf8"))).toEqual({
    runs: ["right server", "wrong server"],
    cases: { "framing.length.5.text": ["pass", expect.stringMatching(/^fail: a server's frame with a mask/)] },
  });
  const page = readFileSync(html, "utf8");
  expect(page).not.toMatch(/\/\*(STYLE|SCRIPT|DATA)\*\//);
  expect(page).not.toMatch(/(src|href)=/);
});
