/**
 * A word that all nodes have in common: the one message of a stream of its own, which whoever comes first puts there.
 */

import { Buffer } from "node:buffer";
import { headers } from "@nats-io/transport-node";
import { ClusterError } from "../broker/cluster-error.ts";
import { answerOf, ask, isNoMessage, isNoStream, isOvertaken } from "./jetstream-api.ts";
import type { NatsLink } from "./nats-link.ts";

/** Where the word is. */
export interface KeptWordNames {
  readonly stream: string;
  readonly subject: string;
  readonly replicas: number;
}

/** The word that is kept, or else this one, which is kept from then on. Rejects with a `ClusterError`. */
export async function keptWord(link: NatsLink, names: KeptWordNames, otherwise: string): Promise<string> {
  const { stream, subject, replicas } = names;
  // Between two of these another node may have been faster.
  for (let tries = 0; tries < 5; tries++) {
    try {
      const question = { last_by_subj: subject };
      const { message } = await ask<{ message: { data: string } }>(link, `STREAM.MSG.GET.${stream}`, question);
      return Buffer.from(message.data, "base64").toString();
    } catch (error) {
      if (isNoStream(error)) {
        const config = { name: stream, subjects: [subject], storage: "file", num_replicas: replicas };
        await ask(link, `STREAM.CREATE.${stream}`, { ...config, max_msgs_per_subject: 1 });
      } else if (!isNoMessage(error)) throw error;
    }
    const first = headers();
    first.set("Nats-Expected-Last-Subject-Sequence", "0");
    try {
      answerOf(await link.request(subject, otherwise, first));
    } catch (error) {
      if (!isOvertaken(error)) throw error;
    }
  }
  throw new ClusterError("unavailable", `NATS: the word of ${subject} is not kept`);
}
