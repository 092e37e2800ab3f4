/**
 * Values of every kind that JavaScript has, friendly and hostile, for calls that are documented to take few of them; and
 * what of them is data to send, decided without the code under test.
 */
import { types } from "node:util";
import { runInNewContext } from "node:vm";
import { PreparedMessage } from "../../src/index.ts";

/** What a value must become on the wire: text, bytes, or nothing because it is refused at once, or fails when it is read. */
export type Meaning = { readonly text: string } | { readonly bytes: Uint8Array } | "refused" | "fails";

/** One value; made anew for each use, since some can be used once. */
export interface AnyValue {
  readonly name: string;
  make(): unknown;
  /** What `Connection.send` must make of it. */
  readonly sent: Meaning;
  /** What iterating it gives, where it can be iterated to its end. */
  readonly fragments?: Meaning;
  /** What `WebSocket.send` must make of it where that differs: other objects become strings, shared memory is refused. */
  readonly webIdl?: Meaning;
}

/** What hostile values throw: a test knows it when it sees it. */
export class Hostile extends Error {
  constructor() {
    super("Hostile");
  }
}

function hostile(): never {
  throw new Hostile();
}

const bytes = Uint8Array.of(0, 1, 2, 127, 128, 254, 255, 9, 8, 7, 6, 5, 4, 3, 2, 1);
const refused = "refused" as const;
/** The bytes as they are in memory of their own, with guards around them that must never leave. */
function fenced(): ArrayBuffer {
  const memory = new Uint8Array(64).fill(0xdb);
  memory.set(bytes, 24);
  return memory.buffer;
}

interface ViewConstructor {
  readonly name: string;
  new (buffer: ArrayBufferLike, offset: number, length: number): ArrayBufferView;
  readonly BYTES_PER_ELEMENT?: number;
}

const views: readonly ViewConstructor[] = [
  Int8Array,
  Uint8Array,
  Uint8ClampedArray,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  Float32Array,
  Float64Array,
  BigInt64Array,
  BigUint64Array,
  DataView as unknown as ViewConstructor,
];

/** A text as it is on the wire. */
const text = (value: string): Meaning => ({ text: value });
const binary = (value: Uint8Array = bytes): Meaning => ({ bytes: value });

const primitives: AnyValue[] = [
  undefined,
  null,
  true,
  false,
  0,
  -0,
  1,
  20,
  125,
  1000,
  1005,
  1006,
  3000,
  4999,
  5000,
  // 1000 to who keeps 16 bits.
  66_536,
  1000.5,
  -1,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
  2 ** 53,
  5n,
  2n ** 64n,
  1000n,
].map((value) => {
  const name = `${typeof value} ${Object.is(value, -0) ? "-0" : String(value)}`;
  return { name, make: () => value, sent: refused, webIdl: text(String(value)) };
});

const strings: AnyValue[] = (
  [
    ["", ""],
    ["text", "text"],
    ["é€😀", "é€😀"],
    ["a\0b\r\nX: y", "a\0b\r\nX: y"],
    ["\ud800", "\ufffd"],
    ["a\udc00b\ud83d", "a\ufffdb\ufffd"],
    ["1000", "1000"],
    ["x".repeat(124), "x".repeat(124)],
    ["€".repeat(41), "€".repeat(41)],
    ["€".repeat(42), "€".repeat(42)],
    ["y".repeat(70_000), "y".repeat(70_000)],
  ] as const
).map(([value, sent]) => ({
  name: `string ${JSON.stringify(value).slice(0, 20)}`,
  make: () => value,
  sent: text(sent),
}));

