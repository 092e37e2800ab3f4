/**
 * The rules of the chat: look as you like, join once under a free name, then talk; both bounded in length, whatever the page allows.
 * What the rules refuse is answered to the one who asked, in words, and changes nothing.
 */
import type { ChatMessage, ChatRequest } from "../messages.ts";
import { HOST_NAME, NAME_LIMIT, ROOM_NAME, TAB_LIMIT, TEXT_LIMIT } from "../messages.ts";
import type { Subscriber, Traffic } from "../traffic.ts";
import type { ChatRooms } from "./rooms.ts";

/** Takes what members of rooms say, and tells the rooms. */
export class Chat {
  readonly #rooms: ChatRooms;
  readonly #traffic: Traffic;

  constructor(rooms: ChatRooms, traffic: Traffic) {
    this.#rooms = rooms;
    this.#traffic = traffic;
  }

  /** A connection looks at a room. */
  open(room: string, watcher: Subscriber): void {
    if (ROOM_NAME.test(room)) this.#rooms.watch(room, watcher);
  }

  receive(room: string, member: Subscriber, request: ChatRequest): void {
    if (!ROOM_NAME.test(room)) this.#refuse(member, "A room's name is 1 to 32 of a-z, 0-9 and -");
    else if (request.do === "join") this.#join(room, member, request);
    else if (request.do === "say") this.#say(room, member, request.text);
    else if (request.do === "leave") this.#leave(room, member);
  }

  /** A connection has gone. */
  close(room: string, member: Subscriber): void {
    this.#leave(room, member);
    this.#rooms.unwatch(room, member);
  }

  #leave(room: string, member: Subscriber): void {
    const name = this.#rooms.nameOf(room, member);
    if (name === undefined) return;
    this.#rooms.leave(room, member);
    this.#rooms.tell(room, { is: "left", name, at: Date.now(), members: this.#rooms.members(room) }, member);
  }

  #join(room: string, member: Subscriber, asked: { readonly name: unknown; readonly tab?: unknown }): void {
    const name = typeof asked.name === "string" ? asked.name.trim() : "";
    const tab = typeof asked.tab === "string" ? asked.tab.slice(0, TAB_LIMIT) : "";
    if (name === "" || name.length > NAME_LIMIT) {
      this.#refuse(member, `A name has 1 to ${NAME_LIMIT} characters`);
    } else if (this.#rooms.nameOf(room, member) !== undefined) {
      this.#refuse(member, "You are already in this room");
    } else if (name === HOST_NAME || this.#rooms.isTaken(room, name, tab)) {
      this.#refuse(member, `Somebody in this room is already called ${name}`);
    } else {
      this.#rooms.join(room, member, { name, tab });
      const members = this.#rooms.members(room);
      this.#traffic.send(member, { is: "welcome", name, members } satisfies ChatMessage);
      this.#rooms.tell(room, { is: "joined", name, at: Date.now(), members }, member);
    }
  }

  #say(room: string, member: Subscriber, text: unknown): void {
    const name = this.#rooms.nameOf(room, member);
    if (name === undefined) this.#refuse(member, "Join the room first");
    else if (typeof text !== "string" || text.trim() === "" || text.length > TEXT_LIMIT) {
      this.#refuse(member, `A message has 1 to ${TEXT_LIMIT} characters`);
    } else this.#rooms.tell(room, { is: "said", name, at: Date.now(), text }, member);
  }

  #refuse(member: Subscriber, why: string): void {
    this.#traffic.send(member, { is: "refused", why } satisfies ChatMessage);
  }
}
