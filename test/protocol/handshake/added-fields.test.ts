/** Header fields that programs add: those that are taken, and those that throw before a byte is written. */
import { describe, expect, test } from "vitest";
import {
  checkAddedField,
  checkFieldValue,
  formatAddedField,
  formatField,
  isFraming,
  isOwnedByHandshake,
} from "../../../src/protocol/handshake/added-fields.ts";
import { badValue } from "../../support/handshake-fields.ts";

test("formats a field as a line, with the name as it was given", () => {
  expect(formatAddedField("X-a", "b\xe9", isOwnedByHandshake)).toBe("X-a: b\xe9\r\n");
  expect(formatField("Sec-WebSocket-Extensions", "x; y=1")).toBe("Sec-WebSocket-Extensions: x; y=1\r\n");
  expect(checkFieldValue("X", "")).toBe("");
});

describe("throws a TypeError", () => {
  test.each(["", "a b", "a:", "a\r\nX", "é", 1, null])("for the name %j [C06 C07]", (name) => {
    expect(() => checkAddedField(name as string, "a", isFraming)).toThrow(
      new TypeError(`Cannot add the header field ${JSON.stringify(name)}: its name is not a token`),
    );
  });

  test.each(["a\r\nX: y", "a\n", "\0", "\x7f", "\u0100"])("for the value %j [C06 C07]", (value) => {
    expect(() => formatAddedField("X", value, isFraming)).toThrow(badValue("X"));
    expect(() => formatField("X", value)).toThrow(badValue("X"));
  });

  test("for a value that is no string, without calling anything of it", () => {
    expect(() => formatField("X", { toString: () => "a" } as never)).toThrow(
      new TypeError("Cannot add the header field X: its value must be a string, not an object"),
    );
  });

  test.each([
    ["Sec-WebSocket-Protocol", "; the option is subprotocols"],
    ["sec-websocket-extensions", "; the option is compression"],
    ["Upgrade", ""],
  ])("for the reserved field %s, and names the option for it", (name, option) => {
    expect(() => checkAddedField(name, "a", isOwnedByHandshake)).toThrow(
      new TypeError(`Cannot add the header field ${name}: the handshake sets it itself${option}`),
    );
  });
});

test("reserves what frames a message, and for the handshake its own fields as well", () => {
  const names = ["connection", "content-length", "transfer-encoding", "upgrade", "sec-websocket-accept", "host", "x"];
  expect(names.filter(isFraming)).toEqual(["connection", "content-length", "transfer-encoding"]);
  expect(names.filter(isOwnedByHandshake)).toEqual(names.slice(0, 5));
});
