/**
 * The demo's views when its server leaves: readers that fall behind, a drain, and a restart after which every view is back
 * by itself and says what happened.
 *
 * @module-tag slow
 */
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { describeWith } from "../support/real-parts.ts";
import type { DemoProcess } from "./demo-process.ts";
import { startDemo } from "./demo-process.ts";
import type { Browser, Tab } from "./tabs.ts";
import { openChromium, openFirefox } from "./tabs.ts";

/** A client waits up to ten seconds after 1012, and some more when it is refused then. */
const PATIENCE = 30_000;
const VIEWS = ["echo", "push", "polling", "chat", "readers", "drain"];

const standing = `document.querySelector("[data-state]").textContent`;
const timeline = `[...document.querySelectorAll(".timeline li")].map((line) => line.textContent)`;
const drainState = `document.querySelector("[data-fact=drain]").textContent`;
const reader = (name: string, fact: string) =>
  `document.querySelector("[data-reader=${name}] [data-fact=${fact}]").textContent`;

describeWith("chromium", "the demo in Chromium", (path) => journey(() => openChromium(path)));
describeWith("firefox-esr", "the demo in Firefox", (path) => journey(() => openFirefox(path)));

function journey(open: () => Promise<Browser>): void {
  let demo: DemoProcess;
  let browser: Browser;

  beforeAll(async () => {
    [demo, browser] = await Promise.all([startDemo(), open()]);
  });
  afterAll(async () => {
    await browser?.close();
    await demo?.stop();
  });

  async function visit(view: string): Promise<Tab> {
    const tab = await browser.tab();
    await tab.goto(`${demo.url}/#/${view}`);
    await tab.until(`document.querySelector("h1") !== null`);
    return tab;
  }

  test("every view shows code that stands in the files it names", async () => {
    const tab = await visit("echo");
    for (const view of VIEWS) {
      await tab.goto(`${demo.url}/#/${view}`);
      await tab.until(`document.querySelector("nav [aria-current]").hash === "#/${view}"`);
      await tab.until(`document.querySelectorAll(".source").length === ${view === "echo" ? 1 : 2}`);
      const shown = await tab.read<{ files: string; lines: string[] }[]>(
        `[...document.querySelectorAll(".source")].map((one) => ({
          files: one.dataset.file, lines: one.querySelector("pre").textContent.split("\\n") }))`,
      );
      for (const { files, lines } of shown) {
        const [first = "", second] = files.split(" and ");
        const folder = first.slice(0, first.lastIndexOf("/") + 1);
        const source = [first, ...(second === undefined ? [] : [folder + second])]
          .map((path) => readFileSync(new URL(`../../${path}`, import.meta.url), "utf8"))
          .join("\n");
        const known = new Set(source.split("\n").map((line) => line.trim()));
        expect(lines.filter((line) => !known.has(line.trim()))).toEqual([]);
      }
      expect(shown.at(-1)?.lines.length).toBeGreaterThan(5);
    }
    await tab.close();
  });

  test("readers: the slow one is let go at the limit, the others are not", async () => {
    const tab = await visit("readers");
    await tab.until(`Number(${reader("slow", "read")}) > 0`);
    await tab.choose("select[name=pace]", "1");
    await tab.until(`${reader("slow", "fate")}.startsWith("Let go after")`, PATIENCE);
    for (const name of ["page", "fast", "latest"]) expect(await tab.read(reader(name, "fate"))).toBe("Connected.");
    const before = await tab.read<string>(reader("page", "read"));
    await tab.until(`${reader("page", "read")} !== ${JSON.stringify(before)}`);
    expect(await tab.read(reader("latest", "queued"))).toBe("0.00 MiB");
    expect(await tab.complaints()).toEqual([]);
    await tab.close();
  });

  test("drain: all twelve leave with 1012, and are back on the next server", async () => {
    const tab = await visit("drain");
    await tab.until(`${drainState}.startsWith("All 12 are connected to server 1")`);
    await tab.click(".drain-choices button.primary");
    await tab.until(`${drainState}.startsWith("All 12 are back, on server 2")`, PATIENCE);
    const said = await tab.read<string[]>(
      `[...document.querySelectorAll(".tracks .said")].map((one) => one.textContent)`,
    );
    expect(said).toHaveLength(12);
    for (const one of said) expect(one).toMatch(/^left at \d+\.\d s \(1012\), back at \d+\.\d s/);
    await tab.close();
  });

  test("the server stops and starts again: every view is back by itself, and says what happened", async () => {
    const echo = await visit("echo");
    const push = await visit("push");
    const polling = await visit("polling");
    const chat = await visit("chat");
    const readers = await visit("readers");
    const drain = await visit("drain");
    await echo.until(`${timeline}.length === 6`);
    await chat.until(`document.querySelector("[data-state=open]") !== null`);
    await chat.type("#name", "Ada");
    await chat.click(".people button.primary");
    await chat.until(`document.querySelector(".members") !== null`);
    await drain.until(`${drainState}.startsWith("All 12 are connected")`);

    const { port } = demo;
    expect(await demo.stop()).toMatchObject({ code: 0 });
    for (const tab of [push, polling, chat, readers, drain]) {
      await tab.until(
        `/^The connection was lost \\((1012, “The server is draining; retry-after=\\d+”|1006)\\)/.test(${standing})`,
      );
    }
    demo = await startDemo(port);
    for (const tab of [push, polling, chat, readers, drain]) {
      await tab.until(`${standing}.startsWith("Connected again: the connection was lost (")`, PATIENCE);
    }
    await echo.until(`${timeline}.filter((line) => line.includes("round trip")).length === 2`, PATIENCE);
    expect((await echo.read<string[]>(timeline)).find((line) => line.includes("close"))).toMatch(/next try in \d/);
    await polling.until(`document.querySelector(".progress").textContent !== "Ready."`);
    await chat.until(`document.querySelector(".members").textContent === "Ada (you)"`);
    await readers.until(`Number(${reader("page", "read")}) > 0`);
    await drain.until(`/^All 12 are (connected|back)/.test(${drainState})`, PATIENCE);
    for (const tab of [echo, push, polling, chat, readers, drain]) await tab.close();
  });
}
