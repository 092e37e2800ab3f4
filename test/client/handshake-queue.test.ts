import { describe, expect, it } from "vitest";
import { enqueue, maxHandshakes, type QueueEntry } from "../../src/client/handshake-queue.ts";

const settle = () => new Promise(setImmediate);

/** Makes queue entries, and notes the names of those that are ready. */
function entries() {
  const ready: string[] = [];
  const enter = (name: string, ...keys: string[]): QueueEntry => {
    const entry = enqueue(keys);
    void entry.ready.then(() => ready.push(name));
    return entry;
  };
  return { ready, enter };
}

describe("entries of one address [R6455-4.1-2]", () => {
  it("are ready one at a time for a key, in order, beside those of other keys", async () => {
    const { ready, enter } = entries();
    const queued = [enter("a", "x"), enter("b", "x"), enter("c", "y")];
    await settle();
    expect(ready).toEqual(["a", "c"]);
    queued[0]!.release();
    await settle();
    expect(ready).toEqual(["a", "c", "b"]);
    for (const entry of queued) entry.release();
  });

  it("are ready only when all of their keys are free", async () => {
    const { ready, enter } = entries();
    const queued = [enter("a", "x"), enter("b", "y"), enter("c", "y", "x"), enter("d", "x", "y")];
    await settle();
    expect(ready).toEqual(["a", "b"]);
    queued[1]!.release();
    await settle();
    expect(ready).toEqual(["a", "b"]);
    queued[0]!.release();
    await settle();
    expect(ready).toEqual(["a", "b", "c"]);
    queued[2]!.release();
    await settle();
    expect(ready).toEqual(["a", "b", "c", "d"]);
    queued[3]!.release();
  });

  it("are passed over when released early, and let no later one pass the entry that is under way", async () => {
    const { ready, enter } = entries();
    const queued = [enter("a", "x"), enter("b", "x"), enter("c", "x")];
    queued[1]!.release();
    await settle();
    expect(ready).toEqual(["a"]);
    queued[0]!.release();
    await settle();
    expect(ready).toContain("c");
    queued[2]!.release();
  });

  it("leave an empty queue when all are released", async () => {
    const { ready, enter } = entries();
    for (const entry of [enter("a", "x"), enter("b", "x")]) entry.release();
    await settle();
    const late = enter("late", "x");
    // An entry of an empty queue is ready within so few microtasks.
    for (let i = 0; i < 4; i++) await Promise.resolve();
    expect(ready).toContain("late");
    late.release();
  });
});

describe("entries of all addresses [R6455-4.1-3]", () => {
  it("are ready up to the limit; a free place goes to the one that has waited longest", async () => {
    const { ready, enter } = entries();
    const names = Array.from({ length: maxHandshakes + 3 }, (_, index) => `${index}`);
    const queued = names.map((name) => enter(name, `host ${name}`));
    await settle();
    expect(ready).toEqual(names.slice(0, maxHandshakes));
    queued[7]!.release();
    await settle();
    expect(ready).toEqual(names.slice(0, maxHandshakes + 1));
    // An entry that is released while it waits passes its place on.
    queued[maxHandshakes + 1]!.release();
    queued[8]!.release();
    await settle();
    expect(ready).toEqual(names);
    for (const entry of queued) entry.release();
    await settle();
  });

  it("do not count while they wait for their address", async () => {
    const { ready, enter } = entries();
    const same = Array.from({ length: maxHandshakes + 1 }, (_, index) => enter(`${index}`, "x"));
    const other = enter("other", "y");
    await settle();
    expect(ready).toEqual(["0", "other"]);
    for (const entry of [...same, other]) entry.release();
    await settle();
    expect(ready).toHaveLength(maxHandshakes + 2);
  });
});
