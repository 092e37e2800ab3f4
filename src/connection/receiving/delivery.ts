/**
 * Delivery: messages that are parsed go to the handler or to a reader, in order; those that have to wait, by way of the
 * inbox.
 */

import { CloseCode } from "../../protocol/close-code.ts";
import type { Endpoint } from "../../protocol/endpoint/endpoint.ts";
import type { CloseEvent, MessageEvent, PartEvent } from "../../protocol/endpoint/endpoint-events.ts";
import { illegal } from "../../protocol/state-table.ts";
import { isThenable, whenSettled } from "../event-loop/thenable.ts";
import type { MessageLayer } from "../handlers/message-layer.ts";
import type { MessageInfo } from "../options/delivery-options.ts";
import { type DeliveryState, deliveryStates } from "./delivery-state.ts";
import { Inbox } from "./inbox.ts";

/** The connection of a delivery: what it is asked and told. */
export interface DeliveryOwner {
  readonly endpoint: Endpoint;
  /** The public object, which handlers get. */
  readonly connection: { close(code: number): void };
  readonly handlers: MessageHandlers;
  readonly closing: PeerCloseListener;
  /** Undefined where messages are the application's as they come. */
  readonly layer: MessageLayer | undefined;
  handlerThrew(thrown: unknown): void;
  /** Takes the next step towards the end, where it is time for it. */
  progress(): void;
}

/** The message pump, as delivery uses it. */
export interface DeliveryPump {
  /** Parses and delivers what there is. */
  run(): void;
  /** A message that is being inflated is not wanted any more. */
  cancelInflating(): void;
}

/** The handler that messages go to. */
export interface MessageHandlers {
  message?(connection: object, data: string | Uint8Array, info: MessageInfo): unknown;
}

/** The close sequence, as it hears of the peer's Close. */
export interface PeerCloseListener {
  /** It was parsed. */
  peerCloseParsed(): void;
  /** Messages before it are not handled yet. */
  peerCloseWaits(): void;
  /** All that came before it is handled. */
  peerCloseReached(): void;
}

const { delivering, awaiting, discarding, finishing } = deliveryStates;

/** Delivers for one connection. */
export class Delivery {
  readonly #owner: DeliveryOwner;
  readonly #pump: DeliveryPump;
  #state = delivering;
  /** Promises of handlers that have not settled: a handler may be called while another one is on the stack. */
  #promises = 0;
  /** Made for the first message that has to wait, and for the first reader. */
  #inbox: Inbox | undefined;

  constructor(owner: DeliveryOwner, pump: DeliveryPump) {
    this.#owner = owner;
    this.#pump = pump;
  }

  /** Whether messages are handed on, see `deliveryTransitions`. */
  get state(): DeliveryState {
    return this.#state.name;
  }

  /** The queue of messages, and its readers. */
  get inbox(): Inbox {
    this.#inbox ??= new Inbox(this);
    return this.#inbox;
  }

  // For the message pump

