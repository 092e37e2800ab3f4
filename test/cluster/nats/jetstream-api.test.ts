import { expect, test } from "vitest";
import { JetStreamError } from "../../../src/cluster/nats/jetstream-api.ts";

test.each([
  ["servers for replicas that are not there yet", 400, 10_005, "unavailable"],
  ["a cluster without a leader", 503, 10_008, "unavailable"],
  ["replicas without a cluster", 500, 10_074, "refused"],
  ["JetStream that is not enabled", 503, 10_076, "refused"],
  ["a message that is being stored", 409, 10_158, "unavailable"],
  ["options that cannot be", 400, 10_025, "refused"],
] as const)("%s: whether waiting may heal it is known by its numbers", (_what, code, number, expected) => {
  expect(new JetStreamError({ code, err_code: number, description: "no" })).toMatchObject({ code: expected, number });
});
