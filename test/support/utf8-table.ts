/** UTF-8 as the syntax of RFC 3629 section 4 gives it, written as regular expressions over bytes. */

const tail = "[\\x80-\\xbf]";
const one = "[\\x00-\\x7f]";
const two = `[\\xc2-\\xdf]${tail}`;
const three = `(?:\\xe0[\\xa0-\\xbf]|[\\xe1-\\xec\\xee\\xef]${tail}|\\xed[\\x80-\\x9f])${tail}`;
const four = `(?:\\xf0[\\x90-\\xbf]|[\\xf1-\\xf3]${tail}|\\xf4[\\x80-\\x8f])${tail}${tail}`;
const cutOff =
  "[\\xc2-\\xf4]|" +
  `(?:\\xe0[\\xa0-\\xbf]|[\\xe1-\\xec\\xee\\xef]${tail}|\\xed[\\x80-\\x9f])|` +
  `(?:\\xf0[\\x90-\\xbf]|[\\xf1-\\xf3]${tail}|\\xf4[\\x80-\\x8f])${tail}?`;

const whole = new RegExp(`^(?:${one}|${two}|${three}|${four})*$`);
const prefix = new RegExp(`^(?:${one}|${two}|${three}|${four})*(?:${cutOff})?$`);

function asText(bytes: Iterable<number>): string {
  return Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
}

/** Whether the bytes are UTF-8. */
export function isWholeUtf8(bytes: Iterable<number>): boolean {
  return whole.test(asText(bytes));
}

/** Whether the bytes are the beginning of some UTF-8. */
export function canBecomeUtf8(bytes: Iterable<number>): boolean {
  return prefix.test(asText(bytes));
}
