import fc from "fast-check";
import { expect, test } from "vitest";
import { messageQueue, type UnsentReason } from "../../src/reconnecting/message-queue.ts";
import { TurnedClock } from "./turned-clock.ts";

type Step =
  | { readonly kind: "add"; readonly length: number }
  | { readonly kind: "flush"; readonly most: number }
  | { readonly kind: "turn"; readonly time: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constant("add" as const), length: fc.nat(12) }),
  fc.record({ kind: fc.constant("flush" as const), most: fc.nat(5) }),
  fc.record({ kind: fc.constant("turn" as const), time: fc.nat(60) }),
);

test("each message that was taken leaves once and in order, or is told once, and none is both", async () => {
  const overflow = fc.constantFrom("refuse" as const, "drop-oldest" as const);
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), overflow, async (steps, mode) => {
      const clock = new TurnedClock();
      const told: [string, UnsentReason][] = [];
      const queue = messageQueue({ maxSize: 30, maxAge: 100, overflow: mode }, clock, (data, reason) => {
        told.push([String(data), reason]);
      });
      const taken: string[] = [];
      const sent: string[] = [];
      let number = 0;
      for (const each of steps) {
        if (each.kind === "turn") await clock.turn(each.time);
        else if (each.kind === "flush") {
          let left = each.most;
          queue.flush((data) => {
            if (left-- <= 0) return false;
            sent.push(String(data));
            return true;
          });
        } else {
          const data = `${number++}:`.padEnd(each.length, "x");
          if (queue.add(data)) taken.push(data);
          else expect(mode === "refuse" || data.length > 30).toBe(true);
        }
        expect(queue.size).toBeLessThanOrEqual(30);
      }
      queue.close();
      const gone = [...sent, ...told.map(([data]) => data)];
      expect(gone.sort()).toEqual([...taken].sort());
      const inOrder = (some: readonly string[]) => some.map((data) => taken.indexOf(data));
      expect(inOrder(sent)).toEqual(inOrder(sent).sort((one, other) => one - other));
      expect([queue.size, clock.timers]).toEqual([0, 0]);
    }),
    { numRuns: 50 },
  );
});

test("a message that is larger than all the room displaces none", () => {
  const told: unknown[] = [];
  const queue = messageQueue({ maxSize: 4, overflow: "drop-oldest" }, new TurnedClock(), (data) => told.push(data));
  expect([queue.add("abc"), queue.add("12345")]).toEqual([true, false]);
  expect([queue.size, told]).toEqual([3, []]);
});

test("sizes are those of UTF-8, of Blobs and of views, and what is no data is a string", () => {
  const queue = messageQueue({}, new TurnedClock(), () => {});
  const sizes = [
    "é€😀",
    new Blob(["abc"]),
    new DataView(new ArrayBuffer(8), 2, 5),
    new ArrayBuffer(7),
    12345,
    null,
    [1, 2],
  ].map((data) => {
    const before = queue.size;
    queue.add(data as string);
    return queue.size - before;
  });
  expect(sizes).toEqual([9, 3, 5, 7, 5, 4, 3]);
});

test("without a limit of age nothing expires", async () => {
  const clock = new TurnedClock();
  const queue = messageQueue({ maxAge: Number.POSITIVE_INFINITY }, clock, () => expect.unreachable());
  queue.add("a");
  await clock.turn(86_400_000);
  expect(queue.size).toBe(1);
});
