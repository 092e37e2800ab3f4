/**
 * The request that asks a proxy for a tunnel, RFC 9110 section 9.3.6.
 */

import { checkAddedField, type HeaderEntries, isFraming } from "./added-fields.ts";

/**
 * Returns the header fields of a request for a tunnel, without those that name the server: the caller's fields, and the
 * credentials unless the caller's fields have some.
 *
 * Throws a TypeError for an invalid name or value, and for a field that names the server, frames the request or
 * upgrades.
 */
export function createProxyHeaders(
  headers: HeaderEntries,
  credentials: string | undefined,
): readonly (readonly [name: string, value: string])[] {
  const all: (readonly [name: string, value: string])[] = [];
  let authorized = credentials === undefined;
  for (const [name, value] of headers) {
    checkAddedField(name, value, isOwnedByTunnel);
    authorized ||= name.toLowerCase() === "proxy-authorization";
    all.push([name, value]);
  }
  return authorized ? all : [["Proxy-Authorization", credentials as string], ...all];
}

function isOwnedByTunnel(name: string): boolean {
  return name === "host" || name === "upgrade" || isFraming(name);
}
