/**
 * The events by which a page or worker learns that it is worth trying at once: each is called a wake.
 *
 * `offline`, `navigator.onLine` and `pagehide` are none: sockets survive the first, the second lies, and the third is too
 * early for anything.
 */

/** An event as far as it counts here. */
interface WakeEvent {
  readonly type: string;
  /** Of `pageshow`: whether the page comes from the back/forward cache. */
  readonly persisted?: boolean;
  /** Of `visibilitychange`: the document. */
  readonly target?: { readonly visibilityState?: string } | null;
}

type ListenerMethod = (type: string, listener: (event: WakeEvent) => void, options: { readonly capture: true }) => void;

/** Where the events come, or pass on their way to the document: `globalThis` of a page or of a worker. */
export interface WakePlace {
  readonly addEventListener?: ListenerMethod;
  readonly removeEventListener?: ListenerMethod;
}

/** Told of each wake; `online` when it is one that many machines have in the same moment. */
export type WakeListener = (online: boolean) => void;

/** Chromium has been seen to lose `visibilitychange` after a freeze, but not `resume`. */
const types = ["online", "pageshow", "resume", "visibilitychange"];

/** Tells of each wake until the returned function is called. */
export function watchWakes(woken: WakeListener, place: WakePlace = globalThis as WakePlace): () => void {
  const listener = ({ type, persisted, target }: WakeEvent) => {
    if (type === types[1] ? persisted : type !== types[3] || target?.visibilityState === "visible") {
      woken(type === types[0]);
    }
  };
  const all = (method: keyof WakePlace) => {
    for (const type of types) place[method]?.(type, listener, { capture: true });
  };
  all("addEventListener");
  return () => all("removeEventListener");
}
