/**
 * The negotiation of permessage-deflate, RFC 7692 sections 5 and 7.1, over parsed extension elements.
 *
 * An offer or a response is refused as a whole if a parameter is unknown, repeated, without the value it needs or with
 * a value it must not have, or if a window is outside 8 to 15. No input from a peer throws.
 */

import { checkNumber, numberKinds } from "../check-number.ts";
import { checkOptions, type OptionTable } from "../check-options.ts";
import { foreignNames } from "../foreign-names.ts";
import type { ExtensionElement } from "./header-fields.ts";

/** How messages are compressed. Every member has a default. */
export interface CompressionOptions {
  /** The length in bytes below which messages are sent uncompressed. Default 256. */
  readonly threshold?: number;
  /**
   * zlib's effort, from 0 (none) to 9 (best). Default 3, and then short messages without context takeover are
   * compressed by a faster compressor, to about the same length.
   */
  readonly level?: number;
  /** zlib's memory for the compressor's tables, from 1 to 9; as `level`, it asks for zlib. Default 5. */
  readonly memLevel?: number;
  /** Whether the server starts each message with an empty window. Default true. */
  readonly serverNoContextTakeover?: boolean;
  /** Whether the client starts each message with an empty window. Default true. */
  readonly clientNoContextTakeover?: boolean;
  /** The largest window of the server's compressor, as a power of two from 8 to 15. Default 12. */
  readonly serverMaxWindowBits?: number;
  /** The largest window of the client's compressor, as a power of two from 8 to 15. Default 12. */
  readonly clientMaxWindowBits?: number;
}

/** Compression options, checked and with their defaults; without `level` and `memLevel`, zlib need not be used. */
export interface CompressionSettings extends Required<Omit<CompressionOptions, "level" | "memLevel">> {
  readonly level: number | undefined;
  readonly memLevel: number | undefined;
}

/**
 * The parameters that both sides keep to for the life of a connection. A window is 15 where no smaller one was agreed.
 */
export interface DeflateParameters {
  readonly serverNoContextTakeover: boolean;
  readonly clientNoContextTakeover: boolean;
  readonly serverMaxWindowBits: number;
  readonly clientMaxWindowBits: number;
}

/**
 * The problem for which a client must fail the connection: an extension in the response that was not offered (RFC 6455
 * section 4.1), permessage-deflate twice (RFC 7692 section 5), or parameters that section 7.1 does not allow.
 */
export type DeflateResponseProblem = "unexpected-extension" | "repeated-extension" | "invalid-extension-parameters";

/** The extension's name in `Sec-WebSocket-Extensions`. */
export const permessageDeflate = "permessage-deflate";

const largestWindowBits = 15;

const compressionTable: OptionTable<CompressionOptions> = {
  threshold: "any",
  level: "any",
  memLevel: "any",
  serverNoContextTakeover: "any",
  clientNoContextTakeover: "any",
  serverMaxWindowBits: "any",
  clientMaxWindowBits: "any",
};

/** Fills in the defaults. Throws a TypeError or RangeError that names the first option with a wrong type or value. */
export function compressionSettings(options: true | CompressionOptions): CompressionSettings {
  const given = options === true ? {} : options;
  checkOptions("use the compression options", given, compressionTable, foreignNames.compression);
  return {
    threshold: integer("threshold", given.threshold ?? 256, 0, Number.POSITIVE_INFINITY),
    level: integerIfGiven("level", given.level, 0, 9),
    memLevel: integerIfGiven("memLevel", given.memLevel, 1, 9),
    serverNoContextTakeover: flag("serverNoContextTakeover", given.serverNoContextTakeover ?? true),
    clientNoContextTakeover: flag("clientNoContextTakeover", given.clientNoContextTakeover ?? true),
    serverMaxWindowBits: integer("serverMaxWindowBits", given.serverMaxWindowBits ?? 12, 8, largestWindowBits),
    clientMaxWindowBits: integer("clientMaxWindowBits", given.clientMaxWindowBits ?? 12, 8, largestWindowBits),
  };
}

/**
 * Returns the value of a client's `Sec-WebSocket-Extensions`: first an offer with all wishes, then the bare offer that
 * browsers make. A server that cannot grant a wish accepts the second and compresses all the same (RFC 7692 section
 * 5.1).
 */
export function offerDeflate(settings: CompressionSettings): string {
  const wished = formatElement({
    server_no_context_takeover: settings.serverNoContextTakeover,
    client_no_context_takeover: settings.clientNoContextTakeover,
    server_max_window_bits: settings.serverMaxWindowBits < largestWindowBits && settings.serverMaxWindowBits,
    client_max_window_bits: settings.clientMaxWindowBits < largestWindowBits ? settings.clientMaxWindowBits : true,
  });
  const bare = formatElement({ client_max_window_bits: true });
  return wished === bare ? bare : `${wished}, ${bare}`;
}

/**
 * Returns the parameters that the extensions of a response to `offerDeflate(settings)` agree on, undefined when the
 * server declined, or the problem for which the connection must be failed.
 *
 * The bare offer lets the server choose its own window and context takeover, so every well-formed answer fits an offer
 * that was made.
 */
