/**
 * A chat room as one tab sees it: what is said in it, who is there, and, once joined, our name in it. When the connection
 * was lost and is back, the room is joined again under the same name, and what was missed comes, or a word that it cannot.
 */
import { ReconnectingWebSocket } from "openline/browser";
import { resumeTopics } from "openline/resume";
import type { ChatMessage, ChatRequest, Said } from "../../server/messages.ts";
import { HOST_NAME } from "../../server/messages.ts";
import { socketUrl } from "../parts/format.ts";
import { tabName } from "../parts/remembered.ts";
import { COME_BACK } from "../parts/standing.tsx";

/** One line of the room's talk; `note` is for comings and goings, `gap` where something is missing. */
export interface Line {
  readonly id: number;
  readonly at: number;
  readonly name: string;
  readonly text: string;
  readonly kind: "said" | "note" | "gap";
}

/** What the view shows of a room; without a name, we only look. */
export interface Stay {
  readonly name: string | undefined;
  readonly members: readonly string[];
  readonly lines: readonly Line[];
  readonly problem: string;
  /** The node of a cluster that serves us. */
  readonly node: string | undefined;
}

/** Before the room has said anything. */
export const OUTSIDE: Stay = { name: undefined, members: [], lines: [], problem: "", node: undefined };

const MOST_LINES = 500;

/** Why messages are missing, in words. */
const GAPS: Readonly<Record<string, string>> = {
  epoch: "the broker lost its data",
  fork: "the broker came back with an old state",
  trimmed: "too much was said meanwhile",
  unavailable: "the broker could not be asked in time",
};

/** Looks at a room, and tells `changed` of everything that happens there. */
export class Room {
  readonly socket: ReconnectingWebSocket;
  #stay: Stay = OUTSIDE;
  #ids = 0;
  /** The name to have in the room, also after a loss; undefined while only looking. */
  #wanted: string | undefined;
  /** Whether we have asked to join and have no answer yet. */
  #joining = false;
  readonly #changed: (stay: Stay) => void;

  constructor(room: string, changed: (stay: Stay) => void) {
    this.#changed = changed;
    this.socket = this.#connect(socketUrl(`/chat/${room}`));
  }

  /** Every connection, the first and each later one, joins anew, and goes on where the talk was. */
  #connect(url: string): ReconnectingWebSocket {
    const resume = resumeTopics({
      resumed: ({ recovered, replayed }) => this.#resumed(recovered, replayed),
      gap: ({ reason }) => this.#gap(reason),
    });
    const socket = new ReconnectingWebSocket(url, [], { reconnect: COME_BACK, queue: false, resume });
    socket.onopen = () => this.#rejoin();
    socket.onmessage = ({ data }) => this.#take(JSON.parse(data));
    return socket;
  }

  #rejoin(): void {
    if (this.#wanted === undefined) return;
    this.#joining = true;
    this.#send({ do: "join", name: this.#wanted, tab: tabName() });
  }

  join(name: string): void {
    this.#wanted = name;
    if (this.socket.readyState === WebSocket.OPEN) this.#rejoin();
  }

  say(text: string): void {
    this.#send({ do: "say", text });
  }

  leave(): void {
    this.#wanted = undefined;
    this.#send({ do: "leave" });
    this.#set({ name: undefined, problem: "" });
  }

  #send(request: ChatRequest): void {
    this.socket.send(JSON.stringify(request));
  }

  #take(message: ChatMessage): void {
    if (message.is === "room") {
      this.#catchUp(message.lines);
      this.#set({ members: message.members, node: message.node });
    } else if (message.is === "welcome") {
      this.#joining = false;
      this.#set({ name: message.name, members: message.members, problem: "" });
    } else if (message.is === "said") {
      this.#add({ at: message.at, name: message.name, text: message.text, kind: "said" });
    } else if (message.is === "refused") {
      this.#refused(message.why);
    } else if (message.is === "members") {
      this.#set({ members: message.members });
    } else {
      this.#set(message.members ? { members: message.members } : {});
      this.#add({ at: message.at, name: message.name, text: message.is, kind: "note" });
    }
  }

  /** We are back, and have what was said meanwhile. */
  #resumed(recovered: boolean, replayed: number): void {
    const missed = replayed === 0 ? "Nothing was said meanwhile" : `${replayed} missed, and replayed`;
    const text = recovered ? `${missed}: nothing is missing.` : `${missed}, and some is missing.`;
    this.#add({ at: Date.now(), name: "You", text: `are back, on ${this.#stay.node}. ${text}`, kind: "note" });
  }

  #gap(reason: string): void {
    const text = `Some of the talk is missing here, and cannot be had any more: ${GAPS[reason] ?? reason}.`;
    this.#add({ at: Date.now(), name: HOST_NAME, text, kind: "gap" });
  }

  #refused(why: string): void {
    if (this.#joining) this.#wanted = undefined;
    this.#set({ problem: why, ...(this.#joining ? { name: undefined } : {}) });
    this.#joining = false;
  }

  /** What a room tells first: all of it at the beginning, after a loss what was said meanwhile. */
  #catchUp(lines: readonly Said[]): void {
    const last = this.#stay.lines.at(-1)?.at ?? 0;
    for (const { at, name, text } of lines) {
      if (last === 0 || (at > last && name !== HOST_NAME)) this.#add({ at, name, text, kind: "said" });
    }
  }

  #add(line: Omit<Line, "id">): void {
    this.#ids += 1;
    this.#set({ lines: [...this.#stay.lines, { ...line, id: this.#ids }].slice(-MOST_LINES), problem: "" });
  }

  #set(change: Partial<Stay>): void {
    this.#stay = { ...this.#stay, ...change };
    this.#changed(this.#stay);
  }
}
