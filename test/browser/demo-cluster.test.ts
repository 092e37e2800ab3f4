/**
 * The demo as three nodes over a Redis behind HAProxy, as `demo/cluster/compose.yaml` has them: the chat goes on when a node
 * and when the broker is killed, and the page says what happened.
 *
 * @module-tag slow
 */
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { freePort, type Program, startProgram } from "../support/program.ts";
import { describeWith } from "../support/real-parts.ts";
import { RedisServer } from "../support/redis-server.ts";
import { type DemoProcess, startDemo } from "./demo-process.ts";
import type { Browser, Tab } from "./tabs.ts";
import { openChromium } from "./tabs.ts";

const configuration = fileURLToPath(new URL("../../demo/cluster/haproxy.cfg", import.meta.url));
const room = "three-nodes";
/** A page tries again after five seconds at most, and a proxy looks after nodes once a second. */
const patience = 60_000;

const texts = `[...document.querySelectorAll(".lines .text")].map((line) => line.textContent)`;
const notes = `[...document.querySelectorAll(".lines .note")].map((line) => line.textContent)`;
const gaps = `[...document.querySelectorAll(".lines .gap")].map((line) => line.textContent)`;
const node = `/This is node (\\w+)\\./.exec(document.querySelector(".talk [data-state=open]")?.textContent ?? "")?.[1] ?? ""`;
const members = `(document.querySelector(".members")?.textContent ?? "")`;
const bothAreThere = `${members}.includes("Ada") && ${members}.includes("Grace")`;

describeWith("chromium", "the demo's cluster", (chromium) =>
  describeWith("haproxy", "behind HAProxy", (haproxy) =>
    describeWith("redis-server", "over Redis", (redis) =>
      describe("in Chromium", () => journey(chromium, haproxy, redis)),
    ),
  ),
);

function journey(chromium: string, haproxy: string, redis: string): void {
  let broker: RedisServer;
  let proxy: Program;
  let browser: Browser;
  let url: string;
  const nodes = new Map<string, DemoProcess>();
  const tabs: Tab[] = [];

  beforeAll(async () => {
    broker = await RedisServer.start(redis);
    const ports = await Promise.all(Array.from({ length: 3 }, freePort));
    const proxyPort = await freePort();
    await Promise.all(
      ports.map(async (port, index) => {
        const name = `app${index + 1}`;
        const args = ["--cluster", `redis://127.0.0.1:${broker.port}`];
        nodes.set(name, await startDemo(port, { args, env: { NODE_NAME: name } }));
      }),
    );
    for (const [index, port] of ports.entries()) process.env[`APP${index + 1}`] = `127.0.0.1:${port}`;
    process.env.PORT = String(proxyPort);
    proxy = await startProgram(haproxy, ["-db", "-f", configuration], proxyPort);
    url = `http://localhost:${proxyPort}`;
    browser = await openChromium(chromium);
  });
  afterAll(async () => {
    for (const tab of tabs) await tab.close();
    await browser?.close();
    await proxy?.close();
    await Promise.all([...nodes.values()].map((each) => each.stop("SIGKILL")));
    await broker?.stop();
  });

  async function enter(name: string): Promise<Tab> {
    const tab = await browser.tab();
    tabs.push(tab);
    await tab.goto(`${url}/#/chat/${room}`);
    await tab.until(`document.querySelector("[data-state=open]") !== null`, patience);
    await tab.type("#name", name);
    await tab.click(".people button.primary");
    await tab.until(`document.querySelector("#say") !== null`, patience);
    return tab;
  }

  async function say(tab: Tab, text: string): Promise<void> {
    await tab.type("#say", text);
    await tab.press("Enter");
  }

  /** Says something by way of a node, and resolves when it is stored. */
  async function sayAt(demo: DemoProcess, text: string): Promise<void> {
    const socket = new WebSocket(`ws://127.0.0.1:${demo.port}/chat/${room}`);
    await once(socket, "open");
    const heard = new Promise<void>((resolve) => {
      socket.on("message", (data) => String(data).includes(`"${text}"`) && resolve());
    });
    socket.send(JSON.stringify({ do: "join", name: "Linus", tab: "linus" }));
    socket.send(JSON.stringify({ do: "say", text }));
    await heard;
    socket.terminate();
  }

  test("a node and the broker are killed before two tabs, and both tell what became of the talk", {
    timeout: 240_000,
  }, async () => {
    const [ada, grace] = [await enter("Ada"), await enter("Grace")];
    for (const tab of [ada, grace]) await tab.until(bothAreThere, patience);
    await say(ada, "one");
    for (const tab of [ada, grace]) await tab.until(`${texts}.at(-1) === "one"`, patience);

    // What is said while Ada's node hangs she misses for sure; then it is killed.
    const lost = await ada.read<string>(node);
    const [survivor] = [...nodes].filter(([name]) => name !== lost).map(([, demo]) => demo);
    nodes.get(lost)!.signal("SIGSTOP");
    await sayAt(survivor!, "two");
    await nodes.get(lost)!.stop("SIGKILL");
    await ada.until(`${texts}.filter((text) => text === "two").length === 1`, patience);
    await ada.until(`${notes}.some((note) => / missed, and replayed: nothing is missing\\./.test(note))`, patience);
    const now = await ada.read<string>(node);
    expect([...nodes.keys()].filter((name) => name !== lost)).toContain(now);
    expect((await ada.read<string[]>(notes)).find((note) => note.startsWith("You are back"))).toContain(`on ${now}.`);

    for (const tab of [ada, grace]) await tab.until(bothAreThere, patience);

    // The broker is killed and keeps its data: what is said meanwhile waits, and comes once.
    await broker.kill();
    await say(ada, "three");
    await broker.restart();
    for (const tab of [ada, grace]) {
      await tab.until(`${texts}.filter((text) => text === "three").length === 1`, patience);
      expect(await tab.read(gaps)).toEqual([]);
    }

    // The broker is killed and loses its data: everybody is told, and the talk goes on.
    await broker.kill({ lose: true });
    await broker.restart();
    for (const tab of [ada, grace]) await tab.until(`${gaps}.some((gap) => gap.includes("lost its data"))`, patience);
    await say(grace, "four");
    for (const tab of [ada, grace]) {
      await tab.until(`${texts}.at(-1) === "four"`, patience);
      const said = (await tab.read<string[]>(texts)).slice(1);
      expect(said).toEqual(["one", "two", "three", "four"]);
      await tab.until(bothAreThere, patience);
    }
  });
}
