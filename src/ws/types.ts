/** The types that users of `ws` import by name, or find as `WebSocket.RawData` and so on. */

import type { IncomingMessage } from "node:http";
import type * as events from "./events/event.ts";
import type * as listeners from "./events/event-listeners.ts";
import type { WebSocket } from "./websocket.ts";
import type { WebSocketServer } from "./websocket-server.ts";

export type { AddressInfo } from "node:net";
export type { SendOptions } from "./arguments.ts";
export type { ClientOptions, FinishRequestCallback } from "./client-handshake.ts";
export type { EventListenerOptions } from "./events/event-listeners.ts";
export type { BinaryType, Data, RawData } from "./parts/message-data.ts";
export type { PerMessageDeflateOptions } from "./parts/permessage-deflate.ts";
export type { ServerOptions, VerifyClientCallbackAsync, VerifyClientCallbackSync } from "./websocket-server.ts";

/** An event that is of no other kind. */
export type Event = events.Event<WebSocket>;
/** The end of a connection. */
export type CloseEvent = events.CloseEvent<WebSocket>;
/** An error. */
export type ErrorEvent = events.ErrorEvent<WebSocket>;
/** A message. */
export type MessageEvent = events.MessageEvent<WebSocket>;
/** The event of each type for `addEventListener`. */
export type WebSocketEventMap = listeners.WebSocketEventMap<WebSocket>;
/** A certificate or a key. */
export type CertMeta = string | string[] | Buffer | Buffer[];
/** A server, by its other name. */
export type Server<
  Socket extends typeof WebSocket = typeof WebSocket,
  Request extends typeof IncomingMessage = typeof IncomingMessage,
> = WebSocketServer<Socket, Request>;
