/**
 * Chat rooms: who is in which room under which name, and word to everyone in it. A room is a topic of the server, to
 * which its members are subscribed; it exists as long as it has a member, and nothing is stored.
 */
import type { ChatMessage } from "../messages.ts";
import type { Subscriber, Traffic } from "../traffic.ts";

/** Rooms by name, members by connection. */
export class Rooms {
  readonly #rooms = new Map<string, Map<Subscriber, string>>();
  readonly #traffic: Traffic;

  constructor(traffic: Traffic) {
    this.#traffic = traffic;
  }

  members(room: string): string[] {
    return [...(this.#rooms.get(room)?.values() ?? [])];
  }

  nameOf(room: string, member: Subscriber): string | undefined {
    return this.#rooms.get(room)?.get(member);
  }

  join(room: string, member: Subscriber, name: string): void {
    const names = this.#rooms.get(room) ?? new Map<Subscriber, string>();
    names.set(member, name);
    this.#rooms.set(room, names);
    member.subscribe(topicOf(room));
  }

  leave(room: string, member: Subscriber): void {
    const names = this.#rooms.get(room);
    names?.delete(member);
    if (names?.size === 0) this.#rooms.delete(room);
    member.unsubscribe(topicOf(room));
  }

  tell(room: string, message: ChatMessage): void {
    this.#traffic.publish(topicOf(room), message);
  }
}

function topicOf(room: string): string {
  return `room:${room}`;
}
