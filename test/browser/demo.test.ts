/**
 * The demo in real browsers: the views of the page against the built server, as a person would use them.
 *
 * @module-tag slow
 */
import { readFileSync } from "node:fs";
import { createServer } from "node:net";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { describeWith } from "../support/real-parts.ts";
import type { DemoProcess } from "./demo-process.ts";
import { startDemo } from "./demo-process.ts";
import type { Browser, Tab } from "./tabs.ts";
import { openChromium, openFirefox } from "./tabs.ts";

const inDemo = (path: string) => readFileSync(new URL(`../../demo/${path}`, import.meta.url), "utf8");
const article = inDemo("page/public/article.zh.txt");
const articleInEnglish = inDemo("page/public/article.en.txt");
const someFile = fileURLToPath(new URL("../../package-lock.json", import.meta.url));
const kinds = `[...document.querySelectorAll(".timeline li")].map((line) => line.dataset.kind)`;
const timeline = `[...document.querySelectorAll(".timeline li")].map((line) => line.textContent)`;
const progress = `document.querySelector(".progress").textContent`;

describeWith("chromium", "the demo in Chromium", (path) => journey(() => openChromium(path)));
describeWith("firefox-esr", "the demo in Firefox", (path) => journey(() => openFirefox(path)));

function journey(open: () => Promise<Browser>): void {
  let demo: DemoProcess;
  let browser: Browser;
  let tabs: Tab[] = [];

  beforeAll(async () => {
    [demo, browser] = await Promise.all([startDemo(), open()]);
  });
  afterEach(async () => {
    for (const tab of tabs) await tab.close();
    tabs = [];
  });
  afterAll(async () => {
    await browser?.close();
    await demo?.stop();
  });

  async function visit(hash: string, url = demo.url): Promise<Tab> {
    const tab = await browser.tab();
    tabs.push(tab);
    await tab.goto(`${url}/${hash}`);
    await tab.until(`document.querySelector("h1") !== null`);
    return tab;
  }

  test("echo: the example runs as served by itself, and the four events are seen in their order", async () => {
    const tab = await visit("#/echo");
    await tab.until(`(document.querySelector("pre")?.textContent ?? "") !== ""`);
    const shown = await tab.read<string>(`document.querySelector("pre").textContent`);
    expect(shown).toBe(articleInEnglish.replace("localhost:9998", `localhost:${demo.port}`));
    expect(shown).toMatch(/^[\0-\x7f]*$/);
    expect(await tab.read(`fetch("/article.en.js").then((answer) => answer.text())`)).toBe(shown);
    expect(await tab.read(`document.querySelector("pre mark").textContent`)).toBe(`localhost:${demo.port}`);

    await tab.until(`${kinds}.length === 6`);
    expect(await tab.read(kinds)).toEqual(["call", "open", "call", "alert", "message", "alert"]);
    const lines = await tab.read<string[]>(timeline);
    expect(lines[2]).toContain("ws.send(“some data”)");
    expect(lines[4]).toContain("“some data” round trip");
    expect(await tab.read(`document.querySelector("[data-fact=readyState]").textContent`)).toBe("1");

    await tab.click(".connection .row button[type=button]");
    await tab.until(`${kinds}.includes("close")`);
    expect((await tab.read<string[]>(timeline)).slice(-3).join("\n")).toMatch(/ws\.close\(\).*1005 clean.*is closed/s);
    await tab.until(`document.querySelector("[data-fact=readyState]").textContent === "3"`);
    expect(await tab.complaints()).toEqual([]);
  });

  test("echo: the article as it was printed is one click away, and runs with either class", async () => {
    const tab = await visit("#/echo");
    await tab.until(`${kinds}.length === 6`);
    for (const kind of ["openline", "browser"]) {
      if (kind === "openline") await tab.click(".languages label:last-child");
      else await tab.click(".code .choice");
      await tab.until(`document.querySelector("pre").textContent.includes("初始化")`);
      expect(await tab.read(`document.querySelector("pre").textContent`)).toBe(
        article.replace("localhost:9998", `localhost:${demo.port}`),
      );
      await tab.click(".code button.primary");
      await tab.until(`${timeline}.some((line) => line.includes("“发送数据” round trip"))`);
      const lines = await tab.read<string[]>(timeline);
      expect(lines[3]).toContain("数据发送中...");
      expect(lines[5]).toContain("数据已接收...");
      await tab.click(".connection .row button[type=button]");
      await tab.until(`${timeline}.at(-1).includes("连接已关闭")`);
    }
    expect(await tab.complaints()).toEqual([]);
  });

  test("echo: typed text and a file come back the same [G99]", async () => {
    const tab = await visit("#/echo");
    await tab.until(`${kinds}.includes("message")`);
    await tab.type("#text", "<b>¿Qué tal? 你好 👋</b>");
    await tab.press("Enter");
    await tab.until(`${timeline}.filter((line) => line.includes("“<b>¿Qué tal? 你好 👋</b>”")).length === 2`);
    await tab.upload("#file", someFile);
    await tab.until(`${timeline}.some((line) => /binary round trip .*, same bytes$/.test(line))`);
    await tab.until(`document.querySelector("[data-fact=bufferedAmount]").textContent === "0"`);
    expect(await tab.complaints()).toEqual([]);
  });

  test("echo: a refused connection shows error, then close with 1006, both in the colour of what went wrong", async () => {
    const tab = await visit("#/echo");
    await tab.until(`${kinds}.includes("message")`);
    const colours = `Object.fromEntries([...document.querySelectorAll(".timeline li")].map((line) =>
      [line.dataset.kind, getComputedStyle(line.querySelector(".kind")).color]))`;
    const { message } = await tab.read<Record<string, string>>(colours);
    await tab.click(".code .actions button:not(.primary)");
    await tab.until(`${kinds}.includes("close")`);
    expect(await tab.read(kinds)).toEqual(["call", "error", "close"]);
    expect((await tab.read<string[]>(timeline))[2]).toMatch(/1006 not clean/);
    const { error, close } = await tab.read<Record<string, string>>(colours);
    expect(close).toBe(error);
    expect(close).not.toBe(message);
    const others = (await tab.complaints()).filter((one) => !one.includes("/nobody-is-here"));
    expect(others).toEqual([]);
  });

  test("push: samples come unasked and are drawn", async () => {
    const tab = await visit("#/push");
    const told = `Number(document.querySelector("[data-fact=told]").textContent)`;
    await tab.until(`${told} >= 4`);
    const points = `[...document.querySelectorAll(".chart")].map((chart) => Number(chart.dataset.points))`;
    const before = await tab.read<number[]>(points);
    expect(before).toHaveLength(4);
    await tab.until(`Math.min(...${points}) > ${before[0]}`);
    const painted = await tab.read<boolean[]>(
      `[...document.querySelectorAll(".chart canvas")].map((canvas) => canvas.getContext("2d")
        .getImageData(0, 0, canvas.width, canvas.height).data.some((value) => value !== 0))`,
    );
    expect(painted).toEqual(Array(4).fill(true));
    expect(await tab.read(`Number(document.querySelector("[data-fact=connections]").textContent)`)).toBe(1);
    const named = `[...document.querySelectorAll(".pictures figure")].map((one) => one.querySelectorAll(".legend li").length)`;
    expect(await tab.read(named)).toEqual([2, 2, 2, 2]);
    await tab.resize(390, 720);
    const height = `document.querySelector(".pictures").getBoundingClientRect().height`;
    await tab.until(`${height} < 1.5 * innerHeight`);
    const asked = `performance.getEntriesByType("resource").filter((one) => one.initiatorType === "fetch").length`;
    expect(await tab.read(asked)).toBe(0);
    expect(await tab.complaints()).toEqual([]);
  });

  /** What a page had seen at each request of its last run in that mode, in the order of the requests. */
  async function asked(tab: Tab, mode: "short" | "long", count: number): Promise<number[]> {
    const requests = `performance.getEntriesByType("resource")
      .map(({ name }) => new URL(name).pathname.split("/").concat(new URL(name).searchParams.get("after")))
      .filter(([, compare, , kind]) => compare === "compare" && kind === "${mode}")`;
    const ofLastRun = `((all) => all.filter(([, , run]) => run === all.at(-1)[2]).map((one) => Number(one[4])))(${requests})`;
    await tab.until(`${ofLastRun}.length === ${count}`);
    return tab.read(ofLastRun);
  }

  test("polling: the table tells what each mode cost, which is most for who asks", { timeout: 40_000 }, async () => {
    const tab = await visit("#/polling");
    // The first comparison runs by itself.
    await tab.until(`${progress}.startsWith("Running: Short")`);
    await tab.until(`${progress}.startsWith("Running: Long")`);
    await tab.until(`${progress}.startsWith("Running: WebSocket")`);
    await tab.until(`${progress} === "Done."`);
    const cells = await tab.read<string[][]>(
      `[...document.querySelectorAll("tbody tr")].map((row) => [...row.cells].map((cell) => cell.textContent))`,
    );
    expect(cells.map(([name]) => name)).toEqual(["Short polling", "Long polling", "WebSocket"]);
    expect(cells.map(([, events]) => events)).toEqual(["20", "20", "20"]);
    const [short = [], long = [], socket = []] = cells.map((row) => row.slice(2).map(Number));
    expect([...short, ...long, ...socket].every((value) => value > 0)).toBe(true);
    const [shortRequests = 0, longRequests = 0] = [short[0], long[0]];
    expect(socket[0]).toBe(1);
    // The feed begins with the first request: a short one is told at once that there is nothing, a long one of event 1.
    const shortAsked = await asked(tab, "short", shortRequests);
    expect(shortAsked.slice(0, 2)).toEqual([0, 0]);
    expect(shortAsked).toEqual([...shortAsked].sort((a, b) => a - b));
    const longAsked = await asked(tab, "long", longRequests);
    expect(longAsked.slice(0, 2)).toEqual([0, 1]);
    // However slow the page is to ask again, each answer has something new, and none is asked for behind the last event.
    expect(longAsked).toEqual([...new Set(longAsked)].sort((a, b) => a - b));
    expect(longAsked.at(-1)).toBeLessThan(20);
    // A request for each event: where the page was slow, an answer had several.
    const ofRequests = (row: number[], count: number): number => ((row[1]! + row[2]!) / row[0]!) * count;
    expect(ofRequests(socket, 1)).toBeLessThan(ofRequests(short, 20) / 2);
    expect(ofRequests(socket, 1)).toBeLessThan(ofRequests(long, 20) / 2);

    await tab.click(".results .actions button");
    const said = `document.querySelector(".results [role=status]").textContent`;
    await tab.until(`${said} !== ""`);
    expect(await tab.read(said)).toBe("Copied as Markdown.");
    expect(await tab.complaints()).toEqual([]);
  });

  test("polling: stop ends a run, reset forgets it", async () => {
    const tab = await visit("#/polling");
    await tab.until(`${progress}.startsWith("Warming up")`);
    await tab.click(".choices button.primary");
    await tab.until(`document.querySelector(".choices button.primary").textContent === "Start"`);
    await tab.choose("select[name=seconds]", "60");
    await tab.choose("select[name=order]", "once");
    await tab.click(".choices button.primary");
    await tab.until(`${progress}.startsWith("Running: Short polling, Long polling, WebSocket")`);
    await tab.until(`document.querySelectorAll("tbody tr").length === 3`);
    await tab.click(".choices button.primary");
    await tab.until(`${progress} === "Done."`);
    expect(await tab.read(`document.querySelector("tbody td:last-child").textContent`)).toBe("not separable");
    await tab.click(".choices .actions button:last-child");
    await tab.until(`document.querySelectorAll("tbody tr").length === 0`);
    expect(await tab.complaints()).toEqual([]);
  });

  test("chat: two tabs talk in a room, in text only [G101]", async () => {
    const room = "#/chat/test-room";
    const [ada, grace] = [await visit(room), await visit(room)];
    await enter(ada, "Ada");
    await enter(grace, "Ada", false);
    await grace.until(`document.querySelector("[role=alert]").textContent.includes("already called Ada")`);
    await enter(grace, "Grace");
    const members = `document.querySelector("[data-fact=members]").textContent`;
    for (const tab of [ada, grace]) await tab.until(`${members} === "2"`);

    const text = `<img src=x onerror="document.title='no'"> & <b>not bold</b>`;
    await grace.type("#say", text);
    await grace.press("Enter");
    const heard = `[...document.querySelectorAll(".lines .text")].map((line) => line.textContent)`;
    for (const tab of [ada, grace]) {
      await tab.until(`${heard}.length === 2`);
      expect((await tab.read<string[]>(heard))[1]).toBe(text);
      expect(await tab.read(`document.querySelectorAll(".lines img, .lines b").length`)).toBe(0);
    }
    await grace.click(".people button");
    await ada.until(`${members} === "1"`);
    await ada.until(`document.querySelector(".lines li:last-child").textContent.startsWith("Grace left")`);
    for (const tab of [ada, grace]) expect(await tab.complaints()).toEqual([]);
  });

  test("chat: the talk is there before one joins; name and room stay, in this tab and for the next", async () => {
    const ada = await visit("#/chat/kept-room");
    await ada.until(`document.querySelector(".lines .text")?.textContent.includes("kept-room") === true`);
    await enter(ada, "Ada Kept");
    await ada.type("#say", "are you there?");
    await ada.press("Enter");
    const next = await visit("#/chat");
    await next.until(`document.querySelector(".lines")?.textContent.includes("are you there?") === true`);
    await next.until(`document.querySelector("#name").value === "Ada Kept 2"`);
    expect(await next.read(`document.querySelector("#room").value`)).toBe("kept-room");
    await ada.goto(`${demo.url}/?again#/chat`);
    await ada.until(`document.querySelector("#talk").textContent === "In kept-room"`);
    expect(await ada.read(`document.querySelector(".members").textContent`)).toBe("Ada Kept (you)");
    for (const tab of [ada, next]) expect(await tab.complaints()).toEqual([]);
  });

  test("chat: on a phone the message box is in sight once one has joined", async () => {
    const tab = await visit("#/chat/phone-room");
    await tab.resize(390, 660);
    await enter(tab, "Ada");
    const box = `document.querySelector("#say").getBoundingClientRect()`;
    await tab.until(`${box}.top > 0 && ${box}.bottom < innerHeight`);
    expect(await tab.complaints()).toEqual([]);
  });

  test("the example's literal URL works where the demo has port 9998", async (context) => {
    if (!(await isFree(9998))) {
      if (process.env.CI) throw new Error("Cannot try the literal URL: port 9998 is taken, and CI skips nothing");
      context.skip("port 9998 is taken");
    }
    const literal = await startDemo(9998);
    try {
      const tab = await visit("#/echo", literal.url);
      await tab.until(`${kinds}.includes("message")`);
      await tab.click(".languages label:last-child");
      await tab.until(`document.querySelector("pre").textContent.includes("初始化")`);
      expect(await tab.read(`document.querySelector("pre").textContent`)).toBe(article);
      await tab.click(".code button.primary");
      await tab.until(`${timeline}.some((line) => line.includes("“发送数据” round trip"))`);
      expect((await tab.read<string[]>(timeline))[0]).toContain("ws://localhost:9998/echo");
      expect(await tab.complaints()).toEqual([]);
      // From a page of another origin, the article's URL works too.
      const elsewhere = await visit("#/chat");
      const echoed = await elsewhere.read(`new Promise((resolve) => {
        const ws = new WebSocket("ws://localhost:9998/echo");
        ws.onopen = () => ws.send("发送数据");
        ws.onmessage = (event) => { resolve(event.data); ws.close(); };
        ws.onerror = () => resolve("error");
      })`);
      expect(echoed).toBe("发送数据");
    } finally {
      await literal.stop();
    }
  });

  test("the page's policy refuses what is not its own", async () => {
    const tab = await visit("#/echo");
    await tab.read(`(() => {
      const script = document.createElement("script");
      script.textContent = "globalThis.ran = true";
      document.head.append(script);
    })()`);
    await tab.until(`refusals.length === 1`);
    expect(await tab.read(`globalThis.ran === true`)).toBe(false);
    expect((await tab.complaints()).at(-1)).toMatch(/^script-src.* refused inline$/);
  });

  test("the theme follows the toggle and is remembered", async () => {
    const tab = await visit("#/push");
    const paper = `getComputedStyle(document.body).backgroundColor`;
    const before = await tab.read<string>(paper);
    await tab.click("button.theme");
    await tab.until(`${paper} !== ${JSON.stringify(before)}`);
    const after = await tab.read<string>(paper);
    await tab.goto(`${demo.url}/?again#/push`);
    expect(await tab.read(paper)).toBe(after);
    await tab.click("button.theme");
    expect(await tab.complaints()).toEqual([]);
  });
}

async function enter(tab: Tab, name: string, succeeds = true): Promise<void> {
  await tab.until(`document.querySelector("[data-state=open]") !== null`);
  await tab.type("#name", name);
  await tab.click(".people button.primary");
  if (succeeds) await tab.until(`document.querySelector("#say") !== null`);
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}
