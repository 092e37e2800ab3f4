import { describe, expect, test } from "vitest";
import { parseExtensionList } from "../../../src/protocol/handshake/header-fields.ts";
import {
  acceptDeflate,
  type CompressionOptions,
  compressionSettings,
  type DeflateParameters,
  type DeflateResponseProblem,
  offerDeflate,
  verifyDeflateResponse,
} from "../../../src/protocol/handshake/permessage-deflate.ts";

/** No wishes at all, so that a test sees the other side's alone. */
const easy: CompressionOptions = {
  serverNoContextTakeover: false,
  clientNoContextTakeover: false,
  serverMaxWindowBits: 15,
  clientMaxWindowBits: 15,
};

function parse(value: string) {
  const elements = parseExtensionList([value]);
  if (typeof elements === "string") throw new Error(`Cannot parse ${value}: ${elements}`);
  return elements;
}

function accept(value: string, options: CompressionOptions = {}) {
  return acceptDeflate(parse(value), compressionSettings(options));
}

function verify(
  value: string,
  options: CompressionOptions = {},
): DeflateParameters | DeflateResponseProblem | undefined {
  return verifyDeflateResponse(parse(value), compressionSettings(options));
}

/** Values of a window parameter that the grammar of the header field lets through but section 7.1.2 does not. */
const badWindowBits = [
  ...["0", "1", "2", "3", "4", "5", "6", "7", "16", "17", "31", "32", "64", "100", "255", "256", "999"],
  ...["08", "09", "010", "015", "00", "0008", "00000000000000000012", "80", "88", "1000000000000000000000"],
  ...["-8", "-12", "-0", "+8", "+12", "8.0", "12.", ".8", "12.0", "8.5", "1e1", "8e0", "0x8", "0xf", "0b1000", "0o10"],
  ...["a", "f", "ten", "8a", "a8", "12bits", "true", "false", "null", "undefined", "NaN", "Infinity", "-Infinity"],
  ...["__proto__", "constructor", "1_2", "1n", "8'", "*", "~9", "1^3"],
];
const goodWindowBits = [8, 9, 10, 11, 12, 13, 14, 15];

/** Elements that neither side may write. */
const badElements = [
  "permessage-deflate; server_max_window_bits",
  'permessage-deflate; server_max_window_bits="08"',
  "permessage-deflate; server_no_context_takeover=true",
  "permessage-deflate; server_no_context_takeover=1",
  "permessage-deflate; client_no_context_takeover=false",
  "permessage-deflate; client_no_context_takeover=0",
  "permessage-deflate; unknown",
  "permessage-deflate; unknown=1",
  "permessage-deflate; __proto__",
  "permessage-deflate; toString=8",
  "permessage-deflate; Server_No_Context_Takeover",
  "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
  "permessage-deflate; client_no_context_takeover; client_no_context_takeover",
  "permessage-deflate; server_max_window_bits=10; server_max_window_bits=10",
  "permessage-deflate; server_max_window_bits=10; server_max_window_bits=11",
  "permessage-deflate; client_max_window_bits=10; client_max_window_bits=10",
  "permessage-deflate; client_max_window_bits; client_max_window_bits=10",
];

