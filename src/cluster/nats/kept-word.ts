/**
 * A word that all nodes have in common: the one message of a stream of its own, which whoever comes first puts there.
 */

import { headers } from "@nats-io/transport-node";
import { ClusterError } from "../broker/cluster-error.ts";
import { answerOf, isOvertaken } from "./jetstream-api.ts";
import { KeptStream } from "./kept-stream.ts";
import type { NatsLink } from "./nats-link.ts";

/** Where the word is. */
export interface KeptWordNames {
  readonly stream: string;
  readonly subject: string;
  readonly replicas: number;
}

/** The word that is kept, or else this one, which is kept from then on. Rejects with a `ClusterError`. */
export async function keptWord(link: NatsLink, names: KeptWordNames, otherwise: string): Promise<string> {
  const { stream: name, subject, replicas } = names;
  const stream = await KeptStream.open(link, { name, subjects: [subject], replicas, size: 1 });
  // Between two of these another node may have been faster.
  for (let tries = 0; tries < 5; tries++) {
    const kept = await stream.get({ last_by_subj: subject });
    if (kept) return new TextDecoder().decode(kept.data);
    const first = headers();
    first.set("Nats-Expected-Last-Subject-Sequence", "0");
    try {
      answerOf(await link.request(subject, otherwise, { headers: first }));
    } catch (error) {
      if (!isOvertaken(error)) throw error;
    }
  }
  throw new ClusterError("unavailable", `NATS: the word of ${subject} is not kept`);
}
