/** The examples' pages in a real Chromium, as a reader would use them. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { type Browser, openChromium, type Tab } from "../browser/tabs.ts";
import { describeWith } from "../support/real-parts.ts";
import { type ExampleProcess, startExample, stopExamples } from "./example-process.ts";

const lines = `[...document.querySelectorAll("li")].map((line) => line.textContent)`;
const all = "document.body.innerText";

describeWith("chromium", "the pages of the examples", (path) => {
  let browser: Browser;
  let tabs: Tab[] = [];
  const folder = mkdtempSync(join(tmpdir(), "openline-example-"));

  beforeAll(async () => {
    browser = await openChromium(path);
  });
  afterEach(async () => {
    for (const tab of tabs) {
      expect(await tab.complaints()).toEqual([]);
      await tab.close();
    }
    tabs = [];
    await stopExamples();
  });
  afterAll(async () => {
    await browser?.close();
    rmSync(folder, { recursive: true });
  });

  async function visit(example: ExampleProcess): Promise<Tab> {
    const tab = await browser.tab();
    tabs.push(tab);
    await tab.goto(`http://localhost:${await example.port()}`);
    return tab;
  }

  test("echo: opens, sends, shows what comes back, and closes [G99]", async () => {
    const tab = await visit(startExample("echo"));
    await tab.click("[name=open]");
    await tab.until(`${lines}.length === 1`);
    await tab.type("[name=text]", "¿Qué tal? 你好");
    await tab.press("Enter");
    await tab.until(`${lines}.length === 3`);
    await tab.click("[name=close]");
    await tab.until(`${lines}.length === 4`);
    expect(await tab.read(lines)).toEqual([
      "open",
      "sent ¿Qué tal? 你好",
      "received ¿Qué tal? 你好",
      "closed with 1000",
    ]);
  });

  test("chat: what one says all see, and all see that a slow client was let go [G101]", async () => {
    const server = startExample("chat");
    const [ada, grace] = [await visit(server), await visit(server)];
    for (const tab of [ada, grace]) await tab.until(`!document.querySelector("button").disabled`);
    await ada.type("[name=text]", "<b>Hello</b>");
    await ada.press("Enter");
    for (const tab of [ada, grace]) await tab.until(`${lines}[0] === "<b>Hello</b>"`);
    const slow = startExample("chat", { script: "slow", env: { PORT: String(await server.port()) } });
    for (const tab of [ada, grace])
      await tab.until(`${lines}.includes("(a client in the room noise did not read, and was let go)")`);
    await slow.ended;
    await server.stop();
    for (const tab of [ada, grace]) {
      await tab.until(`${lines}[0] === "(the connection has ended: 1001 The server is closing)"`);
    }
  });

  test("command: a line goes to the program, its output and its end come to the page [G102]", async () => {
    const program = `process.stdin.setEncoding("utf8").on("data", (line) => {
      if (line === "end\\n") process.exit(3);
      console.log("read " + line.trim());
      console.error("complained");
    })`;
    const tab = await visit(startExample("command", { args: [process.execPath, "-e", program] }));
    await tab.until(`!document.querySelector("button").disabled`);
    await tab.type("[name=line]", "one");
    await tab.press("Enter");
    await tab.until(`${all}.includes("> one") && ${all}.includes("read one") && ${all}.includes("complained")`);
    await tab.type("[name=line]", "end");
    await tab.press("Enter");
    await tab.until(`${all}.includes("(The program ended with 3)")`);
  });

  test("filewatch: the page has the new text when the file changes, is gone, and is there again [G103]", async () => {
    const file = join(folder, "notes.txt");
    writeFileSync(file, "first");
    const text = `document.querySelector("pre").textContent`;
    const status = `document.querySelector("[role=status]").textContent`;
    const tab = await visit(startExample("filewatch", { args: [file] }));
    await tab.until(`${text} === "first" && document.title === "notes.txt"`);
    writeFileSync(file, "second");
    await tab.until(`${text} === "second"`);
    rmSync(file);
    await tab.until(`${status}.startsWith("Gone") && ${text} === "second"`);
    writeFileSync(file, "third");
    await tab.until(`${text} === "third" && ${status}.startsWith("As it is")`);
  });
});
