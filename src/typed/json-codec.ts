/**
 * From a message to a value that fits a schema, and from a value to a message.
 *
 * What a peer sends never throws here: it fits, or there are issues. What the schema itself throws is the application's.
 */

import { describe } from "../protocol/check-options.ts";
import type { SchemaIssue, StandardSchema } from "./standard-schema.ts";

/** The result of reading a message: the value, or what is wrong with it. */
export type Decoded<Value> =
  | { readonly value: Value; readonly issues?: undefined }
  | { readonly issues: readonly SchemaIssue[]; readonly value?: undefined };

/**
 * The deepest nesting of a message: a deeper one could exhaust the stack of a schema or handler that follows it down
 * (RFC 8259 section 9 lets a reader set such a limit).
 */
const maxNesting = 256;

/** Reads a message as JSON and checks it; a promise where the schema's check is one. */
export function decodeJson<Value>(
  schema: StandardSchema<unknown, Value>,
  data: unknown,
): Decoded<Value> | Promise<Decoded<Value>> {
  if (typeof data !== "string") return wrong("Expected JSON, not a binary message");
  let value: unknown;
  try {
    value = JSON.parse(data);
  } catch {
    return wrong("Expected JSON");
  }
  const flaw = flawOf(value, 0);
  if (flaw !== undefined) return wrong(flaw);
  const result: unknown = schema["~standard"].validate(value);
  // A thenable of a library's own may settle twice, and its `then` return nothing that could be awaited.
  return typeof (result as Partial<Promise<unknown>> | null | undefined)?.then === "function"
    ? Promise.resolve(result).then((settled) => resultOf<Value>(settled))
    : resultOf(result);
}

/** What a schema's check gave. Throws a TypeError for what Standard Schema does not let it give. */
function resultOf<Value>(result: unknown): Decoded<Value> {
  if (typeof result === "object" && result !== null) return result as Decoded<Value>;
  throw new TypeError(`The schema's validate gave ${describe(result)}, not an object with value or issues`);
}

/** Writes a value as JSON. Throws a TypeError for what JSON cannot hold. */
export function encodeJson(value: unknown): string {
  const text: string | undefined = JSON.stringify(value);
  if (text === undefined) throw new TypeError(`Cannot send: JSON cannot hold a value of type ${typeof value}`);
  return text;
}

/** The first issue as the reason of a Close, which holds 123 bytes of UTF-8 (RFC 6455 section 5.5). */
export function reasonOf([issue]: readonly SchemaIssue[]): string {
  const path = (issue?.path ?? []).map((part) => String(typeof part === "object" ? part.key : part)).join(".");
  const message = typeof issue?.message === "string" ? issue.message : "The message does not fit";
  const text = path === "" ? message : `${path}: ${message}`;
  const bytes = new Uint8Array(123);
  const { written } = new TextEncoder().encodeInto(text, bytes);
  return new TextDecoder().decode(bytes.subarray(0, written));
}

/** Issues with one message. */
export function wrong(message: string): { readonly issues: readonly SchemaIssue[] } {
  return { issues: [{ message }] };
}

/**
 * What no message may have, whatever the schema: endless nesting, and keys that replace the prototype of an object into
 * which they are copied.
 */
function flawOf(value: unknown, depth: number): string | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  if (depth === maxNesting) return `Expected no deeper nesting than ${maxNesting}`;
  for (const key of Object.keys(value)) {
    if (key === "__proto__") return "Expected no key __proto__";
    const flaw = flawOf((value as Readonly<Record<string, unknown>>)[key], depth + 1);
    if (flaw !== undefined) return flaw;
  }
  return undefined;
}
