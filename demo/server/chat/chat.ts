/**
 * The rules of the chat: look as you like, join once under a free name, then talk; both bounded in length, whatever the page allows.
 * What the rules refuse is answered to the one who asked, in words, and changes nothing.
 */
import type { ChatMessage, ChatRequest } from "../messages.ts";
import { HOST_NAME, NAME_LIMIT, ROOM_NAME, TEXT_LIMIT } from "../messages.ts";
import type { Subscriber, Traffic } from "../traffic.ts";
import type { Rooms } from "./rooms.ts";

/** Takes what members of rooms say, and tells the rooms. */
export class Chat {
  readonly #rooms: Rooms;
  readonly #traffic: Traffic;

  constructor(rooms: Rooms, traffic: Traffic) {
    this.#rooms = rooms;
    this.#traffic = traffic;
  }

  /** A connection looks at a room. */
  open(room: string, watcher: Subscriber): void {
    if (ROOM_NAME.test(room)) this.#rooms.watch(room, watcher);
  }

  receive(room: string, member: Subscriber, request: ChatRequest): void {
    if (!ROOM_NAME.test(room)) this.#refuse(member, "A room's name is 1 to 32 of a-z, 0-9 and -");
    else if (request.do === "join") this.#join(room, member, request.name);
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
    this.#rooms.tell(room, { is: "left", name, at: Date.now(), members: this.#rooms.members(room) });
  }

  #join(room: string, member: Subscriber, asked: unknown): void {
    const name = typeof asked === "string" ? asked.trim() : "";
    if (name === "" || name.length > NAME_LIMIT) {
      this.#refuse(member, `A name has 1 to ${NAME_LIMIT} characters`);
    } else if (this.#rooms.nameOf(room, member) !== undefined) {
      this.#refuse(member, "You are already in this room");
    } else if (name === HOST_NAME || this.#rooms.members(room).includes(name)) {
      this.#refuse(member, `Somebody in this room is already called ${name}`);
    } else {
      this.#rooms.join(room, member, name);
      const members = this.#rooms.members(room);
      this.#traffic.send(member, { is: "welcome", name, members } satisfies ChatMessage);
      this.#rooms.tell(room, { is: "joined", name, at: Date.now(), members });
    }
  }

  #say(room: string, member: Subscriber, text: unknown): void {
    const name = this.#rooms.nameOf(room, member);
    if (name === undefined) this.#refuse(member, "Join the room first");
    else if (typeof text !== "string" || text.trim() === "" || text.length > TEXT_LIMIT) {
      this.#refuse(member, `A message has 1 to ${TEXT_LIMIT} characters`);
    } else this.#rooms.tell(room, { is: "said", name, at: Date.now(), text });
  }

  #refuse(member: Subscriber, why: string): void {
    this.#traffic.send(member, { is: "refused", why } satisfies ChatMessage);
  }
}
