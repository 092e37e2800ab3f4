/**
 * Finds the route of a path: `:name` stands for one whole segment that is not empty, `*` at the end for the rest.
 *
 * A path that equals a route without names and rest has that route. Otherwise the first route with names that fits is
 * taken, in the order in which they were given. Routes with a rest come last, the most specific one first, segment by
 * segment.
 */

/** A route that fits a path. */
export interface RouteMatch<Value> {
  readonly value: Value;
  /** The values of the names in the route's path, percent-decoded. */
  readonly params: Readonly<Record<string, string>>;
}

const noParams: Readonly<Record<string, string>> = Object.freeze({});

/** The routes of a server. */
export class Router<Value> {
  readonly #fixed = new Map<string, RouteMatch<Value>>();
  readonly #patterns: Pattern<Value>[] = [];

  /**
   * Throws a TypeError for a path that does not begin with `/`, that no request could have, that names a parameter
   * twice or that has a `*` which is not the whole last segment; and for two paths that differ in the names of
   * parameters alone.
   */
  constructor(routes: Iterable<readonly [path: string, value: Value]>) {
    for (const [path, value] of routes) {
      if (!path.startsWith("/")) throw new TypeError(`Cannot route "${path}": a path begins with /`);
      if (/[?#]/.test(path)) throw new TypeError(`Cannot route "${path}": a path has no query or fragment`);
      if (path.replace(/\/\*$/, "").includes("*")) {
        throw new TypeError(`Cannot route "${path}": a * is the whole last segment, as in "/files/*"`);
      }
      checkUnchanged(path);
      const segments = path.split("/");
      const names = segments.filter((segment) => segment.startsWith(":"));
      if (names.includes(":") || new Set(names).size < names.length) {
        throw new TypeError(`Cannot route "${path}": each parameter needs a name of its own`);
      }
      if (names.length > 0 || hasRest(segments)) this.#patterns.push({ segments, value });
      else this.#fixed.set(path, { value, params: noParams });
    }
    this.#patterns.sort(byRest);
    const { paths } = this;
    const twice = paths.find((path, index) => paths.indexOf(path) < index);
    if (twice !== undefined) {
      throw new TypeError(
        `Cannot route "${twice}" twice: the names of parameters make no difference, so the first has all requests`,
      );
    }
  }

  /** The paths, without the names of parameters, since names make no difference. */
  get paths(): readonly string[] {
    const patterns = this.#patterns.map(({ segments }) => segments.map((part) => part.replace(/^:.*/, ":")).join("/"));
    return [...this.#fixed.keys(), ...patterns];
  }

  /** The route of a path; undefined when none fits, also because a parameter is not percent-encoded UTF-8. */
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

/** Throws a TypeError for a path that clients send in another form, since paths are compared as they are sent. */
function checkUnchanged(path: string): void {
  const asGiven = path.replace(/\/:[^/]*/g, "/:");
  const asSent = new URL(`http://localhost${asGiven}`).pathname;
  if (asSent === asGiven) return;
  throw new TypeError(`Cannot route "${path}": no request has this path; clients send it as "${asSent}"`);
}

interface Pattern<Value> {
  readonly segments: readonly string[];
  readonly value: Value;
}

function hasRest(segments: readonly string[]): boolean {
  return segments.at(-1) === "*";
}

/** Orders routes: those with a rest last, the most specific of them first; all others keep their order. */
function byRest(one: Pattern<unknown>, other: Pattern<unknown>): number {
  if (!hasRest(one.segments) || !hasRest(other.segments)) {
    return Number(hasRest(one.segments)) - Number(hasRest(other.segments));
  }
  const differing = one.segments.findIndex((segment, index) => rank(segment) !== rank(other.segments[index]!));
  return differing < 0 ? 0 : rank(one.segments[differing]!) - rank(other.segments[differing]!);
}

function rank(segment: string): number {
  return segment === "*" ? 2 : segment.startsWith(":") ? 1 : 0;
}

function fit(segments: readonly string[], given: readonly string[]): Record<string, string> | undefined {
  const rest = hasRest(segments);
  if (rest ? given.length < segments.length : given.length !== segments.length) return undefined;
  const params: Record<string, string> = Object.create(null);
  for (const [index, segment] of segments.entries()) {
    if (rest && index === segments.length - 1) {
      const decoded = decode(given.slice(index).join("/"));
      if (decoded === undefined) return undefined;
      params["*"] = decoded;
      return params;
    }
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
