import { setImmediate as turn } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { ClusterError } from "../../../src/cluster/broker/cluster-error.ts";
import { MemoryPresence } from "../../../src/cluster/broker/memory-presence.ts";
import type { MemberChange } from "../../../src/cluster/broker/presence-store.ts";
import { OwnMembers } from "../../../src/cluster/presence/own-members.ts";

/** The members of the node `n` under the lease `l`, and a store that says what it is asked. */
function ownMembers({ memory = 60_000 } = {}) {
  const store = new MemoryPresence();
  const calls: string[] = [];
  const failures: Error[] = [];
  const node = { name: "n", lease: "l" as string | undefined, failed: (error: Error) => void failures.push(error) };
  let hanging: (() => void) | undefined;
  let failing = 0;
  const parts = {
    subscribe: async () => {},
    unsubscribe: async () => {},
    lease: async () => true,
    leases: async () => ({ held: [], age: 0 }),
    update: async (topic: string, changes: readonly MemberChange[]) => {
      calls.push(changes.map(({ id, data }) => (data === undefined ? `-${id}` : `${id}=${data}`)).join());
      if (hanging) await new Promise<void>((resolve) => (hanging = resolve));
      if (failing > 0) {
        failing--;
        throw new ClusterError("unavailable", "lost");
      }
      store.update(topic, changes, 0);
    },
    read: async (topic: string) => {
      calls.push("read");
      return store.read(topic, undefined);
    },
  };
  const own = new OwnMembers(parts, node, memory);
  const stored = () => store.read("t", undefined).members!.map(({ id, lease, data }) => `${id} ${lease} ${data}`);
  return {
    own,
    node,
    store,
    calls,
    failures,
    stored,
    fail: (count: number) => {
      failing = count;
    },
    hang: () => {
      hanging = () => {};
      return () => {
        const goOn = hanging;
        hanging = undefined;
        goOn?.();
      };
    },
  };
}

describe("the members of a node", () => {
  test("go to the store in one call a turn, and those who are as they were in none", async () => {
    const { own, calls, stored } = ownMembers();
    own.set("t", "1", "a");
    own.set("t", "2", "b");
    own.set("t", "2", "c");
    await own.settled();
    own.set("t", "2", "c");
    own.set("t", "9", undefined);
    await own.settled();
    expect(calls).toEqual(["n/1=a,n/2=c"]);
    expect(stored()).toEqual(["n/1 l a", "n/2 l c"]);
    expect(own.count).toBe(2);
    expect(own.of("t")).toEqual([
      { id: "n/1", data: "a" },
      { id: "n/2", data: "c" },
    ]);
    expect(own.of("other")).toEqual([]);
  });

  test("have one call a topic under way; what changes meanwhile goes in the next as it is by then", async () => {
    const { own, calls, hang, stored } = ownMembers();
    const goOn = hang();
    own.set("t", "1", "a");
    await turn();
    own.set("t", "1", undefined);
    own.set("t", "2", "b");
    own.set("t", "1", "c");
    await turn();
    expect(calls).toEqual(["n/1=a"]);
    goOn();
    await own.settled();
    expect(calls).toEqual(["n/1=a", "n/1=c,n/2=b"]);
    expect(stored()).toEqual(["n/1 l c", "n/2 l b"]);
  });

  test("wait while no lease is held, and are compared when one is", async () => {
    const { own, node, calls, stored } = ownMembers();
    node.lease = undefined;
    own.set("t", "1", "a");
    await turn();
    expect(calls).toEqual([]);
    node.lease = "l2";
    own.compareAll();
    await own.settled();
    expect(calls).toEqual(["read", "n/1=a"]);
    expect(stored()).toEqual(["n/1 l2 a"]);
  });

  test("put right what the store has of this node, and touch nobody else's", async () => {
    const { own, store, calls, stored } = ownMembers();
    own.set("t", "1", "a");
    own.set("t", "2", "b");
    await own.settled();
    store.update("t", [{ id: "n/1", lease: "l", data: undefined }], 0);
    store.update("t", [{ id: "n/2", lease: "old", data: "b" }], 0);
    store.update("t", [{ id: "n/3", lease: "old", data: "ghost" }], 0);
    store.update("t", [{ id: "n2/1", lease: "l9", data: "x" }], 0);
    own.compareAll();
    await own.settled();
    expect(stored().sort()).toEqual(["n/1 l a", "n/2 l b", "n2/1 l9 x"]);
    own.compareAll();
    await own.settled();
    expect(calls.at(-1)).toBe("read");
  });

  test("that left lately are compared, too: a store may be back with a state from before", async () => {
    const { own, store, stored } = ownMembers();
    own.set("t", "1", "a");
    await own.settled();
    own.set("t", "1", undefined);
    await own.settled();
    store.update("t", [{ id: "n/1", lease: "l", data: "a" }], 0);
    own.compareAll();
    await own.settled();
    expect(stored()).toEqual([]);
    expect(own.count).toBe(0);
  });

  test("that left long ago are forgotten", async () => {
    const { own, calls } = ownMembers({ memory: -1 });
    own.set("t", "1", "a");
    own.set("t", "1", undefined);
    await own.settled();
    own.look();
    calls.length = 0;
    own.compareAll();
    await own.settled();
    expect(calls).toEqual([]);
  });

  test("after a call that failed are compared at the next look, and the failure is said", async () => {
    const { own, fail, calls, failures, stored } = ownMembers();
    fail(1);
    own.set("t", "1", "a");
    await own.settled();
    expect(failures).toMatchObject([{ code: "unavailable" }]);
    own.look();
    await own.settled();
    expect(calls).toEqual(["n/1=a", "read", "n/1=a"]);
    expect(stored()).toEqual(["n/1 l a"]);
    own.look();
    await own.settled();
    expect(calls).toHaveLength(3);
  });

  test("are at most 200 in a call, also when they are compared", async () => {
    const { own, calls, stored } = ownMembers();
    for (let number = 0; number < 450; number++) own.set("t", `${number}`, "a");
    await own.settled();
    expect(calls.map((call) => call.split(",").length)).toEqual([200, 200, 50]);
    expect(stored()).toHaveLength(450);
    for (let number = 0; number < 450; number++) own.set("t", `${number}`, "b");
    own.compareAll();
    await own.settled();
    expect(stored().every((text) => text.endsWith("b"))).toBe(true);
    expect(calls.every((call) => call.split(",").length <= 200)).toBe(true);
  });
});
