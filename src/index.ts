/// <reference types="node" preserve="true" />
/**
 * The entry `openline`: serve, accept and connect, once or again and again.
 */

export { connect } from "./client/connect.ts";
export type { ConnectAttempt, ConnectStep } from "./client/connect-channels.ts";
export type { ConnectOptions, CookieJar } from "./client/connect-options.ts";
export type { DialTarget } from "./client/dialing/dial.ts";
export type { ProxyChoice, ProxyOptions } from "./client/dialing/proxy.ts";
export type { TlsOptions } from "./client/dialing/secure.ts";
export { type ReconnectingOptions, reconnecting } from "./client/reconnecting/reconnecting.ts";
export {
  ReconnectingWebSocket,
  type ReconnectingWebSocketOptions,
} from "./client/reconnecting/reconnecting-websocket.ts";
export { CloseEvent, type CloseEventInit, type ErrorEvent } from "./client/whatwg/events.ts";
export {
  WebSocket,
  type WebSocketData,
  type WebSocketEventMap,
  type WebSocketInit,
} from "./client/whatwg/websocket.ts";
export type { WebSocketOptions } from "./client/whatwg/websocket-arguments.ts";
export { type WebSocketCloseInfo, WebSocketError } from "./client/whatwg/websocket-error.ts";
export {
  type WebSocketOpenInfo,
  WebSocketStream,
  type WebSocketStreamData,
  type WebSocketStreamOptions,
} from "./client/whatwg/websocket-stream.ts";
export type { CloseReport } from "./connection/closing/close-report.ts";
export { closedWith } from "./connection/closing/closed-with.ts";
export type { Connection } from "./connection/connection.ts";
export type { ConnectionHandlers } from "./connection/handlers/handlers.ts";
export type { ConnectionOptions, TextForm } from "./connection/options/connection-options.ts";
export type { AcceptsOption, DataOf, MessageData, MessageInfo } from "./connection/options/delivery-options.ts";
export type { AnsweredHeartbeat } from "./connection/options/heartbeat.ts";
export type { KeepaliveOptions } from "./connection/options/keepalive-options.ts";
export type { ClientLimits, ConnectionLimits, ServerLimits } from "./connection/options/limits.ts";
export type { RateLimitOptions } from "./connection/options/rate-limit.ts";
export type { MessageStream } from "./connection/receiving/message-stream.ts";
export type { Fragment, Fragments, SendFragmentsOptions } from "./connection/sending/fragment-sender.ts";
export { PreparedMessage } from "./connection/sending/prepared-message.ts";
export type { SendOptions } from "./connection/sending/send-options.ts";
export type { Sendable } from "./connection/sending/sendable.ts";
export { CloseCode } from "./protocol/close-code.ts";
export type { AcceptedMessages } from "./protocol/endpoint/endpoint-options.ts";
export type { HeaderEntries } from "./protocol/handshake/added-fields.ts";
export { HandshakeError, type HandshakeRule } from "./protocol/handshake/handshake-error.ts";
export type { CompressionOptions } from "./protocol/handshake/permessage-deflate.ts";
export type { HandshakeResponse } from "./protocol/handshake/response.ts";
export { ProtocolError, type Violation } from "./protocol/protocol-error.ts";
export type { HeartbeatOptions } from "./reconnecting/heartbeat.ts";
export type { QueueOptions, SocketData, UnsentReason } from "./reconnecting/message-queue.ts";
export type { Attempt, End, Provided } from "./reconnecting/policy/attempt.ts";
export type { ReconnectOptions } from "./reconnecting/policy/backoff.ts";
export type { RetryState } from "./reconnecting/policy/retry-states.ts";
export { ReconnectError } from "./reconnecting/reconnect-error.ts";
export type {
  ReconnectingCloseEvent,
  ReconnectingErrorEvent,
  ReconnectingHandler,
  ReconnectingOpenEvent,
  ReconnectingWebSocketEventMap,
  SocketClass,
  SocketLike,
  UnsentEvent,
} from "./reconnecting/reconnecting-websocket.ts";
export type { Resume, ResumedSocket } from "./reconnecting/resume.ts";
export type { Wire } from "./reconnecting/wire.ts";
export { type AcceptOptions, accept } from "./server/accept.ts";
export type { DrainOptions } from "./server/drain.ts";
export type { TrustProxy } from "./server/handshake/client-address.ts";
export type { UpgradeContext, UpgradeResult } from "./server/handshake/decide.ts";
export type { OriginPolicy } from "./server/handshake/origin.ts";
export type { RefusedRecord } from "./server/handshake/refuse.ts";
export type { RefusalReason, Refused } from "./server/handshake/refused.ts";
export { cookiesOf, isWebSocketUpgrade, subprotocolsOf } from "./server/handshake/upgrade-request.ts";
export type { ListenerOptions } from "./server/listening/listener.ts";
export type {
  FailedRecord,
  HandlerErrorRecord,
  ListenerErrorRecord,
  Log,
  LogRecord,
  RequestErrorRecord,
} from "./server/log.ts";
export { type ClusterNumbers, prometheusText, type ServerMetrics } from "./server/metrics.ts";
export { type RefuseOptions, refuse } from "./server/refusal.ts";
export {
  type DecisionWithData,
  type PathParams,
  type Route,
  type RouteOptions,
  type RouteWithData,
  route,
} from "./server/route.ts";
export type { ServeOptions } from "./server/serve-options.ts";
export { type Server, serve } from "./server/server.ts";
export type { ServerConnection } from "./server/server-connection.ts";
export type { Relay } from "./topics/relay.ts";
export type { Gap, Since, Subscribed, SubscribeOptions, Subscription } from "./topics/subscription.ts";
export { type Publishable, type PublishResult, Topics, type TopicsOptions } from "./topics/topics.ts";
