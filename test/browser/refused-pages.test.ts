/**
 * What a page learns of a refusal by a Close, in real browsers: the code and the reason, whatever subprotocols it offers.
 *
 * @module-tag slow
 */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { refuse } from "../../src/server/refusal.ts";
import type { ServeOptions } from "../../src/server/serve-options.ts";
import { type Server, serve } from "../../src/server/server.ts";
import { describeWith } from "../support/real-parts.ts";
import { type Browser, openChromium, openFirefox, type Tab } from "./tabs.ts";

const http = createServer((_, response) => {
  response
    .setHeader("Content-Type", "text/html")
    .end('<!doctype html><link rel="icon" href="data:,"><title>page</title>');
});
let server: Server;
let base: string;

beforeAll(async () => {
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
  base = `127.0.0.1:${(http.address() as AddressInfo).port}`;
  const upgrade = () => refuse({ status: 401, reason: "Wer da? Ünbekannt", retryAfter: 7 });
  const routes: ServeOptions["routes"] = {
    "/told": { refuseByClose: true, upgrade },
    "/chosen": { refuseByClose: true, subprotocols: ["b"], upgrade },
    "/control": { upgrade },
  };
  server = await serve({ server: http, routes });
});

afterAll(async () => {
  await server.close();
  http.closeAllConnections();
  http.close();
});

/** Opens so many sockets one after another, and what each one told. */
const ends = (path: string, protocols: readonly string[], count: number) => `(async () => {
  const told = [];
  for (let i = 0; i < ${count}; i++) {
    const socket = new WebSocket("ws://${base}${path}", ${JSON.stringify(protocols)});
    const events = [];
    socket.onopen = () => { events.push("open " + socket.protocol); socket.send("login"); };
    socket.onmessage = () => events.push("message");
    socket.onerror = () => events.push("error");
    await new Promise((resolve) => {
      socket.onclose = ({ code, reason, wasClean }) => resolve(events.push(code + " " + reason + " " + wasClean));
    });
    told.push(events.join(", "));
  }
  return [...new Set(told)];
})()`;

function learnsWhy(open: () => Promise<Browser>): void {
  let browser: Browser;
  let tab: Tab;

  beforeAll(async () => {
    browser = await open();
    tab = await browser.tab();
    await tab.goto(`http://${base}/`);
  });

  afterAll(() => browser.close());

  test("a page sees open, then the code and the reason, and the end is clean", async () => {
    expect(await tab.read(ends("/told", [], 20))).toEqual(["open , 4401 Wer da? Ünbekannt; retry-after=7 true"]);
    expect(server.connections.size).toBe(0);
  });

  test("one that offers subprotocols gets one of them, that of the route if it can be", async () => {
    expect(await tab.read(ends("/told", ["a", "b"], 3))).toEqual([
      "open a, 4401 Wer da? Ünbekannt; retry-after=7 true",
    ]);
    expect(await tab.read(ends("/chosen", ["a", "b"], 3))).toEqual([
      "open b, 4401 Wer da? Ünbekannt; retry-after=7 true",
    ]);
  });

  test("control: of an HTTP response it learns nothing", async () => {
    expect(await tab.read(ends("/control", [], 1))).toEqual(["error, 1006  false"]);
  });
}

describeWith("chromium", "in Chromium", (executable) => learnsWhy(() => openChromium(executable)));
describeWith("firefox-esr", "in Firefox", (executable) => learnsWhy(() => openFirefox(executable)));
