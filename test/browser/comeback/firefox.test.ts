/**
 * A page whose connection is lost, in Firefox, which lets a page that was refused often wait by itself, a minute at most.
 *
 * @module-tag slow
 */
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { describeWith } from "../../support/real-parts.ts";
import { type Browser, openFirefox, type Tab } from "../tabs.ts";
import { type Note, type RestartingServer, restartingServer } from "./restarting-server.ts";

const minute = 60_000;
/** Nothing but a wake can end such a wait. */
const notByItself = { firstDelay: 600_000, maxDelay: 600_000 };

describeWith("firefox-esr", "a page in Firefox", (executable) => {
  let server: RestartingServer;
  let browser: Browser;

  beforeAll(async () => {
    [server, browser] = await Promise.all([restartingServer(), openFirefox(executable)]);
  });

  afterAll(async () => {
    await browser?.close();
    await server?.stop();
  });

  async function open(reconnect: object): Promise<Tab> {
    const tab = await browser.tab();
    await tab.goto(server.page({ reconnect }));
    await tab.until('socket.state === "open"', minute);
    return tab;
  }

  const whatOf = async (tab: Tab): Promise<string[]> => (await tab.read<Note[]>("notes")).map(({ what }) => what);

  test("comes back after its server was restarted, and sends what waited", async () => {
    const tab = await open({ firstDelay: 200, maxDelay: 500 });
    await server.stop();
    await tab.until('socket.state !== "open" && socket.failures > 1', minute);
    expect(await tab.read('socket.send("queued")')).toBe(true);
    await server.start();
    await tab.until('noted("message queued") === 1', minute);
    expect((await whatOf(tab)).slice(-3)).toEqual(["connecting", "open", "message queued"]);
    await tab.close();
  });

  test("that is hidden comes back when it is seen again", async () => {
    const tab = await open(notByItself);
    const other = await browser.tab();
    await tab.until('document.visibilityState === "hidden"');
    server.cut();
    await tab.until('socket.state === "waiting"');
    await tab.show();
    await tab.until('socket.state === "open"', minute);
    expect(await tab.read('[noted("waiting"), noted("open")]')).toEqual([1, 2]);
    await Promise.all([tab.close(), other.close()]);
  });

  test("with a connection is not kept in the back/forward cache: it is a new page, with a connection of its own", async () => {
    const tab = await open(notByItself);
    await tab.goto(`http://127.0.0.1:${server.port}/elsewhere`);
    await tab.back();
    await tab.until('globalThis.socket?.state === "open"', minute);
    const what = await whatOf(tab);
    expect([what.includes("pageshow persisted"), what.includes("waiting")]).toEqual([false, false]);
    await tab.close();
  });

  test("that is offline keeps its connection, and comes back to the network when it has lost it", async () => {
    const tab = await open(notByItself);
    await tab.offline(true);
    await tab.until('noted("offline") === 1');
    await tab.read('void socket.send("still there")');
    await tab.until('noted("message still there") === 1');
    await tab.read("void socket.reconnect()");
    await tab.until('socket.state === "waiting" && socket.failures === 1');
    await tab.offline(false);
    await tab.until('socket.state === "open"', minute);
    const what = await whatOf(tab);
    expect(what.slice(what.lastIndexOf("waiting"))).toEqual(["waiting", "online", "connecting", "open"]);
    await tab.close();
  });

  test("is back within 75 s after four minutes without a server", { tags: "rare", timeout: 10 * minute }, async () => {
    const tab = await open({});
    await server.stop();
    await delay(4 * minute);
    expect(await tab.read('socket.state !== "open" && noted("connecting") >= 3')).toBe(true);
    await server.start();
    await tab.until('socket.state === "open"', 75_000);
    await tab.close();
  });
});