const memory: AnyValue[] = [
  ...views.map((View) => ({
    name: `${View.name} inside other memory`,
    make: () => new View(fenced(), 24, 16 / (View.BYTES_PER_ELEMENT ?? 1)),
    sent: binary(),
  })),
  { name: "Buffer of the pool", make: () => Buffer.from(bytes), sent: binary() },
  { name: "empty Uint8Array", make: () => new Uint8Array(0), sent: binary(new Uint8Array(0)) },
  { name: "125 bytes", make: () => new Uint8Array(125).fill(1), sent: binary(new Uint8Array(125).fill(1)) },
  { name: "126 bytes", make: () => new Uint8Array(126).fill(1), sent: binary(new Uint8Array(126).fill(1)) },
  { name: "70000 bytes", make: () => new Uint8Array(70_000).fill(1), sent: binary(new Uint8Array(70_000).fill(1)) },
  { name: "ArrayBuffer", make: () => bytes.slice().buffer, sent: binary() },
  { name: "empty ArrayBuffer", make: () => new ArrayBuffer(0), sent: binary(new Uint8Array(0)) },
  {
    name: "detached ArrayBuffer",
    make: () => detach(bytes.slice().buffer),
    sent: refused,
    webIdl: binary(new Uint8Array(0)),
  },
  { name: "view of a detached ArrayBuffer", make: detachedView, sent: refused, webIdl: binary(new Uint8Array(0)) },
  {
    name: "SharedArrayBuffer",
    make: () => new SharedArrayBuffer(16),
    sent: refused,
    webIdl: text("[object SharedArrayBuffer]"),
  },
  { name: "view of a SharedArrayBuffer", make: sharedView, sent: binary(), webIdl: refused },
  { name: "resizable ArrayBuffer", make: () => resizable(16), sent: binary(), webIdl: refused },
  {
    name: "view of a resizable ArrayBuffer",
    make: () => new Uint8Array(resizable(16), 0, 16),
    sent: binary(),
    webIdl: refused,
  },
  {
    name: "view that a resizing left out of bounds",
    make: outOfBounds,
    sent: refused,
  },
  { name: "DataView that a resizing left out of bounds", make: outOfBoundsDataView, sent: refused },
  { name: "Uint8Array of another realm", make: () => foreign("new Uint8Array(given)"), sent: binary() },
  { name: "ArrayBuffer of another realm", make: () => foreign("new Uint8Array(given).buffer"), sent: binary() },
  {
    name: "Float32Array of another realm",
    make: () => foreign("new Float32Array(new Uint8Array(given).buffer)"),
    sent: binary(),
  },
  { name: "Blob", make: () => new Blob([bytes]), sent: binary() },
  { name: "empty Blob", make: () => new Blob([]), sent: binary(new Uint8Array(0)) },
  {
    name: "PreparedMessage of text",
    make: () => new PreparedMessage("prepared"),
    sent: text("prepared"),
    webIdl: text("[object Object]"),
  },
  {
    name: "PreparedMessage of bytes",
    make: () => new PreparedMessage(bytes),
    sent: binary(),
    webIdl: text("[object Object]"),
  },
];

/** Bytes that say something else than the truth about themselves: what leaves is what they are, or nothing. */
const liars: AnyValue[] = [
  { name: "Uint8Array with a length of its own", make: () => lying({ length: 1000 }), sent: binary() },
  { name: "Uint8Array with a byteLength of its own", make: () => lying({ byteLength: 1000 }), sent: binary() },
  { name: "Uint8Array with a shorter length of its own", make: () => lying({ length: 3 }), sent: binary() },
  { name: "Uint8Array with another element size", make: () => lying({ BYTES_PER_ELEMENT: 8 }), sent: binary() },
  { name: "Uint8Array with a length of NaN", make: () => lying({ length: Number.NaN }), sent: binary() },
  { name: "Uint8Array with a length of -1", make: () => lying({ length: -1 }), sent: binary() },
  { name: "Uint8Array with a length of 2^40", make: () => lying({ length: 2 ** 40 }), sent: binary() },
  {
    name: "Uint8Array whose constructor throws",
    make: () =>
      lying({
        constructor: {
          get [Symbol.species]() {
            return hostile();
          },
        },
      }),
    sent: binary(),
  },
  { name: "subclass of Uint8Array that lies", make: () => new LyingArray(bytes), sent: binary() },
  {
    name: "Uint8Array that claims another buffer",
    make: () => lying({ buffer: fenced(), byteOffset: 0 }),
    sent: binary(),
  },
  { name: "Blob that lies", make: lyingBlob, sent: binary() },
  {
    name: "Blob that gives a number",
    make: () => Object.assign(new Blob([bytes]), { arrayBuffer: async () => 1000 }),
    sent: "fails",
  },
];

