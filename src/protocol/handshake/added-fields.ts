/**
 * Header fields that programs add to a message of the opening handshake.
 *
 * A field that could break the head, or contradict one that the handshake itself sets, throws a TypeError before a byte
 * is written.
 */

import { describe } from "../check-options.ts";
import { isFieldValue, isToken } from "./header-fields.ts";

/** Header fields to add, as names and values; an array of pairs, a `Map` and a `Headers` object all do. */
export type HeaderEntries = Iterable<readonly [name: string, value: string]>;

/** Says whether programs must not set a field, whose name is given in lower case. */
export type IsReserved = (name: string) => boolean;

/** Returns the field as a line of a head. Throws a TypeError for what `checkAddedField` refuses. */
export function formatAddedField(name: string, value: string, isReserved: IsReserved): string {
  checkAddedField(name, value, isReserved);
  return `${name}: ${value}\r\n`;
}

/** Returns a field of the handshake's own as a line of a head. Throws a TypeError for an invalid value. */
export function formatField(name: string, value: string): string {
  return `${name}: ${checkFieldValue(name, value)}\r\n`;
}

/** Throws a TypeError for a name that is no token or is reserved, and for an invalid value. */
export function checkAddedField(name: string, value: string, isReserved: IsReserved): void {
  if (typeof name !== "string" || !isToken(name)) {
    throw new TypeError(`Cannot add the header field ${JSON.stringify(name)}: its name is not a token`);
  }
  if (isReserved(name.toLowerCase())) {
    const option = optionsOfFields[name.toLowerCase()] ?? "";
    throw new TypeError(`Cannot add the header field ${name}: the handshake sets it itself${option}`);
  }
  checkFieldValue(name, value);
}

/** Returns the value. Throws a TypeError when it is no string, or has a character that a field value may not have. */
export function checkFieldValue(name: string, value: string): string {
  if (typeof value !== "string") {
    throw new TypeError(`Cannot add the header field ${name}: its value must be a string, not ${describe(value)}`);
  }
  if (!isFieldValue(value)) {
    throw new TypeError(
      `Cannot add the header field ${name}: its value has a character that a field value may not have`,
    );
  }
  return value;
}

/** Fields that frame a message of HTTP/1.1. */
export function isFraming(name: string): boolean {
  return name === "connection" || name === "content-length" || name === "transfer-encoding";
}

/** Fields that the handshake sets, in a request or in a 101. */
export function isOwnedByHandshake(name: string): boolean {
  return name === "upgrade" || isFraming(name) || name.startsWith("sec-websocket-");
}

/** The options to use instead of a field of the handshake. */
const optionsOfFields: Readonly<Record<string, string>> = {
  "sec-websocket-protocol": "; the option is subprotocols",
  "sec-websocket-extensions": "; the option is compression",
};
