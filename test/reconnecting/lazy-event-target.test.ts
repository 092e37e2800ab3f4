import { expect, test, vi } from "vitest";
import { LazyEventTarget } from "../../src/reconnecting/lazy-event-target.ts";

class Derived extends LazyEventTarget {
  readonly #own = 1;
  get own(): number {
    return this.#own;
  }
}

test("the class does not extend EventTarget before its first object is made", async () => {
  // Other tests of the process may have made one.
  vi.resetModules();
  const fresh = (await import("../../src/reconnecting/lazy-event-target.ts")).LazyEventTarget;
  expect(Object.getPrototypeOf(fresh)).toBe(Function.prototype);
  expect(Object.getPrototypeOf(fresh.prototype)).toBe(Object.prototype);
  expect(new fresh()).toBeInstanceOf(EventTarget);
  expect(Object.getPrototypeOf(fresh)).toBe(EventTarget);
});

test("an object is one of EventTarget and of the class that was called, private members and all", () => {
  const target = new Derived();
  expect(target).toBeInstanceOf(LazyEventTarget);
  expect(target.own).toBe(1);
  expect(Object.getPrototypeOf(new LazyEventTarget())).toBe(LazyEventTarget.prototype);
  const told: unknown[] = [];
  const listener = function (this: unknown, { type }: Event) {
    told.push(type, this === target);
  };
  target.addEventListener("news", listener, { once: true });
  expect(target.dispatchEvent(new Event("news"))).toBe(true);
  target.dispatchEvent(new Event("news"));
  expect(told).toEqual(["news", true]);
});

test("each has its own listeners", () => {
  const [one, other] = [new Derived(), new Derived()];
  let calls = 0;
  one.addEventListener("news", () => calls++);
  other.dispatchEvent(new Event("news"));
  expect(calls).toBe(0);
});
