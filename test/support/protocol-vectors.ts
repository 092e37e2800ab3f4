/**
 * One program for the built protocol that runs in every runtime: what it returns must be the same in all of them.
 *
 * `programText` is the program as an ES module, for a browser, a worker or a process of its own.
 */

import type * as HeaderFields from "../../src/protocol/handshake/header-fields.ts";
import type * as Refusal from "../../src/protocol/handshake/refusal.ts";
import type * as Request from "../../src/protocol/handshake/request.ts";
import type * as Response from "../../src/protocol/handshake/response.ts";
import type * as ResponseHead from "../../src/protocol/handshake/response-head.ts";
import type * as Protocol from "../../src/protocol/index.ts";
import type * as Natives from "../../src/protocol/runtime/natives.ts";

/** The modules that the program uses, by their paths in the folder of the built protocol. */
const modules = {
  protocol: "index.js",
  fields: "handshake/header-fields.js",
  refusals: "handshake/refusal.js",
  requests: "handshake/request.js",
  responses: "handshake/response.js",
  head: "handshake/response-head.js",
  natives: "runtime/natives.js",
} as const;

interface Modules {
  readonly protocol: typeof Protocol;
  readonly fields: typeof HeaderFields;
  readonly refusals: typeof Refusal;
  readonly requests: typeof Request;
  readonly responses: typeof Response;
  readonly head: typeof ResponseHead;
  readonly natives: typeof Natives;
}

/** What the program found. */
export interface Outcome {
  /** Whether functions of Node were used. */
  readonly native: boolean;
  /** Everything that must be the same in all runtimes. */
  readonly lines: readonly string[];
}

/** Returns an ES module that exports the outcome as `outcome`, with the protocol at `base`, an address or a path. */
export function programText(base: string): string {
  const imports = Object.entries(modules).map(([name, path]) => `import * as ${name} from "${base}/${path}";`);
  return `${imports.join("\n")}\nconst run = ${run};\nexport const outcome = run({ ${Object.keys(modules).join()} });\n`;
}

