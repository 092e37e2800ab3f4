import { expect, test } from "vitest";
import { resolveRules } from "../../../src/cluster/node/topic-rules.ts";

test("a whole name counts before the longest prefix, that before shorter ones, and no rule is none of all", () => {
  const rule = resolveRules({
    "*": { local: true },
    "a/*": { history: { size: 1 } },
    "a/b*": { presence: true },
    "a/bc": { history: { size: 2, maxAge: 5000 }, presence: true },
  });
  expect(rule("x").isLocal).toBe(true);
  expect(rule("").isLocal).toBe(true);
  expect(rule("a/x")).toMatchObject({ history: { size: 1, maxAge: 300_000 }, hasPresence: false, isLocal: false });
  expect(rule("a/b")).toMatchObject({ history: undefined, hasPresence: true });
  expect(rule("a/bcd")).toMatchObject({ history: undefined, hasPresence: true });
  expect(rule("a/bc")).toMatchObject({ history: { size: 2, maxAge: 5000 }, hasPresence: true });
  const none = { history: undefined, hasPresence: false, isLocal: false, encode: undefined };
  expect(resolveRules({ "a/*": {} })("b")).toEqual(none);
  expect(resolveRules({})("__proto__")).toEqual(none);
});

test.each<[object, RegExp]>([
  [{ a: { history: { size: 10_001 } } }, /"a": history.size must be/],
  [{ a: { history: { size: 1.5 } } }, /history.size must be/],
  [{ a: { history: { size: 1, maxAge: 999 } } }, /history.maxAge must be/],
  [{ a: { history: { size: 1, age: 1 } } }, /there is no option "age"/],
  [{ a: { history: 100 } }, /"history" must be an object/],
  [{ a: { presence: 1 } }, /"presence" must be a boolean/],
  [{ a: { presence: true, local: true } }, /a local topic has no presence/],
  [{ a: { history: { size: 1 }, local: true } }, /a local topic has no history/],
  [{ a: { encode: () => "" } }, /encode is for topics with history/],
  [{ a: null }, /must be an object, not null/],
])("rules that cannot be are refused by name: %j", (rules, message) => {
  expect(() => resolveRules(rules as never)).toThrow(message);
});
