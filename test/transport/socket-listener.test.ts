/** What a connection is told of its socket, and with whose memory. */
import { Buffer } from "node:buffer";
import { once } from "node:events";
import type { Duplex } from "node:stream";
import { afterEach, describe, expect, test } from "vitest";
import { Endpoint } from "../../src/protocol/endpoint.ts";
import { listenForDrain, listenTo, type SocketListener } from "../../src/transport/socket-listener.ts";
import { HeldDuplex, nextTurn } from "../support/held-duplex.ts";
import { socketPair } from "../support/raw-peer.ts";

const ends: Duplex[] = [];

afterEach(() => {
  for (const end of ends.splice(0)) end.destroy();
});

interface Read {
  readonly text: string;
  readonly borrowed: boolean;
  readonly chunk: Buffer;
}

/** A listener that remembers what it was told. */
class Notes implements SocketListener {
  readonly endpoint = new Endpoint({ role: "server" });
  readonly reads: Read[] = [];
  readonly told: unknown[] = [];
  /** What the endpoint is given of each read. */
  keeps = false;

  received(chunk: Buffer, borrowed = false, length = chunk.length): void {
    this.reads.push({ text: chunk.toString("latin1", 0, length), borrowed, chunk });
    if (this.keeps) this.endpoint.receive(chunk, borrowed, length);
  }
  receivedEnd(): void {
    this.told.push("end");
  }
  socketDrained(): void {
    this.told.push("drain");
  }
  socketTimedOut(): void {
    this.told.push("timeout");
  }
  socketFailed(error: Error): void {
    this.told.push(error);
  }
  socketClosed(): void {
    this.told.push("close");
  }
}

async function listened(ownSocket: boolean) {
  const [near, far] = await socketPair();
  ends.push(near, far);
  const notes = new Notes();
  listenTo(near, notes, ownSocket);
  near.resume();
  return { near, far, notes };
}

async function heard(notes: Notes, count: number): Promise<void> {
  while (notes.reads.length < count) await nextTurn();
}

describe("bytes", () => {
  test("of a socket of the connection's own are borrowed, and what the endpoint has not read is copied", async () => {
    const { far, notes } = await listened(true);
    notes.keeps = true;
    // The beginning of a frame, of which the next read overwrites nothing.
    far.write(Buffer.from([0x82]));
    await heard(notes, 1);
    const { borrowed, chunk } = notes.reads[0]!;
    expect(borrowed).toBe(true);
    expect(chunk.length).toBeGreaterThan(1);
    expect(notes.endpoint.unparsedLength).toBe(1);
    chunk.fill(0xff);
    notes.endpoint.receive(Buffer.from([0x80, 0, 0, 0, 0]));
    expect(notes.endpoint.nextEvent()).toMatchObject({ type: "message", text: false });
  });

  test("of a socket that others may listen to are the connection's", async () => {
    const { far, notes } = await listened(false);
    far.write("one");
    await heard(notes, 1);
    expect(notes.reads).toMatchObject([{ text: "one", borrowed: false }]);
  });

  test("of any other stream are copied, since unmasking changes them", async () => {
    const stream = new HeldDuplex();
    ends.push(stream);
    const notes = new Notes();
    listenTo(stream, notes, true);
    const theirs = Buffer.from("theirs");
    stream.push(theirs);
    await heard(notes, 1);
    expect(notes.reads).toMatchObject([{ text: "theirs", borrowed: false }]);
    notes.reads[0]!.chunk.fill(0);
    expect(theirs.toString()).toBe("theirs");
  });
});

test("the end, an error and the close are told in this order", async () => {
  const { near, far, notes } = await listened(true);
  far.end();
  await once(near, "end");
  expect(notes.told).toEqual(["end"]);
  const error = new Error("broken");
  near.destroy(error);
  await new Promise((resolve) => near.once("close", resolve));
  expect(notes.told).toEqual(["end", error, "close"]);
});

test("D05 the drain is told once, and a timeout until then only", async () => {
  const { near, notes } = await listened(true);
  near.emit("timeout");
  near.emit("drain");
  expect(notes.told).toEqual([]);
  listenForDrain(near);
  near.emit("timeout");
  near.emit("drain");
  near.emit("drain");
  near.emit("timeout");
  expect(notes.told).toEqual(["timeout", "drain"]);
});

test("D08 all sockets have the same listeners", async () => {
  const [one, two] = [await listened(false), await listened(false)];
  for (const { near } of [one, two]) listenForDrain(near);
  for (const event of ["data", "end", "error", "close", "drain", "timeout"]) {
    expect(one.near.listeners(event).length).toBeGreaterThan(0);
    expect(one.near.listeners(event)).toEqual(two.near.listeners(event));
  }
});
