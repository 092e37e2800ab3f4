/** The limits and settings of connections, from the options of `ws`. */

import { expect, test } from "vitest";
import { agreedParameters, compressionOptions, settleTerms } from "../../src/ws/terms.ts";

const hooks = { handlers: {}, keepalive: undefined };

test("connections with the same options share what they are made with, until others come", () => {
  const generateMask = () => {};
  for (const options of [{}, { maxPayload: 5 }, { closeTimeout: 1 }, { generateMask }]) {
    const terms = settleTerms("client", false, options, hooks);
    expect(settleTerms("client", false, { ...options }, hooks)).toBe(terms);
    expect(settleTerms("server", false, options, hooks)).not.toBe(terms);
    expect(settleTerms("client", true, options, hooks)).not.toBe(terms);
    expect(settleTerms("client", false, { ...options, skipUTF8Validation: true }, hooks)).not.toBe(terms);
  }
});

test("without options they are those of ws, and what waits for one peer has no limit of its own", () => {
  const { endpoint, settings } = settleTerms("server", false, {}, hooks);
  expect(endpoint).toMatchObject({
    ...{ role: "server", maxMessageSize: 104_857_600, compression: false, textAsBytes: true },
    ...{ validatesText: true, answersPings: false, explainsFailures: false },
  });
  const maxOutboxSize = Number.POSITIVE_INFINITY;
  expect(settings.limits).toMatchObject({ maxMessageSize: 104_857_600, closeTimeout: 30_000, maxOutboxSize });
});

test.each([
  [0, Number.POSITIVE_INFINITY],
  [5.7, 5],
  [2 ** 32, Number.POSITIVE_INFINITY],
])("maxPayload of %d is a limit of %d", (maxPayload, limit) => {
  expect(settleTerms("server", false, { maxPayload }, hooks).settings.limits.maxMessageSize).toBe(limit);
});

test.each([
  [0, 268_435_456],
  [undefined, 268_435_456],
  [300_000_000, 301_048_576],
])("with a maxPayload of %s all connections hold %d bytes of unfinished messages", (maxPayload, limit) => {
  expect(settleTerms("server", false, { maxPayload }, hooks).settings.limits.maxProcessAssemblySize).toBe(limit);
});

test.each([
  [undefined, 30_000],
  [5.7, 5.7],
  ["100", 100],
  [Number.POSITIVE_INFINITY, 2 ** 31 - 1],
  [0, 1],
  [-1, 1],
  [Number.NaN, 1],
  [null, 1],
  ["x", 1],
])("closeTimeout of %s is a limit of %d", (given, limit) => {
  const closeTimeout = given as number | undefined;
  expect(settleTerms("server", false, { closeTimeout }, hooks).settings.limits.closeTimeout).toBe(limit);
});

test("what was agreed on is said in the words of the core", () => {
  expect(agreedParameters({})).toEqual({
    ...{ serverNoContextTakeover: false, clientNoContextTakeover: false },
    ...{ serverMaxWindowBits: 15, clientMaxWindowBits: 15 },
  });
  const all = { server_no_context_takeover: true, client_max_window_bits: 10, server_max_window_bits: 9 } as const;
  expect(agreedParameters(all)).toMatchObject({
    ...{ serverNoContextTakeover: true, serverMaxWindowBits: 9, clientMaxWindowBits: 10 },
  });
});

test("short messages are left alone where each is compressed by itself", () => {
  expect(compressionOptions({}, true).threshold).toBe(1024);
  expect(compressionOptions({ threshold: 5 }, true).threshold).toBe(5);
  expect(compressionOptions({ threshold: 5 }, false).threshold).toBe(0);
  expect(compressionOptions({ zlibDeflateOptions: { level: 9, memLevel: 2, chunkSize: 1 } }, true)).toEqual({
    ...{ threshold: 1024, level: 9, memLevel: 2 },
  });
});
