/** What a bare handle does that other transports need not: it counts, it names errors, and it becomes a socket late. */
import { Buffer } from "node:buffer";
import { once } from "node:events";
import { Socket } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { HandleTransport } from "../../../src/transport/handles/handle-transport.ts";
import { transportOver } from "../../../src/transport/streams/transport-over.ts";
import type { Transport } from "../../../src/transport/transport.ts";
import { acceptedHandle } from "../../support/accepted-handle.ts";
import { until } from "../../support/connection-pair.ts";
import { nextTurn } from "../../support/held-duplex.ts";
import { socketPair } from "../../support/raw-peer.ts";
import { Heard } from "../contract.ts";

const opened: { near: Transport; far: Socket; heard: Heard }[] = [];

afterEach(() => {
  const all = opened.splice(0);
  for (const { near, far } of all) {
    near.destroy();
    far.on("error", () => {}).destroy();
  }
  expect(all.flatMap(({ heard }) => heard.broken)).toEqual([]);
});

async function listened() {
  const { handle, far, owner } = await acceptedHandle();
  const near = new HandleTransport(handle, owner, { isRead: false });
  const heard = new Heard();
  near.listen(heard);
  near.resume();
  far.on("error", () => {});
  opened.push({ near, far, heard });
  const closed = () => until(() => heard.said.includes("closed"));
  return { near, far, heard, owner, handle, closed };
}

async function fill(near: Transport): Promise<number> {
  let length = 0;
  await until(() => {
    length += 100_000;
    return near.write(Buffer.alloc(100_000, "w"), false) === "full";
  });
  return length;
}

async function readAll(far: Socket): Promise<number> {
  let length = 0;
  for await (const chunk of far) length += (chunk as Buffer).length;
  return length;
}

