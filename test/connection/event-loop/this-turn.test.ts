import { expect, test } from "vitest";
import { thisTurn } from "../../../src/connection/event-loop/this-turn.ts";
import { setImmediate } from "../../../src/transport/scheduling.ts";

const nextTurn = () => new Promise<void>((resolve) => void setImmediate(resolve));

test("a turn is one object until it is over, microtasks included, and the next is another", async () => {
  const first = thisTurn();
  first.longReads += 3;
  await Promise.resolve();
  expect(thisTurn()).toBe(first);
  await nextTurn();
  const second = thisTurn();
  expect(second).not.toBe(first);
  expect(second.longReads).toBe(0);
});

test("turns that are not asked for cost nothing: the next one that is begins anew", async () => {
  await nextTurn();
  await nextTurn();
  const turn = thisTurn();
  expect(thisTurn()).toBe(turn);
});
