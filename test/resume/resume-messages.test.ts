/** The messages of the resume protocol: each is written and read again, and what is none is none. */
import { expect, test } from "vitest";
import {
  longestRequest,
  messageText,
  parseMessage,
  parseRequest,
  type ResumeMessage,
  requestText,
} from "../../src/resume/resume-messages.ts";

const position = { epoch: "e-1", offset: 2 ** 53 - 1 };

test.each<[ResumeMessage, string]>([
  [{ type: "session", session: "abc" }, '{"session":"abc"}'],
  [
    { type: "subscribed", n: 17, topic: "room/\0", position, grant: "g" },
    '{"subscribed":{"n":17,"topic":"room/\\u0000","position":"e-1:9007199254740991","grant":"g"}}',
  ],
  [
    { type: "gap", n: 0, reason: "fork", position, grant: "g" },
    '{"gap":{"n":0,"reason":"fork","position":"e-1:9007199254740991","grant":"g"}}',
  ],
  [
    { type: "resumed", n: 1, recovered: true, replayed: 3, reason: undefined },
    '{"resumed":{"n":1,"recovered":true,"replayed":3}}',
  ],
  [{ type: "unsubscribed", n: 1 }, '{"unsubscribed":{"n":1}}'],
  [
    {
      type: "marks",
      n: 17,
      steps: [
        { offset: 1000, isOwn: false },
        { offset: 1005, isOwn: false },
        { offset: 1008, isOwn: true },
      ],
    },
    "17 1000 5 -3",
  ],
])("%o", (message, text) => {
  expect(messageText(message)).toBe(`\0${text}`);
  expect(parseMessage(`\0${text}`)).toEqual(message);
});

test("members that are not known are passed over", () => {
  expect(parseMessage('\0{"unsubscribed":{"n":1,"why":"later"}}')).toEqual({ type: "unsubscribed", n: 1 });
});

test.each([
  ...[
    "",
    "{",
    "{}",
    "[]",
    "null",
    '{"session":"a","gap":{}}',
    '{"session":1}',
    '{"session":"a b"}',
    '{"other":{"n":1}}',
  ],
  ...['{"unsubscribed":{"n":-1}}', '{"unsubscribed":{"n":1.5}}', '{"unsubscribed":{}}', '{"gap":{"n":1}}'],
  ...['{"resumed":{"n":1,"recovered":1,"replayed":0}}', '{"resumed":{"n":1,"recovered":true}}'],
  ...[
    '{"subscribed":{"n":1,"topic":1,"position":"e:1","grant":"g"}}',
    "1",
    "1 ",
    "1 0",
    "1 -0",
    "1 1 ",
    "1  1",
    "01 1",
  ],
  ...["1 9007199254740991 1", "1 9007199254740992", "9007199254740992 1", "1 1e3", "a 1", '{"__proto__":{"n":1}}'],
])("a server does not say %s", (text) => {
  expect(parseMessage(`\0${text}`)).toBeUndefined();
});

test("a client's first message is written and read again, up to its bytes", () => {
  const claims = [{ topic: "ü", position, grant: "g" }];
  for (const session of [undefined, "abc"]) {
    expect(parseRequest(requestText({ session, claims }))).toEqual({ session, claims });
  }
  const padded = (size: number) => {
    const text = '\0{"resume":{"topics":[["","e:1","g"]]}}';
    return text.replace('""', `"${"a".repeat(size - text.length)}"`);
  };
  expect(parseRequest(padded(longestRequest))?.claims).toHaveLength(1);
  expect(parseRequest(padded(longestRequest + 1))).toBeUndefined();
});