  /** A message, or a part of one, was parsed. */
  admit(event: MessageEvent | PartEvent): void {
    if (this.#caughtUp() && this.#delivers()) return this.#deliver(event);
    if (!this.discards) this.inbox.push(this.#owner.endpoint.lendsBytes ? copyOf(event) : event);
  }

  /** The peer's Close was parsed. */
  admitClose(event: CloseEvent): void {
    const { closing } = this.#owner;
    closing.peerCloseParsed();
    if (this.isReached()) return closing.peerCloseReached();
    closing.peerCloseWaits();
    this.inbox.push(event);
  }

  /** Whether an event was in the inbox that has a handler or a reader to go to, and went there. */
  deliverNext(): boolean {
    const inbox = this.#inbox;
    if (inbox === undefined || inbox.empty || !this.#delivers()) return false;
    this.#deliver(inbox.shift());
    return true;
  }

  /** Bytes and UTF-16 units that wait in the inbox, and something for each event. */
  get queued(): number {
    return this.#inbox === undefined ? 0 : this.#inbox.size;
  }

  /** Memory of what was parsed and is not taken. */
  get held(): number {
    return this.#inbox === undefined ? 0 : this.#inbox.held;
  }

  /** Whether messages wait for a reader, and there is none yet. */
  isPostponing(): boolean {
    return this.#isUnused() && !this.discards && this.#owner.layer?.isDue !== true;
  }

  /** Whether messages are thrown away. */
  get discards(): boolean {
    return this.#state === discarding || this.#state === finishing;
  }

  // For the handlers

  /** No message is delivered before the promise of a handler has settled, with all that are awaited already. */
  awaits(result: PromiseLike<unknown>): void {
    this.#state = this.#state.promised ?? illegal(this.#state, "promised");
    this.#promises++;
    const resume = () => {
      if (--this.#promises > 0) return;
      this.#state = this.#state.settled ?? illegal(this.#state, "settled");
      this.#pump.run();
    };
    whenSettled(result, resume, (error) => this.#owner.handlerThrew(error));
  }

  /** Whether the promise of a handler is awaited. */
  get isAwaiting(): boolean {
    return this.#state === awaiting || this.#state === finishing;
  }

  // For the inbox

  /** See `Inbox`. */
  get endpoint(): Endpoint {
    return this.#owner.endpoint;
  }

  /** Whether the messages go to the application's handler. */
  get handlesMessages(): boolean {
    return this.#owner.handlers.message !== undefined;
  }

  /** See `InboxOwner`. */
  run(): void {
    this.#pump.run();
  }

  /** A loop was left: without a reader, nothing holds back the echo of a Close that is next. */
  readerLeft(): void {
    if (!this.#isUnused()) return;
    if (!this.#inbox!.atClose) return this.#owner.progress();
    this.#inbox!.shift();
    this.#owner.closing.peerCloseReached();
  }

  // For the end

  /** Throws away all messages that were not delivered, and those that will come. */
  discard(): void {
    this.#state = this.#state.discarded ?? illegal(this.#state, "discarded");
    this.#inbox?.clear();
    this.#pump.cancelInflating();
  }

  /** After our Close: messages that have neither a handler nor a reader that stays to the end are thrown away. */
  discardUnread(): void {
    if (!this.handlesMessages && !this.#inbox?.readToTheEnd) this.discard();
  }

  /** Whether the application has handled all that was parsed, or has asked for none of it. */
  isReached(): boolean {
    const ready = this.discards || this.#delivers() || (!this.isAwaiting && this.#isUnused());
    return ready && this.#caughtUp();
  }

  /** All that a reader can still get is in the inbox: who waits for more is told that there is none. */
  endReaders(): void {
    if (this.#caughtUp() || this.#inbox!.atClose) this.#inbox?.end();
  }

  /** Whether messages are with the handler, or on their way to it. */
  isHandling(): boolean {
    return this.handlesMessages && (this.isAwaiting || !this.#caughtUp());
  }

  /** Whether a reader has messages before it that it has not handled. */
  isBeingRead(): boolean {
    return !this.handlesMessages && this.#inbox?.reading === true;
  }

  /** Whether the next message or Close has a handler or a reader to go to. */
  #delivers(): boolean {
    return this.#state === delivering && (this.handlesMessages || this.#inbox?.awaited === true);
  }

  /** Whether all that was parsed is delivered. */
  #caughtUp(): boolean {
    return this.#inbox === undefined || this.#inbox.empty;
  }

  /** Whether there is neither a handler nor a reader. */
  #isUnused(): boolean {
    return !this.handlesMessages && !this.#inbox?.iterated;
  }

  #deliver(event: MessageEvent | PartEvent | CloseEvent): void {
    if (event.type === "close") return this.#owner.closing.peerCloseReached();
    const { handlers, layer } = this.#owner;
    if (layer !== undefined) return this.#deliverThrough(layer, event);
    if (!handlers.message) return this.#inbox!.give(event);
    this.#call(event);
  }

  #deliverThrough(layer: MessageLayer, event: MessageEvent | PartEvent): void {
    const { handlers } = this.#owner;
    try {
      const data = layer.handedOver(event.data);
      if (data === undefined) return;
      const given = data === event.data ? event : { ...event, data };
      if (!handlers.message) return this.#inbox!.give(given);
      this.#call(given);
    } catch (error) {
      if (handlers.message) return this.#owner.handlerThrew(error);
      this.#inbox!.fail(error);
      this.discard();
      this.#owner.connection.close(CloseCode.InternalError);
    }
  }

  #call(event: MessageEvent | PartEvent): void {
    const { handlers } = this.#owner;
    try {
      const result = handlers.message!(this.#owner.connection, event.data, event);
      if (isThenable(result)) this.awaits(result);
    } catch (error) {
      this.#owner.handlerThrew(error);
    }
  }
}

/** The event with a copy of its bytes. */
export function copyOf<Event extends MessageEvent | PartEvent>(event: Event): Event {
  return typeof event.data === "string" ? event : { ...event, data: new Uint8Array(event.data) };
}
