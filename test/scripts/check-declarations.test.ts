/**
 * The gate declarations against the package as it is, and against ones that ask for those of Node where they should not.
 *
 * @module-tag slow
 */
import { beforeAll, expect, test } from "vitest";
import { all, complaints, installCompilers, packedDeclarations } from "../../scripts/check-declarations.ts";

const newest = all.find(({ typescript, resolution }) => typescript === "7.0" && resolution === "nodenext")!;
const withoutNode = all.find(({ typescript, runtime }) => typescript === "7.0" && runtime === undefined)!;
const page = all.find(({ typescript, runtime }) => typescript === "7.0" && runtime === "page")!;
let files: ReadonlyMap<string, string>;

beforeAll(() => {
  installCompilers();
  files = packedDeclarations();
}, 120_000);

test("the packed declarations compile with the compiler's own defaults, and ask for those of Node", async () => {
  expect(await complaints(newest, files)).toBe("");
  expect(files.get("dist/index.d.ts")).toContain('/// <reference types="node"');
}, 60_000);

test("control: without that, they do not", async () => {
  const without = new Map([...files].map(([path, text]) => [path, text.replace(/^\/\/\/ <reference .*$/m, "")]));
  expect(await complaints(newest, without)).toMatch(/node_modules\/openline\/dist\/\S+ error \S+ Cannot find/);
}, 60_000);

test("those of openline/protocol compile where there are none of Node", async () => {
  expect(await complaints(withoutNode, files)).toBe("");
}, 60_000);

test("control: with a Buffer among them, they do not", async () => {
  const endpoint = files.get("dist/protocol/endpoint/endpoint.d.ts")!;
  const broken = new Map(files).set(
    "dist/protocol/endpoint/endpoint.d.ts",
    endpoint.replace("chunk: Uint8Array", "chunk: Buffer"),
  );
  expect(await complaints(withoutNode, broken)).toContain("Buffer");
}, 60_000);

test("those of openline/browser compile with the DOM alone", async () => {
  expect(await complaints(page, files)).toBe("");
}, 60_000);

test("control: with a name of Node among them, they do not", async () => {
  const path = "dist/browser/connection.d.ts";
  const broken = new Map(files).set(path, files.get(path)!.replaceAll("Uint8Array", "Buffer"));
  expect(await complaints(page, broken)).toContain("Buffer");
}, 60_000);

test("a name that an entry exports and that is not there is found", async () => {
  const index = files.get("dist/index.d.ts")!;
  const broken = new Map(files).set("dist/index.d.ts", index.replace("export { connect }", "export { conect }"));
  expect(await complaints(newest, broken)).toContain("'conect'");
}, 60_000);
