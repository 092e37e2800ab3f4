/** Each rule of RFC 6455 section 5 that a header can break, by itself and in both roles. */
import { describe, expect, test } from "vitest";
import type { Role } from "../../../src/protocol/frames/frame.ts";
import { brokenFrameRule, type FrameContext, type FrameHeader } from "../../../src/protocol/frames/frame-rules.ts";
import type { Violation } from "../../../src/protocol/protocol-error.ts";

const roles: readonly Role[] = ["client", "server"];

function judge(
  role: Role,
  firstByte: number,
  header: Partial<FrameHeader> = {},
  context: Partial<FrameContext> = {},
): Violation | undefined {
  const correct = { firstByte, masked: role === "server", payloadLength: 5, lengthBits: 7, lengthSign: false } as const;
  return brokenFrameRule({ ...correct, ...header }, { role, compression: false, messageUnderWay: false, ...context });
}

describe.each(roles)("received by a %s", (role) => {
  test("correct frames break no rule [R6455-5.2-1 R6455-5.4-6]", () => {
    for (const first of [0x81, 0x82, 0x01, 0x02, 0x88, 0x89, 0x8a]) expect(judge(role, first)).toBeUndefined();
    for (const first of [0x80, 0x00]) expect(judge(role, first, {}, { messageUnderWay: true })).toBeUndefined();
  });

  test("control frames may come inside a fragmented message [R6455-5.4-2]", () => {
    for (const first of [0x88, 0x89, 0x8a]) {
      expect(judge(role, first, {}, { messageUnderWay: true })).toBeUndefined();
    }
  });

  test("a reserved bit fails unless an extension defines it [R6455-5.2-2]", () => {
    for (const bits of [0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70]) {
      for (const opcode of [0x1, 0x2, 0x8, 0x9, 0xa]) {
        expect(judge(role, 0x80 | bits | opcode)).toBe("reserved-bit-set");
      }
    }
    for (const bits of [0x10, 0x20, 0x30, 0x50, 0x60, 0x70]) {
      expect(judge(role, 0x81 | bits, {}, { compression: true })).toBe("reserved-bit-set");
    }
  });

  test("RSV1 stands only on the first frame of a message, once compression was agreed [R7692-6.1-1 R7692-6-1 B05]", () => {
    const agreed = { compression: true };
    for (const first of [0xc1, 0xc2, 0x41, 0x42]) expect(judge(role, first, {}, agreed)).toBeUndefined();
    for (const first of [0xc0, 0x40]) {
      expect(judge(role, first, {}, { ...agreed, messageUnderWay: true })).toBe("compressed-continuation");
    }
    for (const first of [0xc8, 0xc9, 0xca]) expect(judge(role, first, {}, agreed)).toBe("compressed-continuation");
  });

  test("every reserved opcode fails, with and without FIN [R6455-5.2-3]", () => {
    for (const opcode of [3, 4, 5, 6, 7, 11, 12, 13, 14, 15]) {
      expect(judge(role, 0x80 | opcode)).toBe("reserved-opcode");
      expect(judge(role, opcode)).toBe("reserved-opcode");
      expect(judge(role, 0x80 | opcode, {}, { messageUnderWay: true })).toBe("reserved-opcode");
    }
  });

  test("the wrong masking fails on every kind of frame [R6455-5.1-2 R6455-5.1-4]", () => {
    const expected = role === "server" ? "unmasked-frame" : "masked-frame";
    for (const first of [0x81, 0x82, 0x88, 0x89, 0x8a]) {
      expect(judge(role, first, { masked: role === "client" })).toBe(expected);
      expect(judge(role, first, { masked: role === "client", payloadLength: 0 })).toBe(expected);
    }
  });

  test("the top bit of a 64-bit length fails [R6455-5.2-4 A01]", () => {
    expect(judge(role, 0x82, { lengthBits: 64, lengthSign: true, payloadLength: 2 ** 63 })).toBe("length-sign-bit");
    expect(judge(role, 0x82, { lengthBits: 64, lengthSign: false, payloadLength: 2 ** 62 })).toBeUndefined();
  });

  test("only the shortest form of a length is accepted [R6455-5.2-5]", () => {
    for (const payloadLength of [0, 1, 125]) {
      expect(judge(role, 0x82, { lengthBits: 16, payloadLength })).toBe("length-not-minimal");
    }
    for (const payloadLength of [0, 125, 126, 65535]) {
      expect(judge(role, 0x82, { lengthBits: 64, payloadLength })).toBe("length-not-minimal");
    }
    for (const payloadLength of [126, 65535]) {
      expect(judge(role, 0x82, { lengthBits: 16, payloadLength })).toBeUndefined();
    }
    expect(judge(role, 0x82, { lengthBits: 64, payloadLength: 65536 })).toBeUndefined();
  });

  test("a control frame is neither fragmented nor longer than 125 bytes [R6455-5.5-1 R6455-5.4-2]", () => {
    for (const opcode of [8, 9, 10]) {
      expect(judge(role, opcode)).toBe("fragmented-control-frame");
      expect(judge(role, 0x80 | opcode, { payloadLength: 125 })).toBeUndefined();
      expect(judge(role, 0x80 | opcode, { payloadLength: 126, lengthBits: 16 })).toBe("control-frame-too-long");
      expect(judge(role, 0x80 | opcode, { payloadLength: 65536, lengthBits: 64 })).toBe("control-frame-too-long");
    }
  });

  test("a continuation needs a message, and a message must end before the next begins [R6455-5.4-1 R6455-5.4-4]", () => {
    for (const first of [0x80, 0x00]) expect(judge(role, first)).toBe("nothing-to-continue");
    for (const first of [0x81, 0x82, 0x01, 0x02]) {
      expect(judge(role, first, {}, { messageUnderWay: true })).toBe("message-interrupted");
    }
  });
});
