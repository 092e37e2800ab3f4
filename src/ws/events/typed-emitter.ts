/**
 * An emitter that knows the arguments of its own events, and lets every other listener pass as it is.
 *
 * Users of `ws` listen with functions that say more of their arguments than the events do, such as a WebSocket with
 * properties of theirs; the types of Node's emitter would refuse those.
 */

import { EventEmitter } from "node:events";

// biome-ignore lint/suspicious/noExplicitAny: a listener takes whatever its event is emitted with
type AnyListener<Self> = (this: Self, ...values: any[]) => void;
/** A listener for one of the events. */
type ListenerOf<Self, Values> = Values extends readonly unknown[] ? (this: Self, ...values: Values) => void : never;

/** An emitter of `Events`: the arguments of each by its name. */
export interface TypedEmitter<Events>
  extends Omit<
    EventEmitter,
    | "on"
    | "once"
    | "off"
    | "addListener"
    | "removeListener"
    | "removeAllListeners"
    | "prependListener"
    | "prependOnceListener"
    | "setMaxListeners"
  > {
  on<Name extends keyof Events>(event: Name, listener: ListenerOf<this, Events[Name]>): this;
  on(event: string | symbol, listener: AnyListener<this>): this;
  once<Name extends keyof Events>(event: Name, listener: ListenerOf<this, Events[Name]>): this;
  once(event: string | symbol, listener: AnyListener<this>): this;
  off<Name extends keyof Events>(event: Name, listener: ListenerOf<this, Events[Name]>): this;
  off(event: string | symbol, listener: AnyListener<this>): this;
  addListener<Name extends keyof Events>(event: Name, listener: ListenerOf<this, Events[Name]>): this;
  addListener(event: string | symbol, listener: AnyListener<this>): this;
  removeListener<Name extends keyof Events>(event: Name, listener: ListenerOf<this, Events[Name]>): this;
  removeListener(event: string | symbol, listener: AnyListener<this>): this;
  prependListener<Name extends keyof Events>(event: Name, listener: ListenerOf<this, Events[Name]>): this;
  prependListener(event: string | symbol, listener: AnyListener<this>): this;
  prependOnceListener<Name extends keyof Events>(event: Name, listener: ListenerOf<this, Events[Name]>): this;
  prependOnceListener(event: string | symbol, listener: AnyListener<this>): this;
  removeAllListeners(event?: string | symbol): this;
  setMaxListeners(count: number): this;
}

/** Node's `EventEmitter`, with its statics and the types above. */
export const TypedEmitter: Omit<typeof EventEmitter, "prototype"> & (new <Events>() => TypedEmitter<Events>) =
  EventEmitter as never;
