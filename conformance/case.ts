/**
 * What a case is: data. What is sent, and which outcomes are right.
 *
 * `expect[0]` is the outcome wanted; further ones are allowed by the sections named. `must` says that a
 * requirement decides between pass and fail, `may` that the standard leaves room and the table only shows
 * which way a peer went.
 */
import type { Observation, Role } from "./judge/observation.ts";
import type { Chop, Session } from "./judge/session.ts";
import type { FrameSpec } from "./wire/frame.ts";
import type { Head } from "./wire/head.ts";

/** A message as an echo brings it back: a string is text, bytes are binary. */
export type Expected = string | Uint8Array;

/** One way in which a case can end. */
export type Outcome =
  /** Echoes these messages and answers these pings, stays usable, and closes with 1000 when asked. */
  | { readonly kind: "echoes"; readonly messages: readonly Expected[]; readonly pongs?: readonly Expected[] }
  /** Fails the connection: a Close with one of the codes; another code or none at all is accepted, section 7.1.7. */
  | { readonly kind: "fails"; readonly codes: readonly number[]; readonly before?: readonly Expected[] }
  /** Answers our Close with one of these codes (`undefined`: an empty Close) and ends TCP. */
  | {
      readonly kind: "closes";
      readonly codes: readonly (number | undefined)[];
      readonly messages?: readonly Expected[];
    }
  /** Answers the request with one of these status codes; another error status, or none, is accepted. */
  | { readonly kind: "status"; readonly codes: readonly number[] }
  /** Does not take the response for a WebSocket: no frame, and the stream ended. */
  | { readonly kind: "refuses" }
  /** Anything else that can be seen, in words and as a test of the observation. */
  | { readonly kind: "seen"; readonly text: string; readonly test: (seen: Observation) => boolean };

/** Something done in the course of a case: frames and bytes gather until something waits. */
export type Step =
  | FrameSpec
  | { readonly raw: Uint8Array }
  /** Waits for a marker ping's pong: all before it was read. */
  | "sync"
  /** Waits for so many messages in all. */
  | { readonly messages: number }
  /** Lets time pass, in milliseconds. */
  | { readonly idle: number }
  | ((session: Session) => void | Promise<void>);

/** Parameters of permessage-deflate: offered to a server, answered to a client. */
export interface DeflateParameters {
  readonly serverNoContextTakeover?: boolean;
  readonly clientNoContextTakeover?: boolean;
  readonly serverMaxWindowBits?: number;
  readonly clientMaxWindowBits?: number | true;
}

/** How a request or a response departs from the plain one. */
export interface HeadOptions {
  readonly startLine?: string;
  readonly without?: readonly string[];
  readonly replace?: Readonly<Record<string, string>>;
  readonly extra?: readonly (readonly [name: string, value: string])[];
  /** Rewrites the whole head, as the last thing. */
  readonly rewrite?: (head: string) => string;
  /** What follows the head in the same segment. */
  readonly glued?: Uint8Array | readonly FrameSpec[];
  readonly chop?: Chop;
  /** Ends the stream after the head. */
  readonly finish?: boolean;
}

/** A case; see the head of this file. */
export interface Case {
  readonly id: string;
  readonly group: Group;
  /** Ids of the normative list, such as `R6455-5.2-3`. */
  readonly ids: readonly string[];
  readonly title: string;
  /** Which sides it can test. */
  readonly roles: readonly Role[];
  readonly level: "must" | "may";
  readonly expect: readonly Outcome[];
  /** Left out unless `--all` is given. */
  readonly long?: boolean;
  readonly request?: HeadOptions;
  /** Depends on what the client asked for where it is a function; `undefined` means that the case does not apply. */
  readonly response?: HeadOptions | ((request: Head) => HeadOptions | undefined);
  /** Negotiates permessage-deflate; a peer that declines makes the case not applicable. */
  readonly deflate?: DeflateParameters;
  /** A function where the steps are many and worth making only when needed. */
  readonly steps?: readonly Step[] | (() => readonly Step[]);
  /** How everything that `steps` writes is cut. */
  readonly chop?: Chop;
}

/** The groups, in the order of the report, with what each is about. */
export const GROUPS = {
  "handshake.request": "The opening handshake as a server reads it: good requests in every spelling, and bad ones",
  "handshake.response": "The opening handshake as a client sends it and reads its answer",
  framing: "Lengths at every boundary, the three length forms, and how bytes are cut into segments",
  control: "Ping, Pong and the bounds of control frames",
  fragments: "Messages in pieces, with control frames between them",
  rsv: "Reserved bits that no extension claims",
  opcodes: "Opcodes that do not exist",
  utf8: "Text at every boundary of UTF-8, whole and split in every place",
  close: "Close codes and reasons, sent and refused",
  order: "Who says what, in which order, and who ends TCP",
  limits: "Lengths that cannot be meant",
  sizes: "Large messages, whole and in pieces",
  deflate: "permessage-deflate: negotiation, parameters, and streams good and bad",
  masking: "Masks where they belong, and the quality of a client's keys",
  floods: "Much of something small, within bounds",
} as const;

/** The name of a group. */
export type Group = keyof typeof GROUPS;

/** A `fails` outcome. */
export function fails(...codes: number[]): Outcome {
  return { kind: "fails", codes };
}

/** An `echoes` outcome for these messages. */
export function echoes(...messages: Expected[]): Outcome {
  return { kind: "echoes", messages };
}

/** Both sides. */
export const BOTH: readonly Role[] = ["server", "client"];
