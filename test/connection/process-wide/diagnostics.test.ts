import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { expect, test } from "vitest";
import { channels, newCounters } from "../../../src/connection/process-wide/diagnostics.ts";

test("counters begin at zero, each its own", () => {
  const counters = newCounters();
  expect(counters).toEqual({ messagesReceived: 0, messagesSent: 0, messagesUnsent: 0, bytesReceived: 0, bytesSent: 0 });
  counters.messagesSent++;
  expect(newCounters().messagesSent).toBe(0);
});

test.each([
  ["open", "openline:connection:open"],
  ["close", "openline:connection:close"],
  ["message", "openline:connection:message"],
  ["error", "openline:connection:error"],
  ["refused", "openline:handshake:refused"],
] as const)("%s is published on %s, while somebody listens", (key, name) => {
  const seen: unknown[] = [];
  const listener = (message: unknown) => seen.push(message);
  expect(channels[key].hasSubscribers).toBe(false);
  subscribe(name, listener);
  channels[key].publish({ key });
  unsubscribe(name, listener);
  expect(channels[key].hasSubscribers).toBe(false);
  expect(seen).toEqual([{ key }]);
});
