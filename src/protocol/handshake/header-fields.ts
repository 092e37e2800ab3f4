/**
 * The grammar of the handshake's header fields: RFC 6455 sections 4.3 and 9.1 over RFC 9110 section 5.6.
 *
 * Every parser reads its text once, from left to right, and no character more than a fixed number of times, so that the
 * cost of a hostile value grows with its length only. No object is keyed by names from the wire, so `__proto__` is a
 * name like any other. Empty list elements are skipped, as RFC 9110 section 5.6.1.2 asks of a recipient.
 */

/** One element of `Sec-WebSocket-Extensions`. */
export type ExtensionElement = {
  /** The name of the extension. */
  readonly name: string;
  /** The parameters in wire order, duplicates included; the value is `true` for a parameter without one. */
  readonly parameters: ReadonlyArray<readonly [name: string, value: string | true]>;
};

/** The reason why a list was not read: it breaks the grammar or is empty, or it has more elements than its limit. */
export type ListProblem = "malformed" | "too-many";

/** A host and its port as text: the host in lower case, IPv6 in brackets, the port empty when absent. */
export type Authority = { readonly host: string; readonly port: string };

/** Limits of an opening handshake. Beyond them a server answers 431 and a client fails. */
export const fieldLimits = {
  /** The most characters of a response's `Sec-WebSocket-Extensions`, all of its lines together. */
  maxResponseExtensions: 4096,
  /** The most elements of `Sec-WebSocket-Protocol`. */
  maxSubprotocols: 32,
  /** The most elements of `Sec-WebSocket-Extensions`. */
  maxExtensions: 16,
} as const;

/** Whether the text is a token of RFC 9110 section 5.6.2. */
export function isToken(text: string): boolean {
  return text.length > 0 && skipCharacters(text, 0, tokenCharacter) === text.length;
}

/** Whether the text has only characters that a field value may have: tab, space, visible ASCII and 0x80 to 0xff. */
export function isFieldValue(text: string): boolean {
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code > 0xff || code === 0x7f || (code < 0x20 && code !== TAB)) return false;
  }
  return true;
}

/**
 * Returns the values of all fields with a name, which is given in lower case. The values are in wire order, without the
 * whitespace around them.
 *
 * `rawHeaders` alternates names and values, as in `node:http`; a name without a value has an empty one.
 */
export function fieldValues(rawHeaders: readonly string[], name: string): readonly string[] {
  let values: string[] | undefined;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const candidate = rawHeaders[index] as string;
    if (candidate.length === name.length && candidate.toLowerCase() === name) {
      values = added(values, trimWhitespace(rawHeaders[index + 1] ?? ""));
    }
  }
  return values ?? noValues;
}

/** Returns how many characters the lines have together. */
export function totalLength(lines: readonly string[]): number {
  let length = 0;
  for (const line of lines) length += line.length;
  return length;
}

/** Returns the tokens of a list field, whose lines are read as one list: at least one token and at most `limit`. */
export function parseTokenList(
  lines: readonly string[],
  limit: number = Number.POSITIVE_INFINITY,
): string[] | ListProblem {
  return parseList(lines, limit, tokenCharacter);
}

/** Returns the products of `Upgrade` (RFC 9110 section 7.8), each a protocol name with an optional `/version`. */
export function parseProductList(lines: readonly string[]): string[] | ListProblem {
  return parseList(lines, Number.POSITIVE_INFINITY, productCharacter);
}

/** Whether a list that was read holds the token, which is given in lower case, in any case. */
export function hasToken(tokens: readonly string[] | ListProblem, token: string): boolean {
  return typeof tokens !== "string" && tokens.some((candidate) => candidate.toLowerCase() === token);
}

/**
 * Returns the elements of `Sec-WebSocket-Extensions`, whose lines are read as one list: at least one, at most `limit`.
 */
export function parseExtensionList(
  lines: readonly string[],
  limit: number = fieldLimits.maxExtensions,
): ExtensionElement[] | ListProblem {
  let elements: ExtensionElement[] | undefined;
  for (const text of lines) {
    let at = skipWhitespace(text, 0);
    while (at < text.length) {
      const end = skipCharacters(text, at, tokenCharacter);
      if (end > at) {
        if (elements?.length === limit) return "too-many";
        const parameters: [string, string | true][] = [];
        elements = added(elements, { name: text.slice(at, end), parameters });
        at = parseParameters(text, skipWhitespace(text, end), parameters);
      }
      at = skipComma(text, at);
      if (at === MALFORMED) return "malformed";
    }
  }
  return elements ?? "malformed";
}

/** Returns the host and port of a `Host` field or of an origin; undefined for other text, such as one with a path. */
export function parseAuthority(text: string): Authority | undefined {
  const literal = text.charCodeAt(0) === OPEN_BRACKET;
  let end = literal ? skipCharacters(text, 1, addressCharacter) : skipCharacters(text, 0, hostCharacter);
  if (literal) {
    if (end === 1 || text.charCodeAt(end) !== CLOSE_BRACKET) return undefined;
    end++;
  }
  if (end === 0) return undefined;
  const host = text.slice(0, end).toLowerCase();
  if (end === text.length) return { host, port: "" };
  if (text.charCodeAt(end) !== COLON || text.length - end > 6) return undefined;
  let port = 0;
  for (let index = end + 1; index < text.length; index++) {
    const digit = text.charCodeAt(index) - DIGIT_ZERO;
    if (digit < 0 || digit > 9) return undefined;
    port = port * 10 + digit;
  }
  if (port > 65_535) return undefined;
  return { host, port: text.length - end === 1 ? "" : String(port) };
}

