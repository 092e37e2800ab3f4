/**
 * Opens a connection in either role, with a head as correct or as broken as the case wants it.
 *
 * What the peer's own head breaks is written down as its violation, RFC 6455 sections 4.1 and 4.2.2.
 */
import type { DeflateParameters, HeadOptions } from "../case.ts";
import {
  acceptFor,
  type ExtensionElement,
  type Head,
  hasToken,
  parseExtensions,
  statusOf,
  valuesOf,
} from "../wire/head.ts";
import type { Session } from "./session.ts";

type Fields = (readonly [name: string, value: string])[];

/** Sends a request and reads the response; true when the connection is established. */
export async function openAsClient(
  session: Session,
  url: URL,
  options: HeadOptions,
  deflate: DeflateParameters | undefined,
): Promise<boolean> {
  const key = session.nonce().toString("base64");
  const fields: Fields = [
    ["Host", url.host],
    ["Upgrade", "websocket"],
    ["Connection", "Upgrade"],
    ["Sec-WebSocket-Key", key],
    ["Sec-WebSocket-Version", "13"],
    ...(deflate === undefined ? [] : [["Sec-WebSocket-Extensions", deflateElement(deflate)] as const]),
  ];
  const request = writeHead(`GET ${url.pathname}${url.search} HTTP/1.1`, fields, options);
  await sendHead(session, request, options);
  const head = await session.readHead();
  if (head === undefined || statusOf(head) !== 101) return false;
  const asked = /\nsec-websocket-key:[ \t]*([^\r\n]*?)[ \t]*\r?\n/i.exec(request)?.[1] ?? "";
  checkResponse(session, head, asked, request);
  if (deflate === undefined) return true;
  const answer = parseExtensions(valuesOf(head, "Sec-WebSocket-Extensions"))[0];
  if (answer === undefined) session.seen.skipped = "The server declines permessage-deflate with these parameters";
  else agreeAsClient(session, answer, deflate);
  return true;
}

/** Reads a request and sends a response; true when the response was a correct one. */
export async function openAsServer(
  session: Session,
  response: HeadOptions,
  deflate: DeflateParameters | undefined,
): Promise<boolean> {
  const request = await session.readHead();
  if (request === undefined) return false;
  const fields: Fields = [
    ["Upgrade", "websocket"],
    ["Connection", "Upgrade"],
    ["Sec-WebSocket-Accept", acceptFor(valuesOf(request, "Sec-WebSocket-Key")[0] ?? "")],
  ];
  if (deflate !== undefined) {
    const answer = answerAsServer(session, request, deflate);
    if (answer === undefined) return false;
    fields.push(["Sec-WebSocket-Extensions", deflateElement(answer)]);
  }
  await sendHead(session, writeHead("HTTP/1.1 101 Switching Protocols", fields, response), response);
  return true;
}

/** `permessage-deflate; …` for these parameters. */
export function deflateElement(parameters: DeflateParameters): string {
  const { clientMaxWindowBits: bits } = parameters;
  return [
    "permessage-deflate",
    parameters.serverNoContextTakeover ? "server_no_context_takeover" : "",
    parameters.clientNoContextTakeover ? "client_no_context_takeover" : "",
    parameters.serverMaxWindowBits === undefined ? "" : `server_max_window_bits=${parameters.serverMaxWindowBits}`,
    bits === undefined ? "" : bits === true ? "client_max_window_bits" : `client_max_window_bits=${bits}`,
  ]
    .filter(Boolean)
    .join("; ");
}

/** The client's first offer of permessage-deflate. */
export function deflateOffer(request: Head): ExtensionElement | undefined {
  return parseExtensions(valuesOf(request, "Sec-WebSocket-Extensions")).find(
    ({ name }) => name === "permessage-deflate",
  );
}

function writeHead(startLine: string, fields: Fields, options: HeadOptions): string {
  const { without = [], replace = {}, extra = [], rewrite } = options;
  const lines = fields
    .filter(([name]) => !without.includes(name))
    .map(([name, value]) => `${name}: ${replace[name] ?? value}`);
  const added = extra.map(([name, value]) => `${name}: ${value}`);
  const head = `${[options.startLine ?? startLine, ...lines, ...added].join("\r\n")}\r\n\r\n`;
  return rewrite === undefined ? head : rewrite(head);
}

async function sendHead(session: Session, head: string, options: HeadOptions): Promise<void> {
  session.queueBytes(Buffer.from(head, "latin1"), firstLine(head));
  for (const line of head.split("\r\n").slice(1, 12)) if (line !== "") session.trace.add(">", line.slice(0, 160));
  if (options.glued instanceof Uint8Array) session.queueBytes(options.glued);
  else for (const frame of options.glued ?? []) session.queue(frame);
  await session.flush(options.chop);
  if (options.finish) session.finish();
}

function firstLine(head: string): string {
  return head.slice(0, head.search(/\r|\n|$/)).slice(0, 120);
}

