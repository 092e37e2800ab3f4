/**
 * Invariant: a Close payload is read as sections 5.5.1 and 7.4 say, and what was read is written as the same bytes again.
 */
import { decodeClosePayload, encodeClosePayload } from "../../src/protocol/close-payload.ts";
import { isWholeUtf8 } from "../../test/support/utf8-table.ts";
import { check, type Outcome, type Target } from "../target.ts";

/** Payloads of Close frames. */
export const closePayloadTarget: Target = {
  name: "close-payload",
  maxLength: 125,
  dictionary: [
    "03e8",
    "03ec",
    "03ed",
    "03ee",
    "03f6",
    "03f7",
    "0bb7",
    "0bb8",
    "1387",
    "1388",
    "c3a9",
    "eda080",
    "efbbbf",
  ],
  run,
};

function run(input: Uint8Array): Outcome {
  const status = decodeClosePayload(input);
  const rules = brokenRules(input);
  if (typeof status === "string") {
    check(rules.includes(status), "A payload is refused for a rule that it keeps");
    return status;
  }
  check(rules.length === 0, "A payload is accepted that breaks a rule");
  check(status.reason === new TextDecoder("utf-8", { ignoreBOM: true }).decode(input.subarray(2)), "Another reason");
  const again = encodeClosePayload(status.code, status.reason);
  check(Buffer.from(again).equals(input), "The status is written as other bytes");
  return `${status.code >= 3000 ? "private" : status.code} ${Math.min(3, status.reason.length)}`;
}

function brokenRules(payload: Uint8Array): string[] {
  if (payload.length === 0) return [];
  if (payload.length === 1) return ["close-payload-too-short"];
  const code = payload[0]! * 256 + payload[1]!;
  const known = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014].includes(code);
  const rules: string[] = [];
  if (!known && (code < 3000 || code > 4999)) rules.push("close-code-invalid");
  if (!isWholeUtf8(payload.subarray(2))) rules.push("close-reason-not-utf8");
  return rules;
}
