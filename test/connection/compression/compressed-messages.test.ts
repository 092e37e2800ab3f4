/** Compressed messages of a connection, in both roles, over TCP. */
import { afterEach, beforeEach, describe, expect, type MockInstance, test, vi } from "vitest";
import { coreOf } from "../../../src/connection/connection.ts";
import type { MessageData } from "../../../src/connection/options/delivery-options.ts";
import { PreparedMessage } from "../../../src/connection/sending/prepared-message.ts";
import type { Role } from "../../../src/protocol/frames/frame.ts";
import { connectionOver, connectionPair, until } from "../../support/connection-pair.ts";
import { closeFrame, closeStatus, socketPair } from "../../support/raw-peer.ts";
import { peerOf } from "../../support/wire.ts";

let stderr: MockInstance<typeof console.error>;

beforeEach(() => {
  stderr = vi.spyOn(console, "error").mockImplementation(() => {});
});

afterEach(() => {
  vi.useRealTimers();
  stderr.mockRestore();
});

describe.each<Role>(["client", "server"])("a connection as %s", (role) => {
  test("messages are inflated and deflated, small and large, in order [R7692-6.2-1]", async () => {
    const sent: MessageData[] = [];
    const other = peerOf(role);
    const [near, far] = await socketPair();
    const data = ["small", new Uint8Array(300_000).map((_, i) => i % 251), "", "x".repeat(200_000), new Uint8Array(3)];
    const echo = connectionOver(near, role, {
      compress: true,
      handlers: { message: (self, each) => void self.send(each) },
    });
    const source = connectionOver(far, other, {
      compress: true,
      handlers: { message: (_, each) => sent.push(each) },
    });
    coreOf(echo).start();
    coreOf(source).start();
    for (const each of data) source.send(each);
    await until(() => sent.length === data.length);
    for (const [index, each] of data.entries()) {
      expect(Buffer.from(sent[index] as string).equals(Buffer.from(each as string))).toBe(true);
    }
    source.close();
    expect(await Promise.all([echo.closed, source.closed])).toMatchObject([{ wasClean: true }, { wasClean: true }]);
  });

  test("compress switches it for what is sent from then on, unless send says another thing [G82]", async () => {
    const { peer, connection } = await connectionPair(role, { compress: true });
    const off = { compress: false };
    expect(connection.compress).toBe(true);
    connection.send(new Blob(["before"]));
    connection.send("before");
    connection.compress = false;
    connection.send("plain");
    connection.send("told to", { compress: true });
    connection.send(new PreparedMessage("plain"), { copy: true });
    connection.compress = true;
    connection.send("again");
    connection.send("told not to", off);
    const frames = await peer.nextFrames(7);
    expect(frames.map(({ rsv }) => rsv)).toEqual([4, 4, 0, 4, 0, 4, 0]);
    connection.compress = false;
    connection.send("alone");
    expect(await peer.nextFrame()).toMatchObject({ rsv: 0, payload: Buffer.from("alone") });
    expect(() => {
      connection.compress = "off" as never;
    }).toThrow(new TypeError('Cannot compress: compress must be a boolean, not "off"'));
    expect(connection.compress).toBe(false);
  });

  test("data that is not DEFLATE fails the connection with 1007, and its Close behind it is not read", async () => {
    const { peer, connection } = await connectionPair(role, { compress: true, handlers: { message: () => {} } });
    peer.send({ opcode: 1, rsv: 4, payload: new Uint8Array(200_000).fill(255) }, closeFrame(1000));
    expect(closeStatus(await peer.nextFrame())?.code).toBe(1007);
    peer.end();
    expect(await connection.closed).toMatchObject({ code: 1006, violation: "invalid-deflate-data" });
  });

  test("a connection that ends while a message is inflated elsewhere delivers it to nobody", async () => {
    const seen: MessageData[] = [];
    const { peer, connection } = await connectionPair(role, {
      compress: true,
      handlers: { message: (_, data) => seen.push(data) },
    });
    const { deflateRawSync } = await import("node:zlib");
    const payload = deflateRawSync(Buffer.from(Array.from({ length: 400_000 }, (_, i) => (i * i) % 251)), {
      level: 0,
    });
    peer.send({ opcode: 2, rsv: 4, payload });
    await until(() => coreOf(connection).endpoint.inflating);
    connection.terminate();
    await connection.closed;
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(seen).toEqual([]);
  });
});
