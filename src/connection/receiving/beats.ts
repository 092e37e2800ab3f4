/**
 * Heartbeats in an application's own words, answered below its handlers and readers.
 *
 * All that come with one chunk are answered once, as are those that come while the transport is full or a long send is
 * under way: a client that floods and reads nothing costs one reply.
 */

import { Buffer } from "node:buffer";
import type { MessageEvent } from "../../protocol/endpoint/endpoint-events.ts";
import type { HeartbeatSettings } from "../options/heartbeat.ts";

/** The connection of the heartbeats: what it is asked, and what sends the reply. */
export interface BeatsOwner {
  readonly endpoint: { readonly stalled: boolean };
  readonly sending: {
    /** Does something when all that was sent before is in the output. */
    afterwards(step: () => void): void;
    /** Sends it at once. */
    sendReply(text: string): void;
  };
}

/** The heartbeats of one connection. */
export class Beats {
  readonly #heartbeat: HeartbeatSettings;
  readonly #owner: BeatsOwner;
  #due = false;
  #inLine = false;

  constructor(heartbeat: HeartbeatSettings, owner: BeatsOwner) {
    this.#heartbeat = heartbeat;
    this.#owner = owner;
  }

  /** Whether a message is a heartbeat; if so, `answer` has to be called. */
  takes({ text, data }: MessageEvent): boolean {
    const { message, bytes } = this.#heartbeat;
    const isBeat = text && (typeof data === "string" ? data === message : Buffer.compare(data, bytes) === 0);
    if (isBeat) this.#due = true;
    return isBeat;
  }

  /** Sends the reply that is due, if one is; also to be called when the transport takes bytes again. */
  answer(): void {
    if (!this.#due || this.#inLine || this.#owner.endpoint.stalled) return;
    const { sending } = this.#owner;
    this.#inLine = true;
    sending.afterwards(() => {
      this.#inLine = false;
      if (this.#owner.endpoint.stalled) return;
      this.#due = false;
      sending.sendReply(this.#heartbeat.reply);
    });
  }
}
