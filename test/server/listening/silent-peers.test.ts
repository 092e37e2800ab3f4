import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { SilentPeers } from "../../../src/server/listening/silent-peers.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** Silent peers, and those that were due. */
function waiting(longest = 10_000): { peers: SilentPeers<string>; due: string[] } {
  const due: string[] = [];
  return { peers: new SilentPeers(longest, (peer) => void due.push(peer)), due };
}

test("each peer is due once, after half a second at least and a second at most [C05]", () => {
  const { peers, due } = waiting();
  peers.add("one");
  vi.advanceTimersByTime(499);
  peers.add("two");
  expect(due).toEqual([]);
  vi.advanceTimersByTime(501);
  expect(due).toEqual(["one", "two"]);
  peers.add("three");
  vi.advanceTimersByTime(400);
  peers.add("four");
  vi.advanceTimersByTime(5000);
  expect(due).toEqual(["one", "two", "three", "four"]);
});

test("a peer is due sooner where it may be silent for less", () => {
  const { peers, due } = waiting(50);
  peers.add("one");
  vi.advanceTimersByTime(100);
  expect(due).toEqual(["one"]);
});

test("who has spoken, or was taken, is never due, and no timer is left", () => {
  const { peers, due } = waiting();
  for (const peer of ["young", "old", "left"]) peers.add(peer);
  peers.delete("young");
  vi.advanceTimersByTime(500);
  peers.delete("old");
  peers.add("new");
  expect(peers.takeAll()).toEqual(["left", "new"]);
  expect(vi.getTimerCount()).toBe(0);
  vi.advanceTimersByTime(5000);
  expect(due).toEqual([]);
  peers.add("later");
  vi.advanceTimersByTime(1000);
  expect([due, vi.getTimerCount()]).toEqual([["later"], 0]);
});

test("one that is added while another is due has its own time", () => {
  const due: string[] = [];
  const peers = new SilentPeers<string>(1000, (peer) => {
    due.push(peer);
    if (peer === "one") peers.add("two");
  });
  peers.add("one");
  vi.advanceTimersByTime(1000);
  expect(due).toEqual(["one"]);
  vi.advanceTimersByTime(1000);
  expect(due).toEqual(["one", "two"]);
});
