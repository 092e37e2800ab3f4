import { afterEach, expect, test, vi } from "vitest";
import { parseUrl } from "../../src/reconnecting/parse-url.ts";

afterEach(() => void vi.unstubAllGlobals());

test.each([
  ["ws://server", "ws://server/"],
  ["WSS://Server:443/a b?q=ü", "wss://server/a%20b?q=%C3%BC"],
  ["http://server/x", "ws://server/x"],
  ["https://server", "wss://server/"],
  ["ws://user:secret@server/", "ws://user:secret@server/"],
])("%s is %s", (url, href) => {
  expect(parseUrl(url)).toBe(href);
  expect(parseUrl(new URL(url))).toBe(href);
});

test.each([
  "",
  "server",
  "/path",
  "ftp://server",
  "mailto:x",
  "ws:",
  "ws://server/#",
  "ws://server/#a",
  "ws://a:99999",
])("%j is a SyntaxError", (url) => {
  expect(() => parseUrl(url)).toThrow(expect.objectContaining({ name: "SyntaxError" }));
});

test("a relative one is relative to the page, where there is one", () => {
  vi.stubGlobal("location", { href: "https://example.com/app/page" });
  expect(parseUrl("/feed")).toBe("wss://example.com/feed");
  expect(parseUrl("feed?x")).toBe("wss://example.com/app/feed?x");
});
