/**
 * The messages of the resume protocol, in both directions: what they hold, as text, and read again.
 *
 * Each is text that begins with U+0000. All but one kind have a JSON object with one member behind it, whose name says what
 * it is; members of that which are not known are passed over. The other kind are marks, `17 1000 5 -3`: the next messages
 * are those of topic 17 at offsets 1000 and 1005, and the place of one of the client's own, which does not come, is 1008.
 * What cannot be read is undefined, never an exception.
 */

import { type LogPosition, positionFromText, positionToText } from "./position.ts";

/** The most bytes of UTF-8 that a client's message has. */
export const longestRequest: number = 64 * 1024;

/** Where a client was in one topic, and what proves that it may read on from there. */
export interface Claim {
  readonly topic: string;
  readonly position: LogPosition;
  readonly grant: string;
}

/** What a client sends first. */
export interface ResumeRequest {
  /** The session that the server told it before; undefined at first. */
  readonly session: string | undefined;
  readonly claims: readonly Claim[];
}

/** What a server tells. */
export type ResumeMessage =
  | { readonly type: "session"; readonly session: string }
  | {
      readonly type: "subscribed";
      readonly n: number;
      readonly topic: string;
      readonly position: LogPosition;
      readonly grant: string;
    }
  | { readonly type: "marks"; readonly n: number; readonly steps: readonly Step[] }
  | {
      readonly type: "gap";
      readonly n: number;
      readonly reason: string;
      readonly position: LogPosition;
      readonly grant: string;
    }
  | {
      readonly type: "resumed";
      readonly n: number;
      readonly recovered: boolean;
      readonly replayed: number;
      readonly reason: string | undefined;
    }
  | { readonly type: "unsubscribed"; readonly n: number };

/** The place of one message; `isOwn` where it is the client's own, and does not come. */
export interface Step {
  readonly offset: number;
  readonly isOwn: boolean;
}

/** A client's first message. */
export function requestText({ session, claims }: ResumeRequest): string {
  const topics = claims.map(({ topic, position, grant }) => [topic, positionToText(position), grant]);
  return `\0${JSON.stringify({ resume: { session, topics } })}`;
}

/** Reads a client's message; undefined for what is none, or longer than `longestRequest`. */
export function parseRequest(text: string): ResumeRequest | undefined {
  if (text.length > longestRequest || new TextEncoder().encode(text).length > longestRequest) return undefined;
  const { resume } = parseObject(text);
  const { session, topics } = objectOf(resume);
  if ((session !== undefined && !isName(session)) || !Array.isArray(topics)) return undefined;
  const claims = new Map<string, Claim>();
  for (const each of topics as readonly unknown[]) {
    const [topic, at, grant, ...rest] = Array.isArray(each) ? (each as readonly unknown[]) : [];
    const position = typeof at === "string" ? positionFromText(at) : undefined;
    if (typeof topic !== "string" || !position || !isName(grant) || rest.length > 0) return undefined;
    if (claims.has(topic)) return undefined;
    claims.set(topic, { topic, position, grant });
  }
  return { session: session as string | undefined, claims: [...claims.values()] };
}

/** A server's message. */
export function messageText(message: ResumeMessage): string {
  const { type, ...body } = message;
  if (message.type === "marks") return marksText(message.n, message.steps);
  if (message.type === "session") return `\0${JSON.stringify({ session: message.session })}`;
  return `\0${JSON.stringify({ [type]: "position" in message ? { ...body, position: positionToText(message.position) } : body })}`;
}

/** Reads a server's message; undefined for what is none. */
export function parseMessage(text: string): ResumeMessage | undefined {
  if (text.charCodeAt(1) !== openBrace) return parseMarks(text);
  const parsed = parseObject(text);
  const [type, ...others] = Object.keys(parsed);
  if (others.length > 0) return undefined;
  const value = parsed[type!];
  if (type === "session") return isName(value) ? { type, session: value } : undefined;
  const body = objectOf(value);
  const { n, topic, reason, recovered, replayed, grant, position: at } = body;
  const position = typeof at === "string" ? positionFromText(at) : undefined;
  if (!isCount(n)) return undefined;
  if (type === "unsubscribed") return { type, n };
  if (type === "resumed") {
    const isSound = typeof recovered === "boolean" && isCount(replayed) && (reason === undefined || isName(reason));
    return isSound ? { type, n, recovered, replayed, reason } : undefined;
  }
  if (!position || !isName(grant)) return undefined;
  if (type === "subscribed") return typeof topic === "string" ? { type, n, topic, position, grant } : undefined;
  return type === "gap" && isName(reason) ? { type, n, reason, position, grant } : undefined;
}

const openBrace = 0x7b;

function marksText(n: number, steps: readonly Step[]): string {
  let text = `\0${n}`;
  let before = 0;
  for (const { offset, isOwn } of steps) {
    text += isOwn ? ` -${offset - before}` : ` ${offset - before}`;
    before = offset;
  }
  return text;
}

const marks = /^\0(0|[1-9]\d{0,15})((?: -?[1-9]\d{0,15})+)$/;

function parseMarks(text: string): ResumeMessage | undefined {
  const match = marks.exec(text);
  if (!match) return undefined;
  const n = Number(match[1]);
  let offset = 0;
  const steps = match[2]!
    .slice(1)
    .split(" ")
    .map((step) => {
      const isOwn = step.startsWith("-");
      offset += Number(isOwn ? step.slice(1) : step);
      return { offset, isOwn };
    });
  return isCount(n) && Number.isSafeInteger(offset) ? { type: "marks", n, steps } : undefined;
}

function parseObject(text: string): Readonly<Record<string, unknown>> {
  try {
    return objectOf(JSON.parse(text.slice(1)));
  } catch {
    return {};
  }
}

function objectOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {};
}

/** Whether it is a word of the protocol: a session, a grant, a reason. */
function isName(value: unknown): value is string {
  return typeof value === "string" && /^[!-~]{1,128}$/.test(value);
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
