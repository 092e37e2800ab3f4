import { describe, expect, it } from "vitest";
import { mostPending, queue, type Turn } from "../../src/client/handshake-queue.ts";

const settle = () => new Promise(setImmediate);

/** Takes places in line and tells whose turn has come. */
function line() {
  const come: string[] = [];
  const take = (name: string, ...keys: string[]): Turn => {
    const turn = queue(keys);
    void turn.come.then(() => come.push(name));
    return turn;
  };
  return { come, take };
}

describe("R6455-4.1-2: queue", () => {
  it("lets one at a time go for a key, in order, and others for other keys", async () => {
    const { come, take } = line();
    const turns = [take("a", "x"), take("b", "x"), take("c", "y")];
    await settle();
    expect(come).toEqual(["a", "c"]);
    turns[0]!.leave();
    await settle();
    expect(come).toEqual(["a", "c", "b"]);
    for (const turn of turns) turn.leave();
  });

  it("lets nobody go before all of its keys are free", async () => {
    const { come, take } = line();
    const turns = [take("a", "x"), take("b", "y"), take("c", "y", "x"), take("d", "x", "y")];
    await settle();
    expect(come).toEqual(["a", "b"]);
    turns[1]!.leave();
    await settle();
    expect(come).toEqual(["a", "b"]);
    turns[0]!.leave();
    await settle();
    expect(come).toEqual(["a", "b", "c"]);
    turns[2]!.leave();
    await settle();
    expect(come).toEqual(["a", "b", "c", "d"]);
    turns[3]!.leave();
  });

  it("passes over who left while waiting, without letting anybody by the one that is at it", async () => {
    const { come, take } = line();
    const turns = [take("a", "x"), take("b", "x"), take("c", "x")];
    turns[1]!.leave();
    await settle();
    expect(come).toEqual(["a"]);
    turns[0]!.leave();
    await settle();
    expect(come).toContain("c");
    turns[2]!.leave();
  });

  it("is empty again when all have left", async () => {
    const { come, take } = line();
    for (const turn of [take("a", "x"), take("b", "x")]) turn.leave();
    await settle();
    const late = take("late", "x");
    // As many as it takes without anybody to wait for.
    for (let i = 0; i < 4; i++) await Promise.resolve();
    expect(come).toContain("late");
    late.leave();
  });
});

describe("R6455-4.1-3: all together", () => {
  it("are no more than the limit; a place goes to who has waited longest", async () => {
    const { come, take } = line();
    const names = Array.from({ length: mostPending + 3 }, (_, index) => `${index}`);
    const turns = names.map((name) => take(name, `host ${name}`));
    await settle();
    expect(come).toEqual(names.slice(0, mostPending));
    turns[7]!.leave();
    await settle();
    expect(come).toEqual(names.slice(0, mostPending + 1));
    // Who leaves while waiting gives its place on.
    turns[mostPending + 1]!.leave();
    turns[8]!.leave();
    await settle();
    expect(come).toEqual(names);
    for (const turn of turns) turn.leave();
    await settle();
  });

  it("does not count who still waits for its address", async () => {
    const { come, take } = line();
    const same = Array.from({ length: mostPending + 1 }, (_, index) => take(`${index}`, "x"));
    const other = take("other", "y");
    await settle();
    expect(come).toEqual(["0", "other"]);
    for (const turn of [...same, other]) turn.leave();
    await settle();
    expect(come).toHaveLength(mostPending + 2);
  });
});
