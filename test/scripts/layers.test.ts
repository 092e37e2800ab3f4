/** The layer check against trees that break each of its rules, and against this repository. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { checkLayers } from "../../scripts/layers.ts";

let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "layers-"));
});

afterEach(() => {
  rmSync(root, { recursive: true });
});

function tree(files: Record<string, string>): void {
  for (const [path, code] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), code);
  }
}

describe("a tree that keeps the rules", () => {
  test("passes, with imports backwards and within a layer", () => {
    tree({
      "src/protocol/frames/frame.ts": 'export const word = "./not-an-import.ts";\n',
      "src/protocol/runtime/natives.ts": 'const buffer = process.getBuiltinModule("node:buffer").Buffer;',
      "src/protocol/endpoint.ts": 'import {\n  word,\n} from "./frame.ts";\n',
      "src/client/connect.ts": 'import { connect } from "node:net";\nimport "../connection/connection.ts";\n',
      "src/connection/connection.ts": 'export * from "../protocol/endpoint.ts";\n',
      "src/index.ts": 'export { connect } from "./client/connect.ts";\n',
      "src/cli/main.ts": 'import { connect } from "../index.ts";\n',
      "examples/echo.ts": 'import { serve } from "openline";\n',
    });
    expect(checkLayers(root)).toEqual([]);
  });

  test("passes with folders in folders that are imported one way", () => {
    tree({
      "src/server/server.ts": 'import "./handshake/refuse.ts";\nimport "./listening/listener.ts";\n',
      "src/server/listening/listener.ts": 'import "../handshake/refuse.ts";\n',
      "src/server/handshake/refuse.ts": 'import "./steps/first.ts";\nimport "../../protocol/frames/frame.ts";\n',
      "src/server/handshake/steps/first.ts": "",
      "src/protocol/frames/frame.ts": 'import "../endpoint.ts";\n',
      "src/protocol/endpoint.ts": "",
      "src/topics/index.ts": 'export * from "./rounds/round.ts";\n',
      "src/topics/rounds/round.ts": 'import "../topic.ts";\n',
      "src/topics/topic.ts": "",
    });
    expect(checkLayers(root)).toEqual([]);
  });

  test("passes when only comments name what is forbidden", () => {
    tree({
      "src/protocol/frames/frame.ts":
        '/* setTimeout */\n// import "node:net"\nexport const url = "ws://x"; // Date.now\n',
    });
    expect(checkLayers(root)).toEqual([]);
  });
});

