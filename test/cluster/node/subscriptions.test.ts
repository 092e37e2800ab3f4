import { setImmediate as turn } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { ClusterError } from "../../../src/cluster/broker/cluster-error.ts";
import { Subscriptions } from "../../../src/cluster/node/subscriptions.ts";
import { eventually } from "../../support/eventually.ts";

/** Subscriptions at a broker whose answers the test gives, and what they were told. */
function subscriptions() {
  const calls: string[] = [];
  const answers: { resolve(): void; reject(error: Error): void }[] = [];
  const told: string[] = [];
  const failures: Error[] = [];
  const call = (name: string) => (topics: readonly string[]) => {
    calls.push(`${name} ${topics.length > 3 ? topics.length : topics.join()}`);
    return new Promise<void>((resolve, reject) => answers.push({ resolve, reject }));
  };
  const own = new Subscriptions(
    { subscribe: call("+"), unsubscribe: call("-") },
    { acknowledged: (topic) => told.push(topic), failed: (error) => failures.push(error) },
  );
  /** Answers the oldest call that waits. */
  const answer = async (error?: Error) => {
    await eventually(() => answers.length > 0);
    const { resolve, reject } = answers.shift()!;
    if (error) reject(error);
    else resolve();
    await turn();
  };
  return { own, calls, told, failures, answer };
}

describe("subscriptions", () => {
  test("are asked for in one call a turn, of 512 at most, and told when they are acknowledged", async () => {
    const { own, calls, told, answer } = subscriptions();
    own.connected(true);
    for (let number = 0; number < 600; number++) own.add(`t${number}`);
    await answer();
    expect([calls, told.length, own.has("t511"), own.has("t512")]).toEqual([["+ 512", "+ 88"], 512, true, false]);
    await answer();
    expect(told.length).toBe(600);
  });

  test("wait for the connection, and are all asked for again over the next one", async () => {
    const { own, calls, told, answer } = subscriptions();
    own.add("a");
    await turn();
    expect(calls).toEqual([]);
    own.connected(true);
    await answer();
    own.connected(false);
    expect(own.has("a")).toBe(false);
    own.add("b");
    own.connected(true);
    await answer();
    expect(calls).toEqual(["+ a", "+ a,b"]);
    expect(told).toEqual(["a", "a", "b"]);
  });

  test("that only the connection before acknowledged are asked for again", async () => {
    const { own, calls, told, answer } = subscriptions();
    own.connected(true);
    own.add("a");
    await turn();
    own.connected(false);
    own.connected(true);
    await answer();
    expect([told, own.has("a")]).toEqual([[], false]);
    await answer();
    expect([calls, told, own.has("a")]).toEqual([["+ a", "+ a"], ["a"], true]);
  });

  test("that are left while they are asked for are left at the broker, too", async () => {
    const { own, calls, told, answer } = subscriptions();
    own.connected(true);
    own.add("a");
    await turn();
    own.remove("a");
    await answer();
    await answer();
    expect([calls, told, own.has("a")]).toEqual([["+ a", "- a"], [], false]);
  });

  test("that are wanted anew before they were left are told of, and nothing is asked", async () => {
    const { own, calls, told, answer } = subscriptions();
    own.connected(true);
    own.add("a");
    await answer();
    own.add("other");
    await turn();
    own.remove("a");
    own.add("a");
    await answer();
    expect([calls, told]).toEqual([
      ["+ a", "+ other"],
      ["a", "other", "a"],
    ]);
  });

  test("that are wanted anew while they are left are asked for again", async () => {
    const { own, calls, told, answer } = subscriptions();
    own.connected(true);
    own.add("a");
    await answer();
    own.remove("a");
    await turn();
    own.add("a");
    await answer();
    await answer();
    expect([calls, told, own.has("a")]).toEqual([["+ a", "- a", "+ a"], ["a", "a"], true]);
  });

  test("that the broker refuses are said, and asked for once more", async () => {
    const { own, calls, told, failures, answer } = subscriptions();
    own.connected(true);
    own.add("a");
    await answer(new ClusterError("refused", "no"));
    expect(failures).toMatchObject([{ code: "refused" }]);
    await answer();
    expect([calls, told]).toEqual([["+ a", "+ a"], ["a"]]);
  });

  test("ask for nothing any more when they are closed", async () => {
    const { own, calls } = subscriptions();
    own.connected(true);
    own.add("a");
    own.close();
    own.add("b");
    await turn();
    expect(calls).toEqual([]);
  });
});
