/** Heads of responses: what is read over, what is not, wherever the network cuts, and the same as Node's parser reads. */
import { once } from "node:events";
import { request } from "node:http";
import { Duplex } from "node:stream";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { HandshakeError } from "../../../src/protocol/handshake/handshake-error.ts";
import { type ResponseHead, ResponseHeadReader } from "../../../src/protocol/handshake/response-head.ts";

const bytesOf = (text: string): Buffer => Buffer.from(text, "latin1");

/** Reads chunks until the head is there; what was not read is part of the rest. */
function readChunks(chunks: readonly Uint8Array[], maxSize: number): ResponseHead | undefined {
  const reader = new ResponseHeadReader(maxSize);
  for (const [index, chunk] of chunks.entries()) {
    const head = reader.read(chunk);
    if (head) return { ...head, rest: Buffer.concat([head.rest, ...chunks.slice(index + 1)]) };
  }
  return undefined;
}

/** Reads the text whole and byte by byte, which must come to the same. */
function readHead(text: string, maxSize = 65_536): ResponseHead | undefined | HandshakeError {
  const bytes = bytesOf(text);
  const ways = [[bytes], Array.from(bytes, (byte) => Uint8Array.of(byte))].map((chunks) => {
    try {
      return readChunks(chunks, maxSize);
    } catch (error) {
      expect(error).toBeInstanceOf(HandshakeError);
      return error as HandshakeError;
    }
  });
  const [whole, bytewise] = ways;
  if (whole instanceof HandshakeError) expect((bytewise as HandshakeError).message).toBe(whole.message);
  else if (whole?.problem === undefined) expect(bytewise).toEqual(whole && { ...whole, rest: Buffer.from(whole.rest) });
  else expect(bytewise).toMatchObject({ response: whole.response, problem: whole.problem });
  return whole;
}

const fields = "Upgrade: websocket\r\nX-A:\t a b \t\r\nx-a:\r\n";
const rawHeaders = ["Upgrade", "websocket", "X-A", "a b", "x-a", ""];

describe("a whole head", () => {
  it.each([
    ["HTTP/1.1 101 Switching Protocols", 101, "1.1"],
    ["HTTP/1.1 101 ", 101, "1.1"],
    ["HTTP/1.1 101", 101, "1.1"],
    ["HTTP/1.0 200 OK \xe4", 200, "1.0"],
    ["HTTP/1.9 999 ?", 999, "1.9"],
  ])("is read with its status line %j, and what follows is left", (statusLine, status, httpVersion) => {
    const head = readHead(`${statusLine}\r\n${fields}\r\n\x81\x05hello\r\n\r\n`);
    expect(head).toEqual({
      response: { status, httpVersion, rawHeaders },
      rest: bytesOf("\x81\x05hello\r\n\r\n"),
      problem: undefined,
    });
  });

  it("may have lines that end with LF alone, some or all, and empty lines before it", () => {
    const head = `HTTP/1.1 101 X\r\n${fields}\r\n`;
    for (const text of [head.replaceAll("\r\n", "\n"), head.replace("\r\n", "\n"), `\r\n\n${head}`]) {
      expect(readHead(`${text}rest`)).toMatchObject({ response: { rawHeaders }, rest: bytesOf("rest") });
    }
  });

  it("may have folded fields, of which each fold is one space", () => {
    const text = "HTTP/1.1 101 X\r\nA:\r\n b\r\n\t c \r\n \r\nD: e\n f\r\nG: h\r\n\r\n";
    expect(readHead(text)).toMatchObject({ response: { rawHeaders: ["A", "b c", "D", "e f", "G", "h"] } });
  });

  it("is the final one: informational ones are passed over, of whatever size together", () => {
    const early = `HTTP/1.1 103 Early\r\nLink: ${"x".repeat(60)}\r\n\r\n`;
    expect(readHead(`${early}HTTP/1.1 100\r\n\r\n${early}HTTP/1.1 101 X\r\nA: b\r\n\r\n`, 90)).toMatchObject({
      response: { status: 101, rawHeaders: ["A", "b"] },
      problem: undefined,
    });
  });

  it("tells its status as soon as the first line is over", () => {
    const reader = new ResponseHeadReader(100);
    expect(reader.read(bytesOf("HTTP/1.1 403 No\r"))).toBeUndefined();
    expect(reader.status).toBeUndefined();
    expect(reader.read(bytesOf("\nA: b\r\n"))).toBeUndefined();
    expect(reader.status).toBe(403);
  });

  it("may be as large as the limit, and not a byte larger", () => {
    const text = `HTTP/1.1 403 No\r\n${fields}\r\n`;
    expect(readHead(`${text}more`, text.length)).toMatchObject({ problem: undefined, rest: bytesOf("more") });
    expect(readHead(`${text}more`, text.length - 1)).toMatchObject({
      response: { status: 403, rawHeaders },
      problem: `its head has more than ${text.length - 1} bytes`,
    });
  });
});

