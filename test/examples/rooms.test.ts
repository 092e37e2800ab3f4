/**
 * The example rooms: what a client may say, and where.
 *
 * @module-tag slow
 */
import { connect } from "openline";
import { afterEach, expect, test } from "vitest";
import { startExample, stopExamples } from "./example-process.ts";

afterEach(stopExamples);

test.each(["say tea hello", "leave tea", "join no/room", "dance", "join tea\njoin tea", "漢".repeat(60)])(
  "a client that is not in the room, or says nothing that is known, is closed with 1008: %s",
  async (text) => {
    const server = startExample("rooms");
    const connection = await connect(`ws://localhost:${await server.port()}/as/Ada`);
    for (const line of text.split("\n")) connection.send(line);
    expect(await connection.closed).toMatchObject({
      code: 1008,
      reason: "This is no command, or none for that room now",
    });
    expect((await server.stop()).code).toBe(0);
  },
);

test("the room after the twentieth is refused with 1008", async () => {
  const connection = await connect(`ws://localhost:${await startExample("rooms").port()}/as/Ada`);
  for (let room = 0; room < 21; room++) connection.send(`join ${room}`);
  expect(await connection.closed).toMatchObject({ code: 1008, reason: "No more than 20 rooms at once" });
});

test("a name of more than 20 characters is cut between two of them", async () => {
  const server = startExample("rooms");
  const connection = await connect(`ws://localhost:${await server.port()}/as/a${encodeURIComponent("😀".repeat(30))}`);
  connection.send("join tea");
  const { value } = await connection[Symbol.asyncIterator]().next();
  expect(JSON.parse(String(value)).from).toBe(`a${"😀".repeat(19)}`);
});
