/** Exceptions of listeners: nobody's but their own. */

import { EventEmitter, once } from "node:events";
import { expect, test, vi } from "vitest";
import { tell } from "../../../src/ws/events/tell.ts";
import { until } from "../../support/connection-pair.ts";
import { ours } from "../implementations.ts";
import { openPair } from "../pairs.ts";

/** Takes the place of the runner's own listeners for what is uncaught. */
async function uncaught(act: () => void | Promise<void>): Promise<unknown[]> {
  const seen: unknown[] = [];
  const before = process.listeners("uncaughtException");
  process.removeAllListeners("uncaughtException");
  process.on("uncaughtException", (error) => seen.push(error));
  try {
    await act();
    await until(() => seen.length > 0);
  } finally {
    process.removeAllListeners("uncaughtException");
    for (const listener of before) process.on("uncaughtException", listener);
  }
  return seen;
}

test("what a listener throws is uncaught, and the caller goes on", async () => {
  const emitter = new EventEmitter().on("event", () => {
    throw new Error("mine");
  });
  const goesOn = vi.fn();
  expect(
    await uncaught(() => {
      tell(emitter, "event");
      goesOn();
    }),
  ).toEqual([new Error("mine")]);
  expect(goesOn).toHaveBeenCalledOnce();
});

test("the connection whose listener throws goes on with what comes behind", async () => {
  const { client, server } = await openPair(ours);
  server.once("message", () => {
    throw new Error("mine");
  });
  expect(await uncaught(() => client.send("a"))).toEqual([new Error("mine")]);
  const next = once(server, "message");
  client.send("b");
  expect(String((await next)[0])).toBe("b");
});
