/** The header fields of a good opening handshake, and ways to spoil them. */

/** The key of the example in RFC 6455 section 1.3. */
export const key = "dGhlIHNhbXBsZSBub25jZQ==";
/** What answers that key. */
export const accept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/** A header field. */
export type Pair = [name: string, value: string];

/** The fields of a good request, some of them replaced by others, in their place: an empty list removes the field. */
export function requestFields(replaced: Record<string, Pair[]> = {}, added: Pair[] = []): string[] {
  const fields: Pair[] = [
    ["Host", "example.com"],
    ["Upgrade", "websocket"],
    ["Connection", "Upgrade"],
    ["Sec-WebSocket-Key", key],
    ["Sec-WebSocket-Version", "13"],
  ];
  return [...fields.flatMap((field) => replaced[field[0]] ?? [field]), ...added].flat();
}

/** The fields of a good response, with some of them replaced in the same way. */
export function responseFields(replaced: Record<string, Pair[]> = {}, added: Pair[] = []): string[] {
  const fields: Pair[] = [
    ["Upgrade", "websocket"],
    ["Connection", "Upgrade"],
    ["Sec-WebSocket-Accept", accept],
  ];
  return [...fields.flatMap((field) => replaced[field[0]] ?? [field]), ...added].flat();
}

/** What is thrown for an invalid value. */
export function badValue(name: string): TypeError {
  return new TypeError(
    `Cannot add the header field ${name}: its value has a character that a field value may not have`,
  );
}

/** Replaces a field by several, for `requestFields` and `responseFields`. */
export function values(name: string, ...list: string[]): Record<string, Pair[]> {
  return { [name]: list.map((value) => [name, value]) };
}

/** A good request. */
export const good = { method: "GET", httpVersion: "1.1", target: "/chat?a=b", rawHeaders: requestFields() };
