/** Heartbeats answered below handlers and readers, over TCP and over a stream that takes nothing. */
import { setImmediate as turn } from "node:timers/promises";
import { deflateRawSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { coreOf } from "../../../src/connection/connection.ts";
import { Beats } from "../../../src/connection/receiving/beats.ts";
import type { Role } from "../../../src/protocol/frames/frame.ts";
import { connectionOver, connectionPair, gate, until } from "../../support/connection-pair.ts";
import { HeldDuplex } from "../../support/held-duplex.ts";
import type { RawPeer } from "../../support/raw-peer.ts";
import { frameFrom, peerOf, readFrames } from "../../support/wire.ts";

const heartbeat = { message: "tick é", reply: "tock" };
const beat = { opcode: 1, payload: heartbeat.message };

/** What is compressed as the connections under test have agreed. */
const deflated = (text: string) => ({
  opcode: 1,
  rsv: 4,
  payload: deflateRawSync(text, { finishFlush: 2 }).subarray(0, -4),
});

const bytewise = async (role: Role, { socket }: RawPeer, frame: typeof beat) => {
  socket.setNoDelay(true);
  for (const byte of frameFrom(peerOf(role), frame)) {
    socket.write(Buffer.of(byte));
    await turn();
  }
};

describe.each<Role>(["server", "client"])("a connection as %s", (role) => {
  test.each([false, true])("answers, and its handler gets all else; text as bytes: %s", async (textAsBytes) => {
    const seen: string[] = [];
    const { peer, connection } = await connectionPair(role, {
      heartbeat,
      endpoint: { textAsBytes },
      handlers: { message: (_, data) => void seen.push(Buffer.from(data as string).toString()) },
    });
    peer.send(beat);
    expect(await peer.nextTexts(1)).toEqual(["tock"]);
    await bytewise(role, peer, beat);
    expect(await peer.nextTexts(1)).toEqual(["tock"]);
    peer.send({ ...beat, payload: "tick", fin: false }, { opcode: 9 }, { opcode: 0, payload: " é" });
    expect((await peer.nextFrames(2)).map(({ opcode }) => opcode)).toEqual([10, 1]);
    peer.send({ ...beat, opcode: 2 }, { opcode: 1, payload: "tick è" }, { opcode: 1, payload: "tick" });
    peer.text("tick é ", "", "tock");
    await until(() => seen.length === 6);
    expect(seen).toEqual(["tick é", "tick è", "tick", "tick é ", "", "tock"]);
    expect(connection.bufferedAmount).toBe(0);
  });

  test("answers while a handler is at work, also a compressed one", async () => {
    const working = gate();
    const seen: unknown[] = [];
    const { peer } = await connectionPair(role, {
      heartbeat,
      compress: true,
      handlers: {
        message: (_, data) => {
          seen.push(data);
          return working.opened;
        },
      },
    });
    peer.send(deflated("first"), deflated(heartbeat.message), deflated("second"));
    expect(await peer.nextTexts(1)).toEqual(["tock"]);
    expect(seen).toEqual(["first"]);
    working.open();
    await until(() => seen.length === 2);
  });

  test.each(["message", "stream"] as const)("a reader by %s gets none, also byte by byte", async (by) => {
    const { peer, connection } = await connectionPair(role, { heartbeat });
    const read: string[] = [];
    const reading = (async () => {
      if (by === "message") {
        for await (const data of connection) read.push(String(data));
        return;
      }
      for await (const message of connection.messages()) {
        let text = "";
        for await (const part of message) text += part;
        read.push(text);
      }
    })();
    peer.text("one");
    for (let i = 0; i < 3; i++) {
      await bytewise(role, peer, beat);
      expect(await peer.nextTexts(1)).toEqual(["tock"]);
    }
    await bytewise(role, peer, { opcode: 1, payload: "two" });
    peer.close(1000);
    peer.end();
    await reading;
    expect(read).toEqual(["one", "two"]);
  });

  test("answers before there is a reader, and nothing once it has closed", async () => {
    const { peer, connection } = await connectionPair(role, { heartbeat });
    peer.text("kept");
    peer.send(beat);
    expect(await peer.nextTexts(1)).toEqual(["tock"]);
    for await (const data of connection) {
      expect(data).toBe("kept");
      break;
    }
    connection.close(1000);
    peer.send(beat);
    peer.close(1000);
    peer.end();
    expect((await peer.allFrames()).map(({ opcode }) => opcode)).toEqual([8]);
  });

  test("without the option a handler gets such a message like any other", async () => {
    const seen: unknown[] = [];
    const { peer } = await connectionPair(role, { handlers: { message: (_, data) => void seen.push(data) } });
    peer.send(beat);
    await until(() => seen.length === 1);
    expect(seen).toEqual([heartbeat.message]);
  });

  /** A peer that sends 5000 heartbeats and takes nothing: what waits for it, and the stream. */
  async function flooded(answering: boolean): Promise<{ waiting: number; socket: HeldDuplex }> {
    const socket = new HeldDuplex(1);
    socket.pace = "stalled";
    const connection = connectionOver(socket, role, {
      ...(answering && { heartbeat }),
      handlers: { message: () => void connection.send(heartbeat.reply) },
    });
    coreOf(connection).start();
    const beats = Buffer.concat(Array.from({ length: 100 }, () => frameFrom(peerOf(role), beat)));
    for (let i = 0; i < 50; i++) {
      socket.push(beats);
      await turn();
    }
    return { waiting: connection.bufferedAmount, socket };
  }

  test("a peer that floods and reads nothing is owed one reply [A04]", async () => {
    const { waiting, socket } = await flooded(true);
    expect(waiting).toBeLessThan(100);
    socket.flow();
    await until(() => readFrames(socket.written).length === 2);
    for (let i = 0; i < 10; i++) await turn();
    expect(readFrames(socket.written).map(({ payload }) => payload.toString())).toEqual(["tock", "tock"]);
  });

  test("A04 control: for a handler that answers each, all of them wait", async () => {
    const { waiting } = await flooded(false);
    expect(waiting).toBeGreaterThan(4000 * heartbeat.reply.length);
  });

  test("those that come behind a long send are answered once, when it is over, before what is sent then", async () => {
    const { peer, connection } = await connectionPair(role, { heartbeat });
    const going = gate();
    const sending = connection.sendFragments(
      (async function* () {
        yield "a";
        await going.opened;
        yield "b";
      })(),
    );
    expect((await peer.nextFrame())?.payload.toString()).toBe("a");
    for (let i = 0; i < 3; i++) {
      peer.send(beat, { opcode: 9 });
      expect((await peer.nextFrame())?.opcode).toBe(10);
    }
    going.open();
    await sending;
    connection.send("c");
    connection.close();
    peer.close();
    peer.end();
    const frames = await peer.allFrames();
    expect(frames.filter(({ opcode }) => opcode < 8).map(({ payload }) => payload.toString())).toEqual([
      "b",
      "",
      "tock",
      "c",
    ]);
  });
});

test("a reply that has its turn in the line while the transport is full waits for it", () => {
  const sent: string[] = [];
  const steps: (() => void)[] = [];
  const endpoint = { stalled: false };
  const sending = {
    afterwards: (step: () => void) => void steps.push(step),
    sendReply: (text: string) => void sent.push(text),
  };
  const beats = new Beats({ ...heartbeat, bytes: Buffer.from(heartbeat.message) }, { endpoint, sending });
  beats.answer();
  expect(steps).toHaveLength(0);
  expect(beats.takes({ type: "message", text: true, data: heartbeat.message })).toBe(true);
  beats.answer();
  beats.answer();
  expect(steps).toHaveLength(1);
  endpoint.stalled = true;
  steps.shift()!();
  expect(sent).toEqual([]);
  beats.answer();
  expect(steps).toHaveLength(0);
  endpoint.stalled = false;
  beats.answer();
  steps.shift()!();
  beats.answer();
  expect([sent, steps.length]).toEqual([["tock"], 0]);
});
