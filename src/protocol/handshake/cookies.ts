/**
 * The `Cookie` field of a request, as user agents write it (RFC 6265 sections 4.2 and 5.4): `name=value` pairs between
 * semicolons.
 */

import { isToken, trimWhitespace } from "./header-fields.ts";

/**
 * The cookies of a `Cookie` field by name. Values are as they were set: nothing is decoded, and quotes are a part of them.
 *
 * Of several with one name the first counts, which is the one with the longest path. What has no name, or one that is no
 * token, is passed over; never throws.
 */
export function parseCookies(field: string): ReadonlyMap<string, string> {
  const cookies = new Map<string, string>();
  for (const pair of field.split(";")) {
    const equals = pair.indexOf("=");
    const name = trimWhitespace(pair.slice(0, Math.max(equals, 0)));
    if (!isToken(name) || cookies.has(name)) continue;
    cookies.set(name, trimWhitespace(pair.slice(equals + 1)));
  }
  return cookies;
}
