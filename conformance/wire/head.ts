/**
 * The judge's own reader and writer of the opening handshake, RFC 6455 section 4 and RFC 9112.
 *
 * Heads are written as given, broken ones too. A head that is read keeps its raw lines, so that a case can
 * ask for duplicates, order and spelling.
 */
import { createHash } from "node:crypto";

/** A request or response head as it stood on the wire. */
export interface Head {
  readonly startLine: string;
  /** Field lines in order, name and value apart, optional whitespace trimmed. */
  readonly fields: readonly (readonly [name: string, value: string])[];
  readonly raw: string;
}

const LIMIT = 256 * 1024;

/** Splits a head off `bytes`; `undefined` while the blank line is missing. */
export function splitHead(bytes: Buffer): { head: Head; rest: Buffer } | undefined {
  const end = bytes.indexOf("\r\n\r\n");
  if (end === -1) {
    if (bytes.length > LIMIT) throw new Error("The head does not end within 256 KiB");
    return undefined;
  }
  return { head: parseHead(bytes.toString("latin1", 0, end + 4)), rest: bytes.subarray(end + 4) };
}

/** Reads the lines of a head. */
export function parseHead(raw: string): Head {
  const [startLine = "", ...lines] = raw.trimEnd().split("\r\n");
  const fields = lines.map((line): [string, string] => {
    const colon = line.indexOf(":");
    return colon === -1 ? [line, ""] : [line.slice(0, colon), line.slice(colon + 1).trim()];
  });
  return { startLine, fields, raw };
}

/** All values of a field, in order. */
export function valuesOf(head: Head, name: string): string[] {
  return head.fields.filter(([field]) => field.toLowerCase() === name.toLowerCase()).map(([, value]) => value);
}

/** The status code of a response head; 0 when the start line is not a status line. */
export function statusOf(head: Head): number {
  const [, status] = /^HTTP\/1\.[01] (\d{3})(?: |$)/.exec(head.startLine) ?? [];
  return status === undefined ? 0 : Number(status);
}

/** Whether a comma-separated field holds `token`, ASCII case-insensitively. */
export function hasToken(head: Head, name: string, token: string): boolean {
  return valuesOf(head, name)
    .join(",")
    .split(",")
    .some((part) => part.trim().toLowerCase() === token.toLowerCase());
}

/** `Sec-WebSocket-Accept` for a key, RFC 6455 section 4.2.2. */
export function acceptFor(key: string): string {
  return createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
}

/** One element of `Sec-WebSocket-Extensions`. */
export interface ExtensionElement {
  readonly name: string;
  readonly params: ReadonlyMap<string, string | true>;
}

/** Reads extension elements; good enough for what a correct peer writes. */
export function parseExtensions(values: readonly string[]): ExtensionElement[] {
  const elements = values
    .join(",")
    .split(",")
    .map((element) => element.trim());
  return elements.filter(Boolean).map((element) => {
    const [name = "", ...params] = element.split(";").map((part) => part.trim());
    return { name, params: new Map(params.map(readParameter)) };
  });
}

function readParameter(text: string): [string, string | true] {
  const [name = "", value] = text.split("=").map((part) => part.trim());
  return [name, value === undefined ? true : value.replace(/^"(.*)"$/, "$1")];
}
