/**
 * `openline/ws`: a drop-in for `ws`. The default export is `WebSocket`, which has everything else as properties.
 */

import type { IncomingMessage } from "node:http";
import { extension } from "./parts/extension.ts";
import { PerMessageDeflate } from "./parts/permessage-deflate.ts";
import { Receiver } from "./parts/receiver.ts";
import { Sender } from "./parts/sender.ts";
import { subprotocol } from "./parts/subprotocol.ts";
import { createWebSocketStream } from "./stream.ts";
import type * as types from "./types.ts";
import { WebSocket as WebSocketClass } from "./websocket.ts";
import { WebSocketServer } from "./websocket-server.ts";

/** The statics of `WebSocket` that are names of their own as well. */
interface Statics {
  createWebSocketStream: typeof createWebSocketStream;
  extension: typeof extension;
  PerMessageDeflate: typeof PerMessageDeflate;
  Receiver: typeof Receiver;
  Sender: typeof Sender;
  Server: typeof WebSocketServer;
  subprotocol: typeof subprotocol;
  WebSocket: typeof WebSocketClass & Statics;
  WebSocketServer: typeof WebSocketServer;
}

const statics: Omit<Statics, "WebSocket"> = {
  createWebSocketStream,
  extension,
  PerMessageDeflate,
  Receiver,
  Sender,
  Server: WebSocketServer,
  subprotocol,
  WebSocketServer,
};

/** Either side of a connection; everything else of this module is a property of it. */
const WebSocket: typeof WebSocketClass & Statics = Object.assign(WebSocketClass, statics, {
  WebSocket: WebSocketClass,
}) as typeof WebSocketClass & Statics;
/** A WebSocket of a client or a server, with the events, properties and methods of that of `ws`. */
interface WebSocket extends WebSocketClass {}

/** The types that users of `ws` find as `WebSocket.RawData` and so on; there is nothing of it at run time. */
declare namespace WebSocket {
  type AddressInfo = types.AddressInfo;
  type CertMeta = types.CertMeta;
  type ClientOptions = types.ClientOptions;
  type CloseEvent = types.CloseEvent;
  type Data = types.Data;
  type ErrorEvent = types.ErrorEvent;
  type Event = types.Event;
  type EventListenerOptions = types.EventListenerOptions;
  type FinishRequestCallback = types.FinishRequestCallback;
  type MessageEvent = types.MessageEvent;
  type PerMessageDeflateOptions = types.PerMessageDeflateOptions;
  type PerMessageDeflate = InstanceType<typeof PerMessageDeflate>;
  type RawData = types.RawData;
  type Receiver = InstanceType<typeof Receiver>;
  type Sender = InstanceType<typeof Sender>;
  type WebSocketEventMap = types.WebSocketEventMap;
  type Server<
    Socket extends typeof WebSocketClass = typeof WebSocketClass,
    Request extends typeof IncomingMessage = typeof IncomingMessage,
  > = InstanceType<typeof WebSocketServer<Socket, Request>>;
  type WebSocketServer<
    Socket extends typeof WebSocketClass = typeof WebSocketClass,
    Request extends typeof IncomingMessage = typeof IncomingMessage,
  > = Server<Socket, Request>;
  type ServerOptions<
    Socket extends typeof WebSocketClass = typeof WebSocketClass,
    Request extends typeof IncomingMessage = typeof IncomingMessage,
  > = types.ServerOptions<Socket, Request>;
  type VerifyClientCallbackAsync<Request extends IncomingMessage = IncomingMessage> =
    types.VerifyClientCallbackAsync<Request>;
  type VerifyClientCallbackSync<Request extends IncomingMessage = IncomingMessage> =
    types.VerifyClientCallbackSync<Request>;
  type WebSocket = WebSocketClass;
}

export type * from "./types.ts";
export {
  createWebSocketStream,
  extension,
  PerMessageDeflate,
  Receiver,
  Sender,
  subprotocol,
  WebSocket,
  WebSocket as default,
  WebSocket as "module.exports",
  WebSocketServer,
};
