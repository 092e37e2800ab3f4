/** Headers of the PROXY protocol, built by hand from HAProxy's proxy-protocol.txt. */

/** The twelve bytes that a header of version 2 begins with. */
export const binarySignature: Buffer = Buffer.from([
  0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a,
]);

/** What a header of version 2 says. */
export interface BinaryHeader {
  /** 0x20 for LOCAL, 0x21 for PROXY. */
  readonly command?: number;
  /** 0x11 for TCP over IPv4, 0x21 for TCP over IPv6. */
  readonly families?: number;
  /** The addresses and ports. */
  readonly addresses?: Uint8Array;
  /** Extensions behind them. */
  readonly tlvs?: Uint8Array;
  /** The length that is announced in the place of the true one. */
  readonly length?: number;
}

/** A header of version 2. */
export function binaryHeader({
  command = 0x21,
  families = 0x11,
  addresses = ipv4Addresses("192.0.2.1"),
  tlvs = new Uint8Array(0),
  length = addresses.length + tlvs.length,
}: BinaryHeader = {}): Buffer {
  const fixed = Buffer.from([command, families, length >> 8, length & 255]);
  return Buffer.concat([binarySignature, fixed, addresses, tlvs]);
}

/** Source, destination and both ports. */
export function ipv4Addresses(source: string): Buffer {
  return Buffer.from([...source.split(".").map(Number), 198, 51, 100, 7, 0xde, 0xad, 0x01, 0xbb]);
}

/** The same of IPv6; the source as its 16 bytes in hex. */
export function ipv6Addresses(source: string): Buffer {
  return Buffer.concat([Buffer.from(source, "hex"), Buffer.alloc(15), Buffer.from([1, 0xde, 0xad, 0x01, 0xbb])]);
}

/** One extension. */
export function tlv(type: number, value: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from([type, value.length >> 8, value.length & 255]), value]);
}
