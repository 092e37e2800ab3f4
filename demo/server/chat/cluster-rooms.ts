/**
 * Chat rooms of a cluster: a room is a topic with history, so that a page which comes back, to whatever node, gets what it
 * missed; who is in it, on all nodes, is the presence of a second topic. This node keeps nothing that would be missed.
 */
import type { Cluster } from "openline/cluster";
import type { ChatMessage } from "../messages.ts";
import { LINES_KEPT } from "../messages.ts";
import type { Subscriber, Traffic } from "../traffic.ts";
import { type ChatRooms, greeting, type Person } from "./rooms.ts";

interface Room {
  readonly watchers: Set<Subscriber>;
  /** Who joined on this node. */
  readonly own: Map<Subscriber, Person>;
  /** Who is there on all nodes, as this one has heard. */
  readonly present: Map<string, Person>;
  readonly left: AbortController;
}

/** What `ClusterRooms` needs: the cluster, and what this node is called. */
export interface ClusterRoomsOptions {
  readonly cluster: Cluster;
  readonly node: string;
}

/** Rooms by name, as far as connections of this node look at them. */
export class ClusterRooms implements ChatRooms {
  readonly #rooms = new Map<string, Room>();
  readonly #traffic: Traffic;
  readonly #cluster: Cluster;
  readonly #node: string;

  constructor(traffic: Traffic, { cluster, node }: ClusterRoomsOptions) {
    this.#traffic = traffic;
    this.#cluster = cluster;
    this.#node = node;
  }

  members(room: string): string[] {
    const found = this.#rooms.get(room);
    // Of a node that died, and that nobody has missed yet, members may be here again.
    const byTab = new Map(
      [...(found?.present.values() ?? []), ...(found?.own.values() ?? [])].map((one) => [one.tab, one]),
    );
    return [...byTab.values()].map(({ name }) => name);
  }

  isTaken(room: string, name: string, tab: string): boolean {
    const found = this.#rooms.get(room);
    const all = [...(found?.present.values() ?? []), ...(found?.own.values() ?? [])];
    return all.some((person) => person.name === name && person.tab !== tab);
  }

  nameOf(room: string, member: Subscriber): string | undefined {
    return this.#rooms.get(room)?.own.get(member)?.name;
  }

  /** A newcomer gets the last lines; who comes back says where it was, and gets what it missed. */
  watch(room: string, watcher: Subscriber): void {
    const found = this.#rooms.get(room) ?? this.#follow(room);
    found.watchers.add(watcher);
    const lines = [greeting(room, "also when all have gone")];
    this.#traffic.send(watcher, {
      is: "room",
      node: this.#node,
      members: this.members(room),
      lines,
    } satisfies ChatMessage);
    watcher.subscribe(talkOf(room), { since: { last: LINES_KEPT } });
  }

  unwatch(room: string, watcher: Subscriber): void {
    const found = this.#rooms.get(room);
    found?.watchers.delete(watcher);
    if (found?.watchers.size !== 0) return;
    found.left.abort();
    this.#rooms.delete(room);
  }

  join(room: string, member: Subscriber, person: Person): void {
    this.#rooms.get(room)?.own.set(member, person);
    member.subscribe(peopleOf(room), { presence: person });
  }

  leave(room: string, member: Subscriber): void {
    this.#rooms.get(room)?.own.delete(member);
    member.unsubscribe(peopleOf(room));
  }

  /** Tells all nodes; while the broker is away, the message waits. */
  tell(room: string, message: ChatMessage, by: Subscriber): void {
    // Who is there is told by presence: in the history it would be what was.
    const kept = { ...message, members: undefined };
    this.#cluster.publish(talkOf(room), JSON.stringify(kept)).catch(({ message: why }: Error) => {
      this.#traffic.send(by, { is: "refused", why: `Perhaps nobody heard that. ${why}` } satisfies ChatMessage);
    });
  }

  /** From now on this node knows who is in the room. */
  #follow(room: string): Room {
    const found: Room = { watchers: new Set(), own: new Map(), present: new Map(), left: new AbortController() };
    this.#rooms.set(room, found);
    void this.#watchPeople(room, found).catch((error) => console.error(`Who is in ${room} is not known:`, error));
    return found;
  }

  async #watchPeople(room: string, found: Room): Promise<void> {
    for await (const change of this.#cluster.presenceChanges(peopleOf(room), { signal: found.left.signal })) {
      if (change.event === "left") found.present.delete(change.id);
      else found.present.set(change.id, change.data as Person);
      const members = this.members(room);
      for (const watcher of found.watchers)
        this.#traffic.send(watcher, { is: "members", members } satisfies ChatMessage);
    }
  }
}

function talkOf(room: string): string {
  return `talk:${room}`;
}

function peopleOf(room: string): string {
  return `people:${room}`;
}
