import { expect, test } from "vitest";
import { Subjects, tokenOf } from "../../../src/cluster/nats/subjects.ts";

test.each([
  ["room/tea", "room=2Ftea"],
  ["a.b c*>", "a=2Eb=20c=2A=3E"],
  ["ä", "=C3=A4"],
  ["=2F", "=3D2F"],
  ["plain_-09", "plain_-09"],
])("the topic %j is the token %s", (topic, token) => {
  expect(tokenOf(topic)).toBe(token);
});

test("a long topic is a token that fits into a line, another one for each", () => {
  const [one, other] = [tokenOf("/".repeat(4096)), tokenOf(`${"/".repeat(4095)}.`)];
  expect(one).toMatch(/^==[\w-]{43}$/);
  expect(other).not.toBe(one);
  // No escape begins so: a digit would follow the first one.
  expect(tokenOf("=")).not.toMatch(/^==/);
});

test("a rule has a stream of its own, which keeps one message more, and a day at least", () => {
  const subjects = new Subjects("app.one");
  const short = subjects.stream({ size: 100, maxAge: 300_000 });
  expect(short).toMatchObject({ rule: "100", size: 101, maxAge: 86_400_000 });
  expect(subjects.stream({ size: 100, maxAge: 86_400_001 })).toMatchObject({
    rule: "100-86400001",
    maxAge: 86_400_001,
  });
  expect(short.messages("t")).toBe("app.one.s.100.t.m");
  expect(short.marks("t")).toBe("app.one.s.100.t.e");
  expect(short.stream).toBe("app_one_100");
});
