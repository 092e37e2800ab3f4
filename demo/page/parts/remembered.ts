/**
 * Words that the reader's browser keeps from one visit to the next, where storage is allowed.
 */

/** What was kept under `key`; empty when nothing was, or storage is forbidden. */
export function recall(key: string): string {
  try {
    return localStorage.getItem(key) ?? "";
  } catch {
    return "";
  }
}

/** Keeps `text` under `key`; where storage is forbidden, it is forgotten. */
export function remember(key: string, text: string): void {
  try {
    localStorage.setItem(key, text);
  } catch {
    // Storage may be forbidden; the page then begins anew each time.
  }
}
