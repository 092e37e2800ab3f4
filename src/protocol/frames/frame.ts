/**
 * The names of the parts of a frame, RFC 6455 section 5.2.
 */

/** The opcodes of RFC 6455 section 11.8. Every other value is reserved. */
export const Opcode = {
  Continuation: 0x0,
  Text: 0x1,
  Binary: 0x2,
  Close: 0x8,
  Ping: 0x9,
  Pong: 0xa,
} as const;

/** The bit of a frame's first byte that marks the last frame of a message. */
export const finBit = 0x80;

/** The bit of a frame's first byte that marks a compressed message (RFC 7692 section 6). */
export const rsv1Bit = 0x40;

/** One of the six opcodes in use. */
export type Opcode = (typeof Opcode)[keyof typeof Opcode];

/** Which side of the connection an endpoint is: the client masks what it sends, the server does not. */
export type Role = "client" | "server";

/** Whether an opcode is that of a control frame: the top bit is set (RFC 6455 section 5.5). */
export function isControl(opcode: number): boolean {
  return (opcode & 0x8) !== 0;
}
