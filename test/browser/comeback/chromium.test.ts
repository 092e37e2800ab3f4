/**
 * A page whose connection is lost, in Chromium without a driver: each way in which it learns of it, and what brings it back.
 *
 * The waits are ten minutes long where a wake has to end them, so that nothing else can.
 *
 * @module-tag slow
 */
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { describeWith } from "../../support/real-parts.ts";
import { type RawChromium, type RawTab, startChromium } from "./raw-chromium.ts";
import { type Note, type RestartingServer, restartingServer } from "./restarting-server.ts";
import { swallowingProxy } from "./swallowing-proxy.ts";

const minute = 60_000;
/** In the page: the longest time between two of many timers, each set by the one before. */
const chainOfTimers = `globalThis.longestGap = 0;
(function tick(last) {
  longestGap = Math.max(longestGap, Date.now() - last);
  setTimeout(tick, 100, Date.now());
})(Date.now())`;

const soon = { firstDelay: 200, maxDelay: 500 };
const notByItself = { firstDelay: 600_000, maxDelay: 600_000 };

describeWith("chromium", "a page in Chromium", (executable) => {
  let server: RestartingServer;
  let browser: RawChromium;

  beforeAll(async () => {
    [server, browser] = await Promise.all([restartingServer(), startChromium(executable)]);
  });

  afterAll(async () => {
    await browser?.close();
    await server?.stop();
  });

  async function open(reconnect: object): Promise<RawTab> {
    const tab = await browser.tab(server.page({ reconnect }));
    await tab.until('socket.state === "open"');
    return tab;
  }

  const whatOf = async (tab: RawTab): Promise<string[]> =>
    (await tab.read<Note[]>("notes")).map(({ what }) => what).filter((what) => what !== "pageshow");

  test("comes back after its server was restarted, and sends what waited", async () => {
    const tab = await open(soon);
    await server.stop();
    await tab.until('socket.state !== "open" && socket.failures > 1');
    expect(await tab.read('socket.send("queued")')).toBe(true);
    await server.start();
    await tab.until('noted("message queued") === 1');
    const what = await whatOf(tab);
    expect(what.slice(0, 3)).toEqual(["open", "waiting", "close 1006"]);
    expect(what.slice(-3)).toEqual(["connecting", "open", "message queued"]);
    await tab.close();
  });

  test("that is hidden comes back when it is seen again", async () => {
    const tab = await open(notByItself);
    const other = await browser.tab("about:blank");
    await tab.until('document.visibilityState === "hidden"');
    server.cut();
    await tab.until('socket.state === "waiting"');
    await tab.show();
    await tab.until('socket.state === "open"');
    expect(await tab.read('[noted("waiting"), noted("open")]')).toEqual([1, 2]);
    await Promise.all([tab.close(), other.close()]);
  });

  test("that is frozen while its connection is lost learns of it when it goes on, and comes back", async () => {
    const tab = await open(notByItself);
    await tab.send("Page.setWebLifecycleState", { state: "frozen" });
    await tab.until('noted("freeze") === 1');
    server.cut();
    await tab.send("Page.setWebLifecycleState", { state: "active" });
    await tab.until('noted("open") === 2');
    const what = await whatOf(tab);
    expect(what.slice(what.indexOf("freeze"))).toEqual([
      ...["freeze", "resume", "waiting", "close 1006", "connecting", "open"],
    ]);
    await tab.close();
  });

  test("that comes out of the back/forward cache comes back", async () => {
    const tab = await open(notByItself);
    await tab.send("Page.navigate", { url: `http://127.0.0.1:${server.port}/elsewhere` });
    await tab.until('location.pathname === "/elsewhere" && document.readyState === "complete"');
    await tab.read("void history.back()");
    await tab.until('globalThis.noted?.("open") === 2');
    const what = await whatOf(tab);
    expect(what.slice(what.indexOf("pageshow persisted"))).toEqual([
      ...["pageshow persisted", "waiting", "close 1006", "connecting", "open"],
    ]);
    await tab.close();
  });

  test("that is offline keeps its connection, and comes back to the network when it has lost it", async () => {
    const tab = await open(notByItself);
    const network = (offline: boolean) => {
      const speed = { latency: 0, downloadThroughput: -1, uploadThroughput: -1 };
      return tab.send("Network.emulateNetworkConditions", { offline, ...speed });
    };
    await tab.send("Network.enable");
    await network(true);
    await tab.read('void socket.send("still there")');
    await tab.until('noted("message still there") === 1');
    await tab.read("void socket.reconnect()");
    await tab.until('socket.state === "waiting" && socket.failures === 1');
    await network(false);
    await tab.until('socket.state === "open"');
    const what = await whatOf(tab);
    expect(what.slice(what.lastIndexOf("waiting"))).toEqual(["waiting", "online", "connecting", "open"]);
    await tab.close();
  });

  test("whose bytes are swallowed on the way notices it by its heartbeat, and comes back past it", async () => {
    const proxy = await swallowingProxy(server.port);
    const heartbeat = { message: "beat", reply: "beat", interval: 1000, timeout: 1000 };
    const tab = await browser.tab(server.page({ reconnect: soon, heartbeat }, proxy.port));
    await tab.until('socket.state === "open"');
    const before = server.connections;
    const swallowedAt = proxy.swallow();
    await tab.until('noted("open") === 2');
    const lost = (await tab.read<Note[]>("notes")).find(({ what }) => what === "waiting")!;
    // Interval and timeout, and as much again as a busy machine may need.
    expect(lost.at - swallowedAt).toBeLessThan(2000 + 8000);
    // The server has learned of nothing.
    expect(server.connections).toBe(before + 1);
    await tab.close();
    await proxy.close();
  });

  test("that is hidden for more than five minutes is no slave of the slowed timers; control: timers in a chain are", {
    tags: "rare",
    timeout: 15 * minute,
  }, async () => {
    const heartbeat = { message: "beat", reply: "beat", interval: 5000, timeout: 5000 };
    const tab = await browser.tab(server.page({ reconnect: { firstDelay: 3000, maxDelay: 5000 }, heartbeat }));
    await tab.until('socket.state === "open"');
    const other = await browser.tab("about:blank");
    await tab.until('document.visibilityState === "hidden"');
    await delay(5 * minute + 10_000);
    // No heartbeat was misjudged.
    expect(await tab.read('[socket.state, noted("waiting")]')).toEqual(["open", 0]);
    await tab.read(chainOfTimers);
    await server.stop();
    await tab.until("socket.failures >= 6", 3 * minute);
    await server.start();
    await tab.until('socket.state === "open"', minute);
    const waits = (await tab.read<Note[]>("notes")).filter(({ what }) => what === "connecting");
    expect(waits.length).toBeGreaterThanOrEqual(6);
    // A timer in a chain runs once a minute in such a page.
    for (const { late } of waits) expect(late).toBeLessThan(0.5 * minute);
    await tab.until(`longestGap > ${0.5 * minute}`, 3 * minute);
    expect(await tab.read("document.visibilityState")).toBe("hidden");
    await Promise.all([tab.close(), other.close()]);
  });
});
