import { expect, test } from "vitest";
import { memoryBroker } from "../../../src/cluster/broker/memory-broker.ts";
import { brokerTests } from "./broker-contract.ts";

brokerTests("the broker in memory", async () => {
  const first = memoryBroker();
  return { make: () => memoryBroker({ sharedWith: first }) };
});

test("a broker belongs to one cluster, and shares logs with memory brokers alone", async () => {
  const broker = memoryBroker();
  const noHistory = () => undefined;
  const events = { message: () => {}, presence: () => {}, state: () => {}, error: () => {} };
  await broker.connect(events, noHistory);
  await expect(broker.connect(events, noHistory)).rejects.toMatchObject({ code: "refused" });
  expect(() => memoryBroker({ sharedWith: {} as never })).toThrow(TypeError);
});
