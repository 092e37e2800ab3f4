/**
 * Which address a client has when trusted proxies stand before the server (fault C10).
 *
 * Read from the right, `X-Forwarded-For` is what each proxy says of the one before it. We go on only while the one who
 * speaks is trusted, and stop at the first word that is no address, so that nothing a client writes itself is believed.
 * `Forwarded` (RFC 7239) is not read: a proxy that sets one of the two hands on the other as the client wrote it.
 */

import { BlockList, isIP, isIPv4 } from "node:net";
import { checkNumber } from "../../protocol/check-number.ts";
import { otherEnd, type UpgradeRequest } from "./refuse.ts";

/**
 * Which proxies are believed: so many in a row, or those with an address in the list, such as `10.0.0.0/8` or `::1`.
 *
 * With 1, the address is what the one proxy in front says. A number is for proxies that all clients must pass.
 */
export type TrustProxy = number | readonly string[];

/** Whether the one at `address` is believed, `hop` being 0 for the other end of the transport. */
export type ProxyTrust = (address: string | undefined, hop: number) => boolean;

/**
 * The option as a function; throws a RangeError for a number, or a TypeError for an entry, that cannot be. Undefined
 * trusts nobody.
 */
export function resolveTrust(option: TrustProxy | undefined): ProxyTrust | undefined {
  if (option === undefined || option === 0) return undefined;
  if (typeof option === "number") {
    checkNumber("trust proxies", "trustProxy", option, { least: 0, whole: true });
    return (_, hop) => hop < option;
  }
  if (!Array.isArray(option)) throw new TypeError("Cannot trust proxies: trustProxy must be a number or a list");
  const list = new BlockList();
  for (const entry of option) addRange(list, entry);
  return (address) => address !== undefined && list.check(address, familyOf(address));
}

function addRange(list: BlockList, entry: unknown): void {
  const [, address = "", prefix] = /^([^/]*)(?:\/(\d{1,3}))?$/.exec(String(entry)) ?? [];
  const most = isIPv4(address) ? 32 : 128;
  const length = prefix === undefined ? most : Number(prefix);
  if (!isAddress(address) || length > most) {
    throw new TypeError(`Cannot trust the proxy ${JSON.stringify(entry)}: it is not an IP address or a range of them`);
  }
  list.addSubnet(address, length, familyOf(address));
}

/** The address of the client that sent the request. */
export function addressOf(exchange: UpgradeRequest, trust: ProxyTrust | undefined): string | undefined {
  const forwarded = exchange.request.headers["x-forwarded-for"];
  return clientAddress(otherEnd(exchange), forwarded?.toString(), trust);
}

/**
 * The client's address: that of the other end, or what the trusted proxies say of who came to them.
 *
 * `forwarded` is the value of `X-Forwarded-For`, several fields joined in their order.
 */
export function clientAddress(
  remoteAddress: string | undefined,
  forwarded: string | undefined,
  trust: ProxyTrust | undefined,
): string | undefined {
  let address = remoteAddress;
  if (trust === undefined || forwarded === undefined) return address;
  let end = forwarded.length;
  for (let hop = 0; end >= 0 && trust(address, hop); hop++) {
    const comma = forwarded.lastIndexOf(",", end - 1);
    const start = end === 0 ? 0 : comma + 1;
    const said = addressIn(forwarded.slice(start, end).trim());
    if (said === undefined) return address;
    address = said;
    end = start - 1;
  }
  return address;
}

/** The address in an entry, which may have a port behind it; undefined when there is none. */
function addressIn(entry: string): string | undefined {
  if (isAddress(entry)) return entry;
  const [, inBrackets, v4] = /^(?:\[([^\]]*)\]|([\d.]+))(?::\d{1,5})?$/.exec(entry) ?? [];
  const address = inBrackets ?? v4 ?? "";
  return isAddress(address) && isIPv4(address) === (v4 !== undefined) ? address : undefined;
}

/** A zone, as in `fe80::1%eth0`, means something on one machine only. */
function isAddress(text: string): boolean {
  return isIP(text) !== 0 && !text.includes("%");
}

function familyOf(address: string): "ipv4" | "ipv6" {
  return isIPv4(address) ? "ipv4" : "ipv6";
}

/**
 * What stands for an address when connections are counted: itself, but for IPv6 the first 64 bits, since that is the
 * least that one customer is given; an IPv4 address written as IPv6 is the IPv4 address.
 */
export function addressKey(address: string): string {
  const mapped = /^::ffff:([\d.]+)$/i.exec(address)?.[1];
  if (mapped !== undefined) return mapped;
  if (!address.includes(":")) return address;
  const [before = "", after] = address.split("::");
  const groups = before === "" ? [] : before.split(":");
  const rest = after === undefined || after === "" ? [] : after.split(":");
  const zeros = 8 - groups.length - rest.length - (rest.at(-1)?.includes(".") ? 1 : 0);
  const all = after === undefined ? groups : [...groups, ...Array<string>(Math.max(0, zeros)).fill("0"), ...rest];
  return `${all
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(":")}::/64`;
}
