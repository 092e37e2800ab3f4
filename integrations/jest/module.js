/** Copied to be a module, and run by Jest as one. */
import { connect } from "openline";
import { Endpoint } from "openline/protocol";
import { connectionPair } from "openline/testing";

test("what is imported works", async () => {
  const { client } = await connectionPair({ message: (connection, data) => void connection.send(data) });
  client.send("text");
  for await (const message of client) {
    expect(message).toBe("text");
    client.close();
  }
  expect(typeof connect).toBe("function");
  expect(new Endpoint({ role: "client" }).state).toBe("open");
});
