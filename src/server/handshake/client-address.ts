/**
 * The address of a client, also where trusted proxies stand before the server (fault C10).
 *
 * Proxies tell it in `X-Forwarded-For` or in a header of the PROXY protocol. Read from the right, each entry of
 * `X-Forwarded-For` is the word of one proxy about the hop before it. Reading stops at the first hop that is not
 * trusted and at the first entry that is no address, so nothing that a client wrote is believed. `Forwarded` (RFC 7239)
 * is not read: a proxy that sets one of the two fields passes the other on as the client wrote it.
 */

import { BlockList, isIP, isIPv4, type Socket } from "node:net";
import { checkNumber } from "../../protocol/check-number.ts";
import type { UpgradeRequest } from "./upgrade-request.ts";

/**
 * The proxies that are believed: how many stand in a row, or a list of their addresses and ranges, such as `10.0.0.0/8`
 * or `::1`.
 *
 * With 1, the client's address is what the one proxy in front says. A number is only safe where every client comes
 * through the proxies.
 */
export type TrustProxy = number | readonly string[];

/** Whether a hop is believed: its address, and its number, which is 0 for the other end of the transport. */
export type ProxyTrust = (address: string | undefined, hop: number) => boolean;

/**
 * Turns the option into a function; undefined and 0 trust no proxy.
 *
 * Throws a RangeError for a number that is negative or not whole, and a TypeError for an entry that is no address or
 * range.
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
  const bits = isIPv4(address) ? 32 : 128;
  const length = prefix === undefined ? bits : Number(prefix);
  if (!isAddress(address) || length > bits) {
    throw new TypeError(`Cannot trust the proxy ${JSON.stringify(entry)}: it is not an IP address or a range of them`);
  }
  list.addSubnet(address, length, familyOf(address));
}

/**
 * The addresses that headers of the PROXY protocol gave. Node's own `remoteAddress` of such a socket is the proxy's.
 */
const proxiedAddresses = new WeakMap<object, string>();

/** Keeps the address that a header of the PROXY protocol gave for a socket. */
export function noteProxiedAddress(socket: Socket, address: string): void {
  proxiedAddresses.set(socket, address);
}

/** The address that a header gave for a socket, or for the transport under its TLS; undefined without such a header. */
function proxiedAddress(socket: object): string | undefined {
  const { _parent: under } = socket as { readonly _parent?: object | null };
  return proxiedAddresses.get(socket) ?? proxiedAddresses.get(under ?? socket);
}

/**
 * The address at the other end of the transport, or the one that a trusted proxy's header gave for it.
 *
 * The request is asked as well, since Node may hand over a stream of its own in place of the socket.
 */
export function otherEnd({
  request,
  socket,
}: Partial<UpgradeRequest> & Pick<UpgradeRequest, "socket">): string | undefined {
  const proxied = proxiedAddress(socket) ?? (request?.socket && proxiedAddress(request.socket));
  return proxied ?? (socket as Partial<Socket>).remoteAddress ?? request?.socket?.remoteAddress;
}

/** The address of the client that sent the request, as far as proxies are trusted. */
export function addressOf(exchange: UpgradeRequest, trust: ProxyTrust | undefined): string | undefined {
  const forwarded = exchange.request.headers["x-forwarded-for"];
  return clientAddress(otherEnd(exchange), forwarded?.toString(), trust);
}

/**
 * The client's address: `remoteAddress`, or the last address that a trusted proxy gives for the hop before it.
 *
 * `forwarded` is the value of `X-Forwarded-For`, with several fields joined in their order.
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

/** The address in an entry, with or without a port behind it; undefined for an entry that is no address. */
function addressIn(entry: string): string | undefined {
  if (isAddress(entry)) return entry;
  const [, inBrackets, v4] = /^(?:\[([^\]]*)\]|([\d.]+))(?::\d{1,5})?$/.exec(entry) ?? [];
  const address = inBrackets ?? v4 ?? "";
  return isAddress(address) && isIPv4(address) === (v4 !== undefined) ? address : undefined;
}

/** Whether a text is an address without a zone: a zone, as in `fe80::1%eth0`, has a meaning on one machine only. */
function isAddress(text: string): boolean {
  return isIP(text) !== 0 && !text.includes("%");
}

function familyOf(address: string): "ipv4" | "ipv6" {
  return isIPv4(address) ? "ipv4" : "ipv6";
}

/**
 * The key under which connections from an address are counted.
 *
 * For IPv6 it is the first 64 bits, since one customer is given at least that range. An IPv4 address that is written as
 * IPv6 counts as the IPv4 address.
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
