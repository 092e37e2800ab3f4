/** The opcodes, as RFC 6455 section 11.8 registers them. */
import { expect, test } from "vitest";
import { isControl, Opcode } from "../../../src/protocol/frames/frame.ts";

test("the opcodes in use are 0, 1, 2, 8, 9 and 10 [R6455-5.2-3 G26 G27 G28 G29 G30]", () => {
  expect(Opcode).toEqual({ Continuation: 0, Text: 1, Binary: 2, Close: 8, Ping: 9, Pong: 10 });
});

test("exactly the opcodes from 8 on are control frames [R6455-5.5-1]", () => {
  const control = Array.from({ length: 16 }, (_, opcode) => opcode).filter((opcode) => isControl(opcode));
  expect(control).toEqual([8, 9, 10, 11, 12, 13, 14, 15]);
  expect(isControl(0x80 | Opcode.Text)).toBe(false);
  expect(isControl(0x80 | Opcode.Ping)).toBe(true);
});
