/**
 * The example rooms: what a client may say, and where.
 *
 * @module-tag slow
 */
import { connect } from "openline";
import { afterEach, expect, test } from "vitest";
import { startExample, stopExamples } from "./example-process.ts";

afterEach(stopExamples);

test.each(["say tea hello", "leave tea", "join no/room", "dance", "join tea\njoin tea"])(
  "a client that is not in the room, or says nothing that is known, is closed with 1008: %s",
  async (text) => {
    const server = startExample("rooms");
    const connection = await connect(`ws://localhost:${await server.port()}/as/Ada`);
    for (const line of text.split("\n")) connection.send(line);
    expect(await connection.closed).toMatchObject({ code: 1008, reason: `Cannot take "${text.split("\n").at(-1)}"` });
    expect((await server.stop()).code).toBe(0);
  },
);
