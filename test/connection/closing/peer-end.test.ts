/** The peer ends its side of the stream: what it sent before is handled and answered first, as before its Close. */
import { Buffer } from "node:buffer";
import { once } from "node:events";
import { Duplex } from "node:stream";
import { afterEach, describe, expect, test, vi } from "vitest";
import { type Connection, coreOf } from "../../../src/connection/connection.ts";
import type { MessageData } from "../../../src/connection/options/delivery-options.ts";
import { longestAnswerDelay } from "../../../src/connection/options/limits.ts";
import type { Role } from "../../../src/protocol/frames/frame.ts";
import { type ConnectionOptions, connectionOver, connectionPair, gate, until } from "../../support/connection-pair.ts";
import { HeldDuplex } from "../../support/held-duplex.ts";
import { closeFrame, closeStatus } from "../../support/raw-peer.ts";
import { frameFrom, peerOf, readFrames } from "../../support/wire.ts";

afterEach(() => void vi.useRealTimers());

const withoutClose = "The peer ended the stream without a Close frame";

describe.each<Role>(["client", "server"])("a %s whose peer ends the stream", (role) => {
  function begin(options: ConnectionOptions = {}) {
    const socket = new HeldDuplex();
    const connection = connectionOver(socket, role, options);
    coreOf(connection).start();
    return { socket, connection };
  }

  /** Frames in one chunk, and then the end, which a socket tells also while it is paused. */
  async function receiveLast(socket: HeldDuplex, ...frames: Parameters<typeof frameFrom>[1][]): Promise<void> {
    const ended = once(socket, "end");
    socket.push(Buffer.concat(frames.map((frame) => frameFrom(peerOf(role), frame))));
    socket.push(null);
    while (!socket.readableEnded) {
      socket.read(0);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await ended;
  }

  const text = (payload: string) => ({ opcode: 1, payload });
  const textsIn = (socket: HeldDuplex) => readFrames(socket.written).map(({ payload }) => payload.toString());

  /** A loop that answers each message once it may, and is left after `most` of them. */
  async function answerInLoop(connection: Connection, answering: Promise<void>, most = Number.POSITIVE_INFINITY) {
    let answered = 0;
    for await (const data of connection) {
      await answering;
      connection.send(data);
      if (++answered === most) break;
    }
  }

  /** A handler that answers once it may. */
  const answersAfter = (answering: Promise<void>) => async (connection: Connection, data: MessageData) => {
    await answering;
    connection.send(data);
  };

  test("answers what came before, and ends then [R6455-7.2.1-1]", async () => {
    const { opened, open } = gate();
    const { socket, connection } = begin({ handlers: { message: answersAfter(opened) } });
    await receiveLast(socket, text("one"), text("two"));
    expect([connection.readyState, socket.writableEnded]).toEqual([1, false]);
    open();
    const report = await connection.closed;
    expect(textsIn(socket)).toEqual(["one", "two"]);
    expect(report).toMatchObject({ code: 1006, initiator: "transport", phase: "open", unsentMessages: 0 });
    expect(report.error?.message).toBe(withoutClose);
  });

  test("answers over TCP, too", async () => {
    const { opened, open } = gate();
    const { connection, peer } = await connectionPair(role, { handlers: { message: answersAfter(opened) } });
    peer.text("a question");
    peer.end();
    await once(peer.socket, "finish");
    setTimeout(open, 20);
    expect(await peer.nextTexts(1)).toEqual(["a question"]);
    expect(await connection.closed).toMatchObject({ code: 1006, initiator: "transport" });
    await peer.closed;
  });

  test("a loop that has a message answers it", async () => {
    const { opened, open } = gate();
    const { socket, connection } = begin();
    const looping = answerInLoop(connection, opened);
    await receiveLast(socket, text("one"), text("two"));
    open();
    await looping;
    expect(textsIn(socket)).toEqual(["one", "two"]);
    expect((await connection.closed).error?.message).toBe(withoutClose);
  });

  test("a loop that is left holds nothing up", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const { opened, open } = gate();
    const { socket, connection } = begin();
    const looping = answerInLoop(connection, opened, 1);
    await receiveLast(socket, text("one"));
    expect(socket.writableEnded).toBe(false);
    open();
    await looping;
    await connection.closed;
    expect([textsIn(socket), vi.getTimerCount()]).toEqual([["one"], 0]);
  });

  test("a handler that takes too long is not waited for", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const { opened, open } = gate();
    const sent: boolean[] = [];
    const { socket, connection } = begin({
      handlers: {
        message: async (self, data) => {
          await opened;
          sent.push(self.send(data));
        },
      },
    });
    await receiveLast(socket, text("a question"));
    vi.advanceTimersByTime(longestAnswerDelay - 1);
    expect(socket.writableEnded).toBe(false);
    vi.advanceTimersByTime(1);
    expect([connection.readyState, socket.writableEnded]).toEqual([2, true]);
    open();
    const report = await connection.closed;
    expect(report.error?.message).toBe(withoutClose);
    expect([sent, socket.written.length, vi.getTimerCount()]).toEqual([[false], 0, 0]);
  });

  test("where nobody has asked for messages, and none is there, it ends at once", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const { socket, connection } = begin();
    await receiveLast(socket);
    expect((await connection.closed).error?.message).toBe(withoutClose);
    expect(vi.getTimerCount()).toBe(0);
  });

  test("messages that nobody has asked for yet can be answered for a while, and read later", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const asked = begin();
    await receiveLast(asked.socket, text("unread"));
    vi.advanceTimersByTime(longestAnswerDelay - 1);
    for await (const data of asked.connection) asked.connection.send(data);
    expect(textsIn(asked.socket)).toEqual(["unread"]);
    const late = begin();
    await receiveLast(late.socket, text("unread"));
    vi.advanceTimersByTime(longestAnswerDelay);
    await late.connection.closed;
    const messages: MessageData[] = [];
    for await (const data of late.connection) messages.push(data);
    expect([messages, vi.getTimerCount()]).toEqual([["unread"], 0]);
  });

  test("a Close that could not be parsed yet is answered [R6455-5.5.1-4]", async () => {
    const { opened, open } = gate();
    const limits = { inboundHighWaterMark: 1 };
    const { socket, connection } = begin({ limits, handlers: { message: answersAfter(opened) } });
    await receiveLast(socket, text("one"), text("two"), text("three"), closeFrame(4000, "done"));
    expect(coreOf(connection).endpoint.closeReceived).toBeUndefined();
    open();
    const report = await connection.closed;
    expect(report).toMatchObject({ code: 4000, reason: "done", wasClean: true, initiator: "peer" });
    expect(report.error).toBeUndefined();
    const frames = readFrames(socket.written);
    expect(frames.slice(0, 3).map(({ payload }) => payload.toString())).toEqual(["one", "two", "three"]);
    expect(closeStatus(frames[3])?.code).toBe(4000);
  });

  test("so is one behind messages that nobody asks for, if it is in time", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const limits = { inboundHighWaterMark: 1 };
    const frames = [text("one"), text("two"), closeFrame(4000)];
    const read = begin({ limits });
    await receiveLast(read.socket, ...frames);
    vi.advanceTimersByTime(longestAnswerDelay - 1);
    const messages: MessageData[] = [];
    for await (const data of read.connection) messages.push(data);
    expect(messages).toEqual(["one", "two"]);
    expect(await read.connection.closed).toMatchObject({ code: 4000, wasClean: true });
    const unread = begin({ limits });
    await receiveLast(unread.socket, ...frames);
    vi.advanceTimersByTime(longestAnswerDelay);
    const report = await unread.connection.closed;
    expect(report).toMatchObject({ code: 1006, initiator: "transport" });
    expect(report.error?.message).toBe(withoutClose);
    expect(vi.getTimerCount()).toBe(0);
  });

  test("what was put off to the next turn is answered [A04]", async () => {
    const { socket, connection } = begin({
      limits: { readBudget: 0 },
      handlers: { message: (self, data) => void self.send(data) },
    });
    const questions = Array.from({ length: 500 }, (_, index) => `question ${index}`);
    await receiveLast(socket, ...questions.map(text));
    await connection.closed;
    expect(textsIn(socket)).toEqual(questions);
  });

  test("an answer that takes time to read or to compress still leaves", async () => {
    const blob = begin({ handlers: { message: (self) => void self.send(new Blob(["an answer"])) } });
    await receiveLast(blob.socket, text("a question"));
    await blob.connection.closed;
    expect(textsIn(blob.socket)).toEqual(["an answer"]);
    const long = "an answer ".repeat(100_000);
    const compressed = begin({ compress: true, handlers: { message: (self) => void self.send(long) } });
    await receiveLast(compressed.socket, text("a question"));
    expect(await compressed.connection.closed).toMatchObject({ unsentMessages: 0 });
    expect(readFrames(compressed.socket.written)).toMatchObject([{ fin: true, rsv: 4, opcode: 1 }]);
  });

  test("while our end stands behind a message under way, nothing more is taken that could not leave", async () => {
    const { opened, open } = gate();
    const { socket, connection } = begin();
    const sending = connection.sendFragments(
      (async function* () {
        await opened;
        yield "an answer";
      })(),
    );
    await receiveLast(socket);
    expect([connection.readyState, connection.send("lost"), socket.writableEnded]).toEqual([2, false, false]);
    await expect(connection.ping()).rejects.toThrow("Cannot ping: the connection is closing or closed");
    open();
    await sending;
    expect(await connection.closed).toMatchObject({ code: 1006, initiator: "transport", unsentMessages: 0 });
    expect(textsIn(socket)).toEqual(["an answer", ""]);
  });

  test("output that the stream did not take yet leaves before the end", async () => {
    const { socket, connection } = begin({ handlers: { message: (self, data) => void self.send(data) } });
    socket.pace = "stalled";
    connection.send("a".repeat(100_000));
    await until(() => socket.writableNeedDrain);
    await receiveLast(socket, text("one"));
    expect([connection.readyState, socket.writableEnded]).toEqual([2, false]);
    socket.flow();
    await connection.closed;
    expect(textsIn(socket).map((payload) => payload.length)).toEqual([100_000, 3]);
  });

  test("an exception of the handler is told in a Close", async () => {
    const { opened, open } = gate();
    const errors: Error[] = [];
    const { socket, connection } = begin({
      handlers: {
        message: async () => {
          await opened;
          throw new Error("Broken");
        },
        error: (_, error) => void errors.push(error),
      },
    });
    await receiveLast(socket, text("a question"));
    open();
    expect((await connection.closed).error?.message).toBe(withoutClose);
    expect(errors).toMatchObject([{ message: "Broken" }]);
    expect(readFrames(socket.written).map(closeStatus)).toMatchObject([{ code: 1011 }]);
  });

  test("our Close after it leaves, and nobody waits for a handler any more", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const { opened, open } = gate();
    const { socket, connection } = begin({ handlers: { message: () => opened } });
    await receiveLast(socket, text("a question"));
    connection.close(4000);
    expect(socket.writableEnded).toBe(true);
    expect(readFrames(socket.written).map(closeStatus)).toMatchObject([{ code: 4000 }]);
    open();
    const report = await connection.closed;
    expect(report).toMatchObject({ code: 1006, initiator: "transport", phase: "closing" });
    expect(report.error?.message).toBe(withoutClose);
    expect(vi.getTimerCount()).toBe(0);
  });

  test("who cut a message off is not let go for what it holds", async () => {
    const limits = { maxProcessAssemblySize: 200 };
    const { socket, connection } = begin({ limits });
    const other = begin({ limits });
    socket.pace = "stalled";
    connection.send("x".repeat(100_000));
    await until(() => socket.writableNeedDrain);
    await receiveLast(socket, { opcode: 2, payload: "a".repeat(150), fin: false });
    expect(coreOf(connection).endpoint.state).toBe("discarding");
    other.socket.push(frameFrom(peerOf(role), { opcode: 2, payload: "b".repeat(100), fin: false }));
    await until(() => coreOf(other.connection).endpoint.unfinishedLength > 0);
    socket.flow();
    expect((await connection.closed).violation).toBeUndefined();
    expect(coreOf(other.connection).endpoint.state).toBe("open");
  });

  test("before the connection begins, ends it as well", async () => {
    const socket = new HeldDuplex();
    socket.push(null);
    socket.resume();
    await once(socket, "end");
    const connection = connectionOver(socket, role);
    coreOf(connection).start();
    expect((await connection.closed).error?.message).toBe(withoutClose);
  });

  test("and which keeps no state of its own, is ended as well", async () => {
    const { socket, connection } = begin();
    Object.defineProperty(socket, "readableEnded", { value: undefined });
    socket.push(null);
    expect((await connection.closed).error?.message).toBe(withoutClose);
  });

  test("however often its messages are asked for, it is cut off after the last step's time [D01]", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const socket = new HeldDuplex();
    const connection = connectionOver(socket, role, { limits: { closeTimeout: 100 } });
    coreOf(connection).start();
    connection.close();
    socket.push(frameFrom(peerOf(role), closeFrame(1000)));
    await until(() => coreOf(connection).endpoint.state === "discarding");
    vi.advanceTimersByTime(99);
    void connection[Symbol.asyncIterator]().next();
    vi.advanceTimersByTime(1);
    expect(await connection.closed).toMatchObject({ code: 1000, wasClean: true });
  });

  test("a stream that ends its other side by itself, and is not gone then, is cut off [D01]", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const write = (_chunk: Buffer, _encoding: string, done: () => void) => done();
    const socket = new Duplex({ allowHalfOpen: false, autoDestroy: false, read: () => {}, write });
    const { opened, open } = gate();
    const connection = connectionOver(socket, role, { handlers: { message: () => opened } });
    coreOf(connection).start();
    socket.push(frameFrom(peerOf(role), text("a question")));
    socket.push(null);
    await once(socket, "finish");
    open();
    await until(() => coreOf(connection).endpoint.state === "discarding");
    vi.advanceTimersByTime(4999);
    expect(socket.destroyed).toBe(false);
    vi.advanceTimersByTime(1);
    expect(socket.destroyed).toBe(true);
    await connection.closed;
  });

  test("our own Close is not answered any more, which ends the connection", async () => {
    const { socket, connection } = begin({ handlers: { message: () => {} } });
    connection.close(1000);
    await receiveLast(socket, text("too late"));
    const report = await connection.closed;
    expect(report).toMatchObject({ code: 1006, initiator: "local", phase: "closing" });
    expect(report.error?.message).toBe(withoutClose);
  });
});
