/**
 * Finds the route of a path: `:name` stands for one whole segment that is not empty.
 *
 * A path without names is looked up; of the others the first that fits is taken, in the order in which they were given.
 */

/** A route that fits, and what its names stand for. */
export interface RouteMatch<Value> {
  readonly value: Value;
  readonly params: Readonly<Record<string, string>>;
}

const noParams: Readonly<Record<string, string>> = Object.freeze({});

/** The routes of a server. */
export class Routes<Value> {
  readonly #fixed = new Map<string, RouteMatch<Value>>();
  readonly #patterns: { readonly segments: readonly string[]; readonly value: Value }[] = [];

  /** Throws a TypeError for a path that does not begin with `/`, is none that a request could have, or names a parameter twice. */
  constructor(routes: Iterable<readonly [path: string, value: Value]>) {
    for (const [path, value] of routes) {
      if (!path.startsWith("/")) throw new TypeError(`Cannot route "${path}": a path begins with /`);
      if (/[?#*]/.test(path)) throw new TypeError(`Cannot route "${path}": a path has no query, fragment or wildcard`);
      const segments = path.split("/");
      const names = segments.filter((segment) => segment.startsWith(":"));
      if (names.includes(":") || new Set(names).size < names.length) {
        throw new TypeError(`Cannot route "${path}": each parameter needs a name of its own`);
      }
      if (names.length > 0) this.#patterns.push({ segments, value });
      else this.#fixed.set(path, { value, params: noParams });
    }
  }

  /** The paths; in each, the names of parameters are left out, since they make no difference. */
  get paths(): readonly string[] {
    const patterns = this.#patterns.map(({ segments }) => segments.map((part) => part.replace(/^:.*/, ":")).join("/"));
    return [...this.#fixed.keys(), ...patterns];
  }

  /** The route of a request target's path; undefined when none fits or a parameter is not percent-encoded UTF-8. */
  match(path: string): RouteMatch<Value> | undefined {
    const fixed = this.#fixed.get(path);
    if (fixed || this.#patterns.length === 0) return fixed;
    const given = path.split("/");
    for (const { segments, value } of this.#patterns) {
      const params = fit(segments, given);
      if (params) return { value, params };
    }
    return undefined;
  }
}

function fit(segments: readonly string[], given: readonly string[]): Record<string, string> | undefined {
  if (segments.length !== given.length) return undefined;
  const params: Record<string, string> = Object.create(null);
  for (const [index, segment] of segments.entries()) {
    const part = given[index]!;
    if (!segment.startsWith(":")) {
      if (segment !== part) return undefined;
      continue;
    }
    const decoded = decode(part);
    if (!decoded) return undefined;
    params[segment.slice(1)] = decoded;
  }
  return params;
}

function decode(part: string): string | undefined {
  try {
    return decodeURIComponent(part);
  } catch {
    return undefined;
  }
}

/** The path of a request target, which may be a whole URL (RFC 9112 section 3.2.2), without its query. */
export function pathOf(target: string): string {
  const path = target.startsWith("/") ? target : target.replace(/^(?:http|ws)s?:\/\/[^/?]*/i, "");
  const query = path.indexOf("?");
  return (query < 0 ? path : path.slice(0, query)) || "/";
}
