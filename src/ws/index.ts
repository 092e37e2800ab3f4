/**
 * `openline/ws`: a drop-in for `ws`. The default export is `WebSocket`, which has everything else as properties.
 */

import { extension } from "./parts/extension.ts";
import { PerMessageDeflate } from "./parts/permessage-deflate.ts";
import { Receiver } from "./parts/receiver.ts";
import { Sender } from "./parts/sender.ts";
import { subprotocol } from "./parts/subprotocol.ts";
import { createWebSocketStream } from "./stream.ts";
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

const WebSocket: typeof WebSocketClass & Statics = Object.assign(WebSocketClass, statics, {
  WebSocket: WebSocketClass,
}) as typeof WebSocketClass & Statics;
type WebSocket = WebSocketClass;

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
