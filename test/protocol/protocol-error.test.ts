/** The table of what a peer can break, and the error that carries one of its rules. */
import { describe, expect, test } from "vitest";
import { isSendableCloseCode } from "../../src/protocol/close-code.ts";
import { maxReasonLength } from "../../src/protocol/close-payload.ts";
import { ProtocolError, type Violation, violations } from "../../src/protocol/protocol-error.ts";

const names = Object.keys(violations) as Violation[];

describe("the table", () => {
  test.each(names)("%s has a code and a reason that a Close frame can carry [R6455-7.1.7-2 R6455-10.7-1]", (name) => {
    const { section, closeCode, text } = violations[name];
    expect(isSendableCloseCode(closeCode)).toBe(true);
    expect(text).toMatch(/^[A-Z][ -~]*[^.]$/);
    expect(text.length).toBeLessThanOrEqual(maxReasonLength);
    expect(section).toMatch(/^RFC (6455|7692) section \d+(\.\d+)*$/);
  });

  test("the codes are those of the standard: 1002 protocol, 1003 type, 1007 data, 1008 policy, 1009 size, 1011 our own, 1013 load [R6455-7.4.1-1]", () => {
    for (const name of names) expect([1002, 1003, 1007, 1008, 1009, 1011, 1013]).toContain(violations[name].closeCode);
    expect(names.filter((name) => name.endsWith("not-utf8")).map((name) => violations[name].closeCode)).toEqual([
      1007, 1007,
    ]);
    expect(violations["message-too-big"].closeCode).toBe(1009);
    expect(violations["too-many-empty-fragments"].closeCode).toBe(1008);
    expect(violations["message-type-not-accepted"].closeCode).toBe(1003);
    expect(violations["unmasked-frame"].closeCode).toBe(1002);
  });
});

describe("ProtocolError", () => {
  test("says which rule was broken, where it stands and which code answers it [R6455-7.1.7-1]", () => {
    const error = new ProtocolError("unmasked-frame");
    expect(error).toBeInstanceOf(Error);
    expect(error.name).toBe("ProtocolError");
    expect(error.violation).toBe("unmasked-frame");
    expect(error.section).toBe("RFC 6455 section 5.1");
    expect(error.closeCode).toBe(1002);
    expect(error.message).toBe("A client must mask its frames (RFC 6455 section 5.1)");
  });
});
