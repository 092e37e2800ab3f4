/** The script that makes the picture of the layers, and that holds the names in the page's prose against the sources. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { architecturePage, layersText, readSources, unknownNames } from "../../scripts/architecture.ts";

const files = {
  "src/index.ts": 'export { Inbox } from "./connection/receiving/inbox.ts";\n',
  "src/connection/receiving/inbox.ts": [
    'import { readFrame } from "../../protocol/frame.ts";',
    'import type { Part } from "./part.ts";',
    "export class Inbox {",
    "  get empty(): boolean {",
    "    return this.#next() === undefined;",
    "  }",
    "  push(part: Part): void {",
    "    readFrame(part);",
    "  }",
    "  async *#next() {}",
    "}",
    "",
  ].join("\n"),
  "src/connection/receiving/part.ts": "export interface Part {\n  length: number;\n}\n",
  "src/protocol/frame.ts": "export function readFrame(bytes: unknown): void {}\n",
};

let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "architecture-"));
  for (const [path, text] of Object.entries(files)) put(path, text);
});

afterEach(() => rmSync(root, { recursive: true }));

function put(path: string, text: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
}

test("layers and folders are counted, with the imports between them and without those inside", () => {
  expect(layersText(readSources(root)).split("\n")).toEqual([
    "```mermaid",
    "flowchart TD",
    '  connection["connection<br>2 files"]',
    '  index["index<br>1 file"]',
    '  protocol["protocol<br>1 file"]',
    "  connection -->|1| protocol",
    "  index -->|1| connection",
    "```",
    "",
    "| folder | files | imports from |",
    "| --- | --- | --- |",
    "| connection/receiving | 2 | protocol 1 |",
    "| protocol | 1 |  |",
  ]);
});

describe("names in backticks", () => {
  test.each([
    "`inbox.ts`",
    "`receiving/inbox.ts` has `Inbox.push`, `Inbox.empty` and `Inbox.#next`",
    "`connection/` and `receiving/`",
    "`readFrame` of `protocol/frame.ts`",
    "`Part.length`",
    "`Inbox.push` calls\nwhat is in `protocol/frame.ts` and `inbox.ts`",
    "- `Inbox` of `inbox.ts`\n- `readFrame` of `frame.ts`",
  ])("that are there pass: %j", (prose) => {
    expect(unknownNames(prose, readSources(root))).toEqual([]);
  });

  test.each([
    ["`outbox.ts`", "there is no outbox.ts in src/"],
    ["`box.ts`", "there is no box.ts in src/"],
    ["`sending/`", "there is no sending/ in src/"],
    ["`Inbox.pull`", "there is no Inbox.pull in src/"],
    ["`Part.push`", "there is no Part.push in src/"],
    ["`readFrame` of `inbox.ts`", "there is no readFrame in connection/receiving/inbox.ts"],
    ["`{ key: value }`", "there is no { key: value } in src/"],
  ])("that are not are told: %j", (prose, problem) => {
    expect(unknownNames(`\n\n${prose}`, readSources(root))).toEqual([`architecture.md:3: ${problem}`]);
  });
});

describe("the page", () => {
  const comments = [
    "<!-- From here to the next comment made by scripts/architecture.ts: npm run fix. -->",
    "<!-- From here on written by hand. -->",
  ];

  test("gets the picture between its two comments, and keeps its prose, whose lines are told as they are", () => {
    put("docs/explanation/architecture.md", `Before\n\n${comments[0]}\n\n\`old\`\n\n${comments[1]}\n\n\`gone\`\n`);
    const { text, problems } = architecturePage(root);
    expect(text).toBe(`Before\n\n${comments[0]}\n\n${layersText(readSources(root))}\n\n${comments[1]}\n\n\`gone\`\n`);
    expect(problems).toEqual(["architecture.md:9: there is no gone in src/"]);
    put("docs/explanation/architecture.md", text.replace("`gone`", "`inbox.ts`"));
    expect(architecturePage(root)).toMatchObject({ text: text.replace("`gone`", "`inbox.ts`"), problems: [] });
  });

  test("without one of them is refused", () => {
    put("docs/explanation/architecture.md", `Before\n\n${comments[0]}\n`);
    expect(() => architecturePage(root)).toThrow("it lacks one of its two comments");
  });
});
