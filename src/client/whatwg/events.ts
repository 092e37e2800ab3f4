/**
 * The events that WHATWG's WebSocket fires and that Node 20 lacks: `CloseEvent` and `ErrorEvent`.
 *
 * Where the runtime has them, its own classes are used, so that `instanceof` means the same in all of a program.
 */

import { defineInterface, requireArguments, toUnsignedShort, toUSVString } from "./webidl.ts";

/** The members of a `CloseEvent`, for its constructor. */
export interface CloseEventInit {
  /** Whether the event bubbles. Default false. */
  readonly bubbles?: boolean;
  /** Whether the event can be cancelled. Default false. */
  readonly cancelable?: boolean;
  /** Whether the event leaves a shadow tree. Default false. */
  readonly composed?: boolean;
  /** Whether the connection was closed cleanly. Default false. */
  readonly wasClean?: boolean;
  /** The close code. Default 0. */
  readonly code?: number;
  /** The reason in the Close frame. Default: empty. */
  readonly reason?: string;
}

/** The event of a closed connection (WHATWG WebSockets section 6). */
export interface CloseEvent extends Event {
  /** Whether both Close frames were exchanged and the connection did not fail. */
  readonly wasClean: boolean;
  /** The code of the server's Close frame; 1005 if it had none, 1006 if none came. */
  readonly code: number;
  /** The reason in the server's Close frame. */
  readonly reason: string;
}

/** The type of the class `CloseEvent`. */
export interface CloseEventConstructor {
  new (type: string, init?: CloseEventInit): CloseEvent;
  readonly prototype: CloseEvent;
}

/** The event of a failed connection. In browsers it has no `error` and no `message`. */
export interface ErrorEvent extends Event {
  /** The reason: a `HandshakeError`, a `ProtocolError`, or the socket's error. */
  readonly error: unknown;
  /** The message of `error`. */
  readonly message: string;
}

interface ErrorEventConstructor {
  new (type: string, init: { readonly error: unknown; readonly message: string }): ErrorEvent;
}

interface RuntimeEvents {
  readonly CloseEvent?: CloseEventConstructor;
  readonly ErrorEvent?: ErrorEventConstructor;
}

const runtime = globalThis as RuntimeEvents;

/** The class of the event of a closed connection; the runtime's own where it has one. */
export const CloseEvent: CloseEventConstructor = runtime.CloseEvent ?? makeCloseEvent();

/** The class of the event of a failed connection; the runtime's own where it has one. */
export const ErrorEvent: ErrorEventConstructor = runtime.ErrorEvent ?? makeErrorEvent();

function makeCloseEvent(): CloseEventConstructor {
  class CloseEvent extends Event {
    readonly #wasClean: boolean;
    readonly #code: number;
    readonly #reason: string;

    constructor(type: string, init: CloseEventInit = {}) {
      // biome-ignore lint/complexity/noArguments: Web IDL counts them
      requireArguments("CloseEvent", arguments.length, 1);
      super(type, init);
      this.#code = init?.code === undefined ? 0 : toUnsignedShort(init.code, "wrap");
      this.#reason = init?.reason === undefined ? "" : toUSVString(init.reason);
      this.#wasClean = Boolean(init?.wasClean);
    }

    get wasClean(): boolean {
      return this.#wasClean;
    }

    get code(): number {
      return this.#code;
    }

    get reason(): string {
      return this.#reason;
    }
  }
  defineInterface(CloseEvent);
  return CloseEvent;
}

function makeErrorEvent(): ErrorEventConstructor {
  class ErrorEvent extends Event {
    readonly #error: unknown;
    readonly #message: string;

    constructor(type: string, init: { readonly error: unknown; readonly message: string }) {
      super(type);
      this.#error = init.error;
      this.#message = init.message;
    }

    get error(): unknown {
      return this.#error;
    }

    get message(): string {
      return this.#message;
    }
  }
  defineInterface(ErrorEvent);
  return ErrorEvent;
}
