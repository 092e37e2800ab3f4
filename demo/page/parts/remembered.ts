/**
 * Words that the browser keeps for the reader, where storage is allowed: from one visit to the next, or for one tab.
 */

/** How long a word is kept. */
export type Kept = "visits" | "tab";

/** What was kept under `key`; empty when nothing was, or storage is forbidden. */
export function recall(key: string, kept: Kept): string {
  try {
    return storage(kept).getItem(key) ?? "";
  } catch {
    return "";
  }
}

/** Keeps `text` under `key`; where storage is forbidden, it is forgotten. */
export function remember(key: string, text: string, kept: Kept): void {
  try {
    storage(kept).setItem(key, text);
  } catch {
    // Storage may be forbidden; the page then begins anew each time.
  }
}

function storage(kept: Kept): Storage {
  return kept === "tab" ? sessionStorage : localStorage;
}

let ownTab = "";

/** What this tab is called, for as long as it is there. */
export function tabName(): string {
  ownTab ||= recall("name", "tab") || Math.random().toString(36).slice(2);
  remember("name", ownTab, "tab");
  return ownTab;
}
