/**
 * One stay in a chat room: the connection, who is there, and what was said while we were.
 */
import type { ChatMessage, ChatRequest } from "../../server/messages.ts";
import { socketUrl } from "../parts/format.ts";

/** One line of the room's talk; `note` is for comings and goings. */
export interface Line {
  readonly id: number;
  readonly at: number;
  readonly name: string;
  readonly text: string;
  readonly kind: "said" | "note";
}

/** What the view shows of a room. */
export interface Stay {
  readonly name: string | undefined;
  readonly members: readonly string[];
  readonly lines: readonly Line[];
  readonly problem: string;
}

/** Outside every room. */
export const OUTSIDE: Stay = { name: undefined, members: [], lines: [], problem: "" };

const LINES_KEPT = 500;

/** Enters a room under a name, and tells `changed` of everything that happens there. */
export class Room {
  #stay: Stay = OUTSIDE;
  #ids = 0;
  readonly #socket: WebSocket;
  readonly #changed: (stay: Stay) => void;

  constructor(room: string, name: string, changed: (stay: Stay) => void) {
    this.#changed = changed;
    this.#socket = new WebSocket(socketUrl(`/chat/${room}`));
    this.#socket.onopen = () => this.#send({ do: "join", name });
    this.#socket.onmessage = (event: MessageEvent<string>) => this.#take(JSON.parse(event.data) as ChatMessage);
    this.#socket.onclose = () => {
      const problem = this.#stay.problem === "" ? "The connection to the room was lost" : this.#stay.problem;
      this.#set({ name: undefined, members: [], problem });
    };
  }

  say(text: string): void {
    this.#send({ do: "say", text });
  }

  leave(): void {
    this.#socket.onclose = null;
    this.#socket.close();
  }

  #send(request: ChatRequest): void {
    this.#socket.send(JSON.stringify(request));
  }

  #take(message: ChatMessage): void {
    if (message.is === "welcome") {
      this.#set({ name: message.name, members: message.members, problem: "" });
    } else if (message.is === "said") {
      this.#add({ at: message.at, name: message.name, text: message.text, kind: "said" });
    } else if (message.is === "refused") {
      this.#set({ problem: message.why });
      if (this.#stay.name === undefined) this.#socket.close();
    } else {
      this.#set({ members: message.members });
      this.#add({ at: message.at, name: message.name, text: message.is, kind: "note" });
    }
  }

  #add(line: Omit<Line, "id">): void {
    this.#ids += 1;
    this.#set({ lines: [...this.#stay.lines, { ...line, id: this.#ids }].slice(-LINES_KEPT), problem: "" });
  }

  #set(change: Partial<Stay>): void {
    this.#stay = { ...this.#stay, ...change };
    this.#changed(this.#stay);
  }
}
