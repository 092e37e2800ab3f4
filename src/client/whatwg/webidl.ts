/**
 * The parts of Web IDL that JavaScript's classes lack: conversions of arguments, and members that can be enumerated.
 *
 * A conversion that cannot be made throws a TypeError.
 */

/** Throws a TypeError when a constructor or method was called with fewer arguments than it needs. */
export function requireArguments(name: string, given: number, needed: number): void {
  if (given >= needed) return;
  throw new TypeError(`Cannot call ${name}: ${needed} argument${needed > 1 ? "s" : ""} required, ${given} given`);
}

/** Converts to a `DOMString`. */
export function toDOMString(value: unknown): string {
  if (typeof value === "symbol") throw new TypeError("Cannot convert a symbol to a string");
  return String(value);
}

/** Converts to a `USVString`: lone surrogates become U+FFFD. */
export function toUSVString(value: unknown): string {
  // Node 20 has the method, TypeScript's library of ES2023 does not.
  return (toDOMString(value) as string & { toWellFormed(): string }).toWellFormed();
}

/** Converts to an `unsigned short`: plain (`wrap`), with `[Clamp]`, or with `[EnforceRange]` (`enforce`). */
export function toUnsignedShort(value: unknown, mode: "wrap" | "clamp" | "enforce"): number {
  // The unary plus throws a TypeError for a symbol and for a BigInt.
  const number = +(value as number);
  if (mode === "clamp") return clamp(number);
  const integer = Math.trunc(number);
  if (mode === "enforce") {
    if (!(integer >= 0 && integer <= 65535)) throw new TypeError(`${number} is not an integer from 0 to 65535`);
    return integer + 0;
  }
  return Number.isFinite(integer) ? ((integer % 65536) + 65536) % 65536 : 0;
}

/** Converts to a dictionary: undefined and null are an empty one. */
export function toDictionary(value: unknown): Readonly<Record<string, unknown>> {
  if (value === undefined || value === null) return {};
  if (!isObject(value)) throw new TypeError(`${toText(value)} is not an object`);
  return value as Readonly<Record<string, unknown>>;
}

/** Converts an object that can be iterated to a `sequence<DOMString>`. */
export function toStrings(value: unknown): string[] {
  const iterable = isObject(value) && (value as { [Symbol.iterator]?: unknown })[Symbol.iterator] !== undefined;
  if (!iterable) throw new TypeError(`${toText(value)} is not a sequence`);
  return Array.from(value as Iterable<unknown>, toDOMString);
}

/** Whether the value is of the type Object, functions among them. */
export function isObject(value: unknown): value is object {
  return (typeof value === "object" && value !== null) || typeof value === "function";
}

/**
 * Makes the members of a class enumerable, sets its `Symbol.toStringTag`, and defines constants on it and its
 * prototype.
 */
export function defineInterface(
  definition: { readonly name: string; readonly prototype: object },
  constants: Readonly<Record<string, number>> = {},
): void {
  const { name, prototype } = definition;
  for (const [key, member] of Object.entries(Object.getOwnPropertyDescriptors(prototype))) {
    if (key !== "constructor") Object.defineProperty(prototype, key, { ...member, enumerable: true });
  }
  Object.defineProperty(prototype, Symbol.toStringTag, { value: name, configurable: true });
  for (const [key, value] of Object.entries(constants)) {
    Object.defineProperty(prototype, key, { value, enumerable: true });
    Object.defineProperty(definition, key, { value, enumerable: true });
  }
}

/** Rounds to an integer from 0 to 65535, halves to even; NaN is 0. */
function clamp(number: number): number {
  if (Number.isNaN(number)) return 0;
  const bounded = Math.min(Math.max(number, 0), 65535);
  const below = Math.floor(bounded);
  const half = bounded - below === 0.5;
  return half ? below + (below % 2) : Math.round(bounded);
}

function toText(value: unknown): string {
  return typeof value === "string" ? `"${value}"` : String(value);
}