describe("what is no head", () => {
  const noStatusLine = "it does not begin with a status line of HTTP/1";
  it.each([
    ["\x81\x05hello", noStatusLine],
    ["SSH-2.0-x\r\n", noStatusLine],
    ["\x15\x03\x03\0\x02\x02\x28", "it is TLS, so the URL has to begin with wss:"],
    ["\x15\x03\x03\0\x02\x02\x0a", "it is TLS, so the URL has to begin with wss:"],
    ["\x16\x03\x03", "it is TLS, so the URL has to begin with wss:"],
    ["\rHTTP/1.1 101 X\r\n\r\n", noStatusLine],
    ["HTTP/2.0 101 X\r\n\r\n", noStatusLine],
    ["http/1.1 101 X\r\n\r\n", noStatusLine],
    ["HTTP/1.1 1010 X\r\n\r\n", noStatusLine],
    ["HTTP/1.1 10 X\r\n\r\n", noStatusLine],
    ["HTTP/1.1 099 X\r\n\r\n", noStatusLine],
    ["HTTP/1.1  101 X\r\n\r\n", noStatusLine],
    ["HTTP/1.1 101 X\0\r\n\r\n", noStatusLine],
    ["HTTP/1.1 101 X\rA: b\r\n\r\n", noStatusLine],
    ["HTTP/1.1 101 X\r\r\n\r\n", noStatusLine],
    [`HTTP/1.1 101 ${"x".repeat(100)}`, "its head has more than 90 bytes"],
  ])("%j throws malformed-response", (text, problem) => {
    const error = readHead(text, 90) as HandshakeError;
    expect(error).toMatchObject({ rule: "malformed-response", status: undefined });
    expect(error.message).toMatch(new RegExp(`: ${problem}$`));
  });

  it.each([
    ["no field\r\n", "its head has a line that is no field"],
    [": b\r\n", "its head has a line that is no field"],
    ["A : b\r\n", "its head has a line that is no field"],
    ["A B: c\r\n", "its head has a line that is no field"],
    ["\xe4: b\r\n", "its head has a line that is no field"],
    ["A: b\0c\r\n", "its head has a control character"],
    ["A: b\x7f\r\n", "its head has a control character"],
    ["A: b\rC: d\r\n", "its head has a control character"],
    ["A: b\r\r\n", "its head has a control character"],
    ["\r\r\n", "its head has a control character"],
    ["A: b\r\n c\0\r\n", "its head has a control character"],
  ])(
    "the line %j ends the reading with what was read before, and nothing behind it is read [C06 C08]",
    (line, problem) => {
      const head = readHead(`HTTP/1.1 403 No\r\nX: y\r\n${line}Z: z\r\n\r\nbody`) as ResponseHead;
      expect(head.problem).toBe(problem);
      expect(head.response.status).toBe(403);
      expect(head.response.rawHeaders.slice(0, 2)).toEqual(["X", "y"]);
      expect(head.response.rawHeaders).not.toContain("Z");
      expect(head.rest).toHaveLength(0);
    },
  );

  it("has no folded line before its first field", () => {
    expect(readHead("HTTP/1.1 101 X\r\n A: b\r\n\r\n")).toMatchObject({
      response: { rawHeaders: [] },
      problem: "its head has a folded line before the first field",
    });
  });
});

