/**
 * Chat rooms: who is in which room under which name, and word to everyone in it.
 * A room exists as long as it has a member; nothing is stored.
 */
import type { ChatMessage } from "./messages.ts";
import type { Traffic } from "./traffic.ts";

/** One who can be told something. */
export interface Member {
  send(data: string): boolean;
}

/** Rooms by name, members by connection. */
export class Rooms {
  readonly #rooms = new Map<string, Map<Member, string>>();
  readonly #traffic: Traffic;

  constructor(traffic: Traffic) {
    this.#traffic = traffic;
  }

  members(room: string): string[] {
    return [...(this.#rooms.get(room)?.values() ?? [])];
  }

  nameOf(room: string, member: Member): string | undefined {
    return this.#rooms.get(room)?.get(member);
  }

  join(room: string, member: Member, name: string): void {
    const names = this.#rooms.get(room) ?? new Map<Member, string>();
    names.set(member, name);
    this.#rooms.set(room, names);
  }

  leave(room: string, member: Member): void {
    const names = this.#rooms.get(room);
    names?.delete(member);
    if (names?.size === 0) this.#rooms.delete(room);
  }

  tell(room: string, message: ChatMessage): void {
    for (const member of this.#rooms.get(room)?.keys() ?? []) this.#traffic.send(member, message);
  }
}
