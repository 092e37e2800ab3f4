import { type } from "arktype";
import * as v from "valibot";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { decodeJson, encodeJson, reasonOf } from "../../src/typed/json-codec.ts";
import type { StandardSchema } from "../../src/typed/standard-schema.ts";

const anything: StandardSchema = { "~standard": { version: 1, vendor: "test", validate: (value) => ({ value }) } };

const libraries: readonly (readonly [string, StandardSchema<unknown, { n: number }>])[] = [
  ["zod", z.object({ n: z.number() })],
  ["valibot", v.object({ n: v.number() })],
  ["arktype", type({ n: "number" })],
];

describe.each(libraries)("a schema of %s", (_, schema) => {
  test("lets through what fits", async () => {
    expect(await decodeJson(schema, '{"n":1}')).toMatchObject({ value: { n: 1 } });
  });

  test.each(['{"n":"1"}', "{}", "[]", "null", "1", '"n"', '{"n":null}'])("finds issues in %s", async (text) => {
    const { issues } = await decodeJson(schema, text);
    expect(issues?.length).toBeGreaterThan(0);
    expect(reasonOf(issues!)).not.toBe("");
  });

  test.each(["", "{", "NaN", "{'n':1}", '{"n":1}x', "\ud800", '{"n":1,}'])("is not asked about %j", async (text) => {
    expect((await decodeJson(schema, text)).issues).toEqual([{ message: "Expected JSON" }]);
  });

  test("is not asked about binary messages", async () => {
    const bytes = new TextEncoder().encode('{"n":1}');
    expect((await decodeJson(schema, bytes)).issues).toEqual([{ message: "Expected JSON, not a binary message" }]);
  });
});

describe("whatever the schema", () => {
  const nested = (depth: number) => `${"[".repeat(depth)}${"]".repeat(depth)}`;

  test.each([
    ["arrays", nested(256), nested(257)],
    ["objects", `${'{"a":'.repeat(255)}{}${"}".repeat(255)}`, `${'{"a":'.repeat(256)}{}${"}".repeat(256)}`],
  ])("%s are nested at most 256 deep", (_, deepest, deeper) => {
    expect(decodeJson(anything, deepest)).toHaveProperty("value");
    expect(decodeJson(anything, deeper)).toEqual({ issues: [{ message: "Expected no deeper nesting than 256" }] });
  });

  test("a million brackets are an issue, closed or not", () => {
    expect(decodeJson(anything, nested(1_000_000))).toHaveProperty("issues");
    expect(decodeJson(anything, "[".repeat(1_000_000))).toHaveProperty("issues");
  });

  test("control: a schema that follows the nesting runs out of stack", async () => {
    interface Tree {
      children: Tree[];
    }
    const tree: z.ZodType<Tree> = z.lazy(() => z.object({ children: z.array(tree) }));
    const depth = 100_000;
    const text = `${'{"children":['.repeat(depth)}${"]}".repeat(depth)}`;
    await expect((async () => tree["~standard"].validate(JSON.parse(text)))()).rejects.toThrow(RangeError);
    expect(decodeJson(tree, text)).toHaveProperty("issues");
  });

  test.each(['{"__proto__":{"admin":true}}', '{"a":[{"b":{"__proto__":null}}]}', '{"\\u005f_pro\\u0074o__":1}'])(
    "the key __proto__ is an issue: %s",
    (text) => {
      expect(decodeJson(anything, text)).toEqual({ issues: [{ message: "Expected no key __proto__" }] });
    },
  );

  test("control: without that, a copy has another prototype", () => {
    const copy = Object.assign({}, JSON.parse('{"__proto__":{"admin":true}}'));
    expect(copy.admin).toBe(true);
  });

  test("__proto__ as a value, and constructor as a key, are not", () => {
    expect(decodeJson(anything, '{"a":"__proto__","constructor":1}')).toEqual({
      value: { a: "__proto__", constructor: 1 },
    });
  });
});

describe("a reason", () => {
  test("is the first issue, behind its path", () => {
    const path = ["user", { key: 0 }, Symbol("name")];
    expect(reasonOf([{ message: "Expected text", path }, { message: "More" }])).toBe(
      "user.0.Symbol(name): Expected text",
    );
  });

  test.each([[[]], [[{}]], [[{ message: 5 }]], [[{ message: Symbol("a") }]]])(
    "is there without words: %o",
    (issues) => {
      expect(reasonOf(issues as never)).toBe("The message does not fit");
    },
  );

  test.each(["é", "€", "😀", "\ud800", "a"])("has at most 123 bytes of UTF-8, of %j", (letter) => {
    for (let before = 0; before < 4; before++) {
      const reason = reasonOf([{ message: "x".repeat(before) + letter.repeat(200) }]);
      const length = new TextEncoder().encode(reason).length;
      expect(length).toBeLessThanOrEqual(123);
      expect(length).toBeGreaterThan(119);
    }
  });
});

describe("what is sent", () => {
  test("is JSON", () => {
    expect(encodeJson({ a: [1, null, "é\ud800"] })).toBe('{"a":[1,null,"é\\ud800"]}');
  });

  test.each([[undefined], [() => {}], [Symbol("a")], [1n], [{ toJSON: () => undefined }]])("cannot be %s", (value) => {
    expect(() => encodeJson(value)).toThrow(TypeError);
  });
});
