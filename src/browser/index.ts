/**
 * The entry `openline/browser`: what pages and workers have, in types that name nothing of Node.
 */

export { CloseCode } from "../protocol/close-code.ts";
export type { HeartbeatOptions } from "../reconnecting/heartbeat.ts";
export type { QueueOptions, SocketData, UnsentReason } from "../reconnecting/message-queue.ts";
export type { Attempt, End, Provided } from "../reconnecting/policy/attempt.ts";
export type { ReconnectOptions } from "../reconnecting/policy/backoff.ts";
export type { RetryState } from "../reconnecting/policy/retry-states.ts";
export { ReconnectError } from "../reconnecting/reconnect-error.ts";
export type {
  ReconnectingCloseEvent,
  ReconnectingErrorEvent,
  ReconnectingHandler,
  ReconnectingOpenEvent,
  ReconnectingWebSocketEventMap,
  ReconnectingWebSocketOptions,
  SocketClass,
  SocketLike,
  UnsentEvent,
} from "../reconnecting/reconnecting-websocket.ts";
export type { Resume, ResumedSocket } from "../reconnecting/resume.ts";
export type { Wire } from "../reconnecting/wire.ts";
export { type ConnectOptions, connect } from "./connect.ts";
export type { CloseReport, Connection, ConnectionHandlers, MessageData, Sendable } from "./connection.ts";
export { HandshakeError, type HandshakeRule } from "./handshake-error.ts";
export { type ReconnectingOptions, reconnecting } from "./reconnecting.ts";
export { ReconnectingWebSocket } from "./reconnecting-websocket.ts";
