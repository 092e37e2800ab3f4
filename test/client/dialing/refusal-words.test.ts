import { describe, expect, it } from "vitest";
import { firstSentence, refusalWords } from "../../../src/client/dialing/refusal-words.ts";

const url = new URL("wss://server.test/chat");
const words = (status: number, body: string | undefined, ...rawHeaders: string[]) =>
  refusalWords({ status, httpVersion: "1.1", rawHeaders }, url, body === undefined ? undefined : Buffer.from(body));

describe("the words for a response other than 101", () => {
  it.each<[string, string | undefined, string[]]>([
    ["403", undefined, []],
    ["403", "", []],
    ['403 "Members only"', "Members only\n", ["Content-Type", "text/plain"]],
    ["403", "\x1f\x8b compressed", ["Content-Encoding", "gzip"]],
    ['403 "plain"', "plain", ["Content-Encoding", "identity"]],
  ])("are %s", (expected, body, headers) => {
    expect(words(403, body, ...headers)).toBe(expected);
  });

  it("have the URL of a redirect, without its query and userinfo", () => {
    expect(words(302, "Moved", "Location", "/login?next=secret")).toBe(
      "302, a redirect to wss://server.test/login?…; followRedirects says how many are followed",
    );
    expect(words(301, undefined, "Location", "https://me:pw@other.test/")).toContain(
      "a redirect to https://other.test/;",
    );
    expect(words(301, "Moved", "Location", "http://[")).toBe('301 "Moved"');
  });
});

describe("the first sentence", () => {
  it.each([
    ["Token expired. Log in again.", "Token expired."],
    ["Version 1.2 is too old! Sorry", "Version 1.2 is too old!"],
    ["no\r\n  full\tstop", "no full stop"],
    ['{"error":"no token"}', '{"error":"no token"}'],
    ["<!doctype html><title>\n403 Forbidden</title><body><h1>nginx</h1>", "403 Forbidden"],
    ["<style>p { color: red }</style><p>Not <b>here</b></p>", "Not here"],
    ["turned \u202e around", "turned  around"],
    ["\u001b[31mred", ""],
    ["broken \ufffd bytes", ""],
    ["x".repeat(500), `${"x".repeat(120)}…`],
  ])("of %j is %j", (text, sentence) => {
    expect(firstSentence(text)).toBe(sentence);
  });
});
