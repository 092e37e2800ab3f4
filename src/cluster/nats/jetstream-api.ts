/**
 * Questions to JetStream: requests whose answers are JSON, with an error in them or none.
 */

import type { Msg } from "@nats-io/transport-node";
import { ClusterError } from "../broker/cluster-error.ts";
import { clusterErrorOf, type NatsLink } from "./nats-link.ts";

/** JetStream's own no. */
export class JetStreamError extends ClusterError {
  /** Its number in the list of JetStream's errors. */
  readonly number: number;

  constructor({ code, err_code: number = 0, description = "" }: ApiError) {
    const passes = code >= 500 || code === conflict || code === tooMany || number === noPeers;
    super(passes && !lasting.has(number) ? "unavailable" : "refused", `NATS: ${description}`);
    this.number = number;
  }
}

interface ApiError {
  readonly code: number;
  readonly err_code?: number;
  readonly description?: string;
}

/** The message is being stored already; too much is asked at once. */
const conflict = 409;
const tooMany = 429;
/** Of the servers for replicas not all are there. */
const noPeers = 10_005;
/** JetStream is not enabled for the account or the server, has no other servers for replicas, or may have no more streams. */
const lasting: ReadonlySet<number> = new Set([10_039, 10_076, 10_074, 10_027, 10_052]);

/** How long the answer to each question is waited for, in milliseconds; as long in all as the one to other requests. */
const patience = [500, 1500, 3000] as const;

const nameInUse = 10_058;
const noStream = 10_059;
const noMessage = 10_037;
const overlap = 10_065;
const wrongLastSequences: ReadonlySet<unknown> = new Set([10_071, 10_164]);

/** Whether there is no such stream. */
export function isNoStream(error: unknown): boolean {
  return error instanceof JetStreamError && error.number === noStream;
}

/** Whether the stream has no such message. */
export function isNoMessage(error: unknown): boolean {
  return error instanceof JetStreamError && error.number === noMessage;
}

/** Whether there is a stream of that name which is not quite like it. */
export function isNameInUse(error: unknown): boolean {
  return error instanceof JetStreamError && error.number === nameInUse;
}

/** Whether there is a stream that has its subjects. */
export function isOverlap(error: unknown): boolean {
  return error instanceof JetStreamError && error.number === overlap;
}

/** Whether something was stored behind what was seen. */
export function isOvertaken(error: unknown): boolean {
  return error instanceof JetStreamError && wrongLastSequences.has(error.number);
}

/** What an answer says. Throws a `JetStreamError`. */
export function answerOf<Answer>(message: Msg): Answer {
  const answer = message.json<Answer & { error?: ApiError }>();
  if (answer.error) throw new JetStreamError(answer.error);
  return answer;
}

/**
 * Asks the API of JetStream what may be asked twice: while a cluster of servers chooses a leader nobody answers, and nobody will
 * later, but the next question as soon as there is one. Rejects with a `ClusterError`.
 */
export async function ask<Answer>(link: NatsLink, what: string, question: object = {}): Promise<Answer> {
  for (let tries = 1; ; tries++) {
    const timeout = patience[tries - 1]!;
    try {
      return answerOf<Answer>(await link.request(`$JS.API.${what}`, JSON.stringify(question), { timeout }));
    } catch (error) {
      const known = clusterErrorOf(error as Error);
      if (isUnanswered(known) && tries < patience.length) continue;
      if (link.hasJetStream || !known.message.includes("no responders")) throw known;
      const message = "NATS: JetStream is not enabled, and topics with a history or presence need it";
      throw new ClusterError("refused", message, { cause: known });
    }
  }
}

function isUnanswered({ cause }: ClusterError): boolean {
  return cause instanceof Error && cause.name === "TimeoutError";
}
