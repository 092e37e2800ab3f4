/** What is said of a small project with `ws`, and what the command does with what it cannot read. */

import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { afterEach, expect, test } from "vitest";
import { migrateCheck } from "../../src/cli/migrate-check.ts";

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

function project(files: Readonly<Record<string, string | object>>): string {
  const folder = mkdtempSync(join(tmpdir(), "openline-migrate-"));
  folders.push(folder);
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), typeof content === "string" ? content : JSON.stringify(content));
  }
  return folder;
}

const small = {
  "package.json": {
    dependencies: { ws: "^7.5.0", express: "^5.0.0" },
    devDependencies: { "@types/ws": "^8.0.0" },
    optionalDependencies: { bufferutil: "^4.0.0" },
  },
  "package-lock.json": {
    packages: {
      "": { dependencies: { ws: "^7.5.0" } },
      "node_modules/ws": { version: "7.5.10" },
      "node_modules/engine.io": { version: "6.6.4", dependencies: { ws: "~8.18.3" } },
      "node_modules/a/node_modules/jsdom": { version: "27.4.0", dependencies: { ws: "^8.18.3" } },
    },
  },
  "src/server.ts": [
    'import WebSocket, { WebSocketServer } from "ws";',
    "const server = new WebSocketServer({ port: 8080, maxFragments: 10 });",
    'server.on("connection", (socket) => {',
    '  socket.on("message", (data) => socket.send(data, { mask: false }));',
    '  socket._socket.on("data", () => {});',
    "  options.perMessageDeflate.concurrencyLimit = 10;",
    "});",
  ].join("\n"),
  "src/parser.cjs": 'const Receiver = require("ws/lib/receiver");',
  "src/lazy.mjs": 'const { WebSocket } = await import("ws");',
  "src/photo.ts": 'export const photo = { mask: "oval", maxFragments: 3 };',
  "node_modules/ws/index.js": 'require("ws"); const a = { maxFragments: 1 };',
  ".cache/old.js": 'require("ws");',
};

test("each place is named, with what becomes of it", () => {
  expect(migrateCheck(project(small))).toEqual([
    'Where "ws" becomes "openline/ws":',
    '  src/lazy.mjs:1  const { WebSocket } = await import("ws");',
    '  src/parser.cjs:1  const Receiver = require("ws/lib/receiver");',
    '  src/server.ts:1  import WebSocket, { WebSocketServer } from "ws";',
    "",
    "What is different then:",
    '  src/parser.cjs:1  "ws/lib/ is not there: Receiver, Sender, PerMessageDeflate, extension and subprotocol are exports',
    "  src/server.ts:2  maxFragments has no effect: the memory that it bounds is not used",
    "  src/server.ts:4  mask: has no effect on send: a client masks each frame, a server none",
    '  src/server.ts:5  _socket.on("data" works, and makes this connection somewhat slower from then on',
    "  src/server.ts:6  concurrencyLimit has no effect: connections have no zlib contexts of their own",
    "  package.json  ws ^7.5.0 can go where nothing else needs it; text comes as a Buffer since ws 8, of which this is the surface",
    "  package.json  @types/ws ^8.0.0 can go: openline/ws brings its types",
    "  package.json  bufferutil ^4.0.0 can go: nothing looks at it",
    "",
    "What brings ws besides, which an override gives openline/ws:",
    "  engine.io 6.6.4 (ws ~8.18.3)",
    "  jsdom 27.4.0 (ws ^8.18.3)",
    "",
    "Why, and how: docs/guides/moving-from-ws.md and docs/guides/in-place-of-ws.md of openline.",
  ]);
});

test("of a project without ws nothing is said but how to ask a package manager", () => {
  const lines = migrateCheck(project({ "index.js": 'require("express");' }));
  expect(lines.filter((line) => line.startsWith("  "))).toEqual([
    "  nothing",
    "  nothing",
    "  ask `npm ls ws`, `pnpm why ws`, `yarn why ws` or `bun why ws`",
  ]);
});

test("odd projects lose nothing: workspaces, mocks, bundles, files that are no JSON or begin with a mark", () => {
  const folder = project({
    "package.json": `\uFEFF{"dependencies":{"ws":"npm:other@1.0.0"},"devDependencies":"none"}`,
    "package-lock.json": {
      packages: {
        "packages/a": { version: "1.0.0", dependencies: { ws: "^8.0.0" } },
        "node_modules/a": null,
        "node_modules/@b/c": { version: "2.0.0", dependencies: "none", optionalDependencies: { ws: "*" } },
      },
    },
    "packages/a/package.json": { dependencies: { ws: "^7.0.0" } },
    "packages/b/package.json": "{",
    "packages/c/package.json": "null",
    "packages/a/a.test.ts":
      'vi.mock("ws");\njest.doMock("ws", () => ({}));\njest.requireActual("ws");\nrequire.resolve("ws");',
    "public/bundle.js": `${"x;".repeat(100_000)}require("ws")`,
  });
  expect(migrateCheck(folder).filter((line) => line.startsWith("  "))).toEqual([
    '  packages/a/a.test.ts:1  vi.mock("ws");',
    '  packages/a/a.test.ts:2  jest.doMock("ws", () => ({}));',
    '  packages/a/a.test.ts:3  jest.requireActual("ws");',
    '  packages/a/a.test.ts:4  require.resolve("ws");',
    '  public/bundle.js:1  require("ws"',
    "  package.json  ws npm:other@1.0.0 can go where nothing else needs it",
    "  packages/a/package.json  ws ^7.0.0 can go where nothing else needs it; text comes as a Buffer since ws 8, of which this is the surface",
    "  packages/b/package.json  is not JSON, and not looked at",
    "  @b/c 2.0.0 (ws *)",
  ]);
});

test("a lock file of npm 6, and one that is no object, do not say who brings ws", () => {
  for (const lock of [{ lockfileVersion: 1, dependencies: { ws: { version: "7.0.0" } } }, "null"]) {
    expect(migrateCheck(project({ "package-lock.json": lock }))).toContain(
      "  ask `npm ls ws`, `pnpm why ws`, `yarn why ws` or `bun why ws`",
    );
  }
});

test("the command prints the report, and says what it cannot do", async () => {
  const run = async (...args: string[]) => {
    const program = ["--import", "tsx", "src/cli/main.ts", ...args];
    const { stdout, stderr, code } = await promisify(execFile)(process.execPath, program).then(
      (output) => ({ ...output, code: 0 }),
      (error: { stdout: string; stderr: string; code: number }) => error,
    );
    return { code, stdout, stderr };
  };
  const folder = project(small);
  expect(await run("migrate-check", folder)).toEqual({
    code: 0,
    stdout: `${migrateCheck(folder).join("\n")}\n`,
    stderr: "",
  });
  const broken = project({ "package.json": "{" });
  expect(await run("migrate-check", broken)).toEqual({
    code: 1,
    stdout: "",
    stderr: `Cannot check: ${join(broken, "package.json")} is not JSON\n`,
  });
  expect(await run("migrate-check", join(broken, "nowhere"))).toMatchObject({ code: 1, stdout: "" });
  expect(await run("migrate-check", "--help")).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("Usage: openline"),
  });
  expect(await run("fly")).toMatchObject({ code: 2, stdout: "", stderr: expect.stringContaining("Usage: openline") });
});
