/**
 * The proxy of a connection: the caller's choice, or the environment's (RFC 6455 section 4.1 item 3).
 *
 * The environment never decides for the loopback interface. In a CGI program, a variable that a request can set is not
 * read.
 */

import { BlockList, isIP } from "node:net";
import { checkOptions, type OptionTable } from "../../protocol/check-options.ts";
import { HandshakeError } from "../../protocol/handshake/handshake-error.ts";
import { createProxyHeaders } from "../../protocol/handshake/tunnel-request.ts";
import { checkPem } from "../../transport/tls-files.ts";
import { type GivenHeaders, type HeaderPairs, headerPairs } from "./http-request.ts";
import type { TlsOptions } from "./secure.ts";
import { basicCredentials, hostOf, isLocalhost, portOf, withoutRootDot } from "./url.ts";

/** A proxy, with options of its own. */
export interface ProxyOptions {
  /** An http, https or socks5 URL; socks5h and socks mean the same. Its user name and password are the credentials. */
  readonly url: string | URL;
  /** TLS to an https proxy itself; TLS to the server behind it has the options of `connect`. Default: Node's. */
  readonly tls?: TlsOptions;
  /**
   * Fields to add to the request for a tunnel, such as `User-Agent`; a `Proxy-Authorization` takes the place of the
   * URL's credentials. Not for socks5. Default: none.
   */
  readonly headers?: GivenHeaders;
}

/** A proxy by its URL or with options, or false for none. */
export type ProxyChoice = string | URL | ProxyOptions | false;

/** The option `proxy` of `connect`: a choice, or a function that makes one for a URL. */
export type ProxyOption = ProxyChoice | ((url: URL) => ProxyChoice | undefined | Promise<ProxyChoice | undefined>);

/** A proxy whose options have been read. */
export interface ProxyServer {
  readonly url: URL;
  readonly protocol: "http:" | "https:" | "socks5:";
  readonly host: string;
  readonly port: number;
  readonly tls: TlsOptions | undefined;
  /** Fields of the CONNECT request besides those that name the server. */
  readonly headers: HeaderPairs;
}

/** The server to which a tunnel leads; an IPv6 address has no brackets. */
export interface TunnelTarget {
  readonly host: string;
  readonly port: number;
}

/** A tunnel through a proxy. */
export interface Tunnel {
  readonly proxy: ProxyServer;
  readonly target: TunnelTarget;
  /** The largest head of an HTTP proxy's answer, in bytes. */
  readonly maxHeaderSize: number;
}

type Environment = Readonly<Record<string, string | undefined>>;

const proxyTable: OptionTable<ProxyOptions> = { url: "any", tls: "object", headers: ["object", "array"] };
/** The schemes that mean SOCKS5; GNOME writes the last one into the environment. */
const socksNames: readonly string[] = ["socks5:", "socks5h:", "socks:"];
const defaultPorts: Readonly<Record<string, number>> = { "http:": 80, "https:": 443, "socks5:": 1080 };

/**
 * The proxy for a ws or wss URL; undefined for none.
 *
 * Rejects with a `HandshakeError` of the rule `proxy-failed` when the choice is no URL of a known scheme, and with a
 * TypeError for options that cannot be.
 */
export async function chooseProxy(
  url: URL,
  option: ProxyOption | undefined,
  environment: Environment = process.env,
): Promise<ProxyServer | undefined> {
  const choice = typeof option === "function" ? ((await option(url)) ?? false) : option;
  return readProxy(choice ?? proxyOfEnvironment(url, environment) ?? false);
}

/** The proxy that the environment names for a ws or wss URL; undefined for none. */
export function proxyOfEnvironment(url: URL, environment: Environment): string | undefined {
  const name = url.protocol === "wss:" ? "https_proxy" : "http_proxy";
  const proxy = variable(environment, name) ?? variable(environment, "all_proxy");
  if (proxy === undefined || isLoopback(hostOf(url))) return undefined;
  return isExempt(url, variable(environment, "no_proxy") ?? "") ? undefined : proxy;
}

