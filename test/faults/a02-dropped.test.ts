/** A02: endpoints that a program drops in the middle of long messages take nothing from others for good. */
import { setTimeout as sleep } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, test } from "vitest";
import { Endpoint } from "../../src/protocol/endpoint/endpoint.ts";
import { eventually } from "../support/eventually.ts";
import { feed, frameFrom } from "../support/wire.ts";

const MiB = 1024 * 1024;
const most = 4 * MiB;

/** An endpoint that has received a quarter of a frame, which is as long as all that may be allotted. */
function begin(): Endpoint {
  const endpoint = new Endpoint({ role: "client", maxProcessAllotment: most });
  const frame = frameFrom("server", { opcode: 2, payload: new Uint8Array(most) });
  for (let at = 0; at < most / 4; at += 65_536) feed(endpoint, frame.subarray(at, at + 65_536));
  return endpoint;
}

/** Whether it has memory for all of the frame. */
function hasAll(endpoint: Endpoint): boolean {
  return endpoint.allottedAhead > most / 2;
}

test("A02: what an endpoint was given is there again once it was collected, and not before", async () => {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const held: Endpoint[] = [begin()];
  expect(hasAll(held[0]!)).toBe(true);
  collect();
  await sleep(10);
  expect(hasAll(begin())).toBe(false);
  held.pop();
  await eventually(() => {
    collect();
    return hasAll(begin());
  });
});
