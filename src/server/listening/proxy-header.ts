/**
 * The header of the PROXY protocol, versions 1 and 2, with which a proxy says whose connection it passes on, before
 * anything else and before TLS (HAProxy's proxy-protocol.txt).
 *
 * Reads bytes and nothing else. What the protocol does not allow is malformed; what it allows and we have no use for,
 * such as checks of the proxy itself, Unix sockets, datagrams and extensions (TLVs, CRC32c among them), names no
 * client.
 */

import { isIPv4, isIPv6 } from "node:net";

/** A header that has come whole. */
export interface ProxyHeader {
  /** How many bytes it has. */
  readonly length: number;
  /** The client's address; undefined where the header names none, and the connection is the proxy's own. */
  readonly address: string | undefined;
}

/** The longest header that is taken; extensions of the usual proxies have some hundred bytes. */
export const longestProxyHeader = 4096;

const textSignature = Buffer.from("PROXY ");
const binarySignature = Buffer.from("\r\n\r\n\0\r\nQUIT\n");
/** Of version 1, CRLF included. */
const longestLine = 107;
/** Of version 2, up to the addresses. */
const fixedLength = 16;

/** Reads the header that `bytes` begin with; never throws. */
export function readProxyHeader(bytes: Buffer): ProxyHeader | "incomplete" | "malformed" {
  if (beginsAs(bytes, binarySignature)) return readBinary(bytes);
  if (beginsAs(bytes, textSignature)) return readLine(bytes);
  return "malformed";
}

/** Whether the bytes have the signature, or as much of it as there is of them. */
function beginsAs(bytes: Buffer, signature: Buffer): boolean {
  const length = Math.min(bytes.length, signature.length);
  return bytes.compare(signature, 0, length, 0, length) === 0;
}

function readLine(bytes: Buffer): ReturnType<typeof readProxyHeader> {
  const end = bytes.subarray(0, longestLine).indexOf("\r\n");
  if (end < 0) return bytes.length < longestLine ? "incomplete" : "malformed";
  const length = end + 2;
  const [, family, source = "", destination = "", ...ports] = bytes.toString("latin1", 0, end).split(" ");
  if (family === "UNKNOWN") return { length, address: undefined };
  const isAddress = family === "TCP4" ? isIPv4 : family === "TCP6" ? isIPv6Alone : undefined;
  if (!isAddress?.(source) || !isAddress(destination) || ports.length !== 2 || !ports.every(isPort)) return "malformed";
  return { length, address: plainAddress(source) };
}

function readBinary(bytes: Buffer): ReturnType<typeof readProxyHeader> {
  if (bytes.length < fixedLength) return "incomplete";
  const [versionAndCommand, families] = [bytes[12]!, bytes[13]!];
  const length = fixedLength + bytes.readUInt16BE(14);
  const [command, family, transport] = [versionAndCommand & 0x0f, families >> 4, families & 0x0f];
  if (versionAndCommand >> 4 !== 2 || command > 1 || family > 3 || transport > 2) return "malformed";
  if (length > longestProxyHeader || length < fixedLength + addressLengths[family]!) return "malformed";
  if (bytes.length < length) return "incomplete";
  const forwards = command === 1 && transport === 1;
  if (forwards && family === 1) return { length, address: [...bytes.subarray(16, 20)].join(".") };
  if (!forwards || family !== 2) return { length, address: undefined };
  const groups = Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(16 + 2 * index).toString(16));
  return { length, address: plainAddress(groups.join(":")) };
}

/** The bytes of both addresses and ports, by family: none, IPv4, IPv6, Unix. */
const addressLengths: readonly number[] = [0, 12, 36, 216];

/** A zone means something on one machine only. */
function isIPv6Alone(text: string): boolean {
  return isIPv6(text) && !text.includes("%");
}

function isPort(text: string): boolean {
  return /^(?:0|[1-9]\d{0,4})$/.test(text) && Number(text) <= 65_535;
}

/** An address as Node writes those of its sockets: IPv6 in its shortest form, and IPv4 within it as IPv4. */
function plainAddress(address: string): string {
  if (isIPv4(address)) return address;
  const shortest = new URL(`http://[${address}]/`).hostname.slice(1, -1);
  const mapped = /^::ffff:([\da-f]{1,4}):([\da-f]{1,4})$/.exec(shortest);
  if (mapped === null) return shortest;
  const [high, low] = [Number.parseInt(mapped[1]!, 16), Number.parseInt(mapped[2]!, 16)];
  return [high >> 8, high & 255, low >> 8, low & 255].join(".");
}
