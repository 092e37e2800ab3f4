/**
 * Base64 with padding, RFC 4648 section 4.
 */

/** Encodes a few bytes; a long array would be too many arguments of one call. */
export function encodeBase64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes));
}

/** Decodes base64 that is known to be valid. */
export function decodeBase64(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}
