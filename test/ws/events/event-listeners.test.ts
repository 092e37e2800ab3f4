/** The properties of a `WebSocket`: which of them are there, enumerable and whose own; `ws` is the control. */

import { expect, test } from "vitest";
import { control, ours } from "../implementations.ts";

const attributes = ["binaryType", "bufferedAmount", "extensions", "isPaused", "onclose", "onerror", "onmessage"];
attributes.push("onopen", "protocol", "readyState", "url");

test.each(attributes)("%s is an enumerable accessor of the prototype, as in ws", (name) => {
  const shapes = [control, ours].map(({ WebSocket }) => {
    const { get, set, ...rest } = Object.getOwnPropertyDescriptor(WebSocket.prototype, name)!;
    return { reads: get !== undefined, writes: set !== undefined, ...rest };
  });
  expect(shapes[1]).toEqual(shapes[0]);
});

test("nothing else is enumerable there but the states and two methods", () => {
  const names = [control, ours].map(({ WebSocket }) => Object.keys(WebSocket.prototype).sort());
  expect(names[1]).toEqual(names[0]);
});
