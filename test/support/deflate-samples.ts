/**
 * Messages of the kinds that make DEFLATE take each of its ways, made from a seed so that a failure can be had again, and
 * a writer of single back-references that no compressor would choose.
 */

/** Bytes that look random and are the same each time. */
export function noise(length: number, seed: number): Uint8Array {
  let state = (seed * 2_654_435_769 + 1) >>> 0;
  return Uint8Array.from({ length }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state >>> 24;
  });
}

/** Records with repeated keys, as most messages are. */
export function json(records: number): Uint8Array {
  const list = Array.from({ length: records }, (_, id) => ({ id, name: `user ${id * 7}`, score: (id * id) % 97 }));
  return new Uint8Array(Buffer.from(JSON.stringify(list)));
}

/** One message of each kind, none longer than 1 KiB: dynamic codes, fixed codes, stored blocks, long runs, all bytes. */
export const samples: Readonly<Record<string, Uint8Array>> = {
  "one byte": Uint8Array.of(0x41),
  "a short text": new Uint8Array(Buffer.from("Hello, Hello, 世界")),
  json: json(20),
  noise: noise(300, 1),
  zeros: new Uint8Array(600),
  "noise between texts": new Uint8Array(Buffer.concat([json(5), noise(200, 2), json(6)])),
  "few symbols": noise(500, 3).map((byte) => byte & 3),
};

/** A payload that copies 3 bytes from exactly `distance` bytes back, a power of two from 256 on. */
export function copyFrom(distance: number): Uint8Array {
  const exponent = Math.log2(distance);
  // RFC 1951 sections 3.2.5 and 3.2.6: a block with fixed codes; length 3; the last distance with these extra bits; end.
  const distanceCode = (2 * exponent - 1).toString(2).padStart(5, "0");
  const bits = `010${"0000001"}${distanceCode}${"1".repeat(exponent - 2)}${"0000000"}000`;
  const bytes = new Uint8Array(Math.ceil(bits.length / 8));
  [...bits].forEach((bit, index) => {
    bytes[index >> 3]! |= Number(bit) << (index & 7);
  });
  return bytes;
}
