/**
 * Every limit, with its name, unit and default, in one table.
 *
 * Sizes are bytes, times milliseconds. What a peer does beyond a limit is answered as the comment on it says.
 */

import { checkNumber, type NumberKind } from "../../protocol/check-number.ts";
import { unknownName } from "../../protocol/check-options.ts";
import type { EndpointSettings } from "../../protocol/endpoint/endpoint-options.ts";
import { type ForeignNames, foreignNames } from "../../protocol/foreign-names.ts";
import { timerLength } from "../../protocol/timer-length.ts";

const KiB = 1024;
const MiB = 1024 * KiB;
const seconds = 1000;

/** The limits of one connection; sizes in bytes, times in milliseconds. */
export interface ConnectionLimits {
  /** The longest message, inclusive and after inflating; beyond it 1009. Default 16 MiB. */
  readonly maxMessageSize: number;
  /** How many empty fragments may follow one another; beyond it 1008. Default 1024. */
  readonly maxEmptyFragments: number;
  /**
   * How long an unfinished message may stand without a byte; beyond it 1008. Default 60 s. Looked after once a second:
   * never early; late by 2 s, by what holds up the event loop, and by 20 s where control frames come between or reading
   * pauses.
   */
  readonly messageIdleTimeout: number;
  /**
   * How much may be parsed and not delivered before reading stops. Without a handler or a reader, no longer message is
   * assembled or inflated before there is one; up to 64 KiB more may be read and not parsed. Default 64 KiB.
   */
  readonly inboundHighWaterMark: number;
  /** From how much queued output on `send` returns false. Default 1 MiB. */
  readonly outboxHighWaterMark: number;
  /**
   * How much output may stand when a turn of the event loop begins in which something is sent; beyond it 1013. What is
   * sent in that turn counts from the next one on. Default 16 MiB.
   */
  readonly maxOutboxSize: number;
  /**
   * How much the connections of the process may have queued together that are stalled, or above their high-water mark;
   * then 1013 for the largest. Default 256 MiB.
   */
  readonly maxProcessOutboxSize: number;
  /**
   * How much the process may have received that is not taken yet: unfinished messages, messages being inflated, and
   * what waits for a handler or a reader; then 1013 for the connection that holds most of it, with the memory that it was
   * given ahead of a long frame. Default 256 MiB.
   */
  readonly maxProcessAssemblySize: number;
  /** How long queued output may stand while no byte leaves or arrives; then the socket is destroyed. Default 45 s. */
  readonly writeTimeout: number;
  /**
   * How long each step of the closing handshake may take; then the socket is destroyed. Default 5 s. While output
   * stands before our Close, the step is over when none of it has left during `writeTimeout`.
   */
  readonly closeTimeout: number;
  /** How long one connection may work in one turn of the event loop. Default 2 ms. */
  readonly readBudget: number;
}

/** The limits of a client: those of its connection, and that of its opening handshake. */
export interface ClientLimits extends ConnectionLimits {
  /** The largest head of a response; a larger 101 fails, a larger refusal loses what is beyond. Default 64 KiB. */
  readonly maxHeaderSize: number;
}

/** The limits of a server: those of each connection, and its own. */
export interface ServerLimits extends ConnectionLimits {
  /** How long a request's head may take; then 408. Default 10 s. */
  readonly handshakeTimeout: number;
  /** The largest head of a request; beyond it 431. Default 16 KiB. */
  readonly maxHeaderSize: number;
  /** How many fields a handshake's head may have; beyond it 431. Default 256. */
  readonly maxHeaderFields: number;
  /** How long a route's `upgrade` may take; then 503. Default 10 s. */
  readonly upgradeTimeout: number;
  /** How many opening handshakes may wait for their `upgrade` at once; beyond it 503. Default 1000. */
  readonly maxPendingHandshakes: number;
  /** How many connections may be open; beyond it 503. Default 95 % of the limit on open files, where it is known. */
  readonly maxConnections: number;
  /** How many connections may be open from one address, IPv6 counted by /64; beyond it 503. Default: no limit. */
  readonly maxConnectionsPerAddress: number;
  /** How many topics a connection may be subscribed to; `subscribe` throws beyond. Default 1000. */
  readonly maxTopics: number;
  /** How long a topic's name may be, in bytes of UTF-8; `subscribe` throws beyond. Default 256. */
  readonly maxTopicLength: number;
  /**
   * How much may be published and not delivered yet; beyond it messages are dropped, as `publish` says. Default 64 MiB.
   */
  readonly maxPublishBacklogSize: number;
}

type EndpointLimits = Pick<EndpointSettings, "maxMessageSize" | "maxEmptyFragments" | "maxProcessAllotment">;

/** The defaults of `ConnectionLimits`. */
export const connectionLimits: ConnectionLimits = {
  maxMessageSize: 16 * MiB,
  maxEmptyFragments: 1024,
  messageIdleTimeout: 60 * seconds,
  inboundHighWaterMark: 64 * KiB,
  outboxHighWaterMark: 1 * MiB,
  maxOutboxSize: 16 * MiB,
  maxProcessOutboxSize: 256 * MiB,
  maxProcessAssemblySize: 256 * MiB,
  writeTimeout: 45 * seconds,
  closeTimeout: 5 * seconds,
  readBudget: 2,
};

/** The defaults of `ClientLimits`. */
export const clientLimits: ClientLimits = { ...connectionLimits, maxHeaderSize: 64 * KiB };

