/**
 * Invariant: a response is taken only when it keeps RFC 6455 section 4.1, and every other is a HandshakeError with its rule.
 *
 * An input is the head of a response to a request with the key of section 1.3 that offered `a` and `b` and extensions;
 * its first byte says whether extensions were offered at all.
 */
import { HandshakeError, handshakeRules } from "../../src/protocol/handshake/handshake-error.ts";
import { secWebSocketAccept, verifyResponse } from "../../src/protocol/handshake/response.ts";
import { check, latin1, type Outcome, type Target } from "../target.ts";
import { lists, readHead, valuesOf } from "./head.ts";

/** Heads of responses. */
export const responseTarget: Target = {
  name: "response",
  maxLength: 500,
  dictionary: [
    '"HTTP/1.1 101 Switching Protocols\\r\\n"',
    '"Upgrade: websocket\\r\\n"',
    '"Connection: Upgrade\\r\\n"',
    '"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\\r\\n"',
    '"Sec-WebSocket-Protocol: a\\r\\n"',
    '"Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=12\\r\\n"',
    '"\\r\\n"',
    '", "',
    '"200"',
    '"HTTP/1.0"',
  ],
  run,
};

const secWebSocketKey = "dGhlIHNhbXBsZSBub25jZQ==";
const accept = secWebSocketAccept(secWebSocketKey);
const offered = ["a", "b"];

function run(input: Uint8Array): Outcome {
  const extensionsOffered = ((input[0] ?? 0) & 1) !== 0;
  const head = readHead(latin1(input.subarray(1)));
  const [version = "", status = ""] = head.words;
  const response = { status: Number(status), httpVersion: version.replace("HTTP/", ""), rawHeaders: head.rawHeaders };
  let settled: ReturnType<typeof verifyResponse>;
  try {
    settled = verifyResponse(response, { secWebSocketKey, subprotocols: offered, extensionsOffered });
  } catch (error) {
    if (!(error instanceof HandshakeError) || handshakeRules[error.rule] === undefined) throw error;
    return error.rule;
  }
  check(response.status === 101, "Not a 101");
  const upgrades = valuesOf(head, "upgrade");
  check(upgrades.length === 1 && upgrades[0]!.toLowerCase() === "websocket", "Upgrade is not websocket");
  check(lists(valuesOf(head, "connection"), "upgrade"), "Connection does not name Upgrade");
  const accepts = valuesOf(head, "sec-websocket-accept");
  check(accepts.length === 1 && accepts[0] === accept, "The key is not answered");
  const chosen = valuesOf(head, "sec-websocket-protocol");
  check(chosen.length <= 1 && chosen[0] === settled.subprotocol, "Another subprotocol is taken than was chosen");
  check(chosen[0] === undefined || offered.includes(chosen[0]), "The subprotocol was not offered");
  check(settled.extensions.length === 0 || extensionsOffered, "Extensions are taken that were not offered");
  check(
    settled.extensions.length > 0 || valuesOf(head, "sec-websocket-extensions").length === 0,
    "Extensions are lost",
  );
  return `taken ${settled.subprotocol} ${Math.min(3, settled.extensions.length)}`;
}