describe("the options", () => {
  test("have the documented defaults, for true and for an empty object", () => {
    const defaults = {
      threshold: 256,
      level: undefined,
      memLevel: undefined,
      serverNoContextTakeover: true,
      clientNoContextTakeover: true,
      serverMaxWindowBits: 12,
      clientMaxWindowBits: 12,
    };
    expect(compressionSettings(true)).toEqual(defaults);
    expect(compressionSettings({})).toEqual(defaults);
    expect(compressionSettings({ level: null, memLevel: null } as never)).toEqual(defaults);
  });

  test("are taken as given, and settled settings settle to themselves [G83]", () => {
    const given = { ...easy, threshold: 0, level: 9, memLevel: 1 };
    expect(compressionSettings(given)).toEqual(given);
    expect(compressionSettings(compressionSettings(given) as CompressionOptions)).toEqual(given);
    expect(compressionSettings({ threshold: Number.POSITIVE_INFINITY }).threshold).toBe(Number.POSITIVE_INFINITY);
  });

  test.each([
    ["threshold", -1],
    ["threshold", 1.5],
    ["threshold", Number.NaN],
    ["level", -1],
    ["level", 10],
    ["level", Number.POSITIVE_INFINITY],
    ["memLevel", 0],
    ["memLevel", 10],
    ["serverMaxWindowBits", 7],
    ["serverMaxWindowBits", 16],
    ["clientMaxWindowBits", 8.5],
    ["clientMaxWindowBits", 0],
  ])("%s %s is out of range and named [B02]", (name, value) => {
    expect(() => compressionSettings({ [name]: value })).toThrow(RangeError);
    expect(() => compressionSettings({ [name]: value })).toThrow(
      new RegExp(`compression\\.${name} must be .*, not ${value}$`),
    );
  });

  test.each([
    ["threshold", "256"],
    ["level", "best"],
    ["memLevel", "much"],
    ["serverMaxWindowBits", true],
    ["clientMaxWindowBits", "12"],
    ["serverNoContextTakeover", 1],
    ["clientNoContextTakeover", "yes"],
  ])("%s %s has the wrong type and is named", (name, value) => {
    const options = { [name]: value } as unknown as CompressionOptions;
    expect(() => compressionSettings(options)).toThrow(TypeError);
    expect(() => compressionSettings(options)).toThrow(`Cannot use compression.${name}: `);
  });

  test.each([false, null, "on", 1])("%s is neither true nor an object", (options) => {
    expect(() => compressionSettings(options as unknown as true)).toThrow(
      /^Cannot use the compression options: the options must be an object, not (false|null|"on"|1)$/,
    );
  });

  test("a name that is no option is refused", () => {
    expect(() => compressionSettings({ treshold: 0 } as CompressionOptions)).toThrow(
      new TypeError('Cannot use the compression options: there is no option "treshold"; did you mean "threshold"?'),
    );
  });
});

describe("the client's offer", () => {
  test("every wish comes first, the bare offer after it [R7692-5-1]", () => {
    expect(offerDeflate(compressionSettings(true))).toBe(
      "permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=12; " +
        "client_max_window_bits=12, permessage-deflate; client_max_window_bits",
    );
  });

  test("without wishes there is the bare offer alone [R7692-7.1.2.2-1]", () => {
    expect(offerDeflate(compressionSettings(easy))).toBe("permessage-deflate; client_max_window_bits");
  });

  test.each([
    [{ serverNoContextTakeover: true }, "server_no_context_takeover; client_max_window_bits"],
    [{ clientNoContextTakeover: true }, "client_no_context_takeover; client_max_window_bits"],
    [{ serverMaxWindowBits: 8 }, "server_max_window_bits=8; client_max_window_bits"],
    [{ clientMaxWindowBits: 14 }, "client_max_window_bits=14"],
  ])("%j is wished for alone [R7692-7.1]", (options, parameters) => {
    const offer = offerDeflate(compressionSettings({ ...easy, ...options }));
    expect(offer).toBe(`permessage-deflate; ${parameters}, permessage-deflate; client_max_window_bits`);
  });
});

