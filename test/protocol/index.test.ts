/** The entry `openline/protocol`: its names are the module's public face, so that each one added or gone is a decision. */
import { expect, test } from "vitest";
import { Endpoint } from "../../src/protocol/endpoint/endpoint.ts";
import * as entry from "../../src/protocol/index.ts";

test("exports these names and no others", () => {
  expect(Object.keys(entry).sort()).toEqual([
    "CloseCode",
    "Endpoint",
    "Opcode",
    "ProtocolError",
    "isSendableCloseCode",
    "readyStates",
    "transitions",
    "violations",
  ]);
  expect(entry.Endpoint).toBe(Endpoint);
});
