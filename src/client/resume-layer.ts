/**
 * What the option `resume` does beneath a connection: it is asked about each message that comes, when that is handed over, and
 * puts its own `send` before that of the connection.
 */

import type { MessageLayer } from "../connection/handlers/message-layer.ts";
import type { MessageEvent, PartEvent } from "../protocol/endpoint/endpoint-events.ts";
import type { Resume, ResumedSocket } from "../reconnecting/resume.ts";

/** See the head of this file. */
export class ResumeLayer implements MessageLayer {
  readonly isDue = false;
  /** What is to be sent before all else. */
  readonly first: readonly string[];
  readonly #resume: Resume<string | Uint8Array>;
  readonly #socket: ResumedSocket;
  #sent: string[] = [];

  /** Calls `first` of the option for a connection with this subprotocol. */
  constructor(resume: Resume<string | Uint8Array>, subprotocol: string | undefined) {
    this.#resume = resume;
    this.#socket = { protocol: subprotocol ?? "", send: (data) => this.#sent.push(data as string) };
    resume.first(this.#socket);
    this.first = this.#sent;
  }

  /** The application's subprotocol. */
  get subprotocol(): string {
    return this.#socket.protocol;
  }

  /** See `MessageLayer`. */
  arrived(event: MessageEvent | PartEvent): MessageEvent | PartEvent {
    return event;
  }

  /** See `MessageLayer`. */
  handedOver(data: string | Uint8Array): string | Uint8Array | undefined {
    return this.#resume.receive(data, this.#socket);
  }

  /** See `MessageLayer`. */
  sent(text: string): string {
    this.#sent = [];
    this.#socket.send(text);
    return this.#sent[0] ?? text;
  }
}

/** Throws a TypeError where the option is something else than `resumeTopics` makes. */
export function checkResume(action: string, resume: unknown): void {
  if (resume === undefined) return;
  for (const name of ["attempt", "offer", "first", "receive"]) {
    if (typeof Object(resume)[name] === "function") continue;
    throw new TypeError(`Cannot ${action}: the option "resume" has no method ${name}; resumeTopics() makes one`);
  }
}
