/**
 * How numbers are written on the page, the same everywhere.
 */

/** Bytes with a unit: `812 B`, `14.2 kB`, `3.10 MB` (decimal). */
export function bytes(count: number): string {
  if (count < 1000) return `${Math.round(count)} B`;
  if (count < 1_000_000) return `${(count / 1000).toFixed(count < 100_000 ? 1 : 0)} kB`;
  return `${(count / 1_000_000).toFixed(2)} MB`;
}

/** Bytes in mebibytes, as limits are given: `0.25 MiB`, `16.0 MiB`. */
export function mebibytes(count: number): string {
  return `${(count / 1024 / 1024).toFixed(count < 10 * 1024 * 1024 ? 2 : 1)} MiB`;
}

/** Milliseconds: two digits that matter, `0.42 ms`, `3.1 ms`, `218 ms`; a dash for none. */
export function milliseconds(value: number | undefined): string {
  if (value === undefined) return "–";
  return `${value.toFixed(value < 1 ? 2 : value < 100 ? 1 : 0)} ms`;
}

/** A whole number with thin spaces between thousands. */
export function count(value: number): string {
  return Math.round(value)
    .toString()
    .replace(/\B(?=(\d{3})+$)/g, "\u2009");
}

/** The time of day. */
export function clock(at: number): string {
  return new Date(at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
}

/** The WebSocket URL of `path` on this page's own server. */
export function socketUrl(path: string): string {
  return `${location.origin.replace(/^http/, "ws")}${path}`;
}
