/**
 * A tunnel through a SOCKS5 proxy to the server's host and port (RFC 1928, RFC 1929).
 *
 * The proxy resolves the server's name.
 */

import { Buffer } from "node:buffer";
import { isIP } from "node:net";
import type { Duplex } from "node:stream";
import { HandshakeError } from "../../protocol/handshake/handshake-error.ts";
import { failed } from "./failure.ts";
import type { PendingHandshake } from "./pending-handshake.ts";
import type { Tunnel, TunnelTarget } from "./proxy.ts";
import { decodeUserinfo } from "./url.ts";

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

/** Opens a tunnel over a stream to a SOCKS5 proxy; afterwards the stream leads to the server. */
export async function openSocksTunnel(
  handshake: PendingHandshake,
  stream: Duplex,
  { proxy: { url }, target }: Tunnel,
): Promise<void> {
  const withPassword = url.username !== "" || url.password !== "";
  const methods = withPassword ? [noAuthentication, userNameAndPassword] : [noAuthentication];
  stream.write(Buffer.from([socksVersion, methods.length, ...methods]));
  const [version, method] = await take(handshake, stream, 2);
  if (version !== socksVersion) throw proxyError("it does not speak SOCKS5");
  if (method === userNameAndPassword && withPassword) await authenticate(handshake, stream, url);
  else if (method !== noAuthentication) throw proxyError("it wants another way to authenticate");
  stream.write(connectRequest(target));
  const [, reply, , addressType] = await take(handshake, stream, 4);
  if (reply !== 0) throw proxyError(socksFailures[reply!] ?? `it answered ${reply}`);
  await take(handshake, stream, (await addressLength(handshake, stream, addressType!)) + 2);
}

async function authenticate(handshake: PendingHandshake, stream: Duplex, url: URL): Promise<void> {
  const name = decodeUserinfo(url.username);
  const password = decodeUserinfo(url.password);
  if (name.length > 255 || password.length > 255)
    throw proxyError("its user name and password have more than 255 bytes");
  stream.write(Buffer.concat([Buffer.from([1, name.length]), name, Buffer.from([password.length]), password]));
  const [, status] = await take(handshake, stream, 2);
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

async function addressLength(handshake: PendingHandshake, stream: Duplex, type: number): Promise<number> {
  if (type === 1) return 4;
  if (type === 4) return 16;
  if (type === 3) return (await take(handshake, stream, 1))[0]!;
  throw proxyError("its answer has an unknown type of address");
}

/** Reads `length` bytes, and leaves the bytes behind them in the stream. */
function take(handshake: PendingHandshake, stream: Duplex, length: number): Promise<Buffer> {
  return handshake.until(
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
