import { describe, expect, test } from "vitest";
import { resolveDelivery } from "../../../src/connection/options/delivery-options.ts";

describe("resolveDelivery", () => {
  const message = () => {};

  test("strings that are the application's by default; an option goes before the server's", () => {
    expect(resolveDelivery({ message })).toEqual({ accepts: "any", textAsBytes: false, lendsBytes: false });
    expect(resolveDelivery({ message }, { text: "bytes", borrow: true })).toEqual({
      accepts: "any",
      textAsBytes: true,
      lendsBytes: true,
    });
    const own = { message, text: "string", borrow: false } as const;
    expect(resolveDelivery(own, { text: "bytes", borrow: true })).toEqual({
      accepts: "any",
      textAsBytes: false,
      lendsBytes: false,
    });
  });

  test("bytes are lent to a message handler and to nobody else", () => {
    expect(resolveDelivery({ borrow: true, message }).lendsBytes).toBe(true);
    expect(resolveDelivery({ borrow: true }).lendsBytes).toBe(false);
  });

  test("one type of messages may be all that is accepted", () => {
    for (const accepts of ["text", "binary", "any"] as const) {
      expect(resolveDelivery({ accepts, message }).accepts).toBe(accepts);
    }
    expect(() => resolveDelivery({ accepts: "json" as never })).toThrow(
      new TypeError('Cannot accept "json": messages are "text", "binary" or "any"'),
    );
  });

  test.each(["buffer", "", 5])("text cannot be %j", (text) => {
    const told = `Cannot deliver text as ${JSON.stringify(text)}: it comes as "string" or as "bytes"`;
    for (const given of [[{ text }], [{}, { text }]] as [object, object?][]) {
      expect(() => resolveDelivery(...given)).toThrow(new TypeError(told));
    }
  });
});
