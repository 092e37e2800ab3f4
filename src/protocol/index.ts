/**
 * The entry `openline/protocol`: the WebSocket protocol without any I/O.
 */

export { CloseCode, isSendableCloseCode } from "./close-code.ts";
export type { CloseStatus } from "./close-payload.ts";
export type { InflatedText } from "./deflate/short-messages.ts";
export { Endpoint } from "./endpoint/endpoint.ts";
export type {
  CloseEvent,
  EndpointEvent,
  FailedEvent,
  InflateEvent,
  MessageEvent,
  PartEvent,
  PingPongEvent,
} from "./endpoint/endpoint-events.ts";
export type { EndpointOptions } from "./endpoint/endpoint-options.ts";
export { type EndpointState, readyStates, type Transition, transitions } from "./endpoint/endpoint-state.ts";
export { Opcode, type Role } from "./frames/frame.ts";
export { ProtocolError, type Violation, violations } from "./protocol-error.ts";
