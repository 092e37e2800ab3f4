import { expect, test } from "vitest";
import { type WakePlace, watchWakes } from "../../src/reconnecting/retry-triggers.ts";

/** A page: a window with a document below it, through which events of the document pass on their way down. */
function page(): { readonly window: EventTarget; fire(type: string, details?: object): void; visibilityState: string } {
  const window = new EventTarget();
  return {
    window,
    visibilityState: "visible",
    fire(type, details = {}) {
      const target = { visibilityState: this.visibilityState };
      const event = Object.defineProperty(Object.assign(new Event(type), details), "target", { value: target });
      window.dispatchEvent(event);
    },
  };
}

test("online, resume, a page from the cache and a page that is shown are wakes", () => {
  const place = page();
  const woken: boolean[] = [];
  watchWakes((online) => woken.push(online), place.window as WakePlace);
  place.fire("online");
  place.fire("resume");
  place.fire("pageshow", { persisted: true });
  place.fire("visibilitychange");
  expect(woken).toEqual([true, false, false, false]);
});

test("a page that is hidden, or shown for the first time, and what lies or is too early are none [robust-websocket#27]", () => {
  const place = page();
  const woken: boolean[] = [];
  watchWakes((online) => woken.push(online), place.window as WakePlace);
  place.fire("pageshow", { persisted: false });
  place.visibilityState = "hidden";
  for (const type of ["visibilitychange", "offline", "pagehide", "freeze", "focus"]) place.fire(type);
  expect(woken).toEqual([]);
});

test("nothing is left when it is stopped, and what is no page has nothing to watch", () => {
  const place = page();
  let woken = 0;
  watchWakes(() => woken++, place.window as WakePlace)();
  place.fire("online");
  expect(woken).toBe(0);
  expect(() => watchWakes(() => {})()).not.toThrow();
});