function readProxy(choice: ProxyChoice): ProxyServer | undefined {
  if (choice === false) return undefined;
  const given: ProxyOptions = typeof choice === "string" || choice instanceof URL ? { url: choice } : choice;
  checkOptions("use the proxy", given, proxyTable);
  if (given.tls) checkPem("use the proxy", given.tls);
  const { url, tls, headers = [] } = given;
  const parsed = parseProxyUrl(url);
  const protocol = socksNames.includes(parsed.protocol) ? "socks5:" : parsed.protocol;
  if ((protocol !== "http:" && protocol !== "https:" && protocol !== "socks5:") || parsed.hostname === "") {
    throw new HandshakeError("proxy-failed", { detail: "its URL is not one of http, https or socks5" });
  }
  const port = parsed.port === "" ? defaultPorts[protocol]! : Number(parsed.port);
  if (protocol === "socks5:" && given.headers) {
    throw new TypeError("Cannot use the proxy: header fields are for http and https proxies");
  }
  const credentials = basicCredentials(parsed);
  return {
    url: parsed,
    protocol,
    host: hostOf(parsed),
    port,
    tls,
    headers: createProxyHeaders(headerPairs(headers), credentials),
  };
}

/** Parses the URL of a proxy; without a scheme, which many leave out in the environment, http is meant. */
function parseProxyUrl(url: string | URL): URL {
  try {
    return new URL(typeof url === "string" && !url.includes("://") ? `http://${url}` : url);
  } catch {
    // The error of `URL` holds the whole text, password included (fault C21).
    throw new HandshakeError("proxy-failed", { detail: "its URL is not valid" });
  }
}

/** A variable in lower case, else in upper case. A request's field `Proxy` becomes HTTP_PROXY in a CGI program. */
function variable(environment: Environment, name: string): string | undefined {
  const forged = name === "http_proxy" && environment.REQUEST_METHOD !== undefined;
  return environment[name] || (forged ? undefined : environment[name.toUpperCase()] || undefined);
}

/**
 * Whether an entry of `no_proxy` names the host, a domain above it or a range of addresses, each with an optional port.
 */
function isExempt(url: URL, exemptions: string): boolean {
  const host = withoutRootDot(hostOf(url));
  const port = String(portOf(url));
  return exemptions.split(/[\s,]+/).some((entry) => {
    if (entry === "*") return true;
    const { name, entryPort } = splitEntry(entry.toLowerCase());
    if (name === "" || (entryPort !== undefined && entryPort !== port)) return false;
    return isIP(host) === 0 ? host === name || host.endsWith(`.${name}`) : isInRange(host, name);
  });
}

/** The name and the port of an entry, without brackets and without a wildcard before a domain. */
function splitEntry(entry: string): { name: string; entryPort: string | undefined } {
  const match = isIP(entry) === 6 || entry.includes("/") ? undefined : /^(.*):(\d+)$/.exec(entry);
  const name = match?.[1] ?? entry;
  return {
    name: withoutRootDot(name)
      .replace(/^\*?\./, "")
      .replace(/^\[(.*)\]$/, "$1"),
    entryPort: match?.[2],
  };
}

function isInRange(address: string, range: string): boolean {
  const [network = "", prefix] = range.split("/");
  const family = isIP(network);
  const length = family === 4 ? 32 : 128;
  const bits = Number(prefix ?? length);
  if (family === 0 || prefix === "" || !(Number.isInteger(bits) && bits >= 0 && bits <= length)) return false;
  const list = new BlockList();
  list.addSubnet(network, bits, family === 4 ? "ipv4" : "ipv6");
  return list.check(address, isIP(address) === 4 ? "ipv4" : "ipv6");
}

function isLoopback(host: string): boolean {
  return isLocalhost(host) || (isIP(host) !== 0 && loopback.check(host, isIP(host) === 4 ? "ipv4" : "ipv6"));
}

const loopback = new BlockList();
loopback.addSubnet("127.0.0.0", 8);
loopback.addAddress("::1", "ipv6");