describe("a bare handle", () => {
  test("tells its owner once that it closes, whichever way, and nothing when it became a socket", async () => {
    const ways: ((near: Transport, far: Socket) => void)[] = [
      (near) => near.destroy(),
      (near) => near.reset(),
      (_, far) => far.resetAndDestroy(),
      (near, far) => {
        near.end();
        far.end();
      },
    ];
    for (const way of ways) {
      const { near, far, owner, heard, closed } = await listened();
      far.write("a");
      await until(() => heard.text === "a");
      way(near, far);
      await closed();
      expect([owner.closing, owner.became.length]).toEqual([1, 0]);
    }
    const { near, owner, closed } = await listened();
    const socket = near.becomeStream();
    near.destroy();
    await closed();
    expect([owner.closing, owner.became]).toEqual([0, [socket]]);
  });

  test("names an error as a socket does", async () => {
    const errors: Error[] = [];
    const [stream, peer] = await socketPair();
    const overSocket = transportOver(stream, true);
    const heardSocket = new Heard();
    overSocket.listen(heardSocket);
    overSocket.resume();
    opened.push({ near: overSocket, far: peer, heard: heardSocket });
    const bare = await listened();
    for (const { far, heard } of [{ far: peer, heard: heardSocket }, bare]) {
      far.write("a");
      await until(() => heard.text === "a");
      far.resetAndDestroy();
      await until(() => heard.said.includes("closed"));
      errors.push(heard.error!);
    }
    const [ofSocket, ofHandle] = errors.map((error) => ({ ...error, message: error.message, name: error.name }));
    expect(ofHandle).toEqual(ofSocket);
    expect(ofHandle).toMatchObject({ code: "ECONNRESET", syscall: "read", message: "read ECONNRESET" });
  });

  test("takes a read that brings nothing for what it is", async () => {
    const { near, far, heard } = await listened();
    near.pause();
    const sent = Buffer.alloc(3_000_000, "s");
    far.write(sent);
    for (let turns = 0; turns < 20; turns++) await nextTurn();
    // A read that fills the buffer is followed by another at once, which finds nothing.
    near.resume();
    await until(() => heard.length === sent.length);
    far.write("more");
    await until(() => heard.length === sent.length + 4);
    expect(heard.order).toEqual(["bytes"]);
  });

  test("knows what waited when it was destroyed, though its handle does not", async () => {
    const { near, closed } = await listened();
    await fill(near);
    const { waiting } = near;
    expect(waiting).toBeGreaterThan(0);
    near.destroy();
    await closed();
    expect(near.waiting).toBeGreaterThan(0);
    expect(near.waiting).toBeLessThanOrEqual(waiting);
  });

  test("fails when a write fails at once, later and in the system's words", async () => {
    const { near, far, heard, closed } = await listened();
    near.pause();
    far.resetAndDestroy();
    await once(far, "close");
    await until(() => {
      heard.call(() => near.write(Buffer.from("x"), false));
      return near.destroyed;
    });
    expect(heard.said).toEqual([]);
    await closed();
    expect(heard.said).toEqual(["failed", "closed"]);
    expect(heard.error).toMatchObject({ syscall: "write", code: expect.stringMatching(/^(ECONNRESET|EPIPE)$/) });
  });

  test("closes where both sides have ended and nothing waits, else once the rest has left", async () => {
    const { near, far, heard, closed } = await listened();
    const length = await fill(near);
    far.end();
    await until(() => heard.said.includes("end"));
    near.end();
    for (let turns = 0; turns < 5; turns++) await nextTurn();
    expect([near.ended, near.destroyed]).toEqual([true, false]);
    expect(await readAll(far)).toBe(length);
    await closed();
  });

  test("is closed also by a reset while its end waits", async () => {
    const { near, owner, closed } = await listened();
    await fill(near);
    near.end();
    near.reset();
    await closed();
    expect(owner.closing).toBe(1);
  });

  test("knows the other end still when it is closed, if it was looked at", async () => {
    const [one, two] = [await listened(), await listened()];
    const { localPort } = one.far;
    expect(one.near.remotePort).toBe(localPort);
    for (const { near, closed } of [one, two]) {
      near.destroy();
      await closed();
    }
    expect([one.near.remoteAddress, one.near.remotePort]).toEqual(["127.0.0.1", localPort]);
    expect([two.near.remoteAddress, two.near.localPort]).toEqual([undefined, undefined]);
  });

  test("that cannot be read any more fails", async () => {
    const { near, handle, heard, closed } = await listened();
    near.pause();
    // The system takes no handle that is read already.
    handle.readStart();
    heard.call(() => near.resume());
    await closed();
    expect(heard.said).toEqual(["failed", "closed"]);
    expect(heard.error).toMatchObject({ syscall: "read", code: "EALREADY" });
  });
});

describe("a handle that becomes a socket", () => {
  test("is one of Node's, which loses nothing of what it ends behind", async () => {
    const { near, far, heard, closed } = await listened();
    const length = await fill(near);
    near.end();
    const stream = near.becomeStream();
    expect(stream).toBeInstanceOf(Socket);
    far.end();
    await until(() => heard.said.includes("end"));
    expect(await readAll(far)).toBe(length);
    await closed();
    expect([near.ended, near.peerEnded, near.destroyed]).toEqual([true, true, true]);
  });

  test("after its end has left, or after the peer's, ends once", async () => {
    for (const first of ["ours", "theirs"] as const) {
      const { near, far, heard, closed } = await listened();
      far.resume();
      if (first === "ours") near.end();
      else far.end();
      await until(() => (first === "ours" ? far.readableEnded : near.peerEnded));
      near.becomeStream();
      if (first === "ours") far.end();
      else near.end();
      await closed();
      expect(heard.count("end")).toBe(1);
    }
  });

  test("hears of what waited from before, also that it cannot leave", async () => {
    const { near, far, heard, closed } = await listened();
    await fill(near);
    const { waiting } = near;
    near.becomeStream();
    expect(near.waiting).toBe(waiting);
    far.resetAndDestroy();
    await closed();
    expect(heard.said).toEqual(["failed", "closed"]);
    expect(heard.error).toMatchObject({ code: expect.stringMatching(/^(ECONNRESET|EPIPE)$/) });
  });

  test("that is closed gives a stream that is", async () => {
    const { near, closed } = await listened();
    near.destroy();
    expect(near.becomeStream().destroyed).toBe(true);
    await closed();
  });
});