function checkResponse(session: Session, head: Head, key: string, request: string): void {
  const broke = (what: string, section: string): number => session.seen.violations.push(`${what} (section ${section})`);
  const accepts = valuesOf(head, "Sec-WebSocket-Accept");
  const asked = (name: string): boolean => new RegExp(`\\n${name}:`, "i").test(request);
  if (!hasToken(head, "Upgrade", "websocket")) broke("a 101 without Upgrade: websocket", "4.2.2");
  if (!hasToken(head, "Connection", "upgrade")) broke("a 101 without Connection: Upgrade", "4.2.2");
  if (accepts.length !== 1) broke(`${accepts.length} Sec-WebSocket-Accept fields`, "11.3.3");
  else if (accepts[0] !== acceptFor(key)) broke("a wrong Sec-WebSocket-Accept", "4.2.2");
  if (!asked("Sec-WebSocket-Extensions") && valuesOf(head, "Sec-WebSocket-Extensions").length > 0) {
    broke("an extension that was not offered", "4.2.2");
  }
  if (!asked("Sec-WebSocket-Protocol") && valuesOf(head, "Sec-WebSocket-Protocol").length > 0) {
    broke("a subprotocol that was not offered", "4.2.2");
  }
}

function agreeAsClient(session: Session, answer: ExtensionElement, offer: DeflateParameters): void {
  const known = [
    "server_no_context_takeover",
    "client_no_context_takeover",
    "server_max_window_bits",
    "client_max_window_bits",
  ];
  const faults: string[] = [];
  const broke = (what: string): number => faults.push(what);
  const serverBits = windowBits(answer, "server_max_window_bits");
  const clientBits = windowBits(answer, "client_max_window_bits");
  if (answer.name !== "permessage-deflate") broke(`the extension ${answer.name}, which was not offered`);
  for (const name of answer.params.keys()) if (!known.includes(name)) broke(`the parameter ${name}`);
  if (Number.isNaN(serverBits) || Number.isNaN(clientBits)) broke("window bits outside 8 to 15");
  if (offer.serverNoContextTakeover && !answer.params.has("server_no_context_takeover")) {
    broke("accepts an offer of server_no_context_takeover without saying so");
  }
  if (offer.serverMaxWindowBits !== undefined && (serverBits ?? 15) > offer.serverMaxWindowBits) {
    broke("accepts an offer of server_max_window_bits with a larger window");
  }
  if (offer.clientMaxWindowBits === undefined && clientBits !== undefined)
    broke("client_max_window_bits, which was not offered");
  // the fault itself is what the cases of deflate.offer are about; counting it for each agreement would drown the rest
  if (faults.length > 0) session.seen.skipped = `The server's answer is not one to this offer: ${faults.join(", ")}`;
  const hint = typeof offer.clientMaxWindowBits === "number" ? offer.clientMaxWindowBits : 15;
  session.agree({
    peerNoContextTakeover: answer.params.has("server_no_context_takeover"),
    peerWindowBits: serverBits ?? 15,
    ownNoContextTakeover: answer.params.has("client_no_context_takeover") || offer.clientNoContextTakeover === true,
    ownWindowBits: Math.min(clientBits ?? 15, hint),
  });
}

function windowBits(element: ExtensionElement, name: string): number | undefined {
  const value = element.params.get(name);
  if (value === undefined) return undefined;
  return typeof value === "string" && /^([89]|1[0-5])$/.test(value) ? Number(value) : Number.NaN;
}

/** What may be answered to this client: the case's parameters and those the client's offer asks for. */
function answerAsServer(session: Session, request: Head, wanted: DeflateParameters): DeflateParameters | undefined {
  const offer = deflateOffer(request);
  const skip = (why: string): undefined => {
    session.seen.skipped = why;
    return undefined;
  };
  if (offer === undefined) return skip("The client does not offer permessage-deflate");
  if (wanted.clientMaxWindowBits !== undefined && !offer.params.has("client_max_window_bits")) {
    return skip("The client does not offer client_max_window_bits");
  }
  const most = Math.min(windowBits(offer, "server_max_window_bits") ?? 15, wanted.serverMaxWindowBits ?? 15);
  const clientBits = wanted.clientMaxWindowBits === true ? 15 : wanted.clientMaxWindowBits;
  const answer: DeflateParameters = {
    serverNoContextTakeover: wanted.serverNoContextTakeover === true || offer.params.has("server_no_context_takeover"),
    clientNoContextTakeover: wanted.clientNoContextTakeover === true,
    ...(most < 15 || wanted.serverMaxWindowBits !== undefined ? { serverMaxWindowBits: most } : {}),
    ...(clientBits === undefined ? {} : { clientMaxWindowBits: clientBits }),
  };
  session.agree({
    peerNoContextTakeover: answer.clientNoContextTakeover === true,
    peerWindowBits: clientBits ?? 15,
    ownNoContextTakeover: answer.serverNoContextTakeover === true,
    ownWindowBits: most,
  });
  return answer;
}
