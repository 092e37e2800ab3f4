import { expect, test } from "vitest";
import { captureCaller, framesOf } from "../../src/client/caller.ts";

function entry() {
  return captureCaller(entry);
}

test("the frames are those above the call, without the function itself", () => {
  const frames = framesOf(entry());
  expect(frames.split("\n")[0]).toMatch(/^ {4}at .*caller\.test\.ts:\d+:\d+/);
  expect(frames).not.toMatch(/captureCaller|at entry/);
});

test("there are no frames where a program keeps none, or gives stacks a form of its own", () => {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 0;
  try {
    expect(framesOf(entry())).toBe("");
  } finally {
    Error.stackTraceLimit = limit;
  }
  expect(framesOf({ stack: [] as never })).toBe("");
  expect(framesOf({})).toBe("");
});