describe("beside Node's parser", () => {
  /** What `node:http` reads of the bytes. */
  async function readByNode(bytes: Buffer): Promise<{ status: number; httpVersion: string; rawHeaders: string[] }> {
    const stream = new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() });
    const sent = request({ createConnection: () => stream as never, maxHeaderSize: 65_536 });
    sent.maxHeadersCount = 0;
    sent.on("error", () => {});
    sent.end();
    stream.push(bytes);
    const [message] = await Promise.race([once(sent, "response"), once(sent, "upgrade")]);
    stream.destroy();
    return { status: message.statusCode, httpVersion: message.httpVersion, rawHeaders: message.rawHeaders };
  }

  const character = (codes: string) => fc.constantFrom(...codes);
  const visible = Array.from({ length: 94 }, (_, i) => String.fromCharCode(33 + i)).join("");
  const name = fc.string({ unit: character("abzABZ019!#$%&'*+.^_`|~-"), minLength: 1, maxLength: 12 });
  const value = fc.string({ unit: character(`${visible} \t\x80\xe4\xff`), maxLength: 40 });
  // Fields that Node's parser reads a meaning from are for other tests.
  const pairs = fc.array(
    fc.tuple(
      name.map((text) => `X-${text}`),
      value,
    ),
    { maxLength: 12 },
  );
  const cuts = fc.array(fc.nat(), { maxLength: 4 });

  it("reads well-formed heads as it does, wherever they are cut", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom("1.0", "1.1"),
        fc.integer({ min: 200, max: 999 }),
        fc.string({ unit: character(`${visible} \t\xe4`), maxLength: 20 }),
        pairs,
        cuts,
        async (version, status, reason, all, at) => {
          const lines = all.map(([name, value]) => `${name}:${value}\r\n`).join("");
          const bytes = bytesOf(`HTTP/${version} ${status} ${reason}\r\n${lines}\r\n`);
          const ends = [...at.map((cut) => cut % bytes.length).sort((a, b) => a - b), bytes.length];
          const chunks = ends.map((end, index) => bytes.subarray(ends[index - 1] ?? 0, end));
          const head = readChunks(chunks, 65_536);
          expect(head).toMatchObject({ problem: undefined, rest: Buffer.alloc(0) });
          const { rawHeaders, ...start } = await readByNode(bytes);
          // Node leaves a tab at the end of a value.
          expect(head!.response).toEqual({
            ...start,
            rawHeaders: rawHeaders.map((text) => text.replace(/[ \t]+$/, "")),
          });
        },
      ),
      { numRuns: 300 },
    );
  });

  it("never takes what is no head, and never reads past the head's end", () => {
    fc.assert(
      fc.property(fc.string({ unit: character("HTP/1. 0AZ:-\r\n\t\0x"), maxLength: 60 }), (text) => {
        const head = readHead(`HTTP/1.1 200 X\r\n${text}\r\n\r\n`);
        if (head instanceof HandshakeError || head === undefined || head.problem !== undefined) return;
        for (const part of head.response.rawHeaders) expect(part).toMatch(/^[\t\x20-\x7e\x80-\xff]*$/);
        const read = `HTTP/1.1 200 X\r\n${text}\r\n\r\n`.slice(0, -head.rest.length || undefined);
        expect(read).toMatch(/\n\r?\n$/);
        expect(read.slice(0, -2)).not.toMatch(/\n\r?\n.*\n\r?\n$/s);
      }),
      { numRuns: 2000 },
    );
  });
});

describe("informational responses", () => {
  const early = (count: number) => "HTTP/1.1 102 Processing\r\n\r\n".repeat(count);

  it("are passed over, a hundred of them", () => {
    expect((readHead(`${early(100)}HTTP/1.1 101 OK\r\n\r\n`) as ResponseHead).response.status).toBe(101);
  });

  it("end the reading beyond that", () => {
    const error = readHead(`${early(101)}HTTP/1.1 101 OK\r\n\r\n`) as HandshakeError;
    expect([error.rule, error.message]).toEqual([
      "malformed-response",
      expect.stringContaining("there are more than 100 before it"),
    ]);
  });
});
