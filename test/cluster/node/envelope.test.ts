import { expect, test } from "vitest";
import { unwrap, wrap } from "../../../src/cluster/node/envelope.ts";

const node = "0123456789abcdef";
const session = "f".repeat(31).padStart(32, "0");

test.each([
  ["text", "grüße\u0000 🎈", session],
  ["no text", "", ""],
  ["text that begins with a byte order mark", "\ufeffx", ""],
  ["bytes", Uint8Array.of(0, 255, 128), session],
  ["no bytes", new Uint8Array(), ""],
])("%s comes back as it was, with who sent it", (_, data, from) => {
  const back = unwrap(wrap({ data, node, session: from }))!;
  expect(back).toMatchObject({ node, session: from });
  expect(typeof back.data === "string" ? back.data : [...back.data]).toEqual(
    typeof data === "string" ? data : [...data],
  );
});

test("a wrapped message in the middle of other memory is read by itself", () => {
  const wrapped = wrap({ data: "x", node, session: "" });
  const memory = new Uint8Array(100).fill(7);
  memory.set(wrapped, 33);
  expect(unwrap(memory.subarray(33, 33 + wrapped.length))).toEqual({ data: "x", node, session: "" });
});

const good = wrap({ data: "x", node, session: "" });

test.each([
  ["nothing", new Uint8Array()],
  ["less than a header", good.subarray(0, 25)],
  ["a version that is not known yet", Uint8Array.of(2, ...good.subarray(1))],
  ["a flag that is not known yet", Uint8Array.of(1, 2, ...good.subarray(2))],
  ["text that is no UTF-8", Uint8Array.of(...good.subarray(0, 26), 0xff)],
])("%s cannot be read, and throws nothing", (_, bytes) => {
  expect(unwrap(bytes)).toBeUndefined();
});