/** The defaults of `ServerLimits`; that of `maxConnections` depends on the machine, see there. */
export const serverLimits: ServerLimits = {
  ...connectionLimits,
  handshakeTimeout: 10 * seconds,
  maxHeaderSize: 16 * KiB,
  maxHeaderFields: 256,
  upgradeTimeout: 10 * seconds,
  maxPendingHandshakes: 1000,
  maxConnections: Number.POSITIVE_INFINITY,
  maxConnectionsPerAddress: Number.POSITIVE_INFINITY,
  maxTopics: 1000,
  maxTopicLength: 256,
  maxPublishBacklogSize: 64 * MiB,
};

/** Limits that a server keeps for all its routes together, and for each what keeps it where there is only `accept`. */
const limitsOfServers: Readonly<Partial<Record<keyof ServerLimits, string | undefined>>> = {
  handshakeTimeout: "it is headersTimeout of the HTTP server",
  maxHeaderSize: undefined,
  maxHeaderFields: undefined,
  maxPendingHandshakes: "accept counts nothing; count before you call it, or let serve({ server, limits }) do it",
  maxConnections: "accept counts nothing; count before you call it, or let serve({ server, limits }) do it",
  maxConnectionsPerAddress: "accept counts nothing; count before you call it, or let serve({ server, limits }) do it",
  maxTopics: "it is a limit of new Topics(limits)",
  maxTopicLength: "it is a limit of new Topics(limits)",
  maxPublishBacklogSize: "it is a limit of new Topics(limits)",
};

/** Throws a TypeError for a limit that one route, or one call of `accept`, would not keep. */
export function checkLimitsOfOne(action: string, given: Partial<ServerLimits> | undefined, isRoute: boolean): void {
  for (const [name, value] of Object.entries(given ?? {})) {
    if (value === undefined || !Object.hasOwn(limitsOfServers, name)) continue;
    const instead = isRoute
      ? "it is the server's: put it into the limits of serve"
      : limitsOfServers[name as keyof ServerLimits];
    if (instead !== undefined) throw new TypeError(`Cannot ${action}: limits.${name} has no effect here; ${instead}`);
  }
}

/** A peer's Close, or its end without one, waits at most this long for the application, in milliseconds. */
export const longestAnswerDelay = 2000;
/** The most bytes that are read and thrown away after a failure. */
export const drainSize: number = 64 * KiB;
/** The longest time that bytes are read and thrown away after a failure, in milliseconds. */
export const drainTime = 1000;

/** The kind of number of each limit. */
const limitKinds: Readonly<Record<keyof ServerLimits | keyof ClientLimits, NumberKind>> = {
  maxMessageSize: "size",
  maxEmptyFragments: "count",
  messageIdleTimeout: "time",
  inboundHighWaterMark: "mark",
  outboxHighWaterMark: "mark",
  maxOutboxSize: "mark",
  maxProcessOutboxSize: "size",
  maxProcessAssemblySize: "size",
  writeTimeout: "nodeTime",
  closeTimeout: "time",
  readBudget: "time",
  handshakeTimeout: "nodeTime",
  maxHeaderSize: "nodeSize",
  maxHeaderFields: "count",
  upgradeTimeout: "time",
  maxPendingHandshakes: "count",
  maxConnections: "count",
  maxConnectionsPerAddress: "count",
  maxTopics: "count",
  maxTopicLength: "size",
  maxPublishBacklogSize: "size",
};
const timeKinds: readonly NumberKind[] = ["time", "nodeTime"];

/**
 * The defaults with the given limits in their place; what a timer waits for is as long as one can wait.
 *
 * Throws a TypeError for a name that is no limit, and a RangeError for a value that its kind does not allow.
 */
export function resolveLimits<Limits extends ConnectionLimits>(
  defaults: Limits,
  given: Partial<Limits> | undefined,
): Limits {
  const resolved: Record<string, number> = { ...(defaults as unknown as Readonly<Record<string, number>>) };
  for (const [name, value] of Object.entries(given ?? {})) {
    if (!Object.hasOwn(defaults, name)) throw new TypeError(`Cannot set limits: ${unknownLimit(name, defaults)}`);
    if (value === undefined) continue;
    const kind = limitKinds[name as keyof typeof limitKinds];
    const limit = checkNumber("set limits", name, value, kind);
    resolved[name] = timeKinds.includes(kind) ? timerLength(limit) : limit;
  }
  return resolved as unknown as Limits;
}

/** What an endpoint is told of the limits of its connection. */
export function endpointLimits(limits: ConnectionLimits): EndpointLimits {
  const { maxMessageSize, maxEmptyFragments, maxProcessAssemblySize } = limits;
  // Half: with all of it, peers that fill one buffer after another leave gaps of nearly as much again (fault A02).
  return { maxMessageSize, maxEmptyFragments, maxProcessAllotment: maxProcessAssemblySize / 2 };
}

function unknownLimit(name: string, defaults: ConnectionLimits): string {
  return unknownName(name, Object.keys(defaults), { noun: "limit", foreign: foreignNames.limits });
}

/** Advice for each limit that is given as an option beside `limits`. */
export function limitsBeside(limits: ConnectionLimits): ForeignNames {
  return Object.fromEntries(Object.keys(limits).map((name) => [name, `it is one of the limits: limits.${name}`]));
}
