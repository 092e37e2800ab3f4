/**
 * A chat room as one tab sees it: what is said in it, who is there, and, once joined, our name in it. When the connection
 * was lost and is back, the room is joined again under the same name.
 */
import { ReconnectingWebSocket } from "openline/browser";
import type { ChatMessage, ChatRequest, Said } from "../../server/messages.ts";
import { HOST_NAME } from "../../server/messages.ts";
import { socketUrl } from "../parts/format.ts";
import { COME_BACK } from "../parts/standing.tsx";

/** One line of the room's talk; `note` is for comings and goings. */
export interface Line {
  readonly id: number;
  readonly at: number;
  readonly name: string;
  readonly text: string;
  readonly kind: "said" | "note";
}

/** What the view shows of a room; without a name, we only look. */
export interface Stay {
  readonly name: string | undefined;
  readonly members: readonly string[];
  readonly lines: readonly Line[];
  readonly problem: string;
}

/** Before the room has said anything. */
export const OUTSIDE: Stay = { name: undefined, members: [], lines: [], problem: "" };

const MOST_LINES = 500;

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

  /** Every connection, the first and each later one, joins anew. */
  #connect(url: string): ReconnectingWebSocket {
    const options = { reconnect: COME_BACK, queue: false } as const;
    const socket = new ReconnectingWebSocket(url, [], options);
    socket.onopen = () => this.#rejoin();
    socket.onmessage = ({ data }) => this.#take(JSON.parse(data));
    return socket;
  }

  #rejoin(): void {
    if (this.#wanted === undefined) return;
    this.#joining = true;
    this.#send({ do: "join", name: this.#wanted });
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
      this.#set({ members: message.members });
    } else if (message.is === "welcome") {
      this.#joining = false;
      this.#set({ name: message.name, members: message.members, problem: "" });
    } else if (message.is === "said") {
      this.#add({ at: message.at, name: message.name, text: message.text, kind: "said" });
    } else if (message.is === "refused") {
      this.#refused(message.why);
    } else {
      this.#set({ members: message.members });
      this.#add({ at: message.at, name: message.name, text: message.is, kind: "note" });
    }
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
