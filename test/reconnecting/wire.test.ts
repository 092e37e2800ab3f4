import { expect, test } from "vitest";
import { wireInbox } from "../../src/reconnecting/wire.ts";

test("messages wait for readers, and readers for messages, each in order", async () => {
  const inbox = wireInbox();
  inbox.add("a");
  inbox.add("b");
  expect(inbox.messages).toEqual(["a", "b"]);
  expect([await inbox.next(), await inbox.next()]).toEqual(["a", "b"]);
  const waiting = [inbox.next(), inbox.next()];
  inbox.add("c");
  inbox.add("d");
  expect(await Promise.all(waiting)).toEqual(["c", "d"]);
  expect(inbox.messages).toEqual([]);
});

test("what nobody has read stays, also beyond the end", async () => {
  const inbox = wireInbox();
  inbox.add("a");
  inbox.add("b");
  expect(await inbox.next()).toBe("a");
  inbox.end();
  expect(inbox.messages).toEqual(["b"]);
  expect(await inbox.next()).toBe("b");
  await expect(inbox.next()).rejects.toThrow("Cannot read: the connection has ended");
});

test("the end rejects all who wait, and whoever comes later", async () => {
  const inbox = wireInbox();
  const waiting = [inbox.next(), inbox.next()];
  inbox.end();
  inbox.end();
  for (const next of [...waiting, inbox.next()]) await expect(next).rejects.toThrow("the connection has ended");
});

test("a reader gets what `resume` makes of a message, and waits on where that is nothing", async () => {
  const looked: unknown[] = [];
  const inbox = wireInbox({
    receive(data) {
      looked.push(data);
      return data === "skipped" ? undefined : `seen ${data}`;
    },
  });
  inbox.add("skipped");
  expect(looked).toEqual([]);
  const next = inbox.next();
  expect(looked).toEqual(["skipped"]);
  inbox.add("a");
  expect(await next).toBe("seen a");
  inbox.add("unread");
  expect([looked, inbox.messages]).toEqual([["skipped", "a"], ["unread"]]);
});
