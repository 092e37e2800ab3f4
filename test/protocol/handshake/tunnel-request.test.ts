/** The header fields of a request for a tunnel. */
import { describe, expect, it } from "vitest";
import { createProxyHeaders } from "../../../src/protocol/handshake/tunnel-request.ts";

describe("createProxyHeaders", () => {
  it("adds the credentials unless the caller's fields have some", () => {
    expect(createProxyHeaders([["User-Agent", "a"]], "Basic x")).toEqual([
      ["Proxy-Authorization", "Basic x"],
      ["User-Agent", "a"],
    ]);
    expect(createProxyHeaders([["proxy-authorization", "Bearer y"]], "Basic x")).toEqual([
      ["proxy-authorization", "Bearer y"],
    ]);
    expect(createProxyHeaders([], undefined)).toEqual([]);
  });

  it.each([
    ["X-A", "a\r\nX: y"],
    ["X A", "a"],
    ["Host", "a"],
    ["UPGRADE", "a"],
    ["connection", "close"],
    ["Content-Length", "1"],
    ["Transfer-Encoding", "chunked"],
  ])("throws for the field %j with the value %j [C07]", (name, value) => {
    expect(() => createProxyHeaders([[name, value]], undefined)).toThrow(TypeError);
  });
});
