/**
 * The events of `addEventListener` and of the attributes `onopen`, `onmessage`, `onerror` and `onclose`, over the ordinary
 * events of an emitter.
 *
 * They are classes of their own, as in `ws`: Node 20 has no global ErrorEvent or CloseEvent, and these hold no more than is
 * asked for.
 */

import type { EventEmitter } from "node:events";
import { type InspectOptions, inspect } from "node:util";
import type { RawData } from "../parts/message-data.ts";

/** What every event holds. */
interface EventInit<Target> {
  /** Default null. */
  readonly target?: Target | null;
}

/** An event of a `WebSocket`: its type and the object that it happened to. */
export class Event<Target = unknown> {
  readonly #type: string;
  readonly #target: Target;

  constructor(type: string, { target = null }: EventInit<Target> = {}) {
    this.#type = type;
    this.#target = target as Target;
  }

  /** The name of the event. */
  get type(): string {
    return this.#type;
  }

  /** The object that the event happened to. */
  get target(): Target {
    return this.#target;
  }
}

interface CloseEventInit<Target> extends EventInit<Target> {
  /** Default 0. */
  readonly code?: number;
  /** Default empty. */
  readonly reason?: string;
  /** Default false. */
  readonly wasClean?: boolean;
}

/** The end of a connection. */
export class CloseEvent<Target = unknown> extends Event<Target> {
  readonly #end: CloseEventInit<Target>;

  constructor(type: string, end: CloseEventInit<Target> = {}) {
    super(type, end);
    this.#end = end;
  }

  /** The code of the Close frame received; 1005 if it had none, 1006 if none came. */
  get code(): number {
    return this.#end.code ?? 0;
  }

  /** The reason of the Close frame received, else empty. */
  get reason(): string {
    return this.#end.reason ?? "";
  }

  /** Whether both Close frames were exchanged. */
  get wasClean(): boolean {
    return this.#end.wasClean ?? false;
  }
}

interface ErrorEventInit<Target> extends EventInit<Target> {
  /** Default null. */
  readonly error?: Error | null;
  /** Default empty. */
  readonly message?: string;
}

/** An error: of the opening handshake, or of a peer that broke a rule. */
export class ErrorEvent<Target = unknown> extends Event<Target> {
  readonly #failure: ErrorEventInit<Target>;

  constructor(type: string, failure: ErrorEventInit<Target> = {}) {
    super(type, failure);
    this.#failure = failure;
  }

  /** The error itself, with a code where it has one. */
  get error(): Error & { readonly code?: string } {
    return (this.#failure.error ?? null) as Error;
  }

  /** What the error says. */
  get message(): string {
    return this.#failure.message ?? "";
  }
}

interface MessageEventInit<Target> extends EventInit<Target> {
  /** Default null. */
  readonly data?: RawData | string | null;
}

/** A message. */
export class MessageEvent<Target = unknown> extends Event<Target> {
  readonly #data: RawData | string;

  constructor(type: string, message: MessageEventInit<Target> = {}) {
    super(type, message);
    this.#data = (message.data ?? null) as RawData | string;
  }

