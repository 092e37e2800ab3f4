import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { longestProxyHeader, readProxyHeader } from "../../../src/server/listening/proxy-header.ts";
import { binaryHeader, binarySignature, ipv4Addresses, ipv6Addresses, tlv } from "../../support/proxy-headers.ts";

const line = (text: string) => Buffer.from(`${text}\r\n`, "latin1");
const documentation = "20010db8000000000000000000000001";

const taken: [title: string, header: Buffer, address: string | undefined][] = [
  ["TCP4", line("PROXY TCP4 192.0.2.1 198.51.100.7 56324 443"), "192.0.2.1"],
  ["the longest TCP4", line("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535"), "255.255.255.255"],
  ["TCP6", line("PROXY TCP6 2001:DB8::1 ::1 0 1"), "2001:db8::1"],
  ["TCP6 in full", line("PROXY TCP6 2001:0db8:0000:0000:0000:0000:0000:0001 ::1 56324 443"), "2001:db8::1"],
  ["IPv4 written as IPv6", line("PROXY TCP6 ::ffff:192.0.2.1 ::1 56324 443"), "192.0.2.1"],
  ["UNKNOWN", line("PROXY UNKNOWN"), undefined],
  ["UNKNOWN with whatever behind it", line("PROXY UNKNOWN a b c \x00\xff"), undefined],
  ["the longest UNKNOWN", line(`PROXY UNKNOWN ${"f".repeat(91)}`), undefined],
  ["version 2, IPv4", binaryHeader(), "192.0.2.1"],
  ["version 2, IPv6", binaryHeader({ families: 0x21, addresses: ipv6Addresses(documentation) }), "2001:db8::1"],
  [
    "version 2, IPv4 within IPv6",
    binaryHeader({ families: 0x21, addresses: ipv6Addresses("00000000000000000000ffffc0000201") }),
    "192.0.2.1",
  ],
  ["version 2 with extensions", binaryHeader({ tlvs: tlv(5, Buffer.from("id")) }), "192.0.2.1"],
  ["version 2 with a checksum, which is not looked at", binaryHeader({ tlvs: tlv(3, Buffer.alloc(4)) }), "192.0.2.1"],
  ["version 2 with extensions that make no sense", binaryHeader({ tlvs: Buffer.alloc(5, 0xff) }), "192.0.2.1"],
  ["the longest version 2", binaryHeader({ tlvs: Buffer.alloc(longestProxyHeader - 28) }), "192.0.2.1"],
  ["LOCAL", binaryHeader({ command: 0x20, families: 0, addresses: Buffer.alloc(0) }), undefined],
  ["LOCAL with addresses, which are not looked at", binaryHeader({ command: 0x20 }), undefined],
  ["an unknown family", binaryHeader({ families: 0, addresses: Buffer.alloc(0) }), undefined],
  ["an unknown family with something behind it", binaryHeader({ families: 0, addresses: Buffer.alloc(9) }), undefined],
  ["datagrams", binaryHeader({ families: 0x12 }), undefined],
  ["datagrams over IPv6", binaryHeader({ families: 0x22, addresses: Buffer.alloc(36) }), undefined],
  ["a Unix socket", binaryHeader({ families: 0x31, addresses: Buffer.alloc(216) }), undefined],
];

const malformed: [title: string, header: Buffer][] = [
  ["HTTP", Buffer.from("GET / HTTP/1.1\r\n")],
  ["TLS", Buffer.from([0x16, 0x03, 0x01])],
  ["lower case", line("proxy TCP4 192.0.2.1 198.51.100.7 56324 443")],
  ["no family", line("PROXY ")],
  ["another family", line("PROXY TCP5 192.0.2.1 198.51.100.7 56324 443")],
  ["nothing behind the family", line("PROXY TCP4")],
  ["a family of the other addresses", line("PROXY TCP6 192.0.2.1 198.51.100.7 56324 443")],
  ["and the other way round", line("PROXY TCP4 2001:db8::1 ::1 56324 443")],
  ["a zone", line("PROXY TCP6 fe80::1%eth0 ::1 56324 443")],
  ["a name", line("PROXY TCP4 localhost 198.51.100.7 56324 443")],
  ["no address of the proxy", line("PROXY TCP4 192.0.2.1 x 56324 443")],
  ["two spaces", line("PROXY TCP4  192.0.2.1 198.51.100.7 56324 443")],
  ["a space at the end", line("PROXY TCP4 192.0.2.1 198.51.100.7 56324 443 ")],
  ["one port", line("PROXY TCP4 192.0.2.1 198.51.100.7 56324")],
  ["three ports", line("PROXY TCP4 192.0.2.1 198.51.100.7 1 2 3")],
  ["a port too large", line("PROXY TCP4 192.0.2.1 198.51.100.7 65536 443")],
  ["a port with a zero before it", line("PROXY TCP4 192.0.2.1 198.51.100.7 056324 443")],
  ["a negative port", line("PROXY TCP4 192.0.2.1 198.51.100.7 -1 443")],
  ["a line end of LF alone, and no other", Buffer.from(`PROXY TCP4 192.0.2.1 198.51.100.7 1 2\n${"x".repeat(80)}`)],
  ["a line too long", line(`PROXY UNKNOWN ${"f".repeat(92)}`)],
  ["version 1 in the signature of 2", binaryHeader({ command: 0x11 })],
  ["version 3", binaryHeader({ command: 0x31 })],
  ["another command", binaryHeader({ command: 0x22 })],
  ["family 4", binaryHeader({ families: 0x41 })],
  ["transport 3", binaryHeader({ families: 0x13 })],
  ["IPv4 too short for it", binaryHeader({ addresses: Buffer.alloc(11) })],
  ["IPv6 too short for it", binaryHeader({ families: 0x21, addresses: Buffer.alloc(35) })],
  ["a Unix socket too short for it", binaryHeader({ families: 0x31, addresses: Buffer.alloc(215) })],
  ["LOCAL too short for its family", binaryHeader({ command: 0x20, addresses: Buffer.alloc(3) })],
  ["version 2 too long", binaryHeader({ tlvs: Buffer.alloc(longestProxyHeader - 27) })],
  ["version 2 that announces 65535 bytes", binaryHeader({ length: 65_535 })],
];

