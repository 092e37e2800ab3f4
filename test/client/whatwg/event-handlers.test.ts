import { beforeEach, expect, test } from "vitest";
import { EventHandlers } from "../../../src/client/whatwg/event-handlers.ts";

let target: EventTarget;
let handlers: EventHandlers;
let said: string[];

beforeEach(() => {
  target = new EventTarget();
  handlers = new EventHandlers();
  said = [];
});

const fire = (type = "x") => target.dispatchEvent(new Event(type, { cancelable: true }));
const say = (word: string) => () => void said.push(word);

test("a handler keeps its place among the listeners when it is exchanged", () => {
  target.addEventListener("x", say("before"));
  handlers.set(target, "x", say("first"));
  target.addEventListener("x", say("after"));
  handlers.set(target, "x", say("second"));
  fire();
  expect(said).toEqual(["before", "second", "after"]);
});

test("a handler that was removed comes back at the end", () => {
  handlers.set(target, "x", say("handler"));
  target.addEventListener("x", say("listener"));
  handlers.set(target, "x", null);
  fire();
  expect(said).toEqual(["listener"]);
  handlers.set(target, "x", say("again"));
  fire();
  expect(said).toEqual(["listener", "listener", "again"]);
});

test.each([[undefined], [null], [1], ["text"], [true], [Symbol("s")]])("%s stands for null", (value) => {
  expect(handlers.get("x")).toBe(null);
  handlers.set(target, "x", say("x"));
  handlers.set(target, "x", value);
  expect(handlers.get("x")).toBe(null);
  fire();
  expect(said).toEqual([]);
});

test("an object can be set and read and does nothing, also when it has handleEvent", () => {
  const object = { handleEvent: say("object") };
  handlers.set(target, "x", object);
  expect(handlers.get("x")).toBe(object);
  fire();
  expect(said).toEqual([]);
});

test("`this` is the target, and only the result false cancels", () => {
  let self: unknown;
  handlers.set(target, "x", function (this: unknown) {
    self = this;
    return false;
  });
  expect(fire()).toBe(false);
  expect(self).toBe(target);
  handlers.set(target, "x", () => 0);
  expect(fire()).toBe(true);
});

test("handlers of several types do not mix, and are set once", () => {
  handlers.set(target, "x", say("x"));
  handlers.set(target, "y", say("y"));
  handlers.set(target, "x", say("x2"));
  fire("y");
  fire("x");
  expect(said).toEqual(["y", "x2"]);
});
