/// <reference types="node" preserve="true" />
/**
 * The entry `openline/json`: messages with a type, in Node. `openline/browser/json` is the same for pages.
 */

export type { Decoded } from "../typed/json-codec.ts";
export { type InvalidMessage, JsonConnection, type RawConnection } from "../typed/json-connection.ts";
export type { JsonMessageHandlers, KindOf, OfKind } from "../typed/json-handlers.ts";
export type { JsonMessages, JsonSchemas } from "../typed/json-messages.ts";
export type { InputOf, OutputOf, SchemaIssue, SchemaResult, StandardSchema } from "../typed/standard-schema.ts";
export { type Json, type JsonConnectOptions, type JsonHandlers, type JsonRouteOptions, json } from "./json.ts";
export { JsonServerConnection } from "./json-server-connection.ts";