describe("the server's answer", () => {
  test("asks for no context takeover unasked [R7692-7.1.1.1-1 R7692-7.1.1.2-1]", () => {
    expect(accept("permessage-deflate")).toEqual({
      parameters: {
        serverNoContextTakeover: true,
        clientNoContextTakeover: true,
        serverMaxWindowBits: 12,
        clientMaxWindowBits: 15,
      },
      response: "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
    });
  });

  test("answers client_max_window_bits only to a client that offered it [R7692-7.1.2.2-1]", () => {
    expect(accept("permessage-deflate", { ...easy, clientMaxWindowBits: 9 })?.response).toBe("permessage-deflate");
    const answer = accept("permessage-deflate; client_max_window_bits", { ...easy, clientMaxWindowBits: 9 });
    expect(answer?.response).toBe("permessage-deflate; client_max_window_bits=9");
    expect(answer?.parameters.clientMaxWindowBits).toBe(9);
  });

  test("echoes the offered takeover parameters even when it does not wish them [R7692-7.1.1.1-1 R7692-7.1.1.2-1]", () => {
    const answer = accept("permessage-deflate; client_no_context_takeover; server_no_context_takeover", easy);
    expect(answer?.response).toBe("permessage-deflate; server_no_context_takeover; client_no_context_takeover");
    expect(answer?.parameters).toMatchObject({ serverNoContextTakeover: true, clientNoContextTakeover: true });
  });

  test("without wishes on either side, nothing is restricted", () => {
    expect(accept("permessage-deflate; client_max_window_bits", easy)).toEqual({
      parameters: {
        serverNoContextTakeover: false,
        clientNoContextTakeover: false,
        serverMaxWindowBits: 15,
        clientMaxWindowBits: 15,
      },
      response: "permessage-deflate",
    });
  });

  describe.each(goodWindowBits)("a window of %i bits [B02]", (bits) => {
    test("the server's is answered with the same or a smaller one [R7692-7.1.2.1-1]", () => {
      const value = `permessage-deflate; server_max_window_bits=${bits}`;
      expect(accept(value, easy)?.response).toBe(value);
      expect(accept(value, easy)?.parameters.serverMaxWindowBits).toBe(bits);
      const smaller = Math.min(bits, 10);
      const restricted = accept(value, { ...easy, serverMaxWindowBits: 10 });
      expect(restricted?.response).toBe(`permessage-deflate; server_max_window_bits=${smaller}`);
      expect(restricted?.parameters.serverMaxWindowBits).toBe(smaller);
    });

    test("the client's is the most it is answered with [R7692-7.1.2.2-1]", () => {
      const answer = accept(`permessage-deflate; client_max_window_bits=${bits}`, easy);
      expect(answer?.parameters.clientMaxWindowBits).toBe(bits);
      const restricted = accept(`permessage-deflate; client_max_window_bits="${bits}"`, {
        ...easy,
        clientMaxWindowBits: 10,
      });
      expect(restricted?.parameters.clientMaxWindowBits).toBe(Math.min(bits, 10));
      expect(restricted?.response).toBe(`permessage-deflate; client_max_window_bits=${Math.min(bits, 10)}`);
    });
  });

  test.each(badWindowBits)("a window of %s bits declines the offer [B02 R7692-7-1]", (bits) => {
    expect(accept(`permessage-deflate; server_max_window_bits=${bits}`)).toBeUndefined();
    expect(accept(`permessage-deflate; client_max_window_bits=${bits}`)).toBeUndefined();
  });

  test.each(badElements)("declines %s [R7692-7-1]", (element) => {
    expect(accept(element)).toBeUndefined();
  });

  test("a declined offer leaves the next one its chance, in the client's order [R7692-7-1 R7692-5-1]", () => {
    const answer = accept(
      "permessage-deflate; server_max_window_bits=7, x-webkit-deflate-frame, permessage-deflate; server_max_window_bits=9, " +
        "permessage-deflate; server_max_window_bits=10",
      easy,
    );
    expect(answer?.response).toBe("permessage-deflate; server_max_window_bits=9");
  });

  test("other extensions are passed over [R7692-5-3]", () => {
    expect(accept("x-webkit-deflate-frame, permessage-bzip2; client_max_window_bits")).toBeUndefined();
    expect(acceptDeflate([], compressionSettings(true))).toBeUndefined();
  });
});

