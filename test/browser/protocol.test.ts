/**
 * The built protocol as plain ES modules in real browsers, in a page and in a worker: it does what it does in Node.
 *
 * @module-tag slow
 */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Outcome, programText } from "../support/protocol-vectors.ts";
import { describeWith } from "../support/real-parts.ts";
import { type Browser, openChromium, openFirefox } from "./tabs.ts";

const built = new URL("../../dist/protocol", import.meta.url);
/** The page waits for the outcome of a module, in itself or in a worker. */
const pages: Readonly<Record<string, readonly [type: string, text: string]>> = {
  "/page": [
    "text/html",
    '<!doctype html><link rel="icon" href="data:,"><script type="module">import { outcome } from "/program.js"; globalThis.outcome = outcome;</script>',
  ],
  "/worker": [
    "text/html",
    '<!doctype html><link rel="icon" href="data:,"><script type="module">new Worker("/worker.js", { type: "module" }).onmessage = ({ data }) => { globalThis.outcome = data; };</script>',
  ],
  "/program.js": ["text/javascript", programText("/protocol")],
  "/worker.js": ["text/javascript", 'import { outcome } from "/program.js"; postMessage(outcome);'],
};

let server: Server;
let base: string;
let wanted: readonly string[];

beforeAll(async () => {
  const module = `data:text/javascript,${encodeURIComponent(programText(built.href))}`;
  const program = `import(${JSON.stringify(module)}).then((m) => console.log(JSON.stringify(m.outcome)));`;
  wanted = (JSON.parse(execFileSync(process.execPath, ["-e", program], { encoding: "utf8" })) as Outcome).lines;
  server = createServer(({ url = "" }, response) => {
    const { pathname } = new URL(url, "http://localhost");
    const [type, text] = pages[pathname] ?? [
      "text/javascript",
      readFileSync(fileURLToPath(new URL(`..${pathname}`, `${built}/`)), "utf8"),
    ];
    response.setHeader("Content-Type", `${type}; charset=utf-8`).end(text);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterAll(() => {
  server.closeAllConnections();
  server.close();
});

function sameAsInNode(open: () => Promise<Browser>): void {
  let browser: Browser;

  beforeAll(async () => {
    browser = await open();
  });

  afterAll(() => browser?.close());

  test.each(["page", "worker"])(
    "handshakes, messages, fragments, Pings and Closes in a %s are those of Node",
    async (where) => {
      const tab = await browser.tab();
      await tab.goto(`${base}/${where}`);
      await tab.until("globalThis.outcome !== undefined");
      const outcome = await tab.read<Outcome>("globalThis.outcome");
      expect(outcome.native).toBe(false);
      expect(outcome.lines).toEqual(wanted);
      expect(await tab.complaints()).toEqual([]);
      await tab.close();
    },
  );
}

describeWith("chromium", "in Chromium", (path) => sameAsInNode(() => openChromium(path)));
describeWith("firefox-esr", "in Firefox", (path) => sameAsInNode(() => openFirefox(path)));