describe("a tree that breaks a rule", () => {
  test.each([
    ["forwards", { "src/protocol/a.ts": 'import { b } from "../server/b.ts";' }, "server comes after protocol"],
    [
      "forwards by a type",
      { "src/server/a.ts": 'import type { B } from "../cluster/b.ts";' },
      "cluster comes after server",
    ],
    ["forwards by an export", { "src/topics/a.ts": 'export * from "../client/b.ts";' }, "client comes after topics"],
    ["forwards by import()", { "src/ws/a.ts": 'await import("../cli/b.ts");' }, "cli comes after ws"],
    ["forwards by a type import()", { "src/ws/a.ts": 'type B = import("../cli/b.ts").B;' }, "cli comes after ws"],
    [
      "forwards for its effects",
      { "src/connection/a.ts": 'import "../topics/b.ts";' },
      "topics comes after connection",
    ],
    ["to the entry", { "src/server/a.ts": 'import { b } from "../index.ts";' }, "entries comes after server"],
    [
      "client to server",
      { "src/client/a.ts": 'import { b } from "../server/b.ts";' },
      "client and server stand side by side",
    ],
    [
      "server to client",
      { "src/server/a.ts": 'import { b } from "../client/b.ts";' },
      "server and client stand side by side",
    ],
    ["out of src", { "src/server/a.ts": 'import { b } from "../../scripts/b.ts";' }, "outside src has no place"],
    ["an unknown folder", { "src/misc/a.ts": "" }, "the folder misc has no place"],
    [
      "I/O in protocol",
      { "src/protocol/a.ts": 'import { connect } from "node:net";' },
      "imports node:net, but protocol is pure",
    ],
    [
      "a module of Node in protocol, its types included",
      { "src/protocol/a.ts": 'import type { Blob as File } from "node:buffer";' },
      "imports node:buffer, but protocol is pure",
    ],
    ["a package in protocol", { "src/protocol/a.ts": 'import { b } from "b";' }, "imports b, but protocol is pure"],
    [
      "a global of Node in protocol",
      { "src/protocol/runtime/a.ts": "const bytes = Buffer.alloc(1);" },
      "names Buffer, but protocol is pure",
    ],
    [
      "a type of Node's in protocol",
      { "src/protocol/a.ts": "let error: NodeJS.ErrnoException;" },
      "names NodeJS, but protocol is pure",
    ],
    ["a timer in protocol", { "src/protocol/a.ts": "setTimeout(run, 5);" }, "names setTimeout, but protocol is pure"],
    ["a clock in protocol", { "src/protocol/a.ts": "const at = Date.now();" }, "names Date.now, but protocol is pure"],
    ["Node in reconnecting", { "src/reconnecting/a.ts": 'import "node:net";' }, "reconnecting runs in pages too"],
    ["Node in browser", { "src/browser/a.ts": 'import "node:net";' }, "browser runs in pages too"],
    [
      "browser to client",
      { "src/browser/a.ts": 'import { b } from "../client/b.ts";' },
      "browser and client stand side by side",
    ],
    [
      "an example by path",
      { "examples/a.ts": 'import { b } from "../src/index.ts";' },
      "users of the package import it by name",
    ],
  ])("is told so: %s", (_rule, files, sentence) => {
    tree(files);
    const broken = checkLayers(root);
    expect(broken).toHaveLength(1);
    expect(broken[0]).toContain(Object.keys(files)[0]);
    expect(broken[0]).toContain(sentence);
  });

  test.each([
    [
      "a folder and its parent",
      {
        "src/server/server.ts": 'import "./handshake/refuse.ts";',
        "src/server/log.ts": "",
        "src/server/handshake/refuse.ts": "",
        "src/server/handshake/steps/first.ts": 'import type { Log } from "../../log.ts";',
      },
      "src/server and src/server/handshake import each other: src/server/server.ts → src/server/handshake/refuse.ts and " +
        "src/server/handshake/steps/first.ts → src/server/log.ts",
    ],
    [
      "two folders side by side",
      {
        "src/client/a/dial.ts": 'export * from "../whatwg/events.ts";',
        "src/client/a/race.ts": "",
        "src/client/whatwg/events.ts": "",
        "src/client/whatwg/websocket.ts": 'import { race } from "../a/race.ts";',
      },
      "src/client/a and src/client/whatwg import each other: src/client/a/dial.ts → src/client/whatwg/events.ts " +
        "and src/client/whatwg/websocket.ts → src/client/a/race.ts",
    ],
  ])("is told of %s that import each other, though no file is in a cycle", (_which, files, sentence) => {
    tree(files);
    expect(checkLayers(root)).toEqual([sentence]);
  });

  test("is shown each cycle once, those of types included", () => {
    tree({
      "src/protocol/a.ts": 'import { b } from "./b.ts";',
      "src/protocol/b.ts": 'import type { C } from "./c.ts";',
      "src/protocol/c.ts": 'import { a } from "./a.ts";',
      "src/protocol/d.ts": 'import { a } from "./a.ts";',
    });
    expect(checkLayers(root)).toEqual([
      "src/protocol/a.ts: is in a cycle of imports: " +
        "src/protocol/a.ts → src/protocol/b.ts → src/protocol/c.ts → src/protocol/a.ts",
    ]);
  });
});
