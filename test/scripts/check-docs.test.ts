/**
 * The check of documentation blocks: what it reads out of a page, and that true blocks pass and false ones fail.
 *
 * @module-tag slow
 */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { checkPages, freePort, readBlocks } from "../../scripts/check-docs.ts";

// Inside the repository, where blocks find their types and the package itself.
const folder = join(fileURLToPath(new URL("../..", import.meta.url)), `.cache/docs-test-${process.pid}`);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

const fence = "```";

function page(...blocks: readonly string[]): string {
  return blocks.map((block) => `Some text.\n\n${block}\n`).join("\n");
}

function block(info: string, ...lines: readonly string[]): string {
  return `${fence}${info}\n${lines.join("\n")}\n${fence}`;
}

function check(markdown: string): Promise<string[]> {
  return checkPages([readBlocks("page.md", markdown)], folder);
}

describe("readBlocks", () => {
  test("finds ts and js blocks with their lines and expectations, and no others", () => {
    const markdown = page(
      block("sh", "npm start"),
      block("ts", "const a = 1;", "console.log(a); // prints: 1"),
      block("js no-run: needs a browser", 'alert("hello");'),
    );
    expect(readBlocks("page.md", markdown)).toEqual([
      {
        page: "page.md",
        line: 10,
        language: "ts",
        code: "const a = 1;\nconsole.log(a); // prints: 1",
        run: true,
        prints: ["1"],
      },
      { page: "page.md", line: 17, language: "js", code: 'alert("hello");', run: false, prints: [] },
    ]);
  });

  test("leaves a block to the test that names its page, and refuses one that no test knows", () => {
    const tested = (path: string) => block(`ts tested-by: ${path}`, 'import "react";');
    const page = "docs/guides/reconnecting-in-pages.md";
    expect(readBlocks(page, tested("test/browser/bundled-pages.test.ts"))).toEqual([]);
    for (const path of ["test/browser/bundled-pages.test.ts", "test/browser/none.test.ts"]) {
      expect(() => readBlocks("docs/other.md", tested(path))).toThrow(`docs/other.md:1: ${path} does not name it`);
    }
  });

  test("refuses code under a name that is not checked, no-run without a reason, and a block without an end", () => {
    expect(() => readBlocks("page.md", block("typescript", "1;"))).toThrow("page.md:1: code that is checked is fenced");
    expect(() => readBlocks("page.md", block("ts no-run", "1;"))).toThrow("page.md:1: no-run gives no reason");
    expect(() => readBlocks("page.md", `${fence}ts\n1;`)).toThrow("page.md:1: the code block does not end");
  });
});

describe("checkPages", () => {
  test("a server that a hostile request ends fails, and one that answers it passes", async () => {
    const serverOf = async (path: string) =>
      page(
        block(
          "ts",
          'import { createServer } from "node:http";',
          `createServer((request, response) => void response.end(${path})).listen(${await freePort()});`,
        ),
      );
    expect(await check(await serverOf('new URL(request.url ?? "/", "http://localhost").pathname'))).toEqual([
      "page.md:4: hostile requests ended it with exit code 1",
    ]);
    expect(await check(await serverOf('request.url?.split("?")[0]'))).toEqual([]);
  });

  test("passes blocks that are true, a server serving the block below it", async () => {
    const port = await freePort();
    const markdown = page(
      block(
        "ts",
        'import { createServer } from "node:http";',
        'const server = createServer((_request, response) => response.end("hello"));',
        `server.listen(${port}, "127.0.0.1", () => console.log("listening")); // prints: listening`,
      ),
      block(
        "js",
        `const response = await fetch("http://127.0.0.1:${port}/");`,
        "console.log(await response.text()); // prints: hello",
      ),
      block("ts no-run: there is no such server", 'await fetch("http://127.0.0.1:1/");'),
    );
    expect(await check(markdown)).toEqual([]);
  });

  test("fails a block that does not end, and ends it", async () => {
    const blocks = readBlocks("page.md", block("ts", "setInterval(() => {}, 1_000);"));
    expect(await checkPages([blocks], folder, 2_000)).toEqual(["page.md:2: still running after 2 s"]);
  });

  test.each([
    ["has a type error, at its line in the page", block("ts", "", 'const a: number = "1";', "a;"), "page.md-4.ts(5,7)"],
    [
      "is not run but has a type error",
      block("ts no-run: too slow", "const a: number = true;", "a;"),
      "page.md-4.ts(4,7)",
    ],
    ["throws", block("ts", 'throw new Error("broken");'), "page.md:4: ended early with exit code 1"],
    ["prints something else", block("ts", "console.log(1); // prints: 2"), 'page.md:4: printed ["1"] instead of ["2"]'],
    ["prints too much", block("ts", "console.log(2); // prints: 2", "console.log(3);"), 'printed ["2","3"]'],
    ["exits before its last line", block("ts", "process.exit(0);"), "page.md:4: ended early with exit code 0"],
  ])("fails a block that %s", async (_what, code, failure) => {
    const failures = await check(page(code));
    expect(failures.join("\n")).toContain(failure);
  });
});
