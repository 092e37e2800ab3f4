/**
 * The events of a `WebSocket`, as an emitter has them and as browsers do.
 */

import type { ClientRequest, IncomingMessage } from "node:http";
import type { RawData } from "../parts/message-data.ts";
import {
  addListener,
  attributeListener,
  type CloseEvent,
  type Dispatching,
  type ErrorEvent,
  type Event,
  type Listener,
  type MessageEvent,
  removeListener,
  setAttributeListener,
} from "./event.ts";
import { TypedEmitter } from "./typed-emitter.ts";

/** The events of a `WebSocket`, with what their listeners get. */
export interface WebSocketEvents {
  open: [];
  message: [data: RawData, isBinary: boolean];
  close: [code: number, reason: Buffer];
  error: [error: Error];
  ping: [data: Buffer];
  pong: [data: Buffer];
  upgrade: [response: IncomingMessage];
  redirect: [url: string, request: ClientRequest];
  "unexpected-response": [request: ClientRequest, response: IncomingMessage];
}

/** The event of each type for `addEventListener`. */
export interface WebSocketEventMap<Target> {
  open: Event<Target>;
  message: MessageEvent<Target>;
  error: ErrorEvent<Target>;
  close: CloseEvent<Target>;
}

/** The options of `addEventListener`. */
export interface EventListenerOptions {
  /** Whether the listener is removed when it is called. Default false. */
  once?: boolean | undefined;
}

type AttributeListener<Kind> = ((event: Kind) => void) | null;
/**
 * A listener for an event that says more, or other things, than ours: so a WebSocket is one of `@types/ws` as well, whose
 * events have other targets.
 */
// biome-ignore lint/suspicious/noExplicitAny: whatever event it is for
type AnyListener = Listener<any>;
/** A listener as it is read. */
// biome-ignore lint/suspicious/noExplicitAny: whatever event it was set for
type ReadListener = ((event: any) => void) | null;

/** The listeners that are attributes; `makeAttributes` defines them. */
export interface EventfulSocket<Target> {
  /** The listener for `open`; null where there is none. */
  get onopen(): ReadListener;
  set onopen(listener: AttributeListener<Event<Target>>);
  /** The listener for `message`; null where there is none. */
  get onmessage(): ReadListener;
  set onmessage(listener: AttributeListener<MessageEvent<Target>>);
  /** The listener for `error`; null where there is none. */
  get onerror(): ReadListener;
  set onerror(listener: AttributeListener<ErrorEvent<Target>>);
  /** The listener for `close`; null where there is none. */
  get onclose(): ReadListener;
  set onclose(listener: AttributeListener<CloseEvent<Target>>);
}

/** The part of a `WebSocket` that its listeners are added to; `Target` is the whole. */
// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: a class cannot declare accessors without a body
export abstract class EventfulSocket<Target> extends TypedEmitter<WebSocketEvents> {
  /** @internal Whether our Close was sent. */
  abstract readonly _closeFrameSent: boolean;
  /** @internal Whether the peer's Close was received. */
  abstract readonly _closeFrameReceived: boolean;

  /** Adds a listener for `open`, `message`, `error` or `close`; every other type is ignored. */
  addEventListener<Type extends keyof WebSocketEventMap<Target>>(
    type: Type,
    listener: Listener<WebSocketEventMap<Target>[Type]>,
    options?: EventListenerOptions,
  ): void;
  addEventListener(type: keyof WebSocketEventMap<Target>, listener: AnyListener, options?: EventListenerOptions): void;
  addEventListener(type: keyof WebSocketEventMap<Target>, listener: AnyListener, options?: EventListenerOptions): void {
    addListener(this.#dispatching, type, listener, { once: options?.once });
  }

  /** Removes a listener that `addEventListener` added. */
  removeEventListener<Type extends keyof WebSocketEventMap<Target>>(
    type: Type,
    listener: Listener<WebSocketEventMap<Target>[Type]>,
  ): void;
  removeEventListener(type: keyof WebSocketEventMap<Target>, listener: AnyListener): void;
  removeEventListener(type: keyof WebSocketEventMap<Target>, listener: AnyListener): void {
    removeListener(this.#dispatching, type, listener);
  }

  get #dispatching(): Dispatching {
    return this as unknown as Dispatching;
  }
}

/** Defines the attributes of the events, and makes all attributes enumerable, as properties of the prototype itself. */
export function makeAttributes(prototype: object): void {
  const names = ["binaryType", "bufferedAmount", "extensions", "isPaused", "protocol", "readyState", "url"];
  for (const name of names) Object.defineProperty(prototype, name, { enumerable: true });
  for (const name of ["addEventListener", "removeEventListener"]) {
    const { value } = Object.getOwnPropertyDescriptor(EventfulSocket.prototype, name)!;
    Object.defineProperty(prototype, name, { configurable: true, enumerable: true, value, writable: true });
  }
  for (const type of ["open", "message", "error", "close"]) {
    Object.defineProperty(prototype, `on${type}`, {
      configurable: true,
      enumerable: true,
      get(this: Dispatching) {
        return attributeListener(this, type);
      },
      set(this: Dispatching, listener: unknown) {
        setAttributeListener(this, type, listener);
      },
    });
  }
}
