/**
 * Pages that are built from the packed package, by each bundler, in Chromium with a server of ours.
 *
 * @module-tag slow
 */
import { execFile, spawnSync } from "node:child_process";
import { copyFileSync, existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { installBundlers, unpackInto } from "../../scripts/packed.ts";
import { type Server, serve } from "../../src/server/server.ts";
import { describeWith } from "../support/real-parts.ts";
import { type Browser, openChromium, type Tab } from "./tabs.ts";

const run = promisify(execFile);
const root = fileURLToPath(new URL("../..", import.meta.url));
/** The forms of the guide, in its order, by the names under which the pages import them. */
const forms = {
  react: "use-web-socket.react.ts",
  vue: "use-web-socket.vue.ts",
  svelte: "use-web-socket.svelte.ts",
  tabs: "shared-socket.ts",
};
const strict = {
  ...{ strict: true, noEmit: true, skipLibCheck: true, target: "es2023", lib: ["es2023", "dom", "dom.iterable"] },
  ...{ module: "esnext", moduleResolution: "bundler" },
};
const patient = { timeout: 30_000 };
const bundlers = ["esbuild", "vite", "webpack", "rollup", "bun"] as const;

describeWith("chromium", "a bundled page", (executable) => {
  let folder: string;
  let tools: string;
  let browser: Browser;
  let server: Server;
  const names: string[] = [];
  let handshakes = 0;

  const start = (port: number) =>
    serve({
      host: "127.0.0.1",
      port,
      request: answer,
      routes: {
        "/echo": {
          upgrade: () => {
            handshakes++;
            return {};
          },
          message: (connection, data) => void connection.send(data),
        },
        "/rooms": { message: (connection, data) => void connection.send(data) },
        "/names": { message: (_, data) => void names.push(String(data)) },
      },
    });

  /** Built scripts, and for every other path a page that loads the script of that name. */
  function answer(request: IncomingMessage, response: ServerResponse): void {
    const path = request.url!.slice(1);
    if (path.endsWith(".js") && existsSync(join(folder, path))) {
      response.setHeader("Content-Type", "text/javascript").end(readFileSync(join(folder, path)));
    } else {
      response.setHeader("Content-Type", "text/html").end(`<body><script type="module" src="/${path}.js"></script>`);
    }
  }

  async function build(bundler: (typeof bundlers)[number], page: string): Promise<string> {
    const file = `${bundler}-${page}`;
    const script = join(tools, "build.mjs");
    await run(process.execPath, [script, bundler, `${page}.js`, `${file}.js`], { cwd: folder });
    return file;
  }

  async function open(path: string): Promise<Tab> {
    const tab = await browser.tab();
    await tab.goto(`http://127.0.0.1:${server.port}/${path}`);
    return tab;
  }

  beforeAll(async () => {
    tools = installBundlers();
    folder = unpackInto("bundlers");
    for (const page of readdirSync(join(tools, "pages"))) copyFileSync(join(tools, "pages", page), join(folder, page));
    const blocks = readFileSync(join(root, "docs/guides/reconnecting-in-pages.md"), "utf8").matchAll(
      /^```ts tested-by.*\n([\s\S]*?)^```$/gm,
    );
    for (const [index, [, code]] of [...blocks].entries())
      writeFileSync(join(folder, Object.values(forms)[index]!), code!);
    browser = await openChromium(executable);
    server = await start(0);
  });

  afterAll(async () => {
    await browser?.close();
    await server?.close();
  });

  describe.each(bundlers)("by %s", (bundler) => {
    test("talks to a server in each of the three ways", async () => {
      const tab = await open(await build(bundler, "page"));
      await tab.until("globalThis.results !== undefined");
      expect(await tab.read("results")).toEqual([
        ...["connect", "reconnecting", "reconnecting", "ReconnectingWebSocket", "connection-failed"],
      ]);
      await tab.close();
    });

    test("that imports what is for Node is told what to import instead", async () => {
      const tab = await open(await build(bundler, "for-node"));
      await tab.until("globalThis.results !== undefined");
      expect(await tab.read<string[]>("results")).toEqual([
        expect.stringMatching(/^Cannot use serve .*"openline\/browser"/),
      ]);
      expect(await tab.complaints()).toEqual([]);
      await tab.close();
    });
  });

  test("comes back after its server was restarted, and sends what was queued meanwhile", async () => {
    const tab = await open(await build("esbuild", "restart"));
    await tab.until('socket.state === "open"');
    const { port } = server;
    const stopped = server.close();
    for (const connection of server.connections) connection.terminate();
    await stopped;
    await tab.until('socket.state !== "open"');
    expect(await tab.read('socket.send("queued")')).toBe(true);
    server = await start(port);
    await tab.until('told.includes("queued")');
    const told = await tab.read<string[]>("told");
    expect(told.slice(0, 4)).toEqual(["open", "waiting", "close false", "connecting"]);
    expect(told.slice(-3)).toEqual(["connecting", "open", "queued"]);
    await tab.read("socket.close()");
    await tab.until('told.at(-1) === "close true"');
    await tab.close();
  });

  describe.each(["react", "vue", "svelte"])("of the form that the guide has for %s", (framework) => {
    test("is open, follows another URL, and closes at its end, with one handshake for each", async () => {
      const before = handshakes;
      const tab = await open(await build("esbuild", framework));
      await tab.until('document.body.textContent === "open hello /echo"');
      // React's StrictMode has mounted it twice.
      if (framework === "react") expect(await tab.read("mounted")).toBe(2);
      expect(handshakes - before).toBe(1);
      await tab.read('void render("/echo?other")');
      await tab.until('document.body.textContent === "open hello /echo?other"');
      expect(handshakes - before).toBe(2);
      await tab.read("void unmount()");
      await expect.poll(() => server.connections.size, patient).toBe(0);
      expect(await tab.complaints()).toEqual([]);
      await tab.close();
    });

    test("is rendered on a server, where it connects to nothing", async () => {
      const file = `${framework}.cjs`;
      await run(process.execPath, [join(tools, "build.mjs"), "server", `render-${framework}.js`, file], {
        cwd: folder,
      });
      // A socket would throw: there is no page that the URL could be relative to.
      const { stdout, stderr } = await run(process.execPath, [file], { cwd: folder });
      expect([stdout, stderr]).toEqual([expect.stringMatching(/<p>connecting\s*<\/p>/), ""]);
    });

    test("compiles as TypeScript that is strict", () => {
      const file = forms[framework as keyof typeof forms];
      const paths = {
        react: [join(tools, "node_modules/@types/react")],
        vue: [join(tools, "node_modules/vue")],
      };
      const types = framework === "svelte" ? [join(tools, "node_modules/svelte/types/index.d.ts")] : [];
      const compilerOptions = { ...strict, paths, types: [] };
      writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, files: [file, ...types] }));
      const tsc = join(root, "node_modules/typescript/bin/tsc");
      const { stdout } = spawnSync(process.execPath, [tsc, "-p", folder], { encoding: "utf8" });
      expect(stdout).toBe("");
    });
  });

  test("of several tabs has one connection, by which all speak and hear, and which another takes over", async () => {
    const path = await build("esbuild", "tabs");
    const first = await open(path);
    await expect.poll(() => server.connections.size, patient).toBe(1);
    const second = await open(path);
    await second.until('(shared.send("from the second"), got.includes("from the second"))');
    await first.until('(shared.send("from the first"), got.includes("from the first"))');
    await second.until('got.includes("from the first")');
    expect(server.connections.size).toBe(1);
    const held = [...server.connections];
    await first.close();
    await second.until('(shared.send("alone"), got.includes("alone"))', 30_000);
    expect([...server.connections].filter((connection) => held.includes(connection))).toEqual([]);
    expect(server.connections.size).toBe(1);
    await second.read("void shared.close()");
    await expect.poll(() => server.connections.size, patient).toBe(0);
    await second.close();
  });

  test("works in a worker, a shared worker and a service worker", async () => {
    const path = await build("esbuild", "worker");
    const tab = await open("esbuild-restart");
    await tab.read(`void new Worker("/${path}.js", { type: "module" })`);
    await tab.read(`void new SharedWorker("/${path}.js", { type: "module" })`);
    await tab.read(`navigator.serviceWorker.register("/${path}.js", { type: "module" }).then(() => 0)`);
    const kinds = ["DedicatedWorkerGlobalScope", "ServiceWorkerGlobalScope", "SharedWorkerGlobalScope"];
    await expect.poll(() => [...names].sort(), { timeout: 30_000 }).toEqual(kinds);
    expect(await tab.complaints()).toEqual([]);
    await tab.close();
  });
});
