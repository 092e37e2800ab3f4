/** The error that a failed connection emits: that of `ws` where it has one for the broken rule, else one in our words. */

import type { Endpoint } from "../../protocol/endpoint/endpoint.ts";
import { ProtocolError, type Violation } from "../../protocol/protocol-error.ts";
import { codesOfRules, type ReceiverError, type ReceiverErrorCode, receiverError } from "./receiver-error.ts";

/** Returns the error for a connection that has failed. */
export function failureOf({ brokenFrame: frame }: Endpoint, violation: Violation): ReceiverError {
  const code = codesOfRules[violation];
  if (violation === "invalid-deflate-data")
    return Object.assign(new ProtocolError(violation), { code: "Z_DATA_ERROR", errno: -3 });
  if (code === undefined) return new ProtocolError(violation);
  const { firstByte = 0, payloadLength = 0, payload } = frame ?? {};
  switch (violation) {
    case "reserved-bit-set":
      return receiverError((firstByte & 0x30) === 0 ? "WS_ERR_UNEXPECTED_RSV_1" : code);
    case "reserved-opcode":
    case "nothing-to-continue":
    case "message-interrupted":
      return receiverError(code, firstByte & 0x0f);
    case "control-frame-too-long":
    case "close-payload-too-short":
      return receiverError(code, payloadLength);
    case "close-code-invalid":
      return receiverError(code, ((payload?.[0] ?? 0) << 8) | (payload?.[1] ?? 0));
    case "too-many-empty-fragments":
      return receiverError(code, "message fragments");
    case "message-too-big":
      return receiverError(payloadLength > Number.MAX_SAFE_INTEGER ? unsafeLength : code);
    default:
      return receiverError(code);
  }
}

const unsafeLength: ReceiverErrorCode = "WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH";
