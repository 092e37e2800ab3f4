/**
 * The origins and hosts that may open a connection, against cross-site WebSocket hijacking (RFC 6455 sections 4.2.2 and
 * 10.2).
 *
 * Only browsers send an `Origin` that can be trusted (section 10.1), so a request without one is left to
 * authentication. An origin that does not parse, `null` included, equals no other.
 */

import { describe } from "../../protocol/check-options.ts";
import { parseAuthority } from "../../protocol/handshake/header-fields.ts";

/**
 * The pages that may connect, by their origin.
 *
 * `"same-host"`, the default, lets a page in whose host and port are those of the `Host` field. A default port counts
 * as none, and schemes are not compared, since TLS may end at a proxy. A list holds whole origins, such as
 * `https://example.com:8443`. A function decides about every request, also about one without an origin: `true` lets it
 * in, `false` refuses it with 403, and any other value or an exception refuses it with 500. `"any"` lets every page in.
 */
export type OriginPolicy<Request = unknown> =
  | "same-host"
  | "any"
  | readonly string[]
  | ((origin: string | undefined, request: Request) => boolean | Promise<boolean>);

/** Throws a TypeError when a list has an entry that no origin equals: `example.com`, one with a path, or with a `*`. */
export function checkOriginPolicy(policy: OriginPolicy<never>): void {
  if (policy === "same-host" || policy === "any" || typeof policy === "function") return;
  if (!Array.isArray(policy)) {
    throw new TypeError(
      `Cannot use the origin policy ${describe(policy)}: it is "same-host", "any", a function or a list, such as ["https://example.com"]`,
    );
  }
  for (const entry of policy) {
    if (parseOrigin(entry) === undefined || entry.includes("*")) {
      throw new TypeError(
        `Cannot allow the origin ${JSON.stringify(entry)}: it is not a scheme, a host and an optional port; "any" in place of the list allows all`,
      );
    }
  }
}

/**
 * Whether `policy` lets in a request with this `Origin` field, undefined when it has none, and this `Host` field.
 *
 * The result is a promise only where a function returns one. Throws whatever a function throws.
 */
export function checkOrigin<Request>(
  origin: string | undefined,
  host: string,
  policy: OriginPolicy<Request>,
  request: Request,
): boolean | Promise<boolean> {
  if (typeof policy === "function") return policy(origin, request);
  if (policy === "any" || origin === undefined) return true;
  const parsed = parseOrigin(origin);
  if (parsed === undefined) return false;
  return policy === "same-host" ? isSameHost(parsed, host) : policy.some((entry) => isSameOrigin(parsed, entry));
}

/** The host names as `isHostAllowed` compares them. Throws a TypeError for a name that is no host or has a port. */
export function hostSet(hosts: readonly string[]): ReadonlySet<string> {
  return new Set(
    hosts.map((host) => {
      const authority = parseAuthority(host);
      if (authority?.port === "" && !host.includes("*")) return authority.host;
      throw new TypeError(
        `Cannot answer to the host ${JSON.stringify(host)}: it is not a host name or an address alone`,
      );
    }),
  );
}

/** Whether a `Host` field names one of the hosts, on any port. Without a list, every field does. */
export function isHostAllowed(hostField: string, hosts: ReadonlySet<string> | undefined): boolean {
  return hosts === undefined || hosts.has(parseAuthority(hostField)?.host ?? "");
}

type Origin = { readonly scheme: string; readonly host: string; readonly port: string };

const defaultPorts: ReadonlyMap<string, string> = new Map([
  ["http", "80"],
  ["https", "443"],
  ["ws", "80"],
  ["wss", "443"],
]);

/**
 * Parses a serialised origin (RFC 6454 section 6.2): a scheme, a host and an optional port, nothing before or after.
 */
function parseOrigin(text: string): Origin | undefined {
  const end = text.indexOf("://");
  if (end === -1) return undefined;
  const scheme = text.slice(0, end).toLowerCase();
  if (!/^[a-z][a-z0-9+.-]*$/.test(scheme)) return undefined;
  const authority = parseAuthority(text.slice(end + 3));
  if (authority === undefined) return undefined;
  return { scheme, host: authority.host, port: withoutDefault(authority.port, scheme) };
}

/**
 * Whether an origin has the host and port of a `Host` field. Only the web's schemes do: other hosts are no sites'
 * names.
 */
function isSameHost({ scheme, host, port }: Origin, hostField: string): boolean {
  if (!defaultPorts.has(scheme)) return false;
  const authority = parseAuthority(hostField);
  return authority !== undefined && authority.host === host && withoutDefault(authority.port, scheme) === port;
}

function isSameOrigin(origin: Origin, entry: string): boolean {
  const allowed = parseOrigin(entry);
  return (
    allowed !== undefined &&
    allowed.scheme === origin.scheme &&
    allowed.host === origin.host &&
    allowed.port === origin.port
  );
}

function withoutDefault(port: string, scheme: string): string {
  return port === defaultPorts.get(scheme) ? "" : port;
}
