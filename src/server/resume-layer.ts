/**
 * The resume protocol beneath a connection of a server: its client's first message says where it was, and every later text
 * is the application's.
 */

import type { MessageLayer } from "../connection/handlers/message-layer.ts";
import type { MessageEvent, PartEvent } from "../protocol/endpoint/endpoint-events.ts";
import { longestRequest, parseRequest, type ResumeRequest } from "../resume/resume-messages.ts";
import { escapeText, isEscaped, isMarked } from "../resume/resume-subprotocol.ts";

/** Who is told. */
export interface ResumeLayerOwner {
  /** The client has said where it was. */
  began(request: ResumeRequest): void;
  /** The client breaks the protocol, and this is how. */
  failed(because: string): void;
}

/** See the head of this file. */
export class ResumeLayer implements MessageLayer {
  readonly #owner: ResumeLayerOwner;
  /** What has come of the client's first message; undefined once all of it has. */
  #request: string | undefined = "";
  #hasFailed = false;
  /** The start of the message under way, two characters of it or more. */
  #seen = "";

  constructor(owner: ResumeLayerOwner) {
    this.#owner = owner;
  }

  /** See `MessageLayer`. */
  get isDue(): boolean {
    return this.#request !== undefined && !this.#hasFailed;
  }

  /** See `MessageLayer`. */
  arrived(event: MessageEvent | PartEvent): MessageEvent | PartEvent | undefined {
    if (this.#hasFailed) return undefined;
    if (this.#request !== undefined) return this.#begin(event, this.#request);
    if (!event.text) return event;
    const isWhole = event.type === "message";
    if (isWhole || event.first) this.#seen = "";
    if (this.#seen.length > 1) return event;
    const { data } = event;
    const start = typeof data === "string" ? data.slice(0, 2) : String.fromCharCode(...data.subarray(0, 2));
    const before = this.#seen;
    this.#seen += start;
    if (!isMarked(this.#seen)) return event;
    const isOwn = this.#seen.length > 1 ? isEscaped(this.#seen) : !(isWhole || event.last);
    if (!isOwn) return this.#fail("a later message is none of the application's");
    if (before.length > 0 || start.length === 0) return event;
    return { ...event, data: typeof data === "string" ? data.slice(1) : data.subarray(1) };
  }

  /** See `MessageLayer`. */
  handedOver(data: string | Uint8Array): string | Uint8Array {
    return data;
  }

  /** See `MessageLayer`. */
  sent(text: string): string {
    return escapeText(text);
  }

  #begin(event: MessageEvent | PartEvent, before: string): undefined {
    if (!event.text) return this.#fail("the first message is binary");
    const request = before + (typeof event.data === "string" ? event.data : new TextDecoder().decode(event.data));
    if (request.length > longestRequest) return this.#fail("the first message is too long");
    this.#request = request;
    if (event.type === "part" && !event.last) return undefined;
    const parsed = isMarked(request) ? parseRequest(request) : undefined;
    if (parsed === undefined) return this.#fail("the first message does not say where it was");
    this.#request = undefined;
    this.#owner.began(parsed);
  }

  #fail(because: string): undefined {
    this.#hasFailed = true;
    this.#owner.failed(because);
  }
}
