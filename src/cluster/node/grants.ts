/**
 * What lets a client of the resume protocol read on from where it was: proof that it was subscribed at that place or before.
 *
 * A grant is the offset at which it was subscribed, and 16 bytes of HMAC-SHA-256 over topic, epoch and that offset. So nobody
 * reads what was said before they came, at whatever node of the cluster.
 */

import { Buffer } from "node:buffer";
import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import { type Deferred, deferred } from "../../connection/event-loop/deferred.ts";
import type { LogPosition } from "../../resume/position.ts";
import type { Claim } from "../../resume/resume-messages.ts";

const grantText = /^([0-9a-z]{1,11})\.([\w-]{22})$/;

/** See the head of this file. */
export class Grants {
  #secret: string = randomBytes(24).toString("base64url");
  readonly #known: Deferred<void> = deferred();

  /** The secret; one of our own before that of all nodes is known. */
  get secret(): string {
    return this.#secret;
  }

  /** Resolves when the secret of all nodes is known. */
  get known(): Promise<void> {
    return this.#known.promise;
  }

  /** The secret of all nodes. */
  learn(secret: string): void {
    this.#secret = secret;
    this.#known.resolve();
  }

  /** A grant for one who is subscribed at this position. */
  make(topic: string, position: LogPosition): string {
    return `${position.offset.toString(36)}.${this.#codeOf(topic, position).toString("base64url")}`;
  }

  /** Whether one who has this grant may read on from the position. */
  allows({ topic, position, grant }: Claim): boolean {
    const match = grantText.exec(grant);
    const offset = Number.parseInt(match?.[1] ?? "", 36);
    if (!match || offset > position.offset) return false;
    const given = Buffer.from(match[2]!, "base64url");
    return timingSafeEqual(given, this.#codeOf(topic, { epoch: position.epoch, offset }));
  }

  #codeOf(topic: string, { epoch, offset }: LogPosition): Buffer {
    const hmac = createHmac("sha256", this.#secret);
    return hmac
      .update(JSON.stringify([topic, epoch, offset]))
      .digest()
      .subarray(0, 16);
  }
}
