/**
 * The entry `openline/protocol`: the WebSocket protocol without any I/O.
 */

export { CloseCode, type CloseStatus, isSendableCloseCode } from "./close-code.ts";
export {
  type CloseEvent,
  Endpoint,
  type EndpointEvent,
  type EndpointOptions,
  type FailedEvent,
  type InflateEvent,
  type MessageEvent,
  type PingPongEvent,
} from "./endpoint.ts";
export { type EndpointState, readyStates, type Transition, transitions } from "./endpoint-state.ts";
export { ProtocolError, type Violation, violations } from "./errors.ts";
export { Opcode, type Role } from "./frame.ts";
