/**
 * Masking, RFC 6455 section 5.3, of bytes in the memory of the module, into which sockets read.
 */

/** FIN and the opcode of a whole text message; that of a binary one follows it. */
const wholeText: u32 = 0x81;
/** Bytes of the header of a masked frame with a length of 7 bits. */
const headerLength: u32 = 6;
const longestPlain: u32 = 125;
/** Of the result of `unmaskPlain`: whether a byte of text was not ASCII. */
const notAscii: u32 = 0x80000000;

/** XORs the bytes [at, end) with the four bytes of the key, the lowest first. Returns 0 if the result is ASCII. */
export function mask(at: u32, end: u32, key: u32): u32 {
  const keys = i32x4.splat(key);
  let seen = i32x4.splat(0);
  for (; at + 32 <= end; at += 32) {
    const first = v128.xor(v128.load(at), keys);
    const second = v128.xor(v128.load(at, 16), keys);
    v128.store(at, first);
    v128.store(at, second, 16);
    seen = v128.or(seen, v128.or(first, second));
  }
  let rest: u32 = 0;
  for (; at < end; at++) {
    const byte = <u32>load<u8>(at) ^ (key & 0xff);
    store<u8>(at, <u8>byte);
    rest |= byte;
    key = rotr(key, 8);
  }
  return i8x16.bitmask(seen) | (rest & 0x80);
}

/**
 * Unmasks the payloads of the plain frames from `at` on: whole text or binary messages, masked, with a length of 7 bits,
 * that end before `limit`. Returns the end of the last one, with bit 31 set if a byte of their text is not ASCII.
 */
export function unmaskPlain(at: u32, limit: u32): u32 {
  let seen: u32 = 0;
  while (at + headerLength <= limit) {
    const first = <u32>load<u8>(at);
    const length = <u32>load<u8>(at, 1) - 0x80;
    if (first - wholeText > 1 || length > longestPlain) break;
    const payload = at + headerLength;
    if (payload + length > limit) break;
    const some = mask(payload, payload + length, load<u32>(at, 2));
    if (first === wholeText && some !== 0) seen = notAscii;
    at = payload + length;
  }
  return at | seen;
}
