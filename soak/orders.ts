/**
 * What the command and its programs tell each other.
 */

/** What a load process shall do. */
export interface LoadPlan {
  readonly port: number;
  /** How many connections it keeps open. */
  readonly connections: number;
  /** How many messages it sends a second. */
  readonly rate: number;
  /** How many connections end a second, with as many new ones in their place. */
  readonly churn: number;
  /** How many abusive connections there are at a time. */
  readonly abusers: number;
  readonly topics: number;
  /** The number of its first connection. */
  readonly firstId: number;
}

/** To a load process: begin, tell your counts, or let all connections end. */
export type LoadOrder = { readonly order: "start"; readonly plan: LoadPlan } | { readonly order: "count" | "finish" };

/** What a load process has done since it began. */
export interface LoadCounts {
  open: number;
  /** Connections opened. */
  opened: number;
  /** Messages sent. */
  sent: number;
  /** Messages answered, each in its place. */
  answered: number;
  /** Published messages received, each in its place. */
  delivered: number;
  /** Messages on their way when their connection was cut by plan: nobody can tell whether they arrived. */
  cut: number;
  /** Acts of abuse that ended as they should. */
  abused: number;
  errors: number;
  /** What the first errors were. */
  readonly firstErrors: string[];
  /** Resident memory, in bytes. */
  rss: number;
}

/** To the server process: tell your counts, collect garbage and tell them, or stop. */
export interface ServerOrder {
  readonly order: "count" | "collect" | "stop";
}

/** What the server has done since it began, and what it holds now. */
export interface ServerCounts {
  readonly port: number;
  readonly connections: number;
  /** Messages received and found right, and messages sent to one connection. */
  readonly received: number;
  readonly sent: number;
  /** Calls of publish. */
  readonly published: number;
  readonly errors: number;
  readonly firstErrors: readonly string[];
  /** Bytes. */
  readonly rss: number;
  readonly heap: number;
  readonly external: number;
  /** How late the event loop was since the last count, in milliseconds: the 99th percentile, and the worst. */
  readonly lag: number;
  readonly worstLag: number;
  /** Handles and requests that keep the process alive, by kind. */
  readonly handles: Readonly<Record<string, number>>;
}

/** How many errors are told in words. */
export const errorsInWords = 20;