  /** Text as a string; binary in the form of `binaryType`. */
  get data(): RawData | string {
    return this.#data;
  }
}

for (const [kind, names] of [
  [Event, ["type", "target"]],
  [CloseEvent, ["code", "reason", "wasClean"]],
  [ErrorEvent, ["error", "message"]],
  [MessageEvent, ["data"]],
] as const) {
  for (const name of names) Object.defineProperty(kind.prototype, name, { enumerable: true });
}

/** What is shown where an event is logged or thrown: all but the target, whose listeners and options would hide the rest. */
function shown(this: Event, depth: number, options: InspectOptions): string {
  const { name } = this.constructor;
  if (depth < 0) return `[${name}]`;
  const told = this as unknown as Readonly<Record<string, unknown>>;
  const fields: Record<string, unknown> = { type: this.type };
  // Their getters are of their classes, not their own.
  for (const field in told) if (field !== "target") fields[field] = told[field];
  return `${name} ${inspect(fields, options)}`;
}

Object.defineProperty(Event.prototype, inspect.custom, { value: shown });

/** The object that events are dispatched on, as far as they look at it. */
export interface Dispatching extends EventEmitter {
  /** Whether our Close was sent, and the peer's received. */
  readonly _closeFrameSent: boolean;
  readonly _closeFrameReceived: boolean;
}

/** The event that each of the emitter's own is told as. */
const makers: Readonly<Record<string, (target: Dispatching, ...values: never[]) => Event>> = {
  open: (target) => new Event("open", { target }),
  message: (target, data: RawData, isBinary: boolean) =>
    new MessageEvent("message", { target, data: isBinary ? data : String(data) }),
  close: (target, code: number, reason: Buffer) => {
    const wasClean = target._closeFrameSent && target._closeFrameReceived;
    return new CloseEvent("close", { target, code, reason: reason.toString(), wasClean });
  },
  error: (target, error: Error) => new ErrorEvent("error", { target, error, message: error.message }),
};

/** A listener: a function, or an object with one. */
export type Listener<Kind extends Event = Event> = ((event: Kind) => void) | { handleEvent(event: Kind): void };

// biome-ignore lint/suspicious/noExplicitAny: the values of whatever event it is for
type Wrapper = (...values: any[]) => void;

/** Where a wrapper has the listener that it was made for. */
export const wrappedListener: unique symbol = Symbol("listener");
/** Where a wrapper says whether it is that of an attribute. */
const ofAttribute: unique symbol = Symbol("attribute");

interface Wrapped {
  readonly [wrappedListener]?: unknown;
  readonly [ofAttribute]?: boolean;
}

function find(
  target: EventEmitter,
  type: string,
  wanted: (wrapper: Wrapped) => boolean,
): (Wrapper & Wrapped) | undefined {
  return (target.listeners(type) as (Wrapper & Wrapped)[]).find((one) => wrappedListener in one && wanted(one));
}

function isAdded(listener: unknown): (wrapper: Wrapped) => boolean {
  return (wrapper) => wrapper[wrappedListener] === listener && !wrapper[ofAttribute];
}

function isAttribute(wrapper: Wrapped): boolean {
  return wrapper[ofAttribute] === true;
}

/** Adds a listener, unless it was added before or the type is none of the four. */
export function addListener(
  target: Dispatching,
  type: string,
  listener: Listener<never>,
  { once, attribute = false }: { readonly once?: boolean | undefined; readonly attribute?: boolean } = {},
): void {
  const make = Object.hasOwn(makers, type) ? makers[type] : undefined;
  if (make === undefined) return;
  if (!attribute && find(target, type, isAdded(listener))) return;
  const wrapper: Wrapper = (...values) => {
    const event = make(target, ...(values as never[])) as never;
    if (typeof listener === "function") listener.call(target, event);
    else listener.handleEvent(event);
  };
  Object.assign(wrapper, { [wrappedListener]: listener, [ofAttribute]: attribute });
  if (once) target.once(type, wrapper);
  else target.on(type, wrapper);
}

/** Removes a listener that `addListener` added. */
export function removeListener(target: Dispatching, type: string, listener: unknown): void {
  const wrapper = find(target, type, isAdded(listener));
  if (wrapper !== undefined) target.removeListener(type, wrapper);
}

/** The listener of an attribute; null where there is none. */
export function attributeListener(target: Dispatching, type: string): Listener<never> | null {
  const wrapper = find(target, type, isAttribute);
  return wrapper === undefined ? null : (wrapper[wrappedListener] as Listener<never>);
}

/** Replaces the listener of an attribute; what is no function takes it away. */
export function setAttributeListener(target: Dispatching, type: string, listener: unknown): void {
  const wrapper = find(target, type, isAttribute);
  if (wrapper !== undefined) target.removeListener(type, wrapper);
  if (typeof listener === "function") addListener(target, type, listener as Listener<never>, { attribute: true });
}
