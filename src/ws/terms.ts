/**
 * What connections are made with: limits and endpoint settings from the options of `ws`.
 *
 * Connections with the same options share one object, so that an idle one holds none of its own.
 */

import type { MessageDeflateOptions } from "../connection/compression/message-deflate.ts";
import type { ConnectionSettings } from "../connection/handlers/connection-settings.ts";
import { connectionLimits, endpointLimits, resolveLimits } from "../connection/options/limits.ts";
import { EndpointSettings } from "../protocol/endpoint/endpoint-options.ts";
import type { Role } from "../protocol/frames/frame.ts";
import type { DeflateParameters } from "../protocol/handshake/permessage-deflate.ts";
import { canLendReads } from "../transport/streams/shared-reads.ts";
import { generateKey, type MaskGenerator } from "./parts/mask-generator.ts";
import type { DeflateParams, PerMessageDeflateOptions } from "./parts/permessage-deflate.ts";

/** The options of `ws` that an established connection keeps to. */
export interface ConnectionTerms {
  /** Whether several events may be emitted in one turn of the event loop. Default true. */
  readonly allowSynchronousEvents?: boolean | undefined;
  /** Whether Pings are answered. Default true. */
  readonly autoPong?: boolean | undefined;
  /** Has no effect: what was read is kept as bytes, not as chunks. */
  readonly maxBufferedChunks?: number | undefined;
  /** Has no effect: of Pings that cannot be answered yet, only the latest is. */
  readonly maxPendingAutoPongs?: number | undefined;
  /** How long the closing handshake may take, in milliseconds. Default 30 s. */
  readonly closeTimeout?: number | undefined;
  /** Has no effect: fragments are put together as they come, within `maxPayload`. */
  readonly maxFragments?: number | undefined;
  /** The longest message in bytes, also when inflated; 0 for no limit of its own. Default 100 MiB. */
  readonly maxPayload?: number | undefined;
  /** Whether text is not checked to be UTF-8. Default false. */
  readonly skipUTF8Validation?: boolean | undefined;
}

/** The default of `maxPayload`. */
export const defaultMaxPayload: number = 100 * 1024 * 1024;
/** The default of `closeTimeout`, in milliseconds. */
export const defaultCloseTimeout = 30_000;

/** More than is read, and not parsed, behind a message. */
const readAhead = 1024 * 1024;

/** What connections with the same options share. */
export interface SharedTerms<Connection> {
  readonly endpoint: EndpointSettings;
  readonly settings: ConnectionSettings<Connection>;
}

/** The terms that were settled last for each role, and what for. */
const latest: Partial<Record<Role, { readonly key: readonly unknown[]; readonly terms: SharedTerms<never> }>> = {};

/** Returns the terms for a role and options; `hooks` are the same each time. */
export function settleTerms<Connection>(
  role: Role,
  compression: boolean,
  options: ConnectionTerms & { readonly generateMask?: MaskGenerator | undefined },
  hooks: Omit<ConnectionSettings<Connection>, "limits">,
): SharedTerms<Connection> {
  const { skipUTF8Validation = false, generateMask } = options;
  const { maxPayload = defaultMaxPayload } = options;
  const closeTimeout = closeLimit(options.closeTimeout);
  const key = [compression, skipUTF8Validation, generateMask, maxPayload, closeTimeout];
  const known = latest[role];
  if (known !== undefined && key.every((value, index) => value === known.key[index]))
    return known.terms as unknown as SharedTerms<Connection>;
  const maxMessageSize = messageLimit(maxPayload);
  const limits = resolveLimits(connectionLimits, {
    maxMessageSize,
    closeTimeout,
    maxProcessAssemblySize: assemblyLimit(maxMessageSize),
    // `ws` has none of these; how much waits in the process is limited all the same.
    maxOutboxSize: Number.POSITIVE_INFINITY,
    messageIdleTimeout: Number.POSITIVE_INFINITY,
    writeTimeout: Number.POSITIVE_INFINITY,
  });
  const endpoint = new EndpointSettings({
    role,
    ...endpointLimits(limits),
    compression,
    textAsBytes: true,
    lendsBytes: canLendReads,
    validatesText: !skipUTF8Validation,
    // The WebSocket does, by its method `pong` where that is another's.
    answersPings: false,
    explainsFailures: false,
    ...(generateMask && { maskingKey: () => generateKey(generateMask) }),
  });
  const terms = { endpoint, settings: { ...hooks, limits } };
  latest[role] = { key, terms: terms as unknown as SharedTerms<never> };
  return terms;
}

/** Returns the longest message for a `maxPayload`, of which `ws` takes the lower 32 bits and no number below 1 for a limit. */
export function messageLimit(maxPayload: number): number {
  const size = maxPayload | 0;
  return size > 0 ? size : Number.POSITIVE_INFINITY;
}

/** Returns how much of unfinished messages all connections may hold: a message that is let through is taken whole. */
function assemblyLimit(maxMessageSize: number): number {
  const { maxProcessAssemblySize: usual } = connectionLimits;
  if (maxMessageSize === Number.POSITIVE_INFINITY) return usual;
  return Math.max(usual, maxMessageSize + readAhead);
}

/** Returns the milliseconds of a `closeTimeout`, of which `ws` makes a timer: what is no time from 1 on is 1. */
function closeLimit(closeTimeout: number = defaultCloseTimeout): number {
  const milliseconds = Number(closeTimeout);
  return milliseconds >= 1 ? milliseconds : 1;
}

/** Returns the parameters of permessage-deflate that were agreed on, in our words. */
export function agreedParameters(params: DeflateParams): DeflateParameters {
  return {
    serverNoContextTakeover: params.server_no_context_takeover === true,
    clientNoContextTakeover: params.client_no_context_takeover === true,
    serverMaxWindowBits: params.server_max_window_bits ?? 15,
    clientMaxWindowBits: typeof params.client_max_window_bits === "number" ? params.client_max_window_bits : 15,
  };
}

/**
 * Returns how messages are compressed: `ws` leaves short ones alone only where each is compressed by itself. Of zlib's
 * options, those that say how hard it tries are kept to.
 */
export function compressionOptions(
  { threshold = 1024, zlibDeflateOptions = {} }: PerMessageDeflateOptions,
  startsEmpty: boolean,
): MessageDeflateOptions {
  const { level, memLevel } = zlibDeflateOptions;
  return { threshold: startsEmpty ? threshold : 0, level, memLevel };
}
