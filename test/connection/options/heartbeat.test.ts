import { expect, test } from "vitest";
import { resolveHeartbeat } from "../../../src/connection/options/heartbeat.ts";

test("a heartbeat is two texts, of which the first is known as bytes as well", () => {
  expect(resolveHeartbeat(undefined)).toBeUndefined();
  expect(resolveHeartbeat({ message: "€", reply: "" })).toEqual({
    message: "€",
    reply: "",
    bytes: Uint8Array.of(0xe2, 0x82, 0xac),
  });
});

test.each<[unknown, string]>([
  [{ message: "ping" }, 'the option "reply" must be a string, not undefined'],
  [{ reply: "pong" }, 'the option "message" must be a string, not undefined'],
  [{ message: Buffer.from("ping"), reply: "pong" }, 'the option "message" must be a string, not an object'],
  [true, "the options must be an object, not true"],
  [
    { message: "ping", reply: "pong", interval: 1000 },
    'there is no option "interval"; the client counts the time; a server asks silent clients by its own Pings, see keepalive',
  ],
])("%o is refused", (given, message) => {
  expect(() => resolveHeartbeat(given as never)).toThrow(new TypeError(`Cannot answer heartbeats: ${message}`));
});