describe("the client's check of the response", () => {
  test("no extension: the server declined", () => {
    expect(verifyDeflateResponse([], compressionSettings(true))).toBeUndefined();
  });

  test.each(["permessage-bzip2", "permessage-deflate, foo", "foo, permessage-deflate", "Permessage-Deflate"])(
    "%s names an extension that was not offered [R6455-4.1-25]",
    (value) => {
      expect(verify(value)).toBe("unexpected-extension");
    },
  );

  test("at most one configuration is answered [R7692-5-2]", () => {
    expect(verify("permessage-deflate, permessage-deflate")).toBe("repeated-extension");
  });

  test("the client keeps to its own hints whatever the answer [R7692-7.1.1.2-1]", () => {
    expect(verify("permessage-deflate")).toEqual({
      serverNoContextTakeover: false,
      clientNoContextTakeover: true,
      serverMaxWindowBits: 15,
      clientMaxWindowBits: 12,
    });
  });

  test("nothing is restricted where neither side wished for anything [R7692-7.1]", () => {
    expect(verify("permessage-deflate", easy)).toEqual({
      serverNoContextTakeover: false,
      clientNoContextTakeover: false,
      serverMaxWindowBits: 15,
      clientMaxWindowBits: 15,
    });
  });

  test("the client obeys what the server adds unasked [R7692-7.1]", () => {
    const value =
      "permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=9; client_max_window_bits=10";
    expect(verify(value, easy)).toEqual({
      serverNoContextTakeover: true,
      clientNoContextTakeover: true,
      serverMaxWindowBits: 9,
      clientMaxWindowBits: 10,
    });
  });

  test.each(goodWindowBits)("windows of %i bits are taken [B02]", (bits) => {
    expect(verify(`permessage-deflate; server_max_window_bits=${bits}`, easy)).toMatchObject({
      serverMaxWindowBits: bits,
    });
    expect(verify(`permessage-deflate; client_max_window_bits=${bits}`, easy)).toMatchObject({
      clientMaxWindowBits: bits,
    });
    const own = verify(`permessage-deflate; client_max_window_bits=${bits}`, { ...easy, clientMaxWindowBits: 10 });
    expect(own).toMatchObject({ clientMaxWindowBits: Math.min(bits, 10) });
  });

  test.each(badWindowBits)("a window of %s bits fails the connection [B02 R7692-7-2]", (bits) => {
    expect(verify(`permessage-deflate; server_max_window_bits=${bits}`)).toBe("invalid-extension-parameters");
    expect(verify(`permessage-deflate; client_max_window_bits=${bits}`)).toBe("invalid-extension-parameters");
  });

  test.each([...badElements, "permessage-deflate; client_max_window_bits"])("fails over %s [R7692-7-2]", (element) => {
    expect(verify(element)).toBe("invalid-extension-parameters");
  });
});

describe("both sides together", () => {
  const choices: CompressionOptions[] = [true, false].flatMap((serverNoContextTakeover) =>
    [true, false].flatMap((clientNoContextTakeover) =>
      [8, 12, 15].flatMap((serverMaxWindowBits) =>
        [8, 12, 15].map((clientMaxWindowBits) => ({
          serverNoContextTakeover,
          clientNoContextTakeover,
          serverMaxWindowBits,
          clientMaxWindowBits,
        })),
      ),
    ),
  );

  test("each side expects of the other at most what it will do, for all pairs of options", () => {
    for (const clientOptions of choices) {
      const clientSettings = compressionSettings(clientOptions);
      for (const serverOptions of choices) {
        const answer = accept(offerDeflate(clientSettings), serverOptions);
        const server = answer?.parameters;
        const client = verifyDeflateResponse(parse(answer?.response ?? ""), clientSettings);
        if (typeof client !== "object" || server === undefined) throw new Error("They did not agree");
        expect(client.serverMaxWindowBits).toBeGreaterThanOrEqual(server.serverMaxWindowBits);
        expect(server.clientMaxWindowBits).toBeGreaterThanOrEqual(client.clientMaxWindowBits);
        expect(server.serverNoContextTakeover || !client.serverNoContextTakeover).toBe(true);
        expect(client.clientNoContextTakeover || !server.clientNoContextTakeover).toBe(true);
      }
    }
  });
});
