/** The numbers of the close codes, and which of them a Close frame may carry. */
import { describe, expect, test } from "vitest";
import { CloseCode, isSendableCloseCode } from "../../src/protocol/close-code.ts";

describe("the codes", () => {
  test("have their registered numbers [R6455-7.4.1-1 R6455-7.4.2-1 G12 G13 G14 G15 G16 G17 G18 G19 G20 G21 G22 G23 G24 G25]", () => {
    expect(Object.values(CloseCode)).toEqual([
      1000, 1001, 1002, 1003, 1005, 1006, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 1015,
    ]);
  });

  test("of all 65,536 exactly the registered and the private ones may be sent [R6455-7.4.1-2 R6455-7.4.2-1 G16 G17 G25]", () => {
    const sendable = Array.from({ length: 65536 }, (_, code) => code).filter((code) => isSendableCloseCode(code));
    const library = Array.from({ length: 2000 }, (_, i) => 3000 + i);
    expect(sendable).toEqual([1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, ...library]);
  });

  test("what is not a whole number is not a code [D10]", () => {
    for (const code of [1000.5, 1009.5, 3000.5, Number.NaN, Number.POSITIVE_INFINITY, -1000]) {
      expect(isSendableCloseCode(code)).toBe(false);
    }
  });
});
