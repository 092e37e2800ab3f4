/**
 * The examples' pages in a real Chromium, as a reader would use them.
 *
 * @module-tag slow
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { type Browser, openChromium, type Tab } from "../browser/tabs.ts";
import { describeWith } from "../support/real-parts.ts";
import { type ExampleProcess, startExample, stopExamples } from "./example-process.ts";

const lines = `[...document.querySelectorAll("li")].map((line) => line.textContent)`;
const all = "document.body.innerText";

describe("in a browser", () => describeWith("chromium", "the pages of the examples", pages));

function pages(path: string): void {
  let browser: Browser;
  let tabs: Tab[] = [];
  /** What a test makes Chromium complain about on purpose. */
  let expectedComplaint = /(?!)/;
  const folder = mkdtempSync(join(tmpdir(), "openline-example-"));

  beforeAll(async () => {
    browser = await openChromium(path);
  });
  afterEach(async () => {
    const complaints = (await Promise.all(tabs.map((tab) => tab.complaints()))).flat();
    const unexpected = complaints.filter((complaint) => !expectedComplaint.test(complaint));
    for (const tab of tabs) await tab.close();
    tabs = [];
    expectedComplaint = /(?!)/;
    await stopExamples();
    expect(unexpected).toEqual([]);
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

  test("auth: a certificate is asked for, the other ways need a login; a token renews a connection, or it ends", async () => {
    const tab = await visit(startExample("auth", { env: { TOKEN_SECONDS: "3" } }));
    const stateOf = (way: string) => `document.querySelector("#${way} p").textContent`;
    const press = (way: string, button: string) => tab.click(`#${way} button:text("${button}")`);
    expectedComplaint = /WebSocket connection to .* failed|status of 401 .*\/(ticket|token)$/;
    for (const way of ["cookie", "ticket", "bearer"]) {
      await press(way, "Connect");
      await tab.until(`${stateOf(way)} === "closed with 4401 Log in first"`);
    }
    await press("first-message", "Connect");
    await tab.until(`${stateOf("first-message")} === "closed with 1008 This is no token of yours"`);

    await tab.click("#login");
    await tab.until(`document.querySelector("#login").textContent === "Logged in as Ada"`);
    await press("certificate", "Connect");
    await tab.until(`${stateOf("certificate")} === "refused"`);
    for (const way of ["cookie", "ticket", "bearer", "first-message"]) {
      await press(way, "Connect");
      await tab.until(`${stateOf(way)}.startsWith("Ada, until ")`);
      await press(way, "Renew");
    }
    for (const way of ["cookie", "ticket", "bearer", "first-message"]) {
      await tab.until(`${stateOf(way)} === "closed with 4001 The token has expired"`);
    }
  });

  test("rooms: those in a room see who is there, what is said and who leaves; another room is beside it", async () => {
    const server = startExample("rooms");
    const [ada, grace] = [await visit(server), await visit(server)];
    const join = async (tab: Tab, name: string, room: string) => {
      if (name !== "") await tab.type("[name=user]", name);
      await tab.type("[name=room]", room);
      await tab.press("Enter");
      await tab.until(`document.getElementById("room-${room}") !== null`);
    };
    const here = (room: string) => `document.querySelector("#room-${room} p").textContent`;
    const last = (room: string) => `document.querySelector("#room-${room} li").textContent`;
    await join(ada, "Ada", "tea");
    await join(grace, "<i>Grace</i>", "tea");
    await ada.until(`${here("tea")} === "Here: <i>Grace</i>, Ada" && ${last("tea")} === "<i>Grace</i>: came in"`);
    await join(ada, "", "join");
    await ada.until(`${here("join")} === "Here: Ada"`);
    await ada.type("#room-tea input", "Is there any left?");
    await ada.press("Enter");
    for (const tab of [ada, grace]) await tab.until(`${last("tea")} === "Ada: Is there any left?"`);
    expect(await grace.read(`document.getElementById("room-join")`)).toBe(null);
    await ada.click("#room-tea button[type=button]");
    await grace.until(`${here("tea")} === "Here: <i>Grace</i>" && ${last("tea")} === "Ada: has left"`);
    await join(ada, "", "tea");
    tabs.splice(tabs.indexOf(grace), 1);
    await grace.close();
    await ada.until(`${here("tea")} === "Here: Ada" && ${last("tea")} === "<i>Grace</i>: has left"`);
  });
}