/** Returns the text without the spaces and tabs around it. */
export function trimWhitespace(text: string): string {
  const start = skipWhitespace(text, 0);
  let end = text.length;
  while (end > start && isWhitespace(text.charCodeAt(end - 1))) end--;
  return text.slice(start, end);
}

const noValues: readonly string[] = [];

const TAB = 0x09;
const SPACE = 0x20;
const QUOTE = 0x22;
const COMMA = 0x2c;
const DIGIT_ZERO = 0x30;
const COLON = 0x3a;
const SEMICOLON = 0x3b;
const EQUALS = 0x3d;
const OPEN_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_BRACKET = 0x5d;

/** The position that stands for text that breaks the grammar. */
const MALFORMED = -1;

const tokenCharacter = 1;
const productCharacter = 2;
const hostCharacter = 4;
const addressCharacter = 8;

const alphanumeric = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const token = `!#$%&'*+-.^_\`|~${alphanumeric}`;
const characterClasses: Uint8Array = classify([
  [tokenCharacter, token],
  [productCharacter, `${token}/`],
  // RFC 3986 section 3.2.2: unreserved, percent-encoded and sub-delims, without the comma, which would make a list.
  [hostCharacter, `-._~%!$&'()*+;=${alphanumeric}`],
  // There is no zone identifier: RFC 6874 keeps it off the wire.
  [addressCharacter, "0123456789ABCDEFabcdef:."],
]);

function classify(classes: ReadonlyArray<readonly [bit: number, characters: string]>): Uint8Array {
  const table = new Uint8Array(128);
  for (const [bit, characters] of classes) {
    for (let index = 0; index < characters.length; index++) {
      const code = characters.charCodeAt(index);
      table[code] = (table[code] as number) | bit;
    }
  }
  return table;
}

function parseList(lines: readonly string[], limit: number, characterClass: number): string[] | ListProblem {
  let elements: string[] | undefined;
  for (const text of lines) {
    let at = skipWhitespace(text, 0);
    while (at < text.length) {
      const end = skipCharacters(text, at, characterClass);
      if (end > at) {
        if (elements?.length === limit) return "too-many";
        elements = added(elements, text.slice(at, end));
      }
      at = skipComma(text, skipWhitespace(text, end));
      if (at === MALFORMED) return "malformed";
    }
  }
  return elements ?? "malformed";
}

/** The elements and one more. V8 makes room for 17 when an empty array is pushed to, and most of these stay alone. */
function added<Element>(elements: Element[] | undefined, element: Element): Element[] {
  if (elements === undefined) return [element];
  elements.push(element);
  return elements;
}

/** Reads `*( ";" token [ "=" ( token | quoted-string ) ] )`; returns where it ends, or `MALFORMED`. */
function parseParameters(text: string, start: number, parameters: [string, string | true][]): number {
  let at = start;
  while (at < text.length && text.charCodeAt(at) === SEMICOLON) {
    const nameStart = skipWhitespace(text, at + 1);
    const nameEnd = skipCharacters(text, nameStart, tokenCharacter);
    if (nameEnd === nameStart) return MALFORMED;
    const parameter: [string, string | true] = [text.slice(nameStart, nameEnd), true];
    parameters.push(parameter);
    at = skipWhitespace(text, nameEnd);
    if (at < text.length && text.charCodeAt(at) === EQUALS)
      at = parseParameterValue(text, skipWhitespace(text, at + 1), parameter);
  }
  return at;
}

function parseParameterValue(text: string, start: number, parameter: [string, string | true]): number {
  if (start < text.length && text.charCodeAt(start) === QUOTE) return parseQuotedToken(text, start, parameter);
  const end = skipCharacters(text, start, tokenCharacter);
  if (end === start) return MALFORMED;
  parameter[1] = text.slice(start, end);
  return skipWhitespace(text, end);
}

/** Reads a quoted-string whose unescaped value must be a token (RFC 6455 section 9.1). */
function parseQuotedToken(text: string, start: number, parameter: [string, string | true]): number {
  let value = "";
  let at = start + 1;
  for (;;) {
    const end = skipCharacters(text, at, tokenCharacter);
    value += text.slice(at, end);
    const code = text.charCodeAt(end);
    if (code === QUOTE) {
      if (value === "") return MALFORMED;
      parameter[1] = value;
      return skipWhitespace(text, end + 1);
    }
    if (code !== BACKSLASH || !isOfClass(text.charCodeAt(end + 1), tokenCharacter)) return MALFORMED;
    value += text.slice(end + 1, end + 2);
    at = end + 2;
  }
}

/**
 * Returns the position after a comma and its whitespace, or the end of the text; `MALFORMED` for any other character.
 */
function skipComma(text: string, at: number): number {
  if (at >= text.length) return at;
  return text.charCodeAt(at) === COMMA ? skipWhitespace(text, at + 1) : MALFORMED;
}

function skipCharacters(text: string, start: number, characterClass: number): number {
  let at = start;
  while (at < text.length && isOfClass(text.charCodeAt(at), characterClass)) at++;
  return at;
}

function isOfClass(code: number, characterClass: number): boolean {
  return ((characterClasses[code] ?? 0) & characterClass) !== 0;
}

function skipWhitespace(text: string, start: number): number {
  let at = start;
  while (at < text.length && isWhitespace(text.charCodeAt(at))) at++;
  return at;
}

function isWhitespace(code: number): boolean {
  return code === SPACE || code === TAB;
}
