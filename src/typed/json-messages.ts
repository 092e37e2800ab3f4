/**
 * The messages of one end of a connection: what it receives and what it sends, with the types of two schemas.
 */

import { describe } from "../protocol/check-options.ts";
import { type Decoded, decodeJson, encodeJson } from "./json-codec.ts";
import type { InvalidHandler, JsonConnection, JsonRules, RawConnection } from "./json-connection.ts";
import { isSchema, type StandardSchema } from "./standard-schema.ts";

/** The schemas of both directions, as this end sees them. */
export interface JsonSchemas<
  Receives extends StandardSchema = StandardSchema,
  Sends extends StandardSchema = StandardSchema,
  Kind extends string = string,
> {
  /** What the other end sends; each message is checked. */
  readonly receives: Receives;
  /** What this end sends: it gives `send` its type, and is not asked, since the receiver checks. */
  readonly sends: Sends;
  /** The key whose values tell kinds of messages apart, for `on`. Default `"type"`. */
  readonly kind?: Kind;
}

/** The schemas that `json` was given, as a pair. Throws a TypeError for what is none. */
export function schemasOf(given: unknown): Required<JsonSchemas> {
  if (isSchema(given)) return { receives: given, sends: given, kind: "type" };
  const { receives, sends, kind = "type" } = (given ?? {}) as Partial<JsonSchemas>;
  for (const schema of [receives, sends]) {
    if (isSchema(schema)) continue;
    const what = given === schema || receives === schema ? given : schema;
    throw new TypeError(
      `Cannot check messages by ${describe(what)}: json takes a Standard Schema, as of zod, valibot or arktype, ` +
        "or { receives, sends } with one for each direction",
    );
  }
  if (typeof kind !== "string") throw new TypeError(`Cannot tell messages apart by ${describe(kind)}: kind is a key`);
  return { receives: receives!, sends: sends!, kind };
}

/** What `json` returns, as far as it is the same in Node and in pages. */
export abstract class JsonMessages<Received, Sent, Kind extends string> implements JsonRules<Received, Sent> {
  /** The close code for a message that does not fit. */
  readonly invalidCode: number;
  /** The key whose values tell kinds of messages apart. */
  readonly kind: Kind;
  readonly #receives: StandardSchema<unknown, Received>;
  /** A connection has one face, so that an application may keep it in a set. */
  readonly #faces = new WeakMap<object, JsonConnection<Received, Sent>>();

  /** Applications make none: `json` does. */
  constructor(given: unknown, invalidCode: number) {
    const { receives, kind } = schemasOf(given);
    this.#receives = receives as StandardSchema<unknown, Received>;
    this.kind = kind as Kind;
    this.invalidCode = invalidCode;
  }

  /**
   * The message that a value is sent as: for what takes text, such as `server.publish` and a `ReconnectingWebSocket`.
   *
   * Throws a TypeError for what JSON cannot hold.
   */
  encode(value: Sent): string {
    return encodeJson(value);
  }

  /**
   * Reads a message: `{ value }` when it fits, else `{ issues }`; a promise where the schema's check is one. Throws what
   * the schema throws.
   */
  decode(data: unknown): Decoded<Received> | Promise<Decoded<Received>> {
    return decodeJson(this.#receives, data);
  }

  /** The face of a connection: the one it has, or a new one. */
  protected faceOf(raw: RawConnection, invalid?: InvalidHandler): JsonConnection<Received, Sent> {
    let face = this.#faces.get(raw);
    if (face === undefined) {
      if (typeof raw?.send !== "function" || typeof raw[Symbol.asyncIterator] !== "function") {
        throw new TypeError(`Cannot read messages of ${describe(raw)}: over takes a connection`);
      }
      face = this.makeFace(raw, invalid);
      this.#faces.set(raw, face);
    }
    return face;
  }

  /** Makes the face of a connection. */
  protected abstract makeFace(raw: RawConnection, invalid: InvalidHandler | undefined): JsonConnection<Received, Sent>;
}
