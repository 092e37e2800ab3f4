import { type EventEmitter, once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { serve } from "../../../src/server/server.ts";
import { answer, says } from "../../support/asking.ts";
import { closeStatus, openRaw, readHead, requestText, sendRaw } from "../../support/raw-peer.ts";
import { afterwards, serving, startChild } from "../../support/serving.ts";

test("serve rejects for a taken port, and leaves nothing behind", async () => {
  const { port } = await serving({ routes: {} });
  const error = await serve({ port, host: "127.0.0.1", routes: {} }).catch((caught: unknown) => caught);
  expect(error).toMatchObject({ code: "EADDRINUSE", syscall: "listen", cause: { code: "EADDRINUSE" } });
  expect((error as Error).message).toMatch(/^Cannot serve: something listens there already.*port: 0.*EADDRINUSE/);
  expect((error as Error).stack).toContain("listener.test.ts");
});

test("serve rejects for an address of another machine, and says so", async () => {
  await expect(serve({ host: "203.0.113.5", routes: {} })).rejects.toThrow(
    /^Cannot serve: the host is not an address of this machine: .*203\.0\.113\.5/,
  );
  await expect(serve({ port: 65_536, routes: {} })).rejects.toThrow(RangeError);
});

test("listens on a Unix socket", async () => {
  const folder = mkdtempSync(join(tmpdir(), "openline-"));
  try {
    const path = join(folder, "socket");
    const server = await serving({ routes: { "/": says("over a path") }, listenOptions: { path } });
    expect(server.port).toBe(0);
    const peer = await sendRaw({ path }, requestText());
    await readHead(peer);
    expect(await peer.nextTexts(1)).toEqual(["over a path"]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test.each([
  [true, "HandleTransport"],
  [false, "NetSocket"],
])("listens on a file descriptor of its parent's, bare handles: %s", async (bareHandles, transport) => {
  const parent = createServer().listen(0, "127.0.0.1");
  await once(parent, "listening");
  const { port } = parent.address() as AddressInfo;
  const { fd } = (parent as unknown as { _handle: { fd: number } })._handle;
  const child = startChild("inherited-listener.ts", [String(bareHandles)], { inherits: fd });
  parent.close();
  await once(parent, "close");
  // Nobody has accepted it when the child begins.
  const early = sendRaw(port, requestText());
  expect(await child.told()).toBe(port);
  for (const peer of [await early, await sendRaw(port, requestText())]) {
    await readHead(peer);
    peer.text("hello");
    expect(await peer.nextTexts(2)).toEqual([transport, "hello"]);
    peer.close(1000);
    expect(closeStatus(await peer.nextFrame())?.code).toBe(1000);
    peer.end();
    await peer.closed;
  }
  child.process.send("close");
  expect((await child.exited).code).toBe(0);
});

test("two servers listen on one port with reusePort; an older runtime rejects it", async () => {
  const options = { host: "127.0.0.1", listenOptions: { reusePort: true } };
  const first = serve({ ...options, routes: { "/": says("first") } });
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  if (major < 22 || (major === 22 && minor < 12) || (major === 23 && minor < 1)) {
    await expect(first).rejects.toThrow(
      new TypeError(`Cannot serve: reusePort needs Node 22.12, 23.1 or later, and this is ${process.version}`),
    );
    await serving({ routes: {}, listenOptions: { reusePort: false } });
    return;
  }
  const server = await first;
  afterwards(() => server.close());
  const { port } = server;
  const second = await serving({ ...options, port, routes: { "/": says("second") } });
  expect(second.port).toBe(port);
  await second.close();
  expect(await (await openRaw(port)).nextTexts(1)).toEqual(["first"]);
});

test("an error of the listener ends no process [D20]", async () => {
  const stderr = vi.spyOn(console, "error").mockImplementation(() => {});
  onTestFinished(() => stderr.mockRestore());
  const error = Object.assign(new Error("accept EMFILE"), { code: "EMFILE" });
  const { port } = await serving({
    routes: {},
    request: ({ socket }, response) => {
      (socket as unknown as { server: EventEmitter }).server.emit("error", error);
      response.end("still here");
    },
  });
  const plain = { Upgrade: "", Connection: "close" };
  expect((await answer(port, { headers: plain })).body).toBe("still here");
  expect(stderr.mock.calls).toEqual([["A server could not accept a connection:", error]]);
});
