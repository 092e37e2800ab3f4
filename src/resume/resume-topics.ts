/**
 * A client's part of the resume protocol: where it is in each topic, over as many connections as it takes.
 *
 * It is an object for the option `resume` of what connects. A position moves when a message is handed to the application, not
 * when it comes, so that what was not handed over is sent again.
 */

import type { Resume, ResumedSocket } from "../reconnecting/resume.ts";
import { type LogPosition, positionToText } from "./position.ts";
import {
  type Claim,
  longestRequest,
  parseMessage,
  type ResumeMessage,
  requestText,
  type Step,
} from "./resume-messages.ts";
import { escapeText, isEscaped, isMarked, ownSubprotocol, resumedSubprotocol } from "./resume-subprotocol.ts";

/** Messages of a topic are missing, and can no longer be had. */
export interface ResumeGap {
  /** The name of the topic. */
  readonly topic: string;
  /**
   * Those of `Gap` on the server, such as `"trimmed"`; `"refused"` where the server did not let this client read on from
   * where it was, `"too-many"` also where it was in more topics than one message holds, and `"unspoken"` where the server
   * does not speak the protocol.
   */
  readonly reason: string;
}

/** What became of a topic after the client has come back: all that it missed is handed over, or cannot be had. */
export interface Resumed {
  /** The name of the topic. */
  readonly topic: string;
  /** Whether what came before and what comes from now on are one piece of the topic, with nothing missing. */
  readonly recovered: boolean;
  /** How many messages were sent again. */
  readonly replayed: number;
  /** Why messages are missing; undefined where none are. */
  readonly reason: string | undefined;
}

/** What `resumeTopics` is given to call, in order with the messages; what these throw ends the connection. */
export interface ResumeTopicsOptions {
  /** A topic is resumed, or not. */
  readonly resumed?: (outcome: Resumed) => void;
  /** Messages are missing before the next one: the application has to be brought up to date in another way. */
  readonly gap?: (gap: ResumeGap) => void;
}

/** Where it is in one topic. */
interface Place {
  readonly topic: string;
  position: LogPosition;
  grant: string;
  /** Whether the server was asked to go on from here, and has not answered. */
  isClaimed: boolean;
}

/**
 * An object for the option `resume` of `connect`, `reconnecting` and `ReconnectingWebSocket`, the same one for all connections
 * one after another: topics of a server with a cluster then go on where they were, on whatever node of it.
 *
 * Where a second connection opens with it, the first one gets nothing more and ends with an error.
 */
export function resumeTopics(options: ResumeTopicsOptions = {}): Resume<never> {
  /** The connection that opened last. */
  let current: ResumedSocket | undefined;
  let session: string | undefined;
  /** By topic; the one that was subscribed to last is the last. */
  const places = new Map<string, Place>();
  /** Of this connection, by number. */
  const numbered = new Map<number, Place>();
  let isSpoken = false;
  /** What the next messages are, the first one first. */
  let coming: Step[] = [];
  let place: Place | undefined;

  const move = (to: Place, offset: number) => {
    if (offset <= to.position.offset) throw new Error(`Cannot resume: ${to.topic} came out of order`);
    to.position = { epoch: to.position.epoch, offset };
  };
  /** The client's own messages do not come. */
  const passOwn = () => {
    while (coming[0]?.isOwn) move(place!, coming.shift()!.offset);
  };
  const lose = (topic: string, reason: string) => options.gap?.({ topic, reason });
  const lost = (topic: string, reason: string) => {
    lose(topic, reason);
    options.resumed?.({ topic, recovered: false, replayed: 0, reason });
  };
  const subscribed = ({ n, topic, position, grant }: ResumeMessage & { readonly type: "subscribed" }) => {
    const before = places.get(topic);
    const goesOn = before && positionToText(before.position) === positionToText(position);
    const next: Place = { topic, position, grant, isClaimed: false };
    places.delete(topic);
    places.set(topic, next);
    numbered.set(n, next);
    if (!before || goesOn) return;
    if (before.isClaimed) lose(topic, "refused");
    else lost(topic, "too-many");
  };
  const take = (message: ResumeMessage | undefined) => {
    if (message?.type === "session") {
      session = message.session;
      return;
    }
    if (message?.type === "subscribed") return subscribed(message);
    const at = message && numbered.get(message.n);
    if (!at) throw new Error("Cannot resume: the server breaks the protocol");
    if (message.type === "marks") {
      place = at;
      coming = [...message.steps];
      passOwn();
    } else if (message.type === "gap") {
      at.position = message.position;
      at.grant = message.grant;
      lose(at.topic, message.reason);
    } else if (message.type === "resumed") {
      const { recovered, replayed, reason } = message;
      options.resumed?.({ topic: at.topic, recovered, replayed, reason });
    } else {
      places.delete(at.topic);
      numbered.delete(message.n);
    }
  };

  return {
    attempt: () => ({ topics: [...places.keys()] }),
    offer: (subprotocols) => [
      ...(subprotocols.length > 0 ? subprotocols : [""]).map(resumedSubprotocol),
      ...subprotocols,
    ],
    first(socket) {
      current = socket;
      const own = ownSubprotocol(socket.protocol);
      isSpoken = own !== undefined;
      coming = [];
      numbered.clear();
      if (isSpoken) return begin(socket, own!);
      for (const topic of [...places.keys()]) {
        places.delete(topic);
        lost(topic, "unspoken");
      }
    },
    receive(data: unknown, socket) {
      if (socket !== current) throw new Error("Cannot resume: another connection has begun");
      if (isSpoken && typeof data === "string" && isMarked(data)) {
        if (!isEscaped(data)) return void take(coming[0] ? undefined : parseMessage(data));
        data = data.slice(1);
      }
      if (coming[0]) {
        move(place!, coming.shift()!.offset);
        passOwn();
      }
      return data as never;
    },
  };

  /** Sends where it is, the topics that were subscribed to last for sure. */
  function begin(socket: ResumedSocket, protocol: string): void {
    const send = socket.send.bind(socket);
    const value = (data: unknown) => send(typeof data === "string" ? escapeText(data) : data);
    Object.defineProperty(socket, "send", { configurable: true, value });
    Object.defineProperty(socket, "protocol", { configurable: true, value: protocol });
    const claims: Claim[] = [];
    let size = 256;
    for (const each of [...places.values()].reverse()) {
      size += new TextEncoder().encode(requestText({ session: undefined, claims: [each] })).length;
      each.isClaimed = size <= longestRequest;
      if (each.isClaimed) claims.push(each);
    }
    send(requestText({ session, claims }));
  }
}
