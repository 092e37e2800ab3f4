/// <reference types="node" preserve="true" />
/**
 * The entry `openline`: serve, accept and connect.
 */

export { connect } from "./client/connect.ts";
export type {
  ConnectOptions,
  CookieJar,
  DialTarget,
  ProxyChoice,
  ProxyOptions,
  TlsOptions,
} from "./client/connect-options.ts";
export type { ConnectAttempt, ConnectStep } from "./client/connect-trace.ts";
export { CloseEvent, type CloseEventInit, type ErrorEvent } from "./client/events.ts";
export type { WebSocketOptions } from "./client/face.ts";
export { WebSocket, type WebSocketData, type WebSocketEventMap, type WebSocketInit } from "./client/websocket.ts";
export { type WebSocketCloseInfo, WebSocketError } from "./client/websocket-error.ts";
export {
  type WebSocketOpenInfo,
  WebSocketStream,
  type WebSocketStreamData,
  type WebSocketStreamOptions,
} from "./client/websocket-stream.ts";
export type { CloseReport } from "./connection/close-report.ts";
export type { Connection } from "./connection/connection.ts";
export type {
  AcceptsOption,
  ConnectionHandlers,
  ConnectionOptions,
  DataOf,
  KeepaliveOptions,
  MessageData,
  MessageInfo,
  SendOptions,
  TextForm,
} from "./connection/handlers.ts";
export type { ClientLimits, ConnectionLimits, ServerLimits } from "./connection/limits.ts";
export type { Sendable } from "./connection/message-sender.ts";
export type { MessageStream } from "./connection/message-stream.ts";
export type { Fragment, Fragments, SendFragmentsOptions } from "./connection/outgoing-stream.ts";
export { PreparedMessage } from "./connection/prepared-message.ts";
export { CloseCode } from "./protocol/close-code.ts";
export type { AcceptedMessages } from "./protocol/endpoint-settings.ts";
export { ProtocolError, type Violation } from "./protocol/errors.ts";
export { HandshakeError, type HandshakeRule } from "./protocol/handshake-rules.ts";
export type { HandshakeResponse, HeaderEntries } from "./protocol/opening-handshake.ts";
export type { CompressionOptions } from "./protocol/permessage-deflate.ts";
export { type AcceptOptions, accept } from "./server/accept.ts";
export type { TrustProxy } from "./server/client-address.ts";
export type { DrainOptions } from "./server/drain.ts";
export type { ListenerOptions } from "./server/listener.ts";
export type {
  FailedRecord,
  HandlerErrorRecord,
  ListenerErrorRecord,
  Log,
  LogRecord,
  RequestErrorRecord,
} from "./server/log.ts";
export { prometheusText, type ServerMetrics } from "./server/metrics.ts";
export type { OriginPolicy } from "./server/origin.ts";
export type { RefusalReason, RefusedRecord } from "./server/refuse.ts";
export {
  type DecisionWithData,
  type PathParams,
  type Route,
  type RouteOptions,
  type RouteWithData,
  route,
  type UpgradeContext,
  type UpgradeResult,
} from "./server/route.ts";
export { type ServeOptions, type Server, serve } from "./server/server.ts";
export type { ServerConnection } from "./server/server-connection.ts";
export { type Publishable, type PublishResult, Topics } from "./topics/topics.ts";
