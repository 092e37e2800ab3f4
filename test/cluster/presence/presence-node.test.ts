/** When a node renews its lease at a store whose answers take long. */
import { expect, test, vi } from "vitest";
import type { PresenceStore } from "../../../src/cluster/broker/presence-store.ts";
import { PresenceNode } from "../../../src/cluster/presence/presence-node.ts";
import { afterwards } from "../../support/serving.ts";

/** Its time is turned by the test. */
function storeThatTakes(delay: number) {
  const begun: number[] = [];
  const renewed: number[] = [];
  const answered = () => new Promise<void>((resolve) => void setTimeout(resolve, delay));
  const store: PresenceStore = {
    subscribe: async () => {},
    unsubscribe: async () => {},
    update: async () => {},
    read: async () => ({ version: 0, members: [] }),
    async lease(_name, _duration, begins) {
      (begins ? begun : renewed).push(performance.now());
      await answered();
      return true;
    },
    async leases() {
      await answered();
      return { held: [], age: 0 };
    },
  };
  return { store, begun, renewed };
}

test.for([0, 100, 400])("a lease is renewed in time where each answer takes %i ms", async (delay) => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
  afterwards(() => vi.useRealTimers());
  const { store, begun, renewed } = storeThatTakes(delay);
  const node = new PresenceNode("node", store, { nodeLease: 1200, maxPresenceData: 1000 }, () => {});
  node.watch("room");
  node.connected(true);
  await vi.advanceTimersByTimeAsync(12_000);
  expect(begun).toHaveLength(1);
  const asked = [...begun, ...renewed];
  const waits = asked.slice(1).map((at, index) => at - asked[index]!);
  // A node asks for its lease, and then for those of others; a timer's least delay is 1 ms.
  for (const wait of waits) expect(wait).toBeLessThanOrEqual(Math.max(400, 2 * delay) + 2);
  expect(waits.length).toBeGreaterThan(10);
});
