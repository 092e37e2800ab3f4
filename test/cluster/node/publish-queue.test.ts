import { describe, expect, test } from "vitest";
import { ClusterError } from "../../../src/cluster/broker/cluster-error.ts";
import { largestCall, mostInCall, PublishQueue } from "../../../src/cluster/node/publish-queue.ts";

/** A queue, and what became of what was put into it. */
function filled(count: number, { size, length = 0 }: { readonly size?: number; readonly length?: number } = {}) {
  const queue = new PublishQueue(size);
  const fates: string[] = [];
  for (let number = 0; number < count; number++) {
    queue.add({
      message: { id: `${number}`, payload: new Uint8Array(length) },
      since: number,
      stored: (position) => void fates.push(`${number} at ${position?.offset}`),
      failed: ({ code }) => void fates.push(`${number} ${code}`),
    });
  }
  return { queue, fates };
}
const idsOf = (call: ReturnType<PublishQueue["next"]>) => call?.batch.map(({ id }) => id);
const lost = new ClusterError("unavailable", "lost");

describe("a queue", () => {
  test("has one call in flight; what gathers meanwhile goes in the next", () => {
    const { queue, fates } = filled(2);
    expect(idsOf(queue.next(0))).toEqual(["0", "1"]);
    queue.add({ message: { id: "2", payload: new Uint8Array() }, since: 0, stored() {}, failed() {} });
    expect(queue.next(0)).toBeUndefined();
    queue.answered([5, 6].map((offset) => ({ epoch: "e", offset })));
    expect(fates).toEqual(["0 at 5", "1 at 6"]);
    expect(idsOf(queue.next(0))).toEqual(["2"]);
    queue.answered([]);
    expect(queue.isEmpty).toBe(true);
  });

  test("makes a call no longer than the history, 64 messages or 256 KiB, but of one message at least", () => {
    expect(idsOf(filled(9, { size: 3 }).queue.next(0))).toHaveLength(3);
    expect(idsOf(filled(100, { size: 1000 }).queue.next(0))).toHaveLength(mostInCall);
    expect(idsOf(filled(9, { length: largestCall / 4 }).queue.next(0))).toHaveLength(4);
    expect(idsOf(filled(9, { length: largestCall + 1 }).queue.next(0))).toHaveLength(1);
  });

  test("makes a call again as it was when the connection failed, and says when it was first made", () => {
    const { queue } = filled(2);
    expect(queue.next(7)?.firstSent).toBeUndefined();
    queue.add({ message: { id: "2", payload: new Uint8Array() }, since: 0, stored() {}, failed() {} });
    queue.failed(lost);
    const again = queue.next(9);
    expect(idsOf(again)).toEqual(["0", "1"]);
    expect(again?.firstSent).toBe(7);
  });

  test("any other failure goes to the publishers, and the next call is made", () => {
    const { queue, fates } = filled(1);
    queue.next(0);
    queue.failed(new ClusterError("refused", "no"));
    expect(fates).toEqual(["0 refused"]);
    expect(queue.isEmpty).toBe(true);
  });

  test("what is too old is unknown where it was sent, and certainly not stored where it was not", () => {
    const { queue, fates } = filled(4, { size: 2 });
    queue.next(0);
    queue.expire(3);
    expect(fates).toEqual(["0 unknown", "1 unknown", "2 unavailable"]);
    queue.failed(lost);
    expect(idsOf(queue.next(0))).toEqual(["3"]);
  });

  test("ends with what waits", () => {
    const { queue, fates } = filled(3, { size: 1 });
    queue.next(0);
    queue.close();
    expect(fates).toEqual(["0 unknown", "1 closed", "2 closed"]);
    queue.answered([{ epoch: "e", offset: 1 }]);
    expect(fates).toHaveLength(3);
  });
});
