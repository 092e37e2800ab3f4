import { describe, expect, test } from "vitest";
import { type Holder, MemoryBudget } from "../../../src/connection/process-wide/memory-budget.ts";

/** A holder that notes that it had to let go. */
function holder(then: () => void = () => {}): Holder & { count: number } {
  return {
    count: 0,
    letGo() {
      this.count++;
      then();
    },
  };
}

describe("MemoryBudget", () => {
  test("beyond the cap the largest lets go, and no other [A02, D04]", () => {
    const cap = new MemoryBudget();
    const [small, large, last] = [holder(), holder(), holder()];
    cap.note(small, 30, 100);
    cap.note(large, 60, 100);
    cap.note(last, 10, 100);
    expect(cap.total).toBe(100);
    cap.note(last, 11, 100);
    expect([small.count, large.count, last.count]).toEqual([0, 1, 0]);
    expect(cap.total).toBe(41);
  });

  test("as many let go as it takes", () => {
    const cap = new MemoryBudget();
    const all = [holder(), holder(), holder()];
    for (const each of all) cap.note(each, 40, 1000);
    cap.note(all[2]!, 50, 30);
    expect(all.map(({ count }) => count)).toEqual([1, 1, 1]);
    expect(cap.total).toBe(0);
  });

  test("what is noted takes the place of what was, and nothing is held at 0", () => {
    const cap = new MemoryBudget();
    const [one, other] = [holder(), holder()];
    cap.note(one, 50, 100);
    cap.note(one, 20, 100);
    cap.note(one, 0, 100);
    cap.note(one, 0, 100);
    expect(cap.total).toBe(0);
    cap.note(other, 101, 100);
    expect([one.count, other.count]).toEqual([0, 1]);
  });

  test("a holder that still holds something when it has let go is noted anew, and the cap ends all the same", () => {
    const cap = new MemoryBudget();
    const stubborn = holder(() => {
      if (stubborn.count < 3) cap.note(stubborn, 200, 100);
    });
    cap.note(stubborn, 200, 100);
    expect(stubborn.count).toBe(3);
    expect(cap.total).toBe(0);
  });
});
