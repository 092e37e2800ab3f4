// What programs import from `ws`.
import WebSocket, {
  type ClientOptions,
  createWebSocketStream,
  type RawData,
  Receiver,
  WebSocketServer,
} from "openline/ws";

const options: ClientOptions = { maxPayload: 3 };
const ws: WebSocket = new WebSocket("ws://localhost", options);
const server: WebSocketServer = new WebSocketServer({ noServer: true });
const same: WebSocket.Server = server;
const data: RawData = Buffer.alloc(0);
const received: WebSocket.RawData = data;
const receiver: Receiver = new Receiver({ isServer: true });
console.log(createWebSocketStream(ws), same, received, receiver);
