/**
 * Invariant: a request is accepted only when it keeps RFC 6455 section 4.2.1, every other gets an answer, nothing throws.
 *
 * An input is the head of a request, as `readHead` takes it apart. What is accepted is answered, and the answer verified.
 */
import { handshakeRules } from "../../src/protocol/handshake/handshake-error.ts";
import { createRefusal } from "../../src/protocol/handshake/refusal.ts";
import { type VerifiedRequest, verifyRequest } from "../../src/protocol/handshake/request.ts";
import { createResponse, verifyResponse } from "../../src/protocol/handshake/response.ts";
import { check, latin1, type Outcome, type Target } from "../target.ts";
import { type Head, lists, readHead, valuesOf } from "./head.ts";

/** Heads of requests. */
export const requestTarget: Target = {
  name: "request",
  maxLength: 700,
  dictionary: [
    '"GET /chat HTTP/1.1\\r\\n"',
    '"Host: a.example:80\\r\\n"',
    '"Upgrade: websocket\\r\\n"',
    '"Connection: keep-alive, Upgrade\\r\\n"',
    '"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\\r\\n"',
    '"Sec-WebSocket-Version: 13\\r\\n"',
    '"Sec-WebSocket-Protocol: a, b\\r\\n"',
    '"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\\r\\n"',
    '"Origin: https://a.example\\r\\n"',
    '"Content-Length: 0\\r\\n"',
    '"Transfer-Encoding: chunked\\r\\n"',
    '"http://a.example:80/x?y"',
    '"%zz"',
    '"[::1]"',
    '"\\r\\n"',
    '", "',
    "00",
  ],
  run,
};

function run(input: Uint8Array): Outcome {
  const head = readHead(latin1(input));
  const [method = "", target = "", version = ""] = head.words;
  const httpVersion = version.replace("HTTP/", "");
  const verified = verifyRequest({ method, httpVersion, target, rawHeaders: head.rawHeaders });
  if (!verified.ok) {
    const { status } = handshakeRules[verified.rule];
    check(status >= 400 && status < 500, "A wrong request is not answered with an error of the client's");
    const written = latin1(createRefusal(verified.refusal));
    check(written.startsWith(`HTTP/1.1 ${status} `) && written.includes("\r\n\r\n"), "The refusal is no response");
    return verified.rule;
  }
  check(method === "GET" && /^[1-9]\.\d$/.test(httpVersion) && httpVersion !== "1.0", "Not a GET of HTTP/1.1 or later");
  checkFields(head, verified);
  return answer(verified);
}

function checkFields(head: Head, { secWebSocketKey, host, origin, resourceName, subprotocols }: VerifiedRequest): void {
  const only = (name: string, value: string | undefined): void => {
    const values = valuesOf(head, name);
    check(values.length === (value === undefined ? 0 : 1) && values[0] === value, "A field is not there exactly once");
  };
  only("host", host);
  only("origin", origin);
  only("sec-websocket-key", secWebSocketKey);
  only("sec-websocket-version", "13");
  check(
    Buffer.from(secWebSocketKey, "base64").length === 16 && secWebSocketKey.length === 24,
    "The key is not 16 bytes",
  );
  check(lists(valuesOf(head, "connection"), "upgrade"), "Connection does not name Upgrade");
  check(lists(valuesOf(head, "upgrade"), "websocket"), "Upgrade does not name websocket");
  check(valuesOf(head, "transfer-encoding").length === 0, "The request has a body");
  check(
    valuesOf(head, "content-length").every((length) => Number(length) === 0 && length !== ""),
    "The request has a body",
  );
  check(/^\/[\x21\x22\x24-\x7e]*$/.test(resourceName), "The resource name is none");
  const url = new URL(`http://${host}`);
  check(url.username === "" && url.pathname === "/", "The host is more than a host");
  check(head.rawHeaders.length <= 200, "There are too many fields");
  check(subprotocols.length <= 32 && new Set(subprotocols).size === subprotocols.length, "A subprotocol is repeated");
  const offered = valuesOf(head, "sec-websocket-protocol").join(",");
  for (const each of subprotocols) check(lists([offered], each.toLowerCase()), "A subprotocol was not offered");
}

function answer({ secWebSocketKey, subprotocols, extensions }: VerifiedRequest): Outcome {
  const subprotocol = subprotocols[0];
  const { words, rawHeaders } = readHead(createResponse({ secWebSocketKey, subprotocol }));
  const response = { status: Number(words[1]), httpVersion: "1.1", rawHeaders };
  const settled = verifyResponse(response, { secWebSocketKey, subprotocols, extensionsOffered: extensions.length > 0 });
  check(settled.subprotocol === subprotocol && settled.extensions.length === 0, "The answer settles something else");
  return `accepted ${Math.min(3, subprotocols.length)} ${Math.min(3, extensions.length)}`;
}
