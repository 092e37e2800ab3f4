/**
 * The code that a view shows: cut out of the file by name, whole, with its comment, and an error when it is not there.
 */
import { expect, test } from "vitest";
import { excerpt, excerpts } from "../../demo/excerpt.ts";

const source = `import { serve } from "openline";

/** Says it. */
export function say(text: string): void {
  if (text) {
    console.log(text);
  }
}

class Room {
  /**
   * Joins.
   */
  async join(name: string): Promise<void> {
    this.#names.add(name);
  }

  leave(): void {
    this.#names.clear();
  }
}
`;

test("a function comes with its comment and ends at its own bracket", () => {
  expect(excerpt(source, "say")).toBe(
    "/** Says it. */\nexport function say(text: string): void {\n  if (text) {\n    console.log(text);\n  }\n}",
  );
});

test("a method comes to the margin", () => {
  expect(excerpt(source, "join")).toBe(
    "/**\n * Joins.\n */\nasync join(name: string): Promise<void> {\n  this.#names.add(name);\n}",
  );
});

test("several stand one after another, and a name that is not there is an error", () => {
  expect(excerpts(source, ["leave", "say"])).toMatch(
    /^leave\(\): void \{\n {2}this.#names.clear\(\);\n\}\n\n\/\*\* Says/,
  );
  expect(() => excerpt(source, "serve")).toThrow("Cannot show serve");
});
