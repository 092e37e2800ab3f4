/**
 * A tunnel through a proxy to the server's host and port: HTTP CONNECT (RFC 9110 section 9.3.6) or SOCKS5 (RFC 1928, RFC
 * 1929).
 *
 * The proxy resolves the server's name. Its credentials are sent to it alone.
 */

import { Buffer } from "node:buffer";
import { isIP } from "node:net";
import type { Duplex } from "node:stream";
import { HandshakeError } from "../../protocol/handshake/handshake-error.ts";
import { failed } from "./dial.ts";
import { beginningOfBody, exchange } from "./http-request.ts";
import type { Attempt } from "./pending-handshake.ts";
import type { ProxyServer } from "./proxy.ts";
import { statusWords } from "./refusal-words.ts";
import { decodeUserinfo } from "./url.ts";

/** Where the tunnel shall lead; an IPv6 address has no brackets. */
export interface TunnelTarget {
  readonly host: string;
  readonly port: number;
}

/** What a tunnel needs to know. */
export interface TunnelOptions {
  readonly proxy: ProxyServer;
  readonly target: TunnelTarget;
  /** The largest head of an HTTP proxy's answer, in bytes. */
  readonly maxHeaderSize: number;
}

/** Opens the tunnel over a stream to the proxy; afterwards the stream is one to the server. */
export function tunnel(attempt: Attempt, stream: Duplex, options: TunnelOptions): Promise<void> {
  return options.proxy.protocol === "socks5:"
    ? socksTunnel(attempt, stream, options)
    : httpTunnel(attempt, stream, options);
}

/** Whatever goes wrong on the way to a proxy or with it, as an error of the rule `proxy-failed`. */
export function proxyFailed(error: unknown): HandshakeError {
  if (!(error instanceof HandshakeError)) return failed("proxy-failed", error);
  if (error.rule === "proxy-failed") return error;
  return failed("proxy-failed", error.cause ?? new Error(error.message), error.status);
}

async function httpTunnel(
  attempt: Attempt,
  stream: Duplex,
  { proxy, target: { host, port }, maxHeaderSize }: TunnelOptions,
): Promise<void> {
  const authority = `${isIP(host) === 6 ? `[${host}]` : host}:${port}`;
  const headers: (readonly [string, string])[] = [
    ["Host", authority],
    // Proxies of HTTP/1.0 take the tunnel for a connection that is over after one answer.
    ["Connection", "keep-alive"],
    ...proxy.headers,
  ];
  const head = await exchange(attempt, stream, { method: "CONNECT", path: authority, headers }, maxHeaderSize);
  const { response, rest, problem } = head;
  if (response.status < 200 || response.status > 299 || problem !== undefined) {
    const { status, rawHeaders } = response;
    const body = await beginningOfBody(attempt, stream, head);
    const detail = `it answered ${statusWords(response, body)}${problem === undefined ? "" : `, and ${problem}`}`;
    throw new HandshakeError("proxy-failed", { detail, status, headers: rawHeaders, body });
  }
  if (rest.length > 0) stream.unshift(rest);
}

const socksVersion = 5;
const noAuthentication = 0;
const userNameAndPassword = 2;
const connectCommand = 1;

const socksFailures: Readonly<Record<number, string>> = {
  1: "it has a general failure",
  2: "its rules do not allow this server",
  3: "the server's network cannot be reached",
  4: "the server's host cannot be reached",
  5: "the server refused",
  6: "the time to live expired",
  7: "it does not know CONNECT",
  8: "it does not know this type of address",
};

async function socksTunnel(attempt: Attempt, stream: Duplex, { proxy: { url }, target }: TunnelOptions): Promise<void> {
  const withPassword = url.username !== "" || url.password !== "";
  const methods = withPassword ? [noAuthentication, userNameAndPassword] : [noAuthentication];
  stream.write(Buffer.from([socksVersion, methods.length, ...methods]));
  const [version, method] = await take(attempt, stream, 2);
  if (version !== socksVersion) throw proxyError("it does not speak SOCKS5");
  if (method === userNameAndPassword && withPassword) await authenticate(attempt, stream, url);
  else if (method !== noAuthentication) throw proxyError("it wants another way to authenticate");
  stream.write(connectRequest(target));
  const [, reply, , addressType] = await take(attempt, stream, 4);
  if (reply !== 0) throw proxyError(socksFailures[reply!] ?? `it answered ${reply}`);
  await take(attempt, stream, (await addressLength(attempt, stream, addressType!)) + 2);
}

async function authenticate(attempt: Attempt, stream: Duplex, url: URL): Promise<void> {
  const name = decodeUserinfo(url.username);
  const password = decodeUserinfo(url.password);
  if (name.length > 255 || password.length > 255)
    throw proxyError("its user name and password have more than 255 bytes");
  stream.write(Buffer.concat([Buffer.from([1, name.length]), name, Buffer.from([password.length]), password]));
  const [, status] = await take(attempt, stream, 2);
  if (status !== 0) throw proxyError("it did not accept the user name and password");
}

function connectRequest({ host, port }: TunnelTarget): Buffer {
  const head = [socksVersion, connectCommand, 0];
  const portBytes = [port >> 8, port & 255];
  const family = isIP(host);
  if (family === 4) return Buffer.from([...head, 1, ...host.split(".").map(Number), ...portBytes]);
  if (family === 6) return Buffer.from([...head, 4, ...addressBytes(host), ...portBytes]);
  const name = Buffer.from(host);
  if (name.length > 255) throw proxyError("the server's name has more than 255 bytes");
  return Buffer.from([...head, 3, name.length, ...name, ...portBytes]);
}

/** The 16 bytes of an IPv6 address as a URL serialises it: without a dotted part. */
function addressBytes(address: string): number[] {
  const [front = "", back] = address.split("::");
  const read = (part: string) => (part === "" ? [] : part.split(":").map((group) => Number.parseInt(group, 16)));
  const first = read(front);
  const second = back === undefined ? [] : read(back);
  const groups = [...first, ...new Array<number>(8 - first.length - second.length).fill(0), ...second];
  return groups.flatMap((group) => [group >> 8, group & 255]);
}

async function addressLength(attempt: Attempt, stream: Duplex, type: number): Promise<number> {
  if (type === 1) return 4;
  if (type === 4) return 16;
  if (type === 3) return (await take(attempt, stream, 1))[0]!;
  throw proxyError("its answer has an unknown type of address");
}

/** Reads exactly so many bytes, and leaves those behind them in the stream. */
function take(attempt: Attempt, stream: Duplex, length: number): Promise<Buffer> {
  return attempt.until(
    new Promise((resolve, reject) => {
      const settle = (then: () => void) => {
        stream.off("readable", read).off("error", broke).off("end", ended).off("close", ended);
        then();
      };
      const read = () => {
        const bytes: Buffer | null = stream.read(length);
        if (bytes?.length === length) settle(() => resolve(bytes));
      };
      const broke = (error: Error) => settle(() => reject(failed("proxy-failed", error)));
      const ended = () => settle(() => reject(proxyError("it closed the connection")));
      stream.on("readable", read).on("error", broke).on("end", ended).on("close", ended);
      read();
    }),
  );
}

function proxyError(detail: string): HandshakeError {
  return new HandshakeError("proxy-failed", { detail });
}
