/** What is refused as options or data of `send`. */
import { expect, test } from "vitest";
import { connectionPair } from "../../support/connection-pair.ts";

test.each<[string, unknown, unknown, RegExp]>([
  ["a callback", "x", () => {}, /^Cannot send: there is no callback; `await connection\.ready`/],
  ["a string", "x", "utf8", /^Cannot send: the options must be an object, not "utf8"$/],
  ["null", "x", null, /^Cannot send: the options must be an object, not null$/],
  ["the option binary", "x", { binary: true }, /^Cannot send: there is no option "binary"; a string goes as text/],
  ["a misspelt name", "x", { compres: true }, /there is no option "compres"; did you mean "compress"\?$/],
  ["a value of the wrong type", "x", { copy: 1 }, /^Cannot send: the option "copy" must be a boolean, not 1$/],
  [
    "a promise as data",
    Promise.resolve("x"),
    undefined,
    /^Cannot send: data must be .*, not a promise: await it first$/,
  ],
])("send refuses %s", async (_, data, options, message) => {
  for (const role of ["client", "server"] as const) {
    const { connection } = await connectionPair(role);
    expect(() => connection.send(data as never, options as never)).toThrow(message);
    expect(connection.send("x", { compress: undefined as never, copy: true })).toBe(true);
  }
});
