/**
 * SHA-1, RFC 3174: what RFC 6455 section 4.2.2 hashes the key of a handshake with.
 *
 * Web Cryptography has it too, but only by a promise, and only in secure contexts.
 */

import { encodeBase64 } from "./base64.ts";
import { type CryptoModule, nodeCrypto } from "./natives.ts";
import { encodeUtf8 } from "./text.ts";

const blockSize = 64;

/** Returns the hash of the text's UTF-8 in base64. */
export const sha1InBase64: (text: string) => string =
  nodeCrypto === undefined ? (text) => encodeBase64(sha1(encodeUtf8(text))) : hashNatively(nodeCrypto);

/** Returns the hash of the bytes, which is 20 bytes long. */
export function sha1(message: Uint8Array): Uint8Array<ArrayBuffer> {
  const padded = pad(message);
  const hash = Uint32Array.of(0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0);
  const words = new Uint32Array(80);
  for (let at = 0; at < padded.byteLength; at += blockSize) addBlock(hash, words, new DataView(padded, at, blockSize));
  const result = new DataView(new ArrayBuffer(hash.byteLength));
  for (const [index, word] of hash.entries()) result.setUint32(index * 4, word);
  return new Uint8Array(result.buffer);
}

function hashNatively({ hash }: CryptoModule): typeof sha1InBase64 {
  return (text) => hash("sha1", text, "base64");
}

/** The message, a one bit, zeros, and the message's length in bits as the last eight bytes of whole blocks. */
function pad(message: Uint8Array): ArrayBuffer {
  const blocks = Math.ceil((message.length + 9) / blockSize);
  const padded = new Uint8Array(blocks * blockSize);
  padded.set(message);
  padded[message.length] = 0x80;
  new DataView(padded.buffer).setBigUint64(padded.length - 8, BigInt(message.length) * 8n);
  return padded.buffer;
}

/** The method of section 6.1 for one block; `words` is overwritten. */
function addBlock(hash: Uint32Array, words: Uint32Array, block: DataView): void {
  for (let t = 0; t < 16; t++) words[t] = block.getUint32(t * 4);
  for (let t = 16; t < 80; t++) words[t] = turn(words[t - 3]! ^ words[t - 8]! ^ words[t - 14]! ^ words[t - 16]!, 1);
  let [a, b, c, d, e] = hash as unknown as [number, number, number, number, number];
  for (let t = 0; t < 80; t++) {
    const next = (turn(a, 5) + mixed(t, b, c, d) + e + words[t]!) | 0;
    e = d;
    d = c;
    c = turn(b, 30);
    b = a;
    a = next;
  }
  [a, b, c, d, e].forEach((word, index) => {
    hash[index]! += word;
  });
}

/** The function and the constant of section 5 for step `t`, added. */
function mixed(t: number, b: number, c: number, d: number): number {
  if (t < 20) return ((b & c) | (~b & d)) + 0x5a827999;
  if (t < 40) return (b ^ c ^ d) + 0x6ed9eba1;
  if (t < 60) return ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdc;
  return (b ^ c ^ d) + 0xca62c1d6;
}

/** The word rotated to the left. */
function turn(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits));
}
