import { expect, test } from "vitest";
import type { StoredMember } from "../../../src/cluster/broker/presence-store.ts";
import { dataOf, PresenceChanges } from "../../../src/cluster/presence/presence-changes.ts";

/** Who watches members that the test changes. */
function watching(...ids: readonly string[]) {
  const members = new Map<string, StoredMember>();
  const set = (id: string, data: unknown) => members.set(id, { id, lease: "l", data: JSON.stringify(data) });
  for (const id of ids) set(id, id);
  let ends = 0;
  const changes = new PresenceChanges(members, () => ends++);
  return { members, set, changes, ends: () => ends };
}

test("those who are there come first, then each change, to whoever asks first", async () => {
  const { members, set, changes } = watching("a");
  expect(await changes.next()).toEqual({ done: false, value: { event: "joined", id: "a", data: "a" } });
  const [second, third] = [changes.next(), changes.next()];
  set("a", { status: "away" });
  changes.touched("a");
  members.delete("a");
  changes.touched("a");
  expect((await second).value).toEqual({ event: "changed", id: "a", data: { status: "away" } });
  expect((await third).value).toEqual({ event: "left", id: "a", data: { status: "away" } });
});

test("what is as it was told is not told, and who came and went meanwhile neither", async () => {
  const { members, set, changes } = watching("a");
  await changes.next();
  set("a", "b");
  changes.touched("a");
  set("a", "a");
  changes.touched("a");
  set("c", 1);
  changes.touched("c");
  members.delete("c");
  changes.touched("c");
  set("d", 2);
  changes.touched("d");
  expect((await changes.next()).value).toEqual({ event: "joined", id: "d", data: 2 });
});

test("it ends once for all who wait, tells nothing more, and says so once", async () => {
  const { changes, ends } = watching();
  const waiting = [changes.next(), changes.next()];
  expect(await changes.return()).toEqual({ done: true, value: undefined });
  changes.end();
  expect(await Promise.all(waiting)).toEqual(Array(2).fill({ done: true, value: undefined }));
  changes.touched("a");
  expect(await changes.next()).toEqual({ done: true, value: undefined });
  expect(ends()).toBe(1);
});

test.each([
  ["{}", {}],
  ["null", null],
  ["{", undefined],
  ["", undefined],
])("the data of %j is %j", (json, data) => {
  expect(dataOf(json)).toEqual(data);
});