/** Objects that are no data. */
const objects: AnyValue[] = (
  [
    ["symbol", () => Symbol("s")],
    ["well-known symbol", () => Symbol.iterator],
    ["function", () => () => {}],
    ["class", () => class {}],
    ["async function", () => async () => {}],
    ["function with a hostile toString", () => Object.assign(() => {}, { toString: hostile })],
    ["object", () => ({})],
    ["object with lengths", () => ({ length: 5, byteLength: 5, byteOffset: 0, buffer: bytes.buffer })],
    ["object without a prototype", () => Object.create(null)],
    ["frozen object", () => Object.freeze({ code: 1000 })],
    ["Date", () => new Date(0)],
    ["invalid Date", () => new Date(Number.NaN)],
    ["RegExp", () => /x/],
    ["Error", () => new Error("e")],
    ["Number object", () => new Number(1000)],
    ["Promise", () => Promise.resolve("later")],
    ["rejected Promise", rejected],
    ["WeakMap", () => new WeakMap()],
    ["URL", () => new URL("ws://localhost/")],
    ["AbortSignal", () => new AbortController().signal],
    ["instance", () => new (class Instance {})()],
    ["what says it is a Blob", () => Object.create(Blob.prototype)],
    ["what says it is a Uint8Array", () => Object.create(Uint8Array.prototype)],
    ["what says it is an ArrayBuffer", () => Object.create(ArrayBuffer.prototype)],
    ["what says it is a PreparedMessage", () => Object.create(PreparedMessage.prototype)],
    ["what says it is a DataView", () => Object.create(DataView.prototype)],
    ["Proxy of bytes", () => new Proxy(new Uint8Array(bytes), {})],
    ["Proxy that throws", () => new Proxy({}, everyTrap)],
    ["Proxy of a function that throws", () => new Proxy(() => {}, everyTrap)],
    ["revoked Proxy", revoked],
    ["hostile toString", () => ({ toString: hostile, valueOf: hostile })],
    ["hostile toPrimitive", () => ({ [Symbol.toPrimitive]: hostile })],
    ["toString that gives an object", () => ({ toString: () => ({}), valueOf: () => ({}) })],
    ["valueOf that gives 1000", () => ({ valueOf: () => 1000 })],
    ["hostile getters", hostileGetters],
    // biome-ignore lint/suspicious/noThenProperty: that is what it is for
    ["hostile thenable", () => ({ then: hostile })],
    // biome-ignore lint/suspicious/noThenProperty: that is what it is for
    ["thenable with a hostile getter", () => Object.defineProperty({}, "then", { get: hostile })],
    // biome-ignore lint/suspicious/noThenProperty: that is what it is for
    ["thenable that calls back at once and twice", () => ({ then: eager })],
    ["hostile Symbol.iterator", () => ({ [Symbol.iterator]: hostile })],
    ["hostile Symbol.asyncIterator", () => ({ [Symbol.asyncIterator]: hostile })],
    ["iterable whose next throws", () => iterable({ next: hostile, return: hostile })],
    ["iterable whose next gives a number", () => iterable({ next: () => 5 })],
    ["iterable whose result is hostile", () => iterable({ next: hostileGetters })],
    ["iterable without next", () => iterable({})],
    ["iterable of odd things", () => [undefined, null, 5, {}, Symbol("s")]],
    ["array of numbers", () => [1, 2, 3]],
    ["array of arrays", () => [["a"]]],
    ["Map", () => new Map([["a", 1]])],
    ["iterable of a Blob", () => [new Blob(["b"])]],
  ] as [string, () => unknown][]
).map(([name, make]) => ({ name, make, sent: refused }));

const iterables: AnyValue[] = [
  { name: "String object", make: () => new String("text"), sent: refused, fragments: text("text") },
  { name: "empty array", make: () => [], sent: refused, fragments: binary(new Uint8Array(0)) },
  { name: "Set of strings", make: () => new Set(["a", "\ud83d", "\ude00", ""]), sent: refused, fragments: text("a😀") },
  { name: "generator of bytes", make: generated, sent: refused, fragments: binary(Buffer.concat([bytes, bytes])) },
  { name: "async generator of strings", make: generatedLater, sent: refused, fragments: text("one two") },
  {
    name: "array of views",
    make: () => [new Uint16Array(fenced(), 24, 8), fenced().slice(24, 40)],
    sent: refused,
    fragments: binary(Buffer.concat([bytes, bytes])),
  },
  { name: "array of characters", make: () => ["a", "b"], sent: refused, fragments: text("ab") },
];

/** All of them. */
export const anyValues: readonly AnyValue[] = [
  ...primitives,
  ...strings,
  ...memory,
  ...liars,
  ...objects,
  ...iterables,
];

/** The value by its name. */
export function valueNamed(name: string): AnyValue {
  const value = anyValues.find((one) => one.name === name);
  if (!value) throw new Error(`There is no value ${name}`);
  return value;
}

/** What Web IDL makes of a value for `(BufferSource or Blob or USVString)`, as `WebSocket.send` takes it. */
export function webIdlOf({ webIdl, sent, make }: AnyValue): Meaning {
  if (webIdl !== undefined) return webIdl;
  if (sent !== "refused") return sent;
  const value = make();
  if (typeof value === "symbol" || ArrayBuffer.isView(value)) return "refused";
  try {
    return { text: String(value) };
  } catch {
    return "refused";
  }
}

