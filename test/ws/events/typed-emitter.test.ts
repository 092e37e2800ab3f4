/** An emitter with the types of its events: at run time it is Node's own. */

import { EventEmitter } from "node:events";
import { expect, expectTypeOf, test } from "vitest";
import { TypedEmitter } from "../../../src/ws/events/typed-emitter.ts";

test("it is Node's, also for those who ask for an instance, and knows its own events", () => {
  class Lamp extends TypedEmitter<{ lit: [watts: number] }> {}
  const lamp = new Lamp();
  const seen: unknown[] = [];
  lamp.on("lit", (watts) => {
    expectTypeOf(watts).toEqualTypeOf<number>();
    seen.push(watts);
  });
  lamp.once("anything", (...values: unknown[]) => seen.push(values));
  lamp.emit("lit", 40);
  lamp.emit("anything", 1, 2);
  expect(lamp).toBeInstanceOf(EventEmitter);
  expect(Lamp.defaultMaxListeners).toBe(EventEmitter.defaultMaxListeners);
  expect(seen).toEqual([40, [1, 2]]);
});
