/** Bodies of responses: how long each is, in every framing, whole and byte by byte. */
import { describe, expect, it } from "vitest";
import { ResponseBodyReader } from "../../../src/protocol/handshake/response-body.ts";

const chunked = ["Transfer-Encoding", "chunked"];

/** What is kept of a body and whether more is wanted, whole and byte by byte. */
function readBody(status: number, rawHeaders: string[], text: string, most = 20): [body: string, over: boolean] {
  const bytes = Buffer.from(text, "latin1");
  const [whole, bytewise] = [[bytes], Array.from(bytes, (byte) => Uint8Array.of(byte))].map((chunks) => {
    const reader = new ResponseBodyReader({ status, httpVersion: "1.1", rawHeaders }, most);
    for (const chunk of chunks) reader.read(chunk);
    return [Buffer.from(reader.bytes).toString("latin1"), reader.over];
  });
  expect(bytewise).toEqual(whole);
  return whole as [string, boolean];
}

describe("the beginning of a body", () => {
  it.each<[string, number, string[], string, string, boolean]>([
    ["that goes on to the end", 403, [], "No entry", "No entry", false],
    ["that is longer than what is kept", 403, [], "0123456789 0123456789 0123456789", "0123456789 012345678", true],
    ["with a length", 403, ["Content-Length", "2"], "No entry", "No", true],
    ["with a length that has not come", 403, ["content-length", "20"], "No entry", "No entry", false],
    ["with a length twice", 403, ["Content-Length", "2", "Content-Length", "2"], "No entry", "No", true],
    ["of length 0", 403, ["Content-Length", "0"], "No entry", "", true],
    [
      "whose lengths contradict each other [C08]",
      403,
      ["Content-Length", "2", "Content-Length", "3"],
      "No entry",
      "",
      true,
    ],
    ["with a length that is no number [C08]", 403, ["Content-Length", "2, 2"], "No entry", "", true],
    ["of a 204", 204, [], "No entry", "", true],
    ["of a 304", 304, ["Content-Length", "8"], "No entry", "", true],
    ["of a 101 to CONNECT", 101, [], "No entry", "", true],
    ["in chunks", 403, chunked, "2\r\nNo\r\n6\r\n entry\r\n0\r\nX: y\r\n\r\nmore", "No entry", true],
    ["in chunks, whatever its length", 403, [...chunked, "Content-Length", "1"], "2\r\nNo\r\n", "No", false],
    ["in chunks with extensions", 403, chunked, "2;a=f\r\nNo\r\n0;b\r\n\r\n", "No", true],
    ["in chunks with LF alone", 403, chunked, "2\nNo\n0\n\n", "No", true],
    ["in chunks of hexadecimal size", 403, chunked, "0aF\r\n0123456789", "0123456789", false],
    ["in a chunk larger than any", 403, chunked, `${"f".repeat(50)}\r\n0123456789`, "0123456789", false],
    ["in chunks without a size", 403, chunked, "\r\nNo", "", true],
    ["in chunks whose size is a word", 403, chunked, "size\r\nNo", "", true],
    ["in chunks that are longer than they say", 403, chunked, "2\r\nNo entry", "No", true],
    ["in another coding", 403, ["Transfer-Encoding", "gzip"], "No entry", "No entry", false],
    ["in chunks behind another coding", 403, ["Transfer-Encoding", "gzip, Chunked"], "2\r\nNo\r\n", "No", false],
    ["in a coding that is none", 403, ["Transfer-Encoding", "\x01"], "No entry", "No entry", false],
  ])("%s", (_, status, fields, text, body, over) => {
    expect(readBody(status, fields, text)).toEqual([body, over]);
  });
});
