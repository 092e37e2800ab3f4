/** What is found in Node, and that nothing is where Node's modules are missing. */
import * as buffer from "node:buffer";
import * as crypto from "node:crypto";
import { expect, test } from "vitest";
import { bufferClass, bufferMethods, nodeBuffer, nodeCrypto } from "../../../src/protocol/runtime/natives.ts";
import { withoutNatives } from "../../support/without-natives.ts";

test("finds Node's modules and the methods of its Buffer", () => {
  expect([nodeBuffer!.isUtf8, bufferClass]).toEqual([buffer.isUtf8, buffer.Buffer]);
  expect(nodeCrypto!.hash).toBe(crypto.hash);
  for (const name of ["latin1Slice", "utf8Slice", "utf8Write", "copy"] as const) {
    expect(bufferMethods[name], name).toBeTypeOf("function");
  }
});

test("finds nothing where the runtime hands out no modules", async () => {
  const hidden = await withoutNatives(() => import("../../../src/protocol/runtime/natives.ts"));
  expect([hidden.nodeBuffer, hidden.bufferClass, hidden.nodeCrypto]).toEqual([undefined, undefined, undefined]);
  expect(hidden.bufferMethods).toEqual({});
});
