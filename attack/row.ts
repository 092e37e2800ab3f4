/**
 * What a row of the matrix is: an attack from outside, and the statements that must be true of a server that stands it.
 *
 * An attack only reports; the statements alone judge. What is outside the standards and hurts nobody is a figure, never a
 * failure.
 */
import type { Attacker } from "./wire.ts";

/** What an attack saw, by name; what has no name in a statement is printed as it is. */
export type Seen = Readonly<Record<string, number | string | boolean>>;

/** How the hundred others fared. */
export interface Bystanders {
  /** Messages they sent, echoes that never came, connections they lost. */
  readonly sent: number;
  readonly missing: number;
  readonly lost: number;
  /** Milliseconds until an echo, at the median, the 99th percentile and the longest. */
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/** What /proc says of the server's process; bytes and milliseconds. */
export interface ProcessFigures {
  readonly rssBefore: number;
  readonly rssPeak: number;
  readonly cpu: number;
  readonly filesBefore: number;
  readonly filesAfter: number;
}

/** Everything that is known once the attack is over. */
export interface Facts {
  /** Whether a fresh client was echoed afterwards. */
  readonly alive: boolean;
  /** How the process ended, when it did and the tool could see it. */
  readonly death?: string;
  readonly process?: ProcessFigures;
  readonly bystanders: Bystanders;
  readonly seen: Seen;
}

/** A sentence about a server, and whether the facts bear it out. */
export interface Statement {
  readonly says: string;
  /** `false` is a figure worth a note and no failure. */
  readonly judged: boolean;
  /** `undefined` when the facts cannot tell. */
  readonly holds: (facts: Facts) => boolean | undefined;
  readonly figure: (facts: Facts) => string;
}

/** What an attack is given. */
export interface Arena {
  readonly url: URL;
  readonly pid: number | undefined;
  /** A WebSocket connection, or `count` of them; let go of when the row ends. */
  open(lines?: readonly string[]): Promise<Attacker>;
  openMany(count: number, lines?: readonly string[]): Promise<Attacker[]>;
  /** A plain socket to the server. */
  tcp(): Promise<Attacker>;
  /** Open files of the server's process, if it is known. */
  files(): number | undefined;
}

/** Thrown by an attack that this server cannot be put to; the message says why. */
export class NotApplicable extends Error {}

/** A row of the matrix. */
export interface Row {
  readonly id: string;
  readonly name: string;
  /** What is done, in a sentence. */
  readonly does: string;
  /** Memory is measured: the tool starts a server anew when it can. */
  readonly fresh?: boolean;
  /** Open files the server is started with at most; the row needs a server that the tool starts. */
  readonly maxFiles?: number;
  /** Nobody else is connected meanwhile. */
  readonly alone?: boolean;
  readonly attack: (arena: Arena) => Promise<Seen>;
  readonly statements: readonly Statement[];
}