export function verifyDeflateResponse(
  extensions: readonly ExtensionElement[],
  settings: CompressionSettings,
): DeflateParameters | DeflateResponseProblem | undefined {
  const [element, second] = extensions;
  if (element === undefined) return undefined;
  if (extensions.some(({ name }) => name !== permessageDeflate)) return "unexpected-extension";
  if (second !== undefined) return "repeated-extension";
  const answer = readParameters(element);
  if (answer === undefined || answer.clientMaxWindowBits === true) return "invalid-extension-parameters";
  return {
    serverNoContextTakeover: answer.serverNoContextTakeover,
    clientNoContextTakeover: answer.clientNoContextTakeover || settings.clientNoContextTakeover,
    serverMaxWindowBits: answer.serverMaxWindowBits ?? largestWindowBits,
    clientMaxWindowBits: Math.min(answer.clientMaxWindowBits ?? largestWindowBits, settings.clientMaxWindowBits),
  };
}

/**
 * Returns a server's answer to the first offer that it can accept, in the client's order of preference: the parameters,
 * and the element for `Sec-WebSocket-Extensions`. Undefined declines all offers. Other extensions are ignored.
 */
export function acceptDeflate(
  offers: readonly ExtensionElement[],
  settings: CompressionSettings,
): { readonly parameters: DeflateParameters; readonly response: string } | undefined {
  for (const element of offers) {
    const offer = element.name === permessageDeflate ? readParameters(element) : undefined;
    if (offer !== undefined) return accept(offer, settings);
  }
  return undefined;
}

function accept(offer: Parameters, settings: CompressionSettings): ReturnType<typeof acceptDeflate> {
  const offeredClientBits = offer.clientMaxWindowBits === true ? largestWindowBits : offer.clientMaxWindowBits;
  const parameters: DeflateParameters = {
    serverNoContextTakeover: offer.serverNoContextTakeover || settings.serverNoContextTakeover,
    clientNoContextTakeover: offer.clientNoContextTakeover || settings.clientNoContextTakeover,
    serverMaxWindowBits: Math.min(offer.serverMaxWindowBits ?? largestWindowBits, settings.serverMaxWindowBits),
    clientMaxWindowBits:
      offeredClientBits === undefined ? largestWindowBits : Math.min(offeredClientBits, settings.clientMaxWindowBits),
  };
  const response = formatElement({
    server_no_context_takeover: parameters.serverNoContextTakeover,
    client_no_context_takeover: parameters.clientNoContextTakeover,
    server_max_window_bits: offer.serverMaxWindowBits !== undefined && parameters.serverMaxWindowBits,
    client_max_window_bits: parameters.clientMaxWindowBits < largestWindowBits && parameters.clientMaxWindowBits,
  });
  return { parameters, response };
}

/** The parameters of one element as written; only `clientMaxWindowBits` may be without a value, and in offers alone. */
interface Parameters {
  serverNoContextTakeover: boolean;
  clientNoContextTakeover: boolean;
  serverMaxWindowBits?: number;
  clientMaxWindowBits?: number | true;
}

function readParameters(element: ExtensionElement): Parameters | undefined {
  const read: Parameters = { serverNoContextTakeover: false, clientNoContextTakeover: false };
  const seen = new Set<string>();
  for (const [name, value] of element.parameters) {
    if (seen.has(name)) return undefined;
    seen.add(name);
    const bits = value === true ? undefined : windowBits(value);
    if (name === "server_no_context_takeover" && value === true) read.serverNoContextTakeover = true;
    else if (name === "client_no_context_takeover" && value === true) read.clientNoContextTakeover = true;
    else if (name === "server_max_window_bits" && bits !== undefined) read.serverMaxWindowBits = bits;
    else if (name === "client_max_window_bits" && bits !== undefined) read.clientMaxWindowBits = bits;
    else if (name === "client_max_window_bits" && value === true) read.clientMaxWindowBits = true;
    else return undefined;
  }
  return read;
}

/** Returns the number of window bits: decimal, from 8 to 15, without a leading zero (RFC 7692 section 7.1.2). */
export function windowBits(value: string): number | undefined {
  return /^(?:[89]|1[0-5])$/.test(value) ? Number(value) : undefined;
}

/** Returns one element with its parameters in the order given: `true` writes the name alone, `false` leaves it out. */
function formatElement(parameters: Readonly<Record<string, number | boolean>>): string {
  let text: string = permessageDeflate;
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== false) text += value === true ? `; ${name}` : `; ${name}=${value}`;
  }
  return text;
}

function integer(name: string, value: unknown, least: number, most: number): number {
  if (typeof value !== "number") throw new TypeError(`Cannot use compression.${name}: it is not a number`);
  const rule = most === Number.POSITIVE_INFINITY ? numberKinds.count : { least, most, whole: true };
  return checkNumber("use the compression options", `compression.${name}`, value, rule);
}

function integerIfGiven(name: string, value: unknown, least: number, most: number): number | undefined {
  return value === undefined || value === null ? undefined : integer(name, value, least, most);
}

function flag(name: string, value: unknown): boolean {
  if (typeof value === "boolean") return value;
  throw new TypeError(`Cannot use compression.${name}: it is not a boolean`);
}
