/**
 * The table of all rules that a peer can break on an established connection, and of failures on this side.
 *
 * Each entry names the section that holds the rule, the close code that answers a breach, and a sentence that becomes
 * the reason of our Close frame. Code, tests and the reference page on protocol errors all read this table.
 */

/** A rule of the protocol. */
export interface Rule {
  /** The document and the section that hold the rule. */
  readonly section: string;
  /** The close code that answers a breach. */
  readonly closeCode: number;
  /** What is wrong when the rule is broken: a sentence without a full stop. */
  readonly text: string;
}

const table = {
  "reserved-bit-set": {
    section: "RFC 6455 section 5.2",
    closeCode: 1002,
    text: "A reserved bit is set that no extension defines",
  },
  "reserved-opcode": { section: "RFC 6455 section 5.2", closeCode: 1002, text: "The opcode is reserved" },
  "unmasked-frame": { section: "RFC 6455 section 5.1", closeCode: 1002, text: "A client must mask its frames" },
  "masked-frame": { section: "RFC 6455 section 5.1", closeCode: 1002, text: "A server must not mask its frames" },
  "fragmented-control-frame": {
    section: "RFC 6455 section 5.5",
    closeCode: 1002,
    text: "A control frame must not be fragmented",
  },
  "control-frame-too-long": {
    section: "RFC 6455 section 5.5",
    closeCode: 1002,
    text: "A control frame carries at most 125 bytes",
  },
  "length-not-minimal": {
    section: "RFC 6455 section 5.2",
    closeCode: 1002,
    text: "The payload length is not in its shortest form",
  },
  "length-sign-bit": {
    section: "RFC 6455 section 5.2",
    closeCode: 1002,
    text: "The top bit of a 64-bit payload length must be 0",
  },
  "nothing-to-continue": {
    section: "RFC 6455 section 5.4",
    closeCode: 1002,
    text: "A continuation frame has no message to continue",
  },
  "message-interrupted": {
    section: "RFC 6455 section 5.4",
    closeCode: 1002,
    text: "A new message began inside a fragmented one",
  },
  "compressed-continuation": {
    section: "RFC 7692 section 6.1",
    closeCode: 1002,
    text: "RSV1 is set on a frame that does not begin a message",
  },
  "close-payload-too-short": {
    section: "RFC 6455 section 5.5.1",
    closeCode: 1002,
    text: "A Close payload of one byte holds no status code",
  },
  "close-code-invalid": {
    section: "RFC 6455 section 7.4",
    closeCode: 1002,
    text: "The status code must not appear in a Close frame",
  },
  "close-reason-not-utf8": {
    section: "RFC 6455 section 5.5.1",
    closeCode: 1007,
    text: "The reason of the Close frame is not UTF-8",
  },
  "message-type-not-accepted": {
    section: "RFC 6455 section 7.4.1",
    closeCode: 1003,
    text: "Messages of this type, text or binary, are not accepted",
  },
  "text-not-utf8": { section: "RFC 6455 section 8.1", closeCode: 1007, text: "The text message is not UTF-8" },
  "invalid-deflate-data": {
    section: "RFC 7692 section 7.2.2",
    closeCode: 1007,
    text: "The compressed message is not whole, valid DEFLATE data",
  },
  "inflate-failed": {
    section: "RFC 6455 section 7.4.1",
    closeCode: 1011,
    text: "The compressed message could not be inflated here, whatever it holds",
  },
  "no-memory": {
    section: "RFC 6455 section 7.4.1",
    closeCode: 1011,
    text: "There is no memory here for what was received, or for what has to be sent",
  },
  "message-too-big": {
    section: "RFC 6455 section 10.4",
    closeCode: 1009,
    text: "The message is longer than the limit",
  },
  "too-many-empty-fragments": {
    section: "RFC 6455 section 10.4",
    closeCode: 1008,
    text: "Too many empty fragments follow one another",
  },
  "too-much-unfinished": {
    section: "RFC 6455 section 10.4",
    closeCode: 1013,
    text: "All connections together hold too much of unfinished messages",
  },
  "message-too-slow": {
    section: "RFC 6455 section 10.4",
    closeCode: 1008,
    text: "The rest of a message did not come in time",
  },
} as const;

/** The name of a rule that can be broken after the opening handshake. */
export type Violation = keyof typeof table;

/** All rules that can be broken after the opening handshake, by name. */
export const violations: Readonly<Record<Violation, Rule>> = table;

/** The error of a connection that failed: the peer broke a rule of the protocol, or something failed on this side. */
export class ProtocolError extends Error {
  override readonly name = "ProtocolError";
  /** The name of the rule, a key of `violations`. */
  readonly violation: Violation;
  /** The document and the section that hold the rule. */
  readonly section: string;
  /** The code that our Close frame carried. */
  readonly closeCode: number;

  constructor(violation: Violation) {
    const { section, closeCode, text } = violations[violation];
    super(`${text} (${section})`);
    this.violation = violation;
    this.section = section;
    this.closeCode = closeCode;
  }
}
