/** The clients of the soak see what a server does wrong: each fault is an error, and a good server none. */
import { expect, test } from "vitest";
import { Client } from "../../soak/client.ts";
import { makeMessage, readMessage, topicSeed } from "../../soak/message.ts";
import type { LoadCounts } from "../../soak/orders.ts";
import type { ServerConnection } from "../../src/index.ts";
import { serving } from "../support/serving.ts";

const topic = 3;

/** What a server answers to message 3, of five; it has published one before each answer. */
type Answer = (connection: ServerConnection, answer: string | Buffer, news: string | Buffer) => void;

function made(kind: "answer" | "news" | "start" | "end", number: number, body = "body", seed = 2): string | Buffer {
  return makeMessage({ kind, number, seed: kind === "news" ? topicSeed(topic) : seed, text: number % 2 === 0, body });
}

/** Opens a client, sends five messages, leaves; returns what it counted. */
async function soakOne(third: Answer, { last = 5 } = {}): Promise<LoadCounts> {
  const server = await serving({
    routes: {
      "/:way/:topic/:id": {
        open: (connection) => void connection.send(made("start", 0, "0")),
        message: (connection, data) => {
          const { kind, number } = readMessage(data, 2)!;
          if (kind === "leave") {
            connection.send(made("end", number, String(last)));
          } else if (number === 3) {
            third(connection, made("answer", 3), made("news", 3));
          } else {
            connection.send(made("news", number));
            connection.send(made("answer", number));
          }
        },
      },
    },
  });
  const counts: LoadCounts = {
    ...{ open: 0, opened: 0, sent: 0, answered: 0, delivered: 0, cut: 0, abused: 0, errors: 0, rss: 0 },
    firstErrors: [],
  };
  const client = await Client.open({ port: server.port, id: 2, topic }, counts);
  for (let i = 0; i < 5; i++) client.send();
  await client.finish("leave");
  return counts;
}

test("a server that does everything right gets no error", async () => {
  const counts = await soakOne((connection, answer, news) => {
    connection.send(news);
    connection.send(answer);
  });
  expect(counts).toMatchObject({ opened: 1, open: 0, sent: 6, answered: 6, delivered: 5, errors: 0, firstErrors: [] });
});

test.each<[string, Answer, string]>([
  ["an answer is lost", (connection, _, news) => connection.send(news), "got answer 4 in the place of 3"],
  [
    "an answer comes twice",
    (connection, answer, news) => [news, answer, answer].map((message) => connection.send(message)),
    "got answer 3 in the place of 4",
  ],
  ["news is lost", (connection, answer) => connection.send(answer), "got news 4 in the place of 3"],
  [
    "news comes twice",
    (connection, answer, news) => [news, news, answer].map((message) => connection.send(message)),
    "got news 3 in the place of 4",
  ],
  [
    "an answer is damaged",
    (connection, _, news) => [news, `${made("answer", 3)}!`].map((message) => connection.send(message)),
    "got a damaged message of",
  ],
  [
    "an answer is somebody else's",
    (connection, _, news) => [news, made("answer", 3, "body", 4)].map((message) => connection.send(message)),
    "got a damaged message of",
  ],
])("it is an error when %s", async (_, third, error) => {
  const { errors, firstErrors } = await soakOne(third);
  expect(errors).toBeGreaterThan(0);
  expect(firstErrors[0]).toContain(`Client 2 ${error}`);
});

test("it is an error when the last of what was published is missing", async () => {
  const { firstErrors } = await soakOne(
    (connection, answer, news) => {
      connection.send(news);
      connection.send(answer);
    },
    { last: 6 },
  );
  expect(firstErrors).toEqual(["Client 2 missed the end of its topic: it has 5 of 6"]);
});

test("it is an error when the server closes in between", async () => {
  const { firstErrors } = await soakOne((connection) => connection.terminate());
  // It has said that it leaves when it sees the end.
  expect(firstErrors).toEqual([expect.stringMatching(/^Client 2 left and ended with 1006: /)]);
});