/** The program; it must use nothing but its argument and what all runtimes have. */
function run({ protocol, fields, refusals, requests, responses, head, natives }: Modules): Outcome {
  const { Endpoint } = protocol;
  const lines: string[] = [];
  const bytesOf = (text: string) => new TextEncoder().encode(text);
  /** The bytes in hexadecimal; of many, their beginning and a checksum. */
  const show = (bytes: Uint8Array): string => {
    let sum = 0;
    for (const byte of bytes) sum = (Math.imul(sum, 31) + byte) | 0;
    const beginning = Array.from(bytes.subarray(0, 20), (byte) => byte.toString(16).padStart(2, "0")).join("");
    return bytes.length > 20 ? `${beginning}… ${bytes.length} ${sum}` : beginning;
  };
  const log = (...parts: readonly unknown[]) => {
    const shown = parts.map((part) => (part instanceof Uint8Array ? show(part) : JSON.stringify(part)));
    lines.push(shown.map((part) => (part === undefined || part.length < 200 ? part : show(bytesOf(part)))).join(" "));
  };
  const take = (endpoint: Protocol.Endpoint): Uint8Array => {
    const pieces = endpoint.takeOutput().map((piece) => Uint8Array.from(piece));
    endpoint.outputTaken(true);
    return Uint8Array.from(pieces.flatMap((piece) => [...piece]));
  };
  /** The bytes of one frame with the mask taken off: keys are random. */
  const unmasked = (bytes: Uint8Array): Uint8Array => {
    if ((bytes[1]! & 0x80) === 0) return bytes;
    const start = [2, 4, 10][Math.max(0, (bytes[1]! & 0x7f) - 125)]!;
    const payload = bytes.subarray(start + 4).map((byte, index) => byte ^ bytes[start + (index & 3)]!);
    return Uint8Array.from([...bytes.subarray(0, start), ...payload]);
  };
  const logEvents = (endpoint: Protocol.Endpoint, size: number, bytes: Uint8Array) => {
    for (let at = 0; at < bytes.length; at += size) {
      endpoint.receive(bytes.slice(at, at + size));
      for (let event = endpoint.nextEvent(); event !== undefined; event = endpoint.nextEvent()) {
        const { type, ...rest } = event;
        log(type, ...Object.values(rest));
      }
    }
    log(endpoint.state, endpoint.violation, endpoint.closeReceived, endpoint.unparsedLength);
  };
  const thrown = (act: () => unknown): string => {
    try {
      return JSON.stringify(act()) ?? "nothing";
    } catch (error) {
      return String(error);
    }
  };

  const request = requests.createRequestHeaders({
    url: new URL("ws://example.com:8080/chat?x"),
    subprotocols: ["chat", "superchat"],
    extensions: "permessage-deflate; client_max_window_bits",
    origin: "http://example.com",
    headers: [["Cookie", "ä=1"]],
  });
  log(request.headers.filter(([name]) => name !== "Sec-WebSocket-Key"));
  log(/^[+/0-9A-Za-z]{22}==$/.test(request.secWebSocketKey));
  const rawHeaders = request.headers.map(([name, value]) =>
    name === "Sec-WebSocket-Key" ? [name, "dGhlIHNhbXBsZSBub25jZQ=="] : [name, value],
  );
  const received = { method: "GET", httpVersion: "1.1", target: "/chat?x", rawHeaders: rawHeaders.flat() };
  log(requests.verifyRequest(received));
  log(requests.verifyRequest({ ...received, method: "POST" }));
  const secWebSocketKey = "dGhlIHNhbXBsZSBub25jZQ==";
  const response = responses.createResponse({ secWebSocketKey, subprotocol: "chat", headers: [["X", "é"]] });
  log(response);
  const reader = new head.ResponseHeadReader(4096);
  const wire = Uint8Array.from(`${response}rest`, (character) => character.charCodeAt(0));
  for (let at = 0; at < wire.length; at += 7) {
    const read = reader.read(wire.subarray(at, at + 7));
    if (read === undefined) continue;
    log(read.response, read.rest, read.problem);
    const expected = { secWebSocketKey, subprotocols: ["chat"], extensionsOffered: false };
    log(responses.verifyResponse(read.response, expected));
    log(thrown(() => responses.verifyResponse(read.response, { ...expected, secWebSocketKey: "other" })));
    break;
  }
  log(refusals.createRefusal({ status: 403, headers: [["X", "é"]], body: "nö" }));
  log(
    fields.parseExtensionList(['a; b=c; d="e", f']),
    fields.parseTokenList(["a,, b"]),
    fields.parseAuthority("[::1]:80"),
  );

  const texts = ["", "a", "Hello", "äöü€😀\ufeff", "\ud800x", "x".repeat(126), "é".repeat(21_845), "€".repeat(30_000)];
  const binaries = [0, 1, 125, 126, 65_535, 65_536, 100_000].map((length) =>
    Uint8Array.from({ length }, (_, index) => index * 7),
  );
  for (const role of ["client", "server"] as const) {
    const peer = role === "client" ? "server" : "client";
    for (const data of [...texts, ...binaries]) {
      const sender = new Endpoint({ role });
      log(role, sender.sendMessage(data));
      const bytes = take(sender);
      log(unmasked(bytes));
      logEvents(new Endpoint({ role: peer }), bytes.length, bytes);
      if (bytes.length < 1000) logEvents(new Endpoint({ role: peer }), 1, bytes);
    }

    const sender = new Endpoint({ role });
    const receiver = new Endpoint({ role: peer });
    const parts = [bytesOf("a€").subarray(0, 2), bytesOf("a€").subarray(2), new Uint8Array(0)];
    for (const [index, part] of parts.entries())
      sender.sendFragment(true, part, { first: index === 0, last: index === 2 });
    logEvents(receiver, 3, take(sender));
    sender.ping(bytesOf("ping"));
    logEvents(receiver, 2, take(sender));
    log(unmasked(take(receiver)));
    receiver.streaming = true;
    sender.sendFragment(true, parts[0]!, { first: true, last: false });
    logEvents(receiver, 4, take(sender));
    sender.sendFragment(true, parts[1]!, { first: false, last: true });
    logEvents(receiver, 4, take(sender));
    log(
      thrown(() => sender.close(1006)),
      thrown(() => sender.close(1000, "ö".repeat(62))),
    );
    sender.close(4000, "bye ö");
    const close = take(sender);
    log(unmasked(close));
    logEvents(receiver, close.length, close);
    receiver.echoClose();
    logEvents(sender, 1, take(receiver));

    const wrong = new Endpoint({ role, textAsBytes: true });
    wrong.sendCompressed(true, Uint8Array.of(0xff, 0xfe));
    const broken = take(wrong);
    broken[0] = 0x81;
    for (const textAsBytes of [true, false]) {
      const judge = new Endpoint({ role: peer, textAsBytes });
      logEvents(judge, broken.length, broken);
      log(unmasked(take(judge)));
    }
  }
  return { native: natives.nodeBuffer !== undefined, lines };
}
