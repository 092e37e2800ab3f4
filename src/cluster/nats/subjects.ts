/**
 * The subjects and streams of NATS by which topics are known there.
 *
 * A stream keeps the topics of one history rule: `prefix.s.rule.topic.m` are their messages, `prefix.s.rule.topic.e` the
 * marks at which an epoch began, `prefix.s.rule.=.s` those at which the server did. Each is sent on, when it is stored, to `prefix.l.topic.m` or `.e`, where nodes listen;
 * messages without a history go there at once. One more stream keeps who is there: `prefix.m.topic` are the changes of a topic's
 * members, sent on to `prefix.c.topic`, and `prefix.n` those of the leases of all nodes.
 */

import { createHash, randomBytes } from "node:crypto";
import type { HistoryRule } from "../broker/broker.ts";

/** The longest topic that is spelled out, in bytes of its token: a longer one would not fit into a line of the protocol. */
const longestToken = 512;
const day = 24 * 60 * 60 * 1000;

/** What the subjects of all streams and topics begin with. */
export class Subjects {
  readonly #prefix: string;

  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  /** Where the node listens that has this topic. */
  live(token: string): string {
    return `${this.#prefix}.l.${token}.*`;
  }

  /** Where a message goes that is not stored. */
  unstored(token: string): string {
    return `${this.#prefix}.l.${token}.m`;
  }

  /** A subject for one node's messages to itself. */
  probe(): string {
    return `${this.#prefix}.p.${randomBytes(9).toString("hex")}`;
  }

  /** Where the word is that all nodes have in common. */
  get secret(): { readonly stream: string; readonly subject: string } {
    return { stream: `${this.#prefix.replaceAll(".", "_")}_secret`, subject: `${this.#prefix}.secret` };
  }

  /** The names by which presence is known. */
  get presence(): PresenceNames {
    return new PresenceNames(this.#prefix);
  }

  /** The stream of a rule. */
  stream(history: HistoryRule): StreamNames {
    return new StreamNames(this.#prefix, history);
  }
}

/** The names that the stream of one rule has. */
export class StreamNames {
  readonly #prefix: string;
  readonly rule: string;
  /** How long the stream keeps a message, in milliseconds. */
  readonly maxAge: number;
  /** How many messages of a topic it keeps: one more than are handed out, to tell what came before them. */
  readonly size: number;

  constructor(prefix: string, { size, maxAge }: HistoryRule) {
    this.#prefix = prefix;
    this.maxAge = Math.max(day, maxAge);
    this.size = size + 1;
    this.rule = maxAge > day ? `${size}-${maxAge}` : `${size}`;
  }

  /** All that the stream keeps. */
  get all(): string {
    return `${this.#prefix}.s.${this.rule}.*.*`;
  }

  /** Where it is sent on to. */
  get republished(): string {
    return `${this.#prefix}.l.{{wildcard(1)}}.{{wildcard(2)}}`;
  }

  messages(token: string): string {
    return `${this.#prefix}.s.${this.rule}.${token}.m`;
  }

  marks(token: string): string {
    return `${this.#prefix}.s.${this.rule}.${token}.e`;
  }

  /** Where the starts of the server are kept: no topic has such a token. */
  get starts(): string {
    return `${this.#prefix}.s.${this.rule}.=.s`;
  }

  /** The stream's name: nodes that make it at once make one. */
  get stream(): string {
    return `${this.#prefix.replaceAll(".", "_")}_${this.rule}`;
  }
}

/** The names that the stream has which keeps who is there. */
export class PresenceNames {
  readonly #prefix: string;

  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  /** The stream's name. */
  get stream(): string {
    return `${this.#prefix.replaceAll(".", "_")}_presence`;
  }

  /** Where the changes of all topics' members are kept. */
  get all(): string {
    return this.members("*");
  }

  /** Where all of these are sent on to. */
  get republished(): string {
    return this.changes("{{wildcard(1)}}");
  }

  /** Where the changes of all leases are kept. */
  get leases(): string {
    return `${this.#prefix}.n`;
  }

  /** Where the changes of a topic's members are kept. */
  members(token: string): string {
    return `${this.#prefix}.m.${token}`;
  }

  /** Where nodes listen to them. */
  changes(token: string): string {
    return `${this.#prefix}.c.${token}`;
  }
}

/** A topic as one token of a subject: other bytes than letters, digits, `-` and `_` are `=` and two digits. */
export function tokenOf(topic: string): string {
  const token = Buffer.from(topic)
    .toString("latin1")
    .replace(/[^\w-]/g, escapeByte);
  if (token.length <= longestToken) return token;
  return `==${createHash("sha256").update(topic).digest("base64url")}`;
}

function escapeByte(character: string): string {
  return `=${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`;
}
