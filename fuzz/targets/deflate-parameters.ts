/**
 * Invariant: whatever is offered or answered, both sides agree on parameters that RFC 7692 allows, or decline or fail.
 *
 * The first two bytes of an input choose the settings of our side, the rest is the value of `Sec-WebSocket-Extensions`.
 */
import { type ExtensionElement, parseExtensionList } from "../../src/protocol/handshake/header-fields.ts";
import {
  acceptDeflate,
  type CompressionSettings,
  compressionSettings,
  offerDeflate,
  verifyDeflateResponse,
} from "../../src/protocol/handshake/permessage-deflate.ts";
import { check, latin1, type Outcome, type Target } from "../target.ts";

/** Offers and answers of permessage-deflate. */
export const deflateParametersTarget: Target = {
  name: "deflate-parameters",
  maxLength: 240,
  dictionary: [
    '"permessage-deflate"',
    '", permessage-deflate"',
    '"; server_no_context_takeover"',
    '"; client_no_context_takeover"',
    '"; server_max_window_bits"',
    '"; client_max_window_bits"',
    '"=8"',
    '"=12"',
    '"=15"',
    '"=08"',
    '"=16"',
    '"=\\"10\\""',
    '"=-9"',
    '"x-other"',
    '"; __proto__"',
  ],
  run,
};

function run(input: Uint8Array): Outcome {
  const bits = input[0] ?? 0;
  const windows = input[1] ?? 0;
  const settings = compressionSettings({
    serverNoContextTakeover: (bits & 1) !== 0,
    clientNoContextTakeover: (bits & 2) !== 0,
    serverMaxWindowBits: 8 + (windows & 7),
    clientMaxWindowBits: 8 + ((windows >> 3) & 7),
  });
  const elements = parseExtensionList([latin1(input.subarray(2))]);
  if (typeof elements === "string") return elements;
  return `${accepts(elements, settings)}, ${answers(elements, settings)}`;
}

/** As a server: the first offer that is well-formed is answered with what it and the settings allow, and no other. */
function accepts(offers: readonly ExtensionElement[], settings: CompressionSettings): string {
  const accepted = acceptDeflate(offers, settings);
  const offer = offers.find((each) => isWellFormed(each, true));
  check(
    (accepted === undefined) === (offer === undefined),
    "An offer is accepted that is not well-formed, or not the first",
  );
  if (accepted === undefined || offer === undefined) return "declined";
  const { parameters, response } = accepted;
  const read = parseExtensionList([response]);
  check(
    typeof read !== "string" && read.length === 1 && isWellFormed(read[0]!, false),
    "The answer is not well-formed",
  );
  const asked = new Map(offer.parameters);
  const told = new Map(read[0]!.parameters);
  const serverBits = Number(told.get("server_max_window_bits") ?? 15);
  const clientBits = Number(told.get("client_max_window_bits") ?? 15);
  check(
    !told.has("client_max_window_bits") || asked.has("client_max_window_bits"),
    "The client cannot limit its window",
  );
  check(
    told.has("server_max_window_bits") || !asked.has("server_max_window_bits"),
    "The client's limit is not answered",
  );
  check(serverBits <= windowOf(asked.get("server_max_window_bits")), "The server's window is larger than asked for");
  check(clientBits <= windowOf(asked.get("client_max_window_bits")), "The client's window is larger than it offered");
  check(
    told.has("server_no_context_takeover") || !asked.has("server_no_context_takeover"),
    "The server takes its context over although it was asked not to",
  );
  check(parameters.clientMaxWindowBits >= clientBits, "The client may use a larger window than the server has");
  check(parameters.serverMaxWindowBits <= serverBits, "The server uses a larger window than it said");
  check(
    parameters.serverNoContextTakeover === told.has("server_no_context_takeover") &&
      parameters.clientNoContextTakeover === told.has("client_no_context_takeover"),
    "The server does not do what it said about context takeover",
  );
  return `accepted ${told.size}`;
}

/** As a client: an answer is taken exactly when it is one permessage-deflate that is well-formed. */
function answers(elements: readonly ExtensionElement[], settings: CompressionSettings): string {
  const offers = parseExtensionList([offerDeflate(settings)]);
  check(typeof offers !== "string" && offers.every((each) => isWellFormed(each, true)), "The own offer is malformed");
  const settled = verifyDeflateResponse(elements, settings);
  const [only] = elements;
  const right = elements.length === 1 && only!.name === "permessage-deflate" && isWellFormed(only!, false);
  check((typeof settled === "object") === right, "A wrong answer is taken, or a right one is not");
  if (typeof settled !== "object") return String(settled);
  const told = new Map(only!.parameters);
  check(
    settled.serverMaxWindowBits >= windowOf(told.get("server_max_window_bits")),
    "The server's window does not fit",
  );
  check(settled.clientMaxWindowBits <= windowOf(told.get("client_max_window_bits")), "The server's limit is ignored");
  check(!settled.serverNoContextTakeover || told.has("server_no_context_takeover"), "The server's window is forgotten");
  check(settled.clientNoContextTakeover || !told.has("client_no_context_takeover"), "The server forgets our window");
  return "taken";
}

/** RFC 7692 section 7.1, parameter by parameter. */
function isWellFormed({ name, parameters }: ExtensionElement, offer: boolean): boolean {
  if (name !== "permessage-deflate") return false;
  if (new Set(parameters.map(([each]) => each)).size < parameters.length) return false;
  return parameters.every(([each, value]) => {
    if (/^(server|client)_no_context_takeover$/.test(each)) return value === true;
    if (each === "client_max_window_bits" && value === true) return offer;
    return (
      /^(server|client)_max_window_bits$/.test(each) &&
      ["8", "9", "10", "11", "12", "13", "14", "15"].includes(String(value))
    );
  });
}

function windowOf(value: string | true | undefined): number {
  return typeof value === "string" ? Number(value) : 15;
}
