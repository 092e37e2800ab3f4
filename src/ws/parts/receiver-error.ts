/**
 * The errors of a peer that breaks a rule, in the words and with the codes of `ws`.
 */

import type { Violation } from "../../protocol/protocol-error.ts";

/** What each error says; `%` stands for what was received. */
const table = {
  WS_ERR_EXPECTED_FIN: { closeCode: 1002, text: "Invalid WebSocket frame: FIN must be set" },
  WS_ERR_EXPECTED_MASK: { closeCode: 1002, text: "Invalid WebSocket frame: MASK must be set" },
  WS_ERR_INVALID_CLOSE_CODE: { closeCode: 1002, text: "Invalid WebSocket frame: invalid status code %" },
  WS_ERR_INVALID_CONTROL_PAYLOAD_LENGTH: { closeCode: 1002, text: "Invalid WebSocket frame: invalid payload length %" },
  WS_ERR_INVALID_OPCODE: { closeCode: 1002, text: "Invalid WebSocket frame: invalid opcode %" },
  WS_ERR_INVALID_UTF8: { closeCode: 1007, text: "Invalid WebSocket frame: invalid UTF-8 sequence" },
  WS_ERR_TOO_MANY_BUFFERED_PARTS: { closeCode: 1008, text: "Too many %" },
  WS_ERR_UNEXPECTED_MASK: { closeCode: 1002, text: "Invalid WebSocket frame: MASK must be clear" },
  WS_ERR_UNEXPECTED_RSV_1: { closeCode: 1002, text: "Invalid WebSocket frame: RSV1 must be clear" },
  WS_ERR_UNEXPECTED_RSV_2_3: { closeCode: 1002, text: "Invalid WebSocket frame: RSV2 and RSV3 must be clear" },
  WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH: {
    closeCode: 1009,
    text: "Unsupported WebSocket frame: payload length > 2^53 - 1",
  },
  WS_ERR_UNSUPPORTED_MESSAGE_LENGTH: { closeCode: 1009, text: "Max payload size exceeded" },
} as const;

/** The `code` of an error that a peer caused. */
export type ReceiverErrorCode = keyof typeof table;

/**
 * The code for each rule that can be broken; those of ours that `ws` has no code for are left out. A reserved bit is RSV1
 * where neither of the others is set.
 */
export const codesOfRules: Readonly<Partial<Record<Violation, ReceiverErrorCode>>> = {
  "reserved-bit-set": "WS_ERR_UNEXPECTED_RSV_2_3",
  "reserved-opcode": "WS_ERR_INVALID_OPCODE",
  "unmasked-frame": "WS_ERR_EXPECTED_MASK",
  "masked-frame": "WS_ERR_UNEXPECTED_MASK",
  "fragmented-control-frame": "WS_ERR_EXPECTED_FIN",
  "control-frame-too-long": "WS_ERR_INVALID_CONTROL_PAYLOAD_LENGTH",
  "length-sign-bit": "WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH",
  "nothing-to-continue": "WS_ERR_INVALID_OPCODE",
  "message-interrupted": "WS_ERR_INVALID_OPCODE",
  "compressed-continuation": "WS_ERR_UNEXPECTED_RSV_1",
  "close-payload-too-short": "WS_ERR_INVALID_CONTROL_PAYLOAD_LENGTH",
  "close-code-invalid": "WS_ERR_INVALID_CLOSE_CODE",
  "close-reason-not-utf8": "WS_ERR_INVALID_UTF8",
  "text-not-utf8": "WS_ERR_INVALID_UTF8",
  "message-too-big": "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH",
  "too-many-empty-fragments": "WS_ERR_TOO_MANY_BUFFERED_PARTS",
};

/** The property of an error that holds the close code which answers it. */
export const statusCode: unique symbol = Symbol("status-code");

/** An error that a peer caused. */
export interface ReceiverError extends Error {
  /** One of the codes of `ws`, or zlib's own. */
  code?: string;
  [statusCode]?: number;
}

/** Returns the error with this code: a RangeError, but for text that is not UTF-8, as in `ws`. */
export function receiverError(code: ReceiverErrorCode, received: number | string = ""): ReceiverError {
  const { closeCode, text } = table[code];
  const Kind = code === "WS_ERR_INVALID_UTF8" ? Error : RangeError;
  return Object.assign(new Kind(text.replace("%", String(received))), { code, [statusCode]: closeCode });
}
