/**
 * The example filewatch: what it says where there is nothing to watch.
 *
 * @module-tag slow
 */
import { fileURLToPath } from "node:url";
import { afterEach, expect, test } from "vitest";
import { startExample, stopExamples } from "./example-process.ts";

afterEach(stopExamples);

test.each(["/nowhere/notes.txt", fileURLToPath(new URL(".", import.meta.url))])(
  "%s is no file, and it says so",
  async (path) => {
    const { code, output } = await startExample("filewatch", { args: [path] }).ended;
    expect(code).toBe(1);
    expect(output).toMatch(/^Cannot watch .*: it is no file\. Name one that is there: npm start -- FILE\n$/);
  },
);

test("without an argument it watches its own README, and Ctrl-C ends it", async () => {
  const server = startExample("filewatch");
  await server.until(/filewatch.README\.md\./);
  expect((await server.stop()).code).toBe(0);
});
