/**
 * Who is there, as a broker keeps it: the members of each topic, each under the lease of its node.
 *
 * A lease is renewed by its node, and a member whose lease is gone is not there: so a node that died costs one look, not
 * one refresh for each of its members. A lease that is gone never comes back. Each change of a topic's members has a
 * version, made as the offsets of a log are, and names the one before it: so a change that was missed shows itself.
 */

/** A member of a topic. */
export interface StoredMember {
  /** Its node's name and a number, with a `/` between them; no white space. */
  readonly id: string;
  /** The lease that it is there by; no white space. */
  readonly lease: string;
  /** JSON. */
  readonly data: string;
}

/** What becomes of a member: it is there with this data; or, without data, it leaves, unless it has another lease now. */
export interface MemberChange extends Omit<StoredMember, "data"> {
  readonly data: string | undefined;
}

/** Changes of a topic's members that were made at once. */
export interface PresenceStep {
  /** The version before it; 0 where there was none. */
  readonly prev: number;
  readonly version: number;
  readonly changes: readonly MemberChange[];
}

/** The members of a topic. */
export interface PresencePage {
  /** 0 where the topic has had none. */
  readonly version: number;
  /** Undefined where the version is the one that was known. */
  readonly members: readonly StoredMember[] | undefined;
}

/** The leases of all nodes. */
export interface Leases {
  readonly held: readonly string[];
  /**
   * Milliseconds since the store began, lost what it had, or was back after no node had reached it for half of a lease: in
   * the first ones nodes may still have to write, and a lease may have ended though its node is there.
   */
  readonly age: number;
}

/** Keeps members. Its calls fail as those of the `Broker` that it belongs to. */
export interface PresenceStore {
  /** Resolves when changes made from then on will come, by `BrokerEvents.presence`. Subscribing again changes nothing. */
  subscribe(topics: readonly string[]): Promise<void>;
  /** No changes of the topics come any more. */
  unsubscribe(topics: readonly string[]): Promise<void>;
  /**
   * Holds a lease for so many milliseconds from now on, by the broker's clock; 0 ends it. Whether it is held: without
   * `begins` one that is not there is not made.
   */
  lease(name: string, duration: number, begins: boolean): Promise<boolean>;
  /** The leases that are held now. */
  leases(): Promise<Leases>;
  /** Changes a topic's members, and tells those who are subscribed of what is another than before. */
  update(topic: string, changes: readonly MemberChange[]): Promise<void>;
  /** A topic's members, whatever became of their leases; none where the version is still the `known` one. */
  read(topic: string, known?: number): Promise<PresencePage>;
}
