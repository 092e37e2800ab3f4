/**
 * Which origins may open a connection, RFC 6455 sections 4.2.2 and 10.2, against cross-site WebSocket hijacking.
 *
 * Only browsers send an `Origin` that means anything (section 10.1), so a request without one is left to authentication.
 * An origin that does not parse, `null` included, equals nothing.
 */

import { describe } from "../../protocol/check-options.ts";
import { parseAuthority } from "../../protocol/handshake/header-fields.ts";

/**
 * Who may connect from a browser.
 *
 * `"same-host"`, the default of `serve`, asks that the origin's host and port equal the `Host` field's, a default port
 * counting as none; schemes are not compared, since TLS may end at a proxy. A list holds whole origins, such as
 * `https://example.com:8443`. A function decides by itself, and sees requests without an origin too; `true` lets
 * in, `false` refuses, and whatever else it returns refuses with 500. `"any"` lets all in.
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
 * Whether `policy` lets in a request with this `Origin` field (undefined when absent) and this `Host` field.
 *
 * A promise comes only from a function that returns one; what a function throws is the caller's to handle.
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

/** The names of `hosts` as `isHostAllowed` compares them; throws a TypeError for one that is no host or has a port. */
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

/** Whether a `Host` field names one of the hosts, on whatever port; every one does where there is no list. */
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

/** Parses a serialised origin (RFC 6454 section 6.2): a scheme, a host and an optional port, nothing before or after. */
function parseOrigin(text: string): Origin | undefined {
  const end = text.indexOf("://");
  if (end === -1) return undefined;
  const scheme = text.slice(0, end).toLowerCase();
  if (!/^[a-z][a-z0-9+.-]*$/.test(scheme)) return undefined;
  const authority = parseAuthority(text.slice(end + 3));
  if (authority === undefined) return undefined;
  return { scheme, host: authority.host, port: withoutDefault(authority.port, scheme) };
}

/** Only the web's own schemes: under any other, the host of an origin is not a name that a site owns. */
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
