/**
 * The check of options by name and type, so that a misspelt option is not silently a default.
 *
 * The compiler sees to it that each table has every name of its interface. Further limits on a value are checked where
 * it is used.
 */

import type { ForeignNames } from "./foreign-names.ts";

/** The type that an option may have; `any` where its type is checked elsewhere. */
export type OptionType = "any" | "array" | "boolean" | "function" | "number" | "object" | "string";

/** The options of an interface by name, each with its types. */
export type OptionTable<Options> = { readonly [Name in keyof Required<Options>]: OptionType | readonly OptionType[] };

/**
 * Throws a TypeError unless `options` is an object whose options are all in the table, each of a type that is named
 * there.
 *
 * The message begins with "Cannot" and the action. An object of a class may have other members. Undefined is a default.
 */
export function checkOptions<Options>(
  action: string,
  options: unknown,
  table: OptionTable<Options>,
  foreign?: ForeignNames,
): void {
  if (kindOf(options) !== "object") {
    throw new TypeError(`Cannot ${action}: the options must be an object, not ${describe(options)}`);
  }
  const types = table as Readonly<Record<string, OptionType | readonly OptionType[]>>;
  for (const name of isPlain(options as object) ? Object.keys(options as object) : []) {
    if (Object.hasOwn(types, name)) continue;
    throw new TypeError(`Cannot ${action}: ${unknownName(name, Object.keys(types), { foreign })}`);
  }
  for (const [name, type] of Object.entries(types)) {
    const value = (options as Readonly<Record<string, unknown>>)[name];
    const allowed = [type].flat();
    if (value === undefined || allowed.includes("any") || allowed.includes(kindOf(value) as OptionType)) continue;
    throw new TypeError(`Cannot ${action}: the option "${name}" must be ${inWords(allowed)}, not ${describe(value)}`);
  }
}

/** Throws a TypeError unless the option's value is undefined or an instance of the class. */
export function checkInstance(action: string, name: string, value: unknown, type: new () => unknown): void {
  if (value === undefined || value instanceof type) return;
  throw new TypeError(
    `Cannot ${action}: the option "${name}" must be an instance of ${type.name}, not ${describe(value)}`,
  );
}

/** Returns a sentence that there is no option of this name, and what to use instead or which name may be meant. */
export function unknownName(
  name: string,
  names: readonly string[],
  { noun = "option", foreign = {} }: { readonly noun?: string; readonly foreign?: ForeignNames | undefined } = {},
): string {
  const instead = Object.hasOwn(foreign, name) ? foreign[name] : nearestName(name, names);
  return `there is no ${noun} "${name}"${instead === undefined ? "" : `; ${instead}`}`;
}

/** Returns a sentence with the known name that differs in at most two letters and at most half of them. */
function nearestName(name: string, names: readonly string[]): string | undefined {
  const [nearest] = names
    .map((known) => ({ known, distance: distance(name.toLowerCase(), known.toLowerCase()) }))
    .sort((one, other) => one.distance - other.distance);
  if (nearest === undefined || nearest.distance > Math.min(2, name.length / 2)) return undefined;
  return `did you mean "${nearest.known}"?`;
}

/** Returns a value in a few words, without calling any of its code. */
export function describe(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value);
  if (value === null || value === undefined || typeof value === "number" || typeof value === "boolean") {
    return String(value);
  }
  const kind = kindOf(value);
  return /^[ao]/.test(kind) ? `an ${kind}` : `a ${kind}`;
}

function kindOf(value: unknown): string {
  if (value === null) return "null";
  return Array.isArray(value) ? "array" : typeof value;
}

/** Whether an object is of no class, so that all it has are options. */
export function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype;
}

/**
 * The options with others in place of some. An object of a class stays one: what is not replaced is read from it, and its
 * methods are called on it.
 */
export function withOptions<Options extends object>(given: Options, own: Readonly<Record<string, unknown>>): Options {
  if (isPlain(given)) return { ...given, ...own };
  return new Proxy(Object.create(given), {
    get(_, name: string) {
      const from = (name in own ? own : given) as Readonly<Record<string, unknown>>;
      const value = from[name];
      return typeof value === "function" ? value.bind(from) : value;
    },
  });
}

function inWords(types: readonly OptionType[]): string {
  return types.map((type) => (/^[ao]/.test(type) ? `an ${type}` : `a ${type}`)).join(" or ");
}

/** Returns how many letters must be added, removed or replaced to turn one word into the other. */
function distance(one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, index) => index);
  for (let i = 1; i <= one.length; i++) {
    const next = [i];
    for (let j = 1; j <= other.length; j++) {
      const exchanged = row[j - 1]! + (one[i - 1] === other[j - 1] ? 0 : 1);
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, exchanged));
    }
    row = next;
  }
  return row[other.length]!;
}
