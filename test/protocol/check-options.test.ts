import { expect, describe as group, test } from "vitest";
import {
  checkInstance,
  checkOptions,
  describe,
  type OptionTable,
  unknownName,
  withOptions,
} from "../../src/protocol/check-options.ts";

interface Options {
  readonly name?: string;
  readonly count?: number;
  readonly list?: readonly string[] | (() => void);
  readonly anything?: unknown;
}

const table: OptionTable<Options> = { name: "string", count: "number", list: ["array", "function"], anything: "any" };
const check = (options: unknown) => () => checkOptions("begin", options, table);

group("checkOptions", () => {
  test.each([
    {},
    { name: "x", count: 1, list: [], anything: null },
    { list: () => {} },
    { name: undefined, anything: 1n },
    Object.create(null),
  ])("takes %o", (options) => {
    expect(check(options)).not.toThrow();
  });

  test.each([
    [undefined, "undefined"],
    [null, "null"],
    ["name", '"name"'],
    [5, "5"],
    [true, "true"],
    [[], "an array"],
    [() => {}, "a function"],
    [Symbol("s"), "a symbol"],
    [1n, "a bigint"],
  ])("%o is no options", (options, words) => {
    expect(check(options)).toThrow(new TypeError(`Cannot begin: the options must be an object, not ${words}`));
  });

  test.each([
    [{ nmae: 1 }, 'there is no option "nmae"; did you mean "name"?'],
    [{ Count: 1 }, 'there is no option "Count"; did you mean "count"?'],
    [{ counts: 1 }, 'there is no option "counts"; did you mean "count"?'],
    [{ port: 1 }, 'there is no option "port"'],
    [{ constructor: 1 }, 'there is no option "constructor"'],
    [JSON.parse('{"__proto__": 1}'), 'there is no option "__proto__"'],
    [{ name: 5 }, 'the option "name" must be a string, not 5'],
    [{ count: "5" }, 'the option "count" must be a number, not "5"'],
    [{ count: null }, 'the option "count" must be a number, not null'],
    [{ list: "a" }, 'the option "list" must be an array or a function, not "a"'],
    [{ list: {} }, 'the option "list" must be an array or a function, not an object'],
  ])("%o is refused", (options, message) => {
    expect(check(options)).toThrow(new TypeError(`Cannot begin: ${message}`));
  });

  test("an object of a class may have members of its own, but not options of another type", () => {
    class Handlers {
      seen = 0;
      count: unknown = 1;
    }
    expect(check(new Handlers())).not.toThrow();
    expect(check(Object.assign(new Handlers(), { count: "1" }))).toThrow('the option "count" must be a number');
  });
});

group("an option that is an instance of a class", () => {
  class Clock {}
  const checkClock = (value: unknown) => () => checkInstance("begin", "clock", value, Clock);

  test("an instance, one of a subclass and undefined pass", () => {
    for (const value of [new Clock(), new (class extends Clock {})(), undefined])
      expect(checkClock(value)).not.toThrow();
  });

  test.each([[null], [{}], [Clock], ["12:00"]])("%j is refused with the name of the class", (value) => {
    expect(checkClock(value)).toThrow(
      new TypeError(`Cannot begin: the option "clock" must be an instance of Clock, not ${describe(value)}`),
    );
  });
});

group("words for what is wrong", () => {
  test("long strings are cut, and nothing of an object is called", () => {
    expect(describe("x".repeat(100))).toBe(`"${"x".repeat(40)}…"`);
    const hostile = new Proxy({}, { get: () => expect.unreachable("called") });
    expect(describe(hostile)).toBe("an object");
  });

  test("only a near name is proposed, the nearest", () => {
    expect(unknownName("closing", ["close", "closed", "open"])).toBe('there is no option "closing"');
    expect(unknownName("close", ["closed", "clos", "closet"], { noun: "handler" })).toMatch(
      /^there is no handler "close"; did you/,
    );
    expect(unknownName("x", [])).toBe('there is no option "x"');
    expect(unknownName("on", ["open"])).toBe('there is no option "on"');
  });

  test("a name of another library comes before a near one, and a name that every object has is none of them", () => {
    const foreign = { mane: "the option is title" };
    expect(unknownName("mane", ["name"], { foreign })).toBe('there is no option "mane"; the option is title');
    expect(unknownName("toString", ["name"], { foreign })).toBe('there is no option "toString"');
  });
});

test("options get others in place of some, and those of a class stay what they are", () => {
  const plain = { one: 1, two: 2 };
  expect(withOptions<object>(plain, { two: 3, three: 4 })).toEqual({ one: 1, two: 3, three: 4 });
  expect(plain).toEqual({ one: 1, two: 2 });
  class Given {
    readonly #secret = "secret";
    readonly own = () => "own";
    get read() {
      return this.#secret;
    }
    call() {
      return [this.#secret, this.own()];
    }
  }
  const given = Object.freeze(new Given());
  const changed = withOptions<{ own: unknown; read: string; call(): unknown }>(given, { own: "other" });
  expect([changed.own, changed.read, changed.call()]).toEqual(["other", "secret", ["secret", "own"]]);
  expect(changed).toBeInstanceOf(Given);
  expect(() => checkOptions("begin", changed, {} as never)).not.toThrow();
});
