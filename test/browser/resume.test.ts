/**
 * Pages in Chromium whose node dies, and that go on at another: with the packed package, and with the client that
 * docs/reference/resume-protocol.md shows.
 *
 * @module-tag slow
 */
import { readFileSync, writeFileSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { installBundlers, unpackInto } from "../../scripts/packed.ts";
import { memoryBroker } from "../../src/cluster/broker/memory-broker.ts";
import { createCluster } from "../../src/cluster/cluster.ts";
import { eventually } from "../support/eventually.ts";
import { describeWith } from "../support/real-parts.ts";
import { afterwards, serving } from "../support/serving.ts";
import { type Browser, openChromium } from "./tabs.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** Each fills `got`, `resumed` and `gaps` of the page, and has the URL of the page with another scheme. */
const pages = {
  "the package": `import { ReconnectingWebSocket } from "openline/browser";
import { resumeTopics } from "openline/resume";
const resume = resumeTopics({
  resumed: ({ topic, recovered, replayed }) => resumed.push([topic, recovered, replayed]),
  gap: ({ topic, reason }) => gaps.push([topic, reason]),
});
const socket = new ReconnectingWebSocket(location.href, [], { resume, reconnect: { firstDelay: 50 } });
socket.onmessage = ({ data }) => got.push(data);
globalThis.say = (text) => socket.send(text);`,
  "the client of the reference": `import { resuming } from "./reference-client.js";
const { send } = resuming(location.href.replace("http", "ws"), {
  message: (data) => got.push(data),
  gap: (...gap) => gaps.push(gap),
  resumed: (...outcome) => resumed.push(outcome),
});
globalThis.say = send;`,
};

describeWith("chromium", "a page whose node dies", (executable) => {
  let browser: Browser;
  const scripts = new Map<string, string>();

  beforeAll(async () => {
    const folder = unpackInto("resume");
    const page = readFileSync(join(root, "docs/reference/resume-protocol.md"), "utf8");
    const [, code] = /^```js tested-by.*\n([\s\S]*?)^```$/m.exec(page)!;
    writeFileSync(join(folder, "reference-client.js"), code!);
    const { build } = createRequire(join(installBundlers(), "package.json"))("esbuild");
    for (const [name, contents] of Object.entries(pages)) {
      const stdin = { contents: `globalThis.got = []; globalThis.resumed = []; globalThis.gaps = [];\n${contents}` };
      const options = { bundle: true, format: "esm", target: "es2022", write: false };
      const { outputFiles } = await build({ stdin: { ...stdin, resolveDir: folder }, ...options });
      scripts.set(name, outputFiles[0].text);
    }
    browser = await openChromium(executable);
  });

  afterAll(() => browser?.close());

  /** A node whose page has the script of this name, in a cluster of two that share their logs. */
  async function nodesOf(name: string) {
    const answer = (_: IncomingMessage, response: ServerResponse) => {
      response.setHeader("Content-Type", "text/html").end(`<script type="module">${scripts.get(name)}</script>`);
    };
    const broker = memoryBroker();
    const topics = { "log/*": { history: { size: 100 } } };
    const clusters = [broker, memoryBroker({ sharedWith: broker })].map((each) =>
      createCluster({ broker: each, topics }),
    );
    afterwards(() => Promise.all(clusters.map((cluster) => cluster.close())));
    const serveAt = (port: number, index: number) =>
      serving({
        port,
        cluster: clusters[index]!,
        request: answer,
        routes: {
          "/page": {
            open: (connection) => connection.subscribe("log/a"),
            message: (connection, data) => void connection.publish("log/a", data),
          },
        },
      });
    return { clusters, serveAt };
  }

  test.each(Object.keys(pages))("gets what it missed from the next one, by %s", async (name) => {
    const { clusters, serveAt } = await nodesOf(name);
    const one = await serveAt(0, 0);
    const { port } = one;
    const tab = await browser.tab();
    await tab.goto(`http://127.0.0.1:${port}/page`);
    await eventually(() => one.subscriberCount("log/a") === 1);
    await clusters[0]!.publish("log/a", "first");
    await clusters[0]!.publish("log/a", "\0second");
    await tab.until("got.length === 2");
    await tab.read('void say("\\0mine")');
    await eventually(async () => (await clusters[0]!.history("log/a")).messages.length === 3);
    for (const connection of one.connections) connection.terminate();
    await one.close();
    await clusters[1]!.publish("log/a", "missed");
    const other = await serveAt(port, 1);
    await tab.until("resumed.length === 1", 30_000);
    await eventually(() => other.subscriberCount("log/a") === 1);
    await clusters[1]!.publish("log/a", "live");
    await tab.until("got.length === 4");
    expect(await tab.read("[got, resumed, gaps]")).toEqual([
      ["first", "\0second", "missed", "live"],
      [["log/a", true, 1]],
      [],
    ]);
    await tab.close();
  });
});
