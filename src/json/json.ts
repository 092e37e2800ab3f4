/**
 * `json`: routes and clients whose messages are JSON that fits a schema, over what is public of servers and clients.
 */

import { connect } from "../client/connect.ts";
import type { ConnectOptions } from "../client/connect-options.ts";
import type { CloseReport } from "../connection/closing/close-report.ts";
import type { Connection } from "../connection/connection.ts";
import type { ConnectionHandlers } from "../connection/handlers/handlers.ts";
import { describe, isPlain, withOptions } from "../protocol/check-options.ts";
import { CloseCode } from "../protocol/close-code.ts";
import type { UpgradeContext } from "../server/handshake/decide.ts";
import type { DecisionWithData, NeedsUpgrade, PathParams, Route, RouteOptions } from "../server/route.ts";
import { ServerConnection } from "../server/server-connection.ts";
import type { Gap } from "../topics/subscription.ts";
import { type InvalidHandler, JsonConnection, type RawConnection } from "../typed/json-connection.ts";
import { invalidHandlerOf, type JsonMessageHandlers, rawHandlers } from "../typed/json-handlers.ts";
import { JsonMessages, type JsonSchemas } from "../typed/json-messages.ts";
import type { InputOf, OutputOf, StandardSchema } from "../typed/standard-schema.ts";
import { JsonServerConnection } from "./json-server-connection.ts";

/** The handlers of a connection whose messages have a type; see `ConnectionHandlers`. */
export interface JsonHandlers<Face, Received, Kind extends string> extends JsonMessageHandlers<Face, Received, Kind> {
  /** The connection is established. */
  open?(connection: Face): unknown;
  /** The outbox is below its high-water mark again, after `send` returned false. */
  drain?(connection: Face): unknown;
  /** The connection is over, and its last message was handled; the last call. */
  close?(connection: Face, report: CloseReport): unknown;
  /** A handler or the schema threw, and the connection was closed with 1011. */
  error?(connection: Face, error: Error): unknown;
  /** A Ping came; it has been answered. */
  ping?(connection: Face, payload: Uint8Array): unknown;
  /** A Pong came. */
  pong?(connection: Face, payload: Uint8Array): unknown;
}

/** A route whose messages have a type: what `Json.route` takes. */
export interface JsonRouteOptions<Received, Sent, Kind extends string, Data, Params>
  extends JsonHandlers<JsonServerConnection<Received, Sent, Data, Params>, Received, Kind>,
    Omit<RouteOptions, "text" | "borrow"> {
  /** Messages of a topic with history are missing and can no longer be had; see `Route`. */
  gap?(connection: JsonServerConnection<Received, Sent, Data, Params>, gap: Gap): unknown;
  /** Decides about a client before the 101: returns an object to let it in, a refusal to refuse it. */
  upgrade?(context: UpgradeContext<Params>): DecisionWithData<Data> | Promise<DecisionWithData<Data>>;
}

type OwnOptions = keyof ConnectionHandlers<Connection> | "accepts" | "text" | "borrow";

/** What `Json.connect` takes: the options of `connect`, with handlers of messages that have a type. */
export interface JsonConnectOptions<Received, Sent, Kind extends string>
  extends JsonHandlers<JsonConnection<Received, Sent, Connection>, Received, Kind>,
    Omit<ConnectOptions, OwnOptions> {}

/** The messages of one end of a connection, as `json` returns them. */
export class Json<Received, Sent, Kind extends string> extends JsonMessages<Received, Sent, Kind> {
  /**
   * A route for `serve` and `accept`, whose handlers get messages that fit and connections that send values; with the
   * path first, as for the function `route`, it may stand in a variable and knows its `params`.
   *
   * Binary messages close the connection with 1003 at their first frame. Throws a TypeError for handlers that cannot be.
   */
  route<Data = unknown, Params = Readonly<Record<string, string>>>(
    options: JsonRouteOptions<Received, Sent, Kind, Data, Params> & NeedsUpgrade<Data>,
  ): Route<Data, Params>;
  route<Path extends string, Data = unknown>(
    path: Path,
    options: JsonRouteOptions<Received, Sent, Kind, Data, PathParams<Path>> & NeedsUpgrade<Data>,
  ): Route<Data, PathParams<Path>>;
  route(...given: [object] | [string, object]): Route {
    const options = given.at(-1) as object;
    return this.#handlers("route", options, { accepts: "text", text: "string" }) as Route;
  }

  /**
   * Opens a connection as `connect` does, with handlers that get messages that fit. Without `message` and `on`, a loop
   * reads them. Rejects as `connect` does, and with a TypeError for handlers that cannot be.
   */
  async connect(
    url: string | URL,
    options: JsonConnectOptions<Received, Sent, Kind> = {},
  ): Promise<JsonConnection<Received, Sent, Connection>> {
    const raw = await connect(url, this.#handlers("connect", options, { accepts: "text" }));
    return this.faceOf(raw, invalidHandlerOf(options)) as JsonConnection<Received, Sent, Connection>;
  }

  /** The face of a connection that something else made, such as `reconnecting`, `accept` or `server.connections`. */
  over<Data, Params>(connection: ServerConnection<Data, Params>): JsonServerConnection<Received, Sent, Data, Params>;
  over(connection: Connection): JsonConnection<Received, Sent, Connection>;
  over(connection: RawConnection): JsonConnection<Received, Sent> {
    return this.faceOf(connection);
  }

  protected override makeFace(raw: RawConnection, invalid: InvalidHandler | undefined): JsonConnection<Received, Sent> {
    if (raw instanceof ServerConnection) return new JsonServerConnection(raw, this, invalid) as never;
    return new JsonConnection(raw, this, invalid);
  }

  #handlers(action: string, options: object, settled: Readonly<Record<string, string>>): object {
    for (const [name, value] of Object.entries(settled)) {
      const given = (Object(options) as Readonly<Record<string, unknown>>)[name];
      if (given === undefined || given === value) continue;
      throw new TypeError(`Cannot ${action}: ${name} is "${value}" where messages are JSON, not ${describe(given)}`);
    }
    const invalid = invalidHandlerOf(options);
    const handlers = rawHandlers(action, options, this.kind, (raw) => this.faceOf(raw as RawConnection, invalid));
    // Options of a class that are no handlers, such as `upgrade`, are read from the object itself.
    return withOptions(isPlain(options) ? handlers : options, { ...handlers, ...settled });
  }
}

/**
 * Messages that are JSON and fit a schema of any library with the interface Standard Schema, such as zod, valibot and
 * arktype: one schema for both directions, or one for each.
 *
 * What it returns makes routes and clients. Throws a TypeError for what is no schema.
 */
export function json<Schema extends StandardSchema>(schema: Schema): Json<OutputOf<Schema>, InputOf<Schema>, "type">;
export function json<Receives extends StandardSchema, Sends extends StandardSchema, const Kind extends string = "type">(
  schemas: JsonSchemas<Receives, Sends, Kind>,
): Json<OutputOf<Receives>, InputOf<Sends>, Kind>;
export function json(given: unknown): Json<unknown, unknown, string> {
  return new Json(given, CloseCode.InvalidFramePayloadData);
}