/** The payload of a meaning on the wire. */
export function payloadOf(meaning: Exclude<Meaning, string>): Buffer {
  return "text" in meaning ? Buffer.from(meaning.text) : Buffer.from(meaning.bytes);
}

/** Fills the memory that Node hands out unwritten, so that what leaks of it would show. */
export function poisonMemory(): void {
  const kept: Buffer[] = [];
  for (const size of [16, 256, 4096, 66 * 1024, 128 * 1024]) {
    for (let i = 0; i < 40; i++)
      kept.push(Buffer.allocUnsafe(size).fill(0xdb), Buffer.allocUnsafeSlow(size).fill(0xdb));
  }
}

const everyTrap: ProxyHandler<object> = Object.fromEntries(
  [
    "get",
    "set",
    "has",
    "ownKeys",
    "getPrototypeOf",
    "getOwnPropertyDescriptor",
    "defineProperty",
    "apply",
    "construct",
  ].map((trap) => [trap, hostile]),
);

class LyingArray extends Uint8Array {
  override get length(): number {
    return 1000;
  }
  override get byteLength(): number {
    return 2000;
  }
  override get byteOffset(): number {
    return 50;
  }
  override get buffer(): ArrayBuffer {
    return new ArrayBuffer(5000);
  }
}

function lying(lies: object): Uint8Array {
  const honest = new Uint8Array(fenced(), 24, 16);
  return Object.defineProperties(honest, Object.getOwnPropertyDescriptors(lies));
}

function lyingBlob(): Blob {
  return Object.defineProperty(new Blob([bytes]), "size", { value: 1000 });
}

function detach(buffer: ArrayBuffer): ArrayBuffer {
  structuredClone(buffer, { transfer: [buffer] });
  return buffer;
}

function detachedView(): Uint8Array {
  const view = new Uint8Array(bytes);
  detach(view.buffer);
  return view;
}

function sharedView(): Uint8Array {
  const view = new Uint8Array(new SharedArrayBuffer(16));
  view.set(bytes);
  return view;
}

type Resizable = ArrayBuffer & { resize(length: number): void };

function resizable(length: number): Resizable {
  // Node 20 has it, the library of ES2023 does not.
  const Constructor = ArrayBuffer as unknown as new (length: number, options: { maxByteLength: number }) => Resizable;
  const buffer = new Constructor(length, { maxByteLength: 64 });
  new Uint8Array(buffer).set(bytes);
  return buffer;
}

function outOfBounds(): Uint8Array {
  const buffer = resizable(32);
  const view = new Uint8Array(buffer, 16, 16);
  buffer.resize(8);
  return view;
}

function outOfBoundsDataView(): DataView {
  const buffer = resizable(32);
  const view = new DataView(buffer, 16, 16);
  buffer.resize(8);
  return view;
}

function foreign(expression: string): unknown {
  return runInNewContext(expression, { given: [...bytes] });
}

function revoked(): unknown {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}

function rejected(): Promise<never> {
  const promise = Promise.reject(new Hostile());
  promise.catch(() => {});
  return promise;
}

function hostileGetters(): object {
  const names = [
    "then",
    "length",
    "done",
    "value",
    "text",
    "compress",
    "copy",
    "signal",
    "message",
    "code",
    "reason",
    "headers",
    "over",
  ];
  return Object.defineProperties(
    {},
    Object.fromEntries(names.map((name) => [name, { get: hostile, enumerable: true }])),
  );
}

function eager(resolve: (value: unknown) => void, reject: (error: unknown) => void): never {
  resolve(undefined);
  resolve("again");
  reject(new Hostile());
  throw new Hostile();
}

function iterable(iterator: object): object {
  return { [Symbol.iterator]: () => iterator };
}

function* generated(): Generator<Uint8Array> {
  // The same memory again and again, as iterables do.
  const memory = new Uint8Array(fenced(), 24, 16);
  yield memory;
  yield memory;
}

async function* generatedLater(): AsyncGenerator<string> {
  yield "one";
  await Promise.resolve();
  yield " two";
}

/** Fills the value's memory, if it has any, with something else. */
export function scribble(value: unknown): void {
  if (types.isProxy(value)) return;
  if (types.isAnyArrayBuffer(value)) {
    if (value.byteLength > 0) new Uint8Array(value as ArrayBuffer).fill(0xdb);
  } else if (types.isTypedArray(value)) {
    const own = (name: string): never => Reflect.get(Object.getPrototypeOf(Uint8Array.prototype), name, value) as never;
    if (own("byteLength") > 0) new Uint8Array(own("buffer"), own("byteOffset"), own("byteLength")).fill(0xdb);
  }
}