describe("readProxyHeader", () => {
  test.each(taken)("takes %s before any bytes, and waits for its last byte", (_, header, address) => {
    const whole = { length: header.length, address };
    expect(readProxyHeader(header)).toEqual(whole);
    for (const rest of ["GET / HTTP/1.1\r\n", header]) {
      expect(readProxyHeader(Buffer.concat([header, Buffer.from(rest)]))).toEqual(whole);
    }
    for (let length = 0; length < header.length; length++) {
      expect(readProxyHeader(header.subarray(0, length)), String(length)).toBe("incomplete");
    }
  });

  test.each(malformed)("refuses %s, at some byte and at every later one", (_, header) => {
    expect(readProxyHeader(header)).toBe("malformed");
    const results = Array.from({ length: header.length }, (__, length) => readProxyHeader(header.subarray(0, length)));
    const first = results.indexOf("malformed");
    const waited = first < 0 ? results : results.slice(0, first);
    expect(new Set(waited)).toEqual(new Set(["incomplete"]));
    if (first >= 0) expect(new Set(results.slice(first))).toEqual(new Set(["malformed"]));
  });

  test("never waits for more than the longest header", () => {
    for (const beginning of [Buffer.from("PROXY "), Buffer.from("PROXY UNKNOWN "), binarySignature]) {
      const endless = Buffer.concat([beginning, Buffer.alloc(2 * longestProxyHeader, 0x21)]);
      expect(readProxyHeader(endless.subarray(0, longestProxyHeader))).not.toBe("incomplete");
    }
  });

  test("never throws, never reads beyond its length, and judges a prefix like the whole [C20]", () => {
    const piece = fc.oneof(
      fc.uint8Array({ maxLength: 40 }),
      fc
        .constantFrom("PROXY ", "TCP4 ", "TCP6 ", "UNKNOWN", "192.0.2.1 ", "::1 ", "1 ", "2", "\r\n", "\r", "%")
        .map((text) => Buffer.from(text)),
      fc.constantFrom(
        binarySignature,
        Buffer.from([0x21, 0x11, 0, 12]),
        Buffer.from([0x21, 0x21, 0, 36]),
        Buffer.alloc(12),
      ),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 10 }), fc.nat(400), (pieces, cut) => {
        const bytes = Buffer.concat(pieces);
        const result = readProxyHeader(bytes);
        const earlier = readProxyHeader(bytes.subarray(0, cut));
        if (earlier !== "incomplete") expect(result).toEqual(earlier);
        if (typeof result === "string") return;
        expect(result.length).toBeLessThanOrEqual(bytes.length);
        expect(readProxyHeader(bytes.subarray(0, result.length))).toEqual(result);
      }),
      { numRuns: 5000 },
    );
  });

  test("reads every IPv4 and IPv6 address that was written, in both versions alike [C20]", () => {
    const address = fc.oneof(fc.ipV4(), fc.ipV6());
    fc.assert(
      fc.property(address, (source) => {
        const v4 = !source.includes(":");
        const text = readProxyHeader(line(`PROXY ${v4 ? "TCP4" : "TCP6"} ${source} ${v4 ? "1.2.3.4" : "::1"} 1 2`));
        const bytes = v4 ? ipv4Addresses(source) : ipv6Addresses(hexOf(source));
        const binary = readProxyHeader(binaryHeader({ families: v4 ? 0x11 : 0x21, addresses: bytes }));
        expect(text).toMatchObject({ address: expect.any(String) });
        expect((binary as { address?: string }).address).toBe((text as { address?: string }).address);
        if (v4) expect(text).toMatchObject({ address: source });
      }),
    );
  });
});

/** The 16 bytes of an IPv6 address in hex. */
function hexOf(address: string): string {
  const [, high, low] = /:(\d+\.\d+)\.(\d+\.\d+)$/.exec(address) ?? [];
  const hex = (pair: string) =>
    pair
      .split(".")
      .map((part) => Number(part).toString(16).padStart(2, "0"))
      .join("");
  const text = high === undefined ? address : address.replace(/\d+\.\d+\.\d+\.\d+$/, `${hex(high)}:${hex(low!)}`);
  const [before = "", after] = text.split("::");
  const groups = (part: string) => (part === "" ? [] : part.split(":"));
  const zeros = Array(8 - groups(before).length - groups(after ?? "").length).fill("0");
  const all = after === undefined ? groups(before) : [...groups(before), ...zeros, ...groups(after)];
  return all.map((group) => group.padStart(4, "0")).join("");
}
