import { spawn } from "node:child_process";
import { once } from "node:events";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { describe, expect, test } from "vitest";
import { coreOf } from "../../../src/connection/connection.ts";
import type { Role } from "../../../src/protocol/frames/frame.ts";
import { connectionOver, connectionPair } from "../../support/connection-pair.ts";
import { HeldDuplex, nextTurn } from "../../support/held-duplex.ts";
import { closeStatus } from "../../support/raw-peer.ts";
import { frameFrom, peerOf, readFrames } from "../../support/wire.ts";

const roles: readonly Role[] = ["client", "server"];

describe.each(roles)("toDuplex as %s", (role) => {
  test("reads the bytes of all messages and ends with 1000 or no code [G6]", async () => {
    for (const code of [1000, undefined]) {
      const { connection, peer } = await connectionPair(role);
      const duplex = connection.toDuplex();
      peer.send({ opcode: 2, payload: "bytes " }, { opcode: 2 }, { opcode: 1, payload: "gr\u00fc\u00dfe" });
      peer.close(code);
      peer.end();
      const chunks: Buffer[] = [];
      for await (const chunk of duplex) chunks.push(chunk);
      expect(Buffer.concat(chunks).toString()).toBe("bytes gr\u00fc\u00dfe");
      await connection.closed;
    }
  });

  test.each([1001, 1011, undefined])("a stream that may not be whole fails: %s", async (code) => {
    const { connection, peer } = await connectionPair(role);
    const duplex = connection.toDuplex().resume();
    const failed = once(duplex, "error");
    if (code) peer.close(code);
    peer.end();
    expect(String((await failed)[0])).toContain("The connection did not end as it should");
    expect(duplex.destroyed).toBe(true);
  });

  test("each write is one binary message, the end closes with 1000 and is done with the connection", async () => {
    const { connection, peer } = await connectionPair(role);
    const duplex = connection.toDuplex().resume();
    const done = pipeline(Readable.from([Buffer.from("one"), Buffer.from("two")]), duplex);
    const frames = await peer.nextFrames(3);
    expect(frames.slice(0, 2).map(({ opcode, payload }) => [opcode, payload.toString()])).toEqual([
      [2, "one"],
      [2, "two"],
    ]);
    expect(closeStatus(frames[2])?.code).toBe(1000);
    expect(duplex.writableFinished).toBe(false);
    peer.close(1000);
    peer.end();
    await done;
    expect((await connection.closed).wasClean).toBe(true);
  });

  test("a process's input and output are piped through it, and the peer's Close ends the process [G102]", async () => {
    const { connection, peer } = await connectionPair(role);
    const child = spawn("cat");
    const exited = once(child, "exit");
    const duplex = connection.toDuplex();
    const both = [pipeline(duplex, child.stdin), pipeline(child.stdout, duplex)];
    peer.send({ opcode: 1, payload: "there " }, { opcode: 2, payload: "and back" });
    let echoed = "";
    while (echoed.length < 14) echoed += (await peer.nextFrame())!.payload;
    expect(echoed).toBe("there and back");
    peer.close(1000);
    peer.end();
    await Promise.allSettled(both);
    expect((await exited)[0]).toBe(0);
    expect(await connection.closed).toMatchObject({ code: 1000, wasClean: true });
  });

  test("what comes after our end is still read", async () => {
    const { connection, peer } = await connectionPair(role);
    const duplex = connection.toDuplex();
    duplex.end("question");
    expect((await peer.nextFrames(2))[0]!.payload.toString()).toBe("question");
    peer.send({ opcode: 2, payload: "answer" });
    peer.close(1000);
    peer.end();
    const chunks: Buffer[] = [];
    for await (const chunk of duplex) chunks.push(chunk);
    expect(Buffer.concat(chunks).toString()).toBe("answer");
  });

  test("backpressure both ways [D04]", async () => {
    const socket = new HeldDuplex(100);
    socket.pace = "stalled";
    const limits = { outboxHighWaterMark: 1000, inboundHighWaterMark: 1000 };
    const connection = connectionOver(socket, role, { limits });
    coreOf(connection).start();
    const duplex = connection.toDuplex();
    let written = 0;
    for (let count = 0; count < 30; count++) duplex.write("x".repeat(100), () => written++);
    for (let turn = 0; turn < 20; turn++) await nextTurn();
    expect(written).toBeGreaterThanOrEqual(8);
    expect(written).toBeLessThanOrEqual(10);
    socket.flow();
    for (let turn = 0; turn < 40; turn++) await nextTurn();
    expect(written).toBe(30);
    expect(readFrames(socket.written)).toHaveLength(30);

    let sent = 0;
    for (; sent < 100_000 && !socket.isPaused(); sent += 1000) {
      socket.push(frameFrom(peerOf(role), { opcode: 2, payload: "y".repeat(1000) }));
      await nextTurn();
    }
    expect(sent).toBeLessThanOrEqual(duplex.readableHighWaterMark + 4000);
    let read = 0;
    duplex.on("data", (chunk: Buffer) => {
      read += chunk.length;
    });
    for (let turn = 0; turn < 40; turn++) await nextTurn();
    expect(read).toBe(sent);
    expect(socket.isPaused()).toBe(false);
    duplex.destroy();
  });

  test("destroying it destroys the socket, and a late write fails", async () => {
    const { connection, peer } = await connectionPair(role);
    const duplex = connection.toDuplex();
    duplex.destroy();
    await peer.until(() => false);
    expect((await connection.closed).code).toBe(1006);

    const second = await connectionPair(role);
    const late = second.connection.toDuplex();
    const failed = once(late, "error");
    second.connection.close();
    late.write("late");
    expect(String((await failed)[0])).toContain("Cannot write: the connection is closing or closed");
  });
});
