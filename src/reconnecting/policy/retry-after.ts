/**
 * When a server wants a client back: the hint at the end of a Close reason, and the HTTP field `Retry-After`.
 *
 * The hint in a reason is the only one that reaches a page: browsers show it nothing of a refused handshake.
 */

/** The longest time in seconds for which a server's hint is heeded. */
export const longestRetryAfter = 600;

/** The seconds of a hint such as `The server is draining; retry-after=5`, at most 600, as a part of an end; undefined without one. */
export function retryAfterInReason(reason: string): { readonly retryAfter: number } | undefined {
  const seconds = /(?:^|[;\s])retry-after=(\d{1,5})$/.exec(reason)?.[1];
  return seconds ? { retryAfter: Math.min(Number(seconds), longestRetryAfter) } : undefined;
}

/**
 * The seconds of a `Retry-After` field (RFC 9110 section 10.2.3), a number or a date, from 0 to 600; undefined for what is
 * neither. `date` is the time now in milliseconds since the epoch.
 */
export function retryAfterInField(value: string, date: number): number | undefined {
  const seconds = /^\d+$/.test(value) ? Number(value) : secondsUntil(value, date);
  return Number.isNaN(seconds) ? undefined : Math.min(Math.max(seconds, 0), longestRetryAfter);
}

/** All three forms of an HTTP date begin with the name of a day; `Date.parse` would read much else. */
function secondsUntil(value: string, date: number): number {
  return /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)/.test(value) ? Math.ceil((Date.parse(value) - date) / 1000) : Number.NaN;
}
