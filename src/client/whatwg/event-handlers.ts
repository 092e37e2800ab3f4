/**
 * Event handler attributes such as `onmessage` (HTML section 8.1.8.1).
 *
 * A handler is a listener whose callback can be exchanged. It keeps its place among the other listeners until it is set
 * to null. An object that is not callable can be set and read, and does nothing.
 */

type Callback = (this: EventTarget, event: Event) => unknown;

interface Registered {
  callback: object;
  readonly listener: (event: Event) => void;
}

/** The handlers of one event target. */
export class EventHandlers {
  readonly #registered = new Map<string, Registered>();

  /** The last value of the attribute; null when it has none. */
  get<Handler>(type: string): Handler | null {
    return (this.#registered.get(type)?.callback as Handler | undefined) ?? null;
  }

  /** Sets the attribute; a value that is no object and no function removes the handler. */
  set(target: EventTarget, type: string, value: unknown): void {
    const current = this.#registered.get(type);
    if ((typeof value !== "object" && typeof value !== "function") || value === null) {
      if (!current) return;
      target.removeEventListener(type, current.listener);
      this.#registered.delete(type);
    } else if (current) {
      current.callback = value;
    } else {
      const registered: Registered = { callback: value, listener: (event) => call(target, registered.callback, event) };
      this.#registered.set(type, registered);
      target.addEventListener(type, registered.listener);
    }
  }
}

function call(target: EventTarget, callback: object, event: Event): void {
  if (typeof callback !== "function") return;
  const result = (callback as Callback).call(target, event);
  if (result === false) event.preventDefault();
}
