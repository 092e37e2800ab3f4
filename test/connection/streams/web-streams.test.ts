import { describe, expect, test } from "vitest";
import { coreOf } from "../../../src/connection/connection.ts";
import type { MessageData } from "../../../src/connection/options/delivery-options.ts";
import type { Role } from "../../../src/protocol/frames/frame.ts";
import { connectionOver, connectionPair, until } from "../../support/connection-pair.ts";
import { HeldDuplex, nextTurn } from "../../support/held-duplex.ts";
import { closeStatus } from "../../support/raw-peer.ts";
import { frameFrom, peerOf, readFrames } from "../../support/wire.ts";

const roles: readonly Role[] = ["client", "server"];

describe.each(roles)("readable as %s", (role) => {
  test("whole messages in order, and the end when the connection closed well", async () => {
    for (const code of [1000, 1001, undefined, 4000]) {
      const { connection, peer } = await connectionPair(role);
      expect(connection.readable).toBe(connection.readable);
      peer.text("one");
      peer.send({ opcode: 2, payload: "two" });
      peer.close(code);
      peer.end();
      const seen: MessageData[] = [];
      for await (const data of connection.readable) seen.push(data);
      expect(seen).toEqual(["one", new Uint8Array(Buffer.from("two"))]);
    }
  });

  test.each([1000, 1011])(
    "a transform puts something behind each message, and ends or fails as it does: %s [G6]",
    async (code) => {
      const { connection, peer } = await connectionPair(role);
      const joined = connection.readable.pipeThrough(
        new TransformStream({
          transform(data, out) {
            out.enqueue(data);
            out.enqueue("\n");
          },
        }),
      );
      peer.text("one", "", "two");
      peer.close(code);
      peer.end();
      let text = "";
      const read = async () => {
        for await (const piece of joined) text += piece;
      };
      await (code === 1000 ? read() : expect(read()).rejects.toThrow("did not end as it should"));
      expect(text).toBe("one\n\ntwo\n");
    },
  );

  test.each([1011, 1009, undefined])("fails at another end: %s", async (code) => {
    const { connection, peer } = await connectionPair(role);
    peer.text("one");
    if (code) peer.close(code, "over");
    peer.end();
    const reader = connection.readable.getReader();
    expect((await reader.read()).value).toBe("one");
    const reason = code ? "over" : "The peer ended the stream without a Close frame";
    await expect(reader.read()).rejects.toThrow(`The connection did not end as it should: ${reason}`);
  });

  test("takes nothing that was not asked for, so reading stops", async () => {
    const socket = new HeldDuplex();
    const connection = connectionOver(socket, role, { limits: { inboundHighWaterMark: 1000 } });
    coreOf(connection).start();
    const reader = connection.readable.getReader();
    let sent = 0;
    for (; sent < 100 && !socket.isPaused(); sent++) {
      socket.push(frameFrom(peerOf(role), { opcode: 1, payload: "x".repeat(100) }));
      await nextTurn();
    }
    expect(sent).toBeGreaterThanOrEqual(6);
    expect(sent).toBeLessThanOrEqual(12);
    for (let read = 0; read < sent; read++) expect((await reader.read()).value).toBe("x".repeat(100));
    expect(socket.isPaused()).toBe(false);
  });

  test("canceling closes with 1000 and throws away what still comes", async () => {
    const { connection, peer } = await connectionPair(role, { limits: { inboundHighWaterMark: 100 } });
    peer.text("one");
    for await (const data of connection.readable) {
      expect(data).toBe("one");
      break;
    }
    expect(closeStatus(await peer.nextFrame())?.code).toBe(1000);
    peer.text(..."abcdefgh".split("").map((letter) => letter.repeat(100)));
    peer.close(1000);
    peer.end();
    expect((await connection.closed).wasClean).toBe(true);
  });

  test("what comes after our own Close is still delivered", async () => {
    const { connection, peer } = await connectionPair(role);
    const { readable } = connection;
    connection.close();
    await peer.nextFrame();
    peer.text("late");
    peer.close(1000);
    peer.end();
    const seen: MessageData[] = [];
    for await (const data of readable) seen.push(data);
    expect(seen).toEqual(["late"]);
  });

  test("is the only reader", async () => {
    const { connection } = await connectionPair(role);
    expect(connection.readable.locked).toBe(false);
    expect(() => connection[Symbol.asyncIterator]()).toThrow("Cannot iterate: the messages are read as a stream");
    expect(() => connection.messages()).toThrow("Cannot iterate");
    expect(() => connection.toDuplex()).toThrow("Cannot iterate");
    const { connection: handled } = await connectionPair(role, { handlers: { message: () => {} } });
    expect(() => handled.readable).toThrow("Cannot iterate: the messages go to the message handler");
    expect(handled.writable.locked).toBe(false);
  });
});

