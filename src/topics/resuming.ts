/**
 * The resume protocol of one connection of a server, between the client's first message and the topics.
 *
 * Nothing of a topic with history is delivered before that message has come.
 */

import { type Deferred, deferred } from "../connection/event-loop/deferred.ts";
import type { Claim, ResumeRequest } from "../resume/resume-messages.ts";

/** See the head of this file. */
export class Resuming {
  /** Sends a text of the protocol. */
  readonly tell: (text: string) => void;
  readonly #begun: Deferred<void> = deferred();
  /** Where the client says that it was, in topics that it was not subscribed to since. */
  #claims: Map<string, Claim> = new Map();

  constructor(tell: (text: string) => void) {
    this.tell = tell;
  }

  /** Resolves when the client has said where it was. */
  get begun(): Promise<void> {
    return this.#begun.promise;
  }

  /** The client's first message. */
  begin({ claims }: ResumeRequest): void {
    this.#claims = new Map(claims.map((claim) => [claim.topic, claim]));
    this.#begun.resolve();
  }

  /** Where the client was in the topic; once. */
  take(topic: string): Claim | undefined {
    const claim = this.#claims.get(topic);
    this.#claims.delete(topic);
    return claim;
  }
}
