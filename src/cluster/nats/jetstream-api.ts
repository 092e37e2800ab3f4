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
    super(code >= 500 && !noJetStream.has(number) ? "unavailable" : "refused", `NATS: ${description}`);
    this.number = number;
  }
}

interface ApiError {
  readonly code: number;
  readonly err_code?: number;
  readonly description?: string;
}

/** The numbers of errors. */
export const errorNumbers = { subjectsOverlap: 10_065, wrongLastSequence: 10_071, noStream: 10_059 } as const;
/** JetStream is not enabled: for the account, or for the server. */
const noJetStream: ReadonlySet<number> = new Set([10_039, 10_076]);

/** What an answer says. Throws a `JetStreamError`. */
export function answerOf<Answer>(message: Msg): Answer {
  const answer = message.json<Answer & { error?: ApiError }>();
  if (answer.error) throw new JetStreamError(answer.error);
  return answer;
}

/** Asks the API of JetStream. Rejects with a `ClusterError`. */
export async function ask<Answer>(link: NatsLink, what: string, question: object = {}): Promise<Answer> {
  try {
    return answerOf<Answer>(await link.request(`$JS.API.${what}`, JSON.stringify(question)));
  } catch (error) {
    const known = clusterErrorOf(error as Error);
    if (known.code !== "unavailable" || link.hasJetStream !== false) throw known;
    throw new ClusterError("refused", "NATS: JetStream is not enabled, and topics with a history need it", {
      cause: known,
    });
  }
}
