/**
 * The header of the PROXY protocol, versions 1 and 2, in which a proxy gives the address of the client before any other
 * byte, TLS included (HAProxy's proxy-protocol.txt).
 *
 * A header that the protocol does not allow is malformed. Allowed headers without use here name no client: checks of
 * the proxy itself, Unix sockets and datagrams. Extensions (TLVs, CRC32c among them) are passed over.
 */

import { isIPv4, isIPv6 } from "node:net";

/** A complete header. */
export interface ProxyHeader {
  /** The length in bytes. */
  readonly length: number;
  /** The client's address; undefined where the header names none, as for the proxy's own connections. */
  readonly address: string | undefined;
}

/** The longest accepted header, in bytes. The extensions of the usual proxies have some hundred bytes. */
export const longestProxyHeader = 4096;

const textSignature = Buffer.from("PROXY ");
const binarySignature = Buffer.from("\r\n\r\n\0\r\nQUIT\n");
/** The longest header of version 1 in bytes, CRLF included. */
const longestLine = 107;
/** The length of a header of version 2 up to the addresses, in bytes. */
const fixedLength = 16;

/** Reads the header at the beginning of `bytes`. Never throws. */
export function readProxyHeader(bytes: Buffer): ProxyHeader | "incomplete" | "malformed" {
  if (beginsAs(bytes, binarySignature)) return readBinary(bytes);
  if (beginsAs(bytes, textSignature)) return readLine(bytes);
  return "malformed";
}

/** Whether the bytes begin with the signature, or are its beginning. */
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

/** The length of both addresses and ports in bytes, by family: none, IPv4, IPv6, Unix. */
const addressLengths: readonly number[] = [0, 12, 36, 216];

/** Whether a text is an IPv6 address without a zone: a zone has a meaning on one machine only. */
function isIPv6Alone(text: string): boolean {
  return isIPv6(text) && !text.includes("%");
}

function isPort(text: string): boolean {
  return /^(?:0|[1-9]\d{0,4})$/.test(text) && Number(text) <= 65_535;
}

/** An address in the form that Node's sockets have: IPv6 in its shortest form, and IPv4 within IPv6 as IPv4. */
function plainAddress(address: string): string {
  if (isIPv4(address)) return address;
  const shortest = new URL(`http://[${address}]/`).hostname.slice(1, -1);
  const mapped = /^::ffff:([\da-f]{1,4}):([\da-f]{1,4})$/.exec(shortest);
  if (mapped === null) return shortest;
  const [high, low] = [Number.parseInt(mapped[1]!, 16), Number.parseInt(mapped[2]!, 16)];
  return [high >> 8, high & 255, low >> 8, low & 255].join(".");
}
