/**
 * The stream of JetStream that keeps who is there: a log of changes for each topic's members, and one for all leases.
 *
 * It is read from its leader alone: what a replica does not know yet would make a lease look as if it were gone.
 */

import { Buffer } from "node:buffer";
import { randomBytes } from "node:crypto";
import { headers, type Msg } from "@nats-io/transport-node";
import { answerOf } from "./jetstream-api.ts";
import { KeptStream, type MessageQuestion } from "./kept-stream.ts";
import type { NatsLink } from "./nats-link.ts";
import { hashOf } from "./offsets.ts";
import type { PresenceNames } from "./subjects.ts";

/** A state, or a piece of it, that is written behind its log once more. */
export interface Repeated {
  readonly version: number;
  /** Whether it is the last piece. */
  readonly isLast: boolean;
}

/** A message of the stream. */
export interface PresenceMessage {
  readonly sequence: number;
  readonly offset: number;
  /** When it was stored, in milliseconds since 1970 of the broker's clock. */
  readonly time: number;
  /** Where the lines repeat a state; undefined where they are changes. */
  readonly repeated: Repeated | undefined;
  readonly lines: readonly string[];
}

/** How long a message is kept, in milliseconds: a day. */
export const longestKept: number = 24 * 60 * 60 * 1000;
/** How many bytes the lines of one message may have, as far as one line is not longer. */
const mostInMessage = 256 * 1024;
/** How many bytes are left for what comes before the lines. */
const headRoom = 1024;
/** Stands behind the version in the last piece of a state. */
const lastPiece = "last";

/** See the head of this file. */
export class PresenceStream {
  readonly names: PresenceNames;
  /** When it was made, in milliseconds since 1970 of the broker's clock. */
  readonly created: number;
  readonly #link: NatsLink;
  readonly #stream: KeptStream;

  private constructor(link: NatsLink, names: PresenceNames, stream: KeptStream) {
    this.#link = link;
    this.#stream = stream;
    this.names = names;
    this.created = Date.parse(stream.created);
  }

  /** Finds the stream, or makes it. Rejects with a `ClusterError`. */
  static async open(link: NatsLink, names: PresenceNames, replicas: number): Promise<PresenceStream> {
    const stream = await KeptStream.open(link, {
      name: names.stream,
      subjects: [names.all, names.leases],
      replicas,
      maxAge: longestKept,
      republish: { src: names.all, dest: names.republished },
    });
    return new PresenceStream(link, names, stream);
  }

  /** As many of the lines, from the first on, as go into one message. */
  piece(lines: Iterable<string>): readonly string[] {
    const room = Math.min(mostInMessage, this.#link.maxPayload - headRoom);
    const piece: string[] = [];
    let size = 0;
    for (const line of lines) {
      size += Buffer.byteLength(line) + 1;
      if (piece.length > 0 && size > room) break;
      piece.push(line);
    }
    return piece;
  }

  /**
   * Stores a message and returns its number. A state is repeated only where the newest message of the subject has the
   * number `after`; `isOvertaken` tells that from other errors.
   */
  async store(
    subject: string,
    lines: readonly string[],
    repeated?: Repeated & { readonly after: number },
  ): Promise<number> {
    const given = headers();
    const head = [randomBytes(9).toString("base64url")];
    if (repeated) {
      given.set("Nats-Expected-Last-Subject-Sequence", `${repeated.after}`);
      head.push(`${repeated.version}`, repeated.isLast ? lastPiece : "");
    }
    const answer = await this.#link.request(subject, [head.join(" "), ...lines].join("\n"), { headers: given });
    return answerOf<{ seq: number }>(answer).seq;
  }

  /** The newest message of a subject. */
  newest(subject: string): Promise<PresenceMessage | undefined> {
    return this.#get({ last_by_subj: subject });
  }

  /** The message with this number. */
  at(sequence: number): Promise<PresenceMessage | undefined> {
    return this.#get({ seq: sequence });
  }

  /** The messages of a subject from one number to another. */
  async between(subject: string, first: number, last: number): Promise<PresenceMessage[]> {
    const messages: PresenceMessage[] = [];
    let next = first;
    while (next <= last) {
      const message = await this.#get({ seq: next, next_by_subj: subject });
      if (message === undefined) break;
      messages.push(message);
      next = message.sequence + 1;
    }
    return messages;
  }

  /** Removes a subject's messages before the number. */
  purge(subject: string, before: number): Promise<void> {
    return this.#stream.purge(subject, before);
  }

  async #get(question: MessageQuestion): Promise<PresenceMessage | undefined> {
    const message = await this.#stream.get(question);
    return message && presenceMessage(Buffer.from(message.data).toString(), message);
  }
}

/** Reads a message that the stream sends on at this time, and the number of the one before it in its subject; undefined for what is none. */
export function sentOn({ headers, data }: Msg, time: number): { message: PresenceMessage; before: number } | undefined {
  const sequence = Number(headers?.get("Nats-Sequence"));
  const before = Number(headers?.get("Nats-Last-Sequence"));
  if (!headers || !Number.isSafeInteger(sequence) || sequence < 1 || !Number.isSafeInteger(before)) return undefined;
  const message = presenceMessage(Buffer.from(data).toString(), { sequence, time });
  return { message, before };
}

function presenceMessage(text: string, { sequence, time }: { sequence: number; time: number }): PresenceMessage {
  const [head = "", ...lines] = text.split("\n");
  const [, version, piece] = head.split(" ");
  const repeated = version === undefined ? undefined : { version: Number(version), isLast: piece === lastPiece };
  // A stream that lost its end gives the numbers again: the message's own id tells apart what has the same.
  const offset = sequence * 4096 + (hashOf(head) % 4096);
  return { sequence, offset, time, repeated, lines };
}
