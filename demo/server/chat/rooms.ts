/**
 * Chat rooms: who looks at which room, who is in it under which name, what was said last, and word to everyone there. A
 * room is a topic of the server; it exists as long as a connection looks at it, and nothing of it is stored.
 */
import type { ChatMessage, Said } from "../messages.ts";
import { HOST_NAME, LINES_KEPT } from "../messages.ts";
import type { Subscriber, Traffic } from "../traffic.ts";

/** What the rules of the chat ask of its rooms. */
export interface ChatRooms {
  watch(room: string, watcher: Subscriber): void;
  unwatch(room: string, watcher: Subscriber): void;
  /** The names of those who are in the room. */
  members(room: string): string[];
  /** Whether somebody else has the name; `tab` says who asks. */
  isTaken(room: string, name: string, tab: string): boolean;
  nameOf(room: string, member: Subscriber): string | undefined;
  join(room: string, member: Subscriber, person: Person): void;
  leave(room: string, member: Subscriber): void;
  /** Tells everyone who looks at the room; `by` hears when that cannot be. */
  tell(room: string, message: ChatMessage, by: Subscriber): void;
}

/** Somebody in a room: the name, and the tab of the browser, which keeps it when the connection is another one. */
export interface Person {
  readonly name: string;
  readonly tab: string;
}

interface Room {
  readonly watchers: Set<Subscriber>;
  readonly names: Map<Subscriber, string>;
  readonly lines: Said[];
}

/** Rooms by name, their members by connection. */
export class Rooms implements ChatRooms {
  readonly #rooms = new Map<string, Room>();
  readonly #traffic: Traffic;

  constructor(traffic: Traffic) {
    this.#traffic = traffic;
  }

  members(room: string): string[] {
    return [...(this.#rooms.get(room)?.names.values() ?? [])];
  }

  isTaken(room: string, name: string): boolean {
    return this.members(room).includes(name);
  }

  nameOf(room: string, member: Subscriber): string | undefined {
    return this.#rooms.get(room)?.names.get(member);
  }

  /** Shows the room to a connection, and subscribes it to all that follows. */
  watch(room: string, watcher: Subscriber): void {
    const found = this.#rooms.get(room) ?? newRoom(room);
    this.#rooms.set(room, found);
    found.watchers.add(watcher);
    watcher.subscribe(topicOf(room));
    const seen: ChatMessage = { is: "room", members: this.members(room), lines: found.lines };
    this.#traffic.send(watcher, seen);
  }

  unwatch(room: string, watcher: Subscriber): void {
    const found = this.#rooms.get(room);
    found?.watchers.delete(watcher);
    if (found?.watchers.size === 0) this.#rooms.delete(room);
    watcher.unsubscribe(topicOf(room));
  }

  join(room: string, member: Subscriber, { name }: Person): void {
    this.#rooms.get(room)?.names.set(member, name);
  }

  leave(room: string, member: Subscriber): void {
    this.#rooms.get(room)?.names.delete(member);
  }

  /** Tells everyone who looks at the room; the message is encoded once for all of them. */
  tell(room: string, message: ChatMessage): void {
    if (message.is === "said") this.#keep(room, message);
    this.#traffic.publish(topicOf(room), message);
  }

  #keep(room: string, line: Said): void {
    const lines = this.#rooms.get(room)?.lines;
    lines?.push(line);
    if (lines !== undefined && lines.length > LINES_KEPT) lines.shift();
  }
}

function newRoom(room: string): Room {
  return { watchers: new Set(), names: new Map(), lines: [greeting(room, "as long as someone stays")] };
}

/** What the host says first; `howLong` tells how long lines are kept. */
export function greeting(room: string, howLong: string): Said {
  const text =
    `This is ${room}. What is said here goes to everyone who looks at it. ` +
    `The last ${LINES_KEPT} lines are there for newcomers, ${howLong}.`;
  return { is: "said", name: HOST_NAME, at: Date.now(), text };
}

function topicOf(room: string): string {
  return `room:${room}`;
}
