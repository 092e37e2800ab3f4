import { once } from "node:events";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import {
  canUseHandles,
  emptyRead,
  isTcpHandle,
  readFirst,
  shutdownRequest,
} from "../../../src/transport/handles/tcp-handle.ts";
import { acceptedHandle } from "../../support/accepted-handle.ts";

test("this runtime's handles can be used", () => {
  expect(canUseHandles).toBe(true);
});

test("a handle of TCP is known, and what is less is none", async () => {
  const { handle, far } = await acceptedHandle();
  expect(isTcpHandle(handle)).toBe(true);
  expect(isTcpHandle({})).toBe(false);
  expect(isTcpHandle({ bytesRead: 0, writeQueueSize: 0, readStart: () => 0 })).toBe(false);
  far.destroy();
  handle.close();
});

test("a handle of a Unix socket is none of TCP", async () => {
  const path = join(tmpdir(), `bare-handle-${process.pid}`);
  const server = createServer().listen(path);
  await once(server, "listening");
  const listening = (server as unknown as { _handle: { onconnection: (error: number, handle: object) => void } })
    ._handle;
  const accepted = new Promise<object>((resolve) => {
    listening.onconnection = (_, handle) => resolve(handle);
  });
  const far = connect(path);
  const handle = await accepted;
  expect(isTcpHandle(handle)).toBe(false);
  far.destroy();
  (handle as { close(): void }).close();
  server.close();
});

test("a read that brings no bytes is the peer's end or an error, and each is told of one handle alone", async () => {
  const [ending, failing] = [await acceptedHandle(), await acceptedHandle()];
  const heard: unknown[] = [];
  for (const { handle } of [ending, failing]) {
    readFirst(handle, function () {
      heard.push(this.bytesRead, emptyRead());
    });
    handle.readStart();
  }
  ending.far.end("ab");
  while (heard.length < 4) await new Promise(setImmediate);
  expect(heard.splice(0)).toEqual([2, "nothing", 2, "end"]);
  failing.far.resetAndDestroy();
  while (heard.length < 2) await new Promise(setImmediate);
  expect(heard).toEqual([0, expect.objectContaining({ code: "ECONNRESET", syscall: "read" })]);
  for (const { handle } of [ending, failing]) handle.close();
});

test("a side ends, and the request says when", async () => {
  const { handle, far } = await acceptedHandle();
  const ended = new Promise<void>((resolve) => {
    expect(handle.shutdown(shutdownRequest(resolve))).toBe(0);
  });
  far.resume();
  await Promise.all([ended, once(far, "end")]);
  handle.close();
  far.destroy();
});