describe.each(roles)("writable as %s", (role) => {
  test("sends each chunk as a message, and closing waits for the end", async () => {
    const { connection, peer } = await connectionPair(role);
    expect(connection.writable).toBe(connection.writable);
    const writer = connection.writable.getWriter();
    await writer.write("text");
    await writer.write(Buffer.from("bytes"));
    let closed = false;
    const closing = writer.close().then(() => {
      closed = true;
    });
    const frames = await peer.nextFrames(3);
    expect(frames.map(({ opcode, payload }) => [opcode, payload.toString("latin1")]).slice(0, 2)).toEqual([
      [1, "text"],
      [2, "bytes"],
    ]);
    expect(closeStatus(frames[2])?.code).toBe(1000);
    expect(closed).toBe(false);
    peer.close(1000);
    peer.end();
    await closing;
    expect((await connection.closed).wasClean).toBe(true);
  });

  test("a write is done when the outbox is below its high-water mark [D04]", async () => {
    const socket = new HeldDuplex(100);
    socket.pace = "stalled";
    const connection = connectionOver(socket, role, { limits: { outboxHighWaterMark: 1000 } });
    coreOf(connection).start();
    const writer = connection.writable.getWriter();
    let written = 0;
    const all = Array.from({ length: 30 }, () => writer.write("x".repeat(100)).then(() => written++));
    for (let turn = 0; turn < 20; turn++) await nextTurn();
    expect(written).toBeGreaterThanOrEqual(8);
    expect(written).toBeLessThanOrEqual(10);
    socket.flow();
    await Promise.all(all);
    await nextTurn();
    expect(readFrames(socket.written)).toHaveLength(30);
  });

  test("a chunk is the writer's again when its write is done [D12]", async () => {
    const { connection, peer } = await connectionPair(role);
    const writer = connection.writable.getWriter();
    const memory = new Uint8Array(100_000).fill(1);
    await writer.write(memory);
    memory.fill(2);
    expect(new Set((await peer.nextFrame())!.payload)).toEqual(new Set([1]));
  });

  test("aborting closes with 1011, of which the peer's stream hears", async () => {
    const { connection, peer } = await connectionPair(role);
    await connection.writable.abort(new Error("given up"));
    expect(closeStatus(await peer.nextFrame())?.code).toBe(1011);
  });

  test("fails when the connection is over, during a write as well", async () => {
    const { connection, peer } = await connectionPair(role);
    const writer = connection.writable.getWriter();
    const failed = writer.closed.catch((error: Error) => error.message);
    peer.close(1000);
    peer.end();
    expect(await failed).toBe("Cannot write: the connection is closing or closed");
    await expect(writer.write("late")).rejects.toThrow("Cannot write");

    const socket = new HeldDuplex(10);
    socket.pace = "stalled";
    const stalled = connectionOver(socket, role, { limits: { outboxHighWaterMark: 100 } });
    coreOf(stalled).start();
    const stalledWriter = stalled.writable.getWriter();
    stalledWriter.closed.catch(() => {});
    const writing = stalledWriter.write("x".repeat(200));
    await nextTurn();
    stalled.terminate();
    await expect(writing).rejects.toThrow("Cannot write: the connection is closing or closed");
  });

  test("its own readable piped into it ends as the connection does", async () => {
    for (const code of [1000, 1001, undefined, 4000]) {
      const { connection, peer } = await connectionPair(role);
      const piping = connection.readable.pipeTo(connection.writable);
      peer.text("one", "two");
      expect(await peer.nextTexts(2)).toEqual(["one", "two"]);
      peer.close(code);
      peer.end();
      await piping;
    }
    const { connection, peer } = await connectionPair(role);
    const piping = connection.readable.pipeThrough(new TransformStream()).pipeTo(connection.writable);
    peer.close(1011);
    peer.end();
    await expect(piping).rejects.toThrow("The connection did not end as it should");
  });

  test("who has read to the end can close it, and write no more", async () => {
    for (const what of ["close", "write"]) {
      const { connection, peer } = await connectionPair(role);
      const writer = connection.writable.getWriter();
      writer.closed.catch(() => {});
      peer.close(1000);
      peer.end();
      for await (const _ of connection.readable);
      if (what === "close") await writer.close();
      else await expect(writer.write("late")).rejects.toThrow("Cannot write: the connection is closing or closed");
    }
  });

  test("a pipe from a source that gives nothing ends with the connection, and the source is canceled", async () => {
    const { connection, peer } = await connectionPair(role);
    const canceled = new Promise((resolve) => {
      const piping = new ReadableStream({ cancel: resolve }).pipeTo(connection.writable);
      piping.catch(() => {});
    });
    peer.close(1000);
    peer.end();
    expect(await canceled).toEqual(new Error("Cannot write: the connection is closing or closed"));
  });

  test("a chunk that cannot be sent closes with 1011, as aborting does [D10]", async () => {
    const { connection, peer } = await connectionPair(role);
    const writer = connection.writable.getWriter();
    writer.closed.catch(() => {});
    await expect(writer.write(5 as never)).rejects.toThrow(TypeError);
    expect(closeStatus(await peer.nextFrame())?.code).toBe(1011);
  });

  test("pipes from one connection to another", async () => {
    const near = await connectionPair(role);
    const far = await connectionPair(role);
    const piping = near.connection.readable.pipeTo(far.connection.writable);
    near.peer.text("one", "two");
    expect(await far.peer.nextTexts(2)).toEqual(["one", "two"]);
    near.peer.close(1000);
    near.peer.end();
    await until(() => far.connection.readyState === 2);
    expect(closeStatus(await far.peer.nextFrame())?.code).toBe(1000);
    far.peer.close(1000);
    far.peer.end();
    await piping;
  });
});
