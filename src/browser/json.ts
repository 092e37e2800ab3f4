/**
 * `json` for pages and workers: clients whose messages are JSON that fits a schema.
 */

import { type InvalidHandler, JsonConnection, type RawConnection } from "../typed/json-connection.ts";
import { invalidHandlerOf, type JsonMessageHandlers, rawHandlers } from "../typed/json-handlers.ts";
import { JsonMessages, type JsonSchemas } from "../typed/json-messages.ts";
import type { InputOf, OutputOf, StandardSchema } from "../typed/standard-schema.ts";
import { type ConnectOptions, connect } from "./connect.ts";
import type { CloseReport, Connection, ConnectionHandlers } from "./connection.ts";

export type { Decoded } from "../typed/json-codec.ts";
export { type InvalidMessage, JsonConnection, type RawConnection } from "../typed/json-connection.ts";
export type { JsonMessageHandlers, KindOf, OfKind } from "../typed/json-handlers.ts";
export type { JsonMessages, JsonSchemas } from "../typed/json-messages.ts";
export type { InputOf, OutputOf, SchemaIssue, SchemaResult, StandardSchema } from "../typed/standard-schema.ts";

/** The close code for a message that does not fit, since a page may not send 1007. */
const invalidCode = 4400;

/** What `Json.connect` takes: the options of `connect`, with handlers of messages that have a type. */
export interface JsonConnectOptions<Received, Sent, Kind extends string>
  extends JsonMessageHandlers<JsonConnection<Received, Sent, Connection>, Received, Kind>,
    Omit<ConnectOptions, keyof ConnectionHandlers> {
  /** The connection is established; called before the promise of `connect` resolves. */
  open?(connection: JsonConnection<Received, Sent, Connection>): unknown;
  /** The connection is over, and its last message was handled. */
  close?(connection: JsonConnection<Received, Sent, Connection>, report: CloseReport): unknown;
  /** A handler or the schema threw, and the connection was closed with 4500. */
  error?(connection: JsonConnection<Received, Sent, Connection>, error: unknown): unknown;
}

/** The messages of one end of a connection, as `json` returns them. */
export class Json<Received, Sent, Kind extends string> extends JsonMessages<Received, Sent, Kind> {
  /**
   * Opens a connection as `connect` does, with handlers that get messages that fit. Without `message` and `on`, a loop
   * reads them. Rejects as `connect` does, and with a TypeError for handlers that cannot be.
   */
  async connect(
    url: string | URL,
    options: JsonConnectOptions<Received, Sent, Kind> = {},
  ): Promise<JsonConnection<Received, Sent, Connection>> {
    const invalid = invalidHandlerOf(options);
    const face = (raw: object) => this.faceOf(raw as RawConnection, invalid);
    return face(
      await connect(url, rawHandlers("connect", options, this.kind, face) as ConnectOptions),
    ) as JsonConnection<Received, Sent, Connection>;
  }

  /** The face of a connection that something else made, such as `reconnecting`. */
  over(connection: Connection): JsonConnection<Received, Sent, Connection> {
    return this.faceOf(connection) as JsonConnection<Received, Sent, Connection>;
  }

  protected override makeFace(raw: RawConnection, invalid: InvalidHandler | undefined): JsonConnection<Received, Sent> {
    return new JsonConnection(raw, this, invalid);
  }
}

/**
 * Messages that are JSON and fit a schema of any library with the interface Standard Schema, such as zod, valibot and
 * arktype: one schema for both directions, or one for each. Throws a TypeError for what is no schema.
 */
export function json<Schema extends StandardSchema>(schema: Schema): Json<OutputOf<Schema>, InputOf<Schema>, "type">;
export function json<Receives extends StandardSchema, Sends extends StandardSchema, const Kind extends string = "type">(
  schemas: JsonSchemas<Receives, Sends, Kind>,
): Json<OutputOf<Receives>, InputOf<Sends>, Kind>;
export function json(given: unknown): Json<unknown, unknown, string> {
  return new Json(given, invalidCode);
}
