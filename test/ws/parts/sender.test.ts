import { Duplex } from "node:stream";
import { setImmediate as nextTurn } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import type { FrameList, FrameOptions } from "../../../src/ws/parts/sender.ts";
import { both, type Exports, ours } from "../implementations.ts";

/** A stream that notes what is written to it: strings as they are, bytes in hex. */
class Written extends Duplex {
  readonly pieces: string[] = [];

  constructor() {
    super({ decodeStrings: false });
  }

  override _read(): void {}

  override _write(piece: Buffer | string, _encoding: string, callback: () => void): void {
    this.pieces.push(show(piece));
    callback();
  }
}

function show(piece: Buffer | string): string {
  return typeof piece === "string" ? `"${piece}"` : piece.toString("hex");
}

/** A sender, what it has written, and its permessage-deflate, agreed on with these parameters. */
function senderOf({ Sender, PerMessageDeflate }: Exports, params: object = {}, threshold = 0) {
  const deflate = new PerMessageDeflate({ threshold });
  deflate.accept([params]);
  const socket = new Written();
  const sender = new Sender(socket, { "permessage-deflate": deflate });
  return { sender, socket, deflate };
}

/** Sends one thing and waits until it is written. */
async function sent(send: (callback: (error?: Error | null) => void) => void): Promise<void> {
  await new Promise<void>((resolve, reject) => send((error) => (error ? reject(error) : resolve())));
}

const noTakeover = { client_no_context_takeover: [true] };

const frames: readonly (readonly [
  title: string,
  data: Buffer | string,
  options: FrameOptions,
  list: readonly string[],
])[] = [
  ["a text", "€", { opcode: 1, fin: true }, ["8103", "e282ac"]],
  ["no bytes", "", { opcode: 1, fin: true, rsv1: true }, ["c100"]],
  ["a fragment", Buffer.from("a"), { opcode: 0 }, ["0001", "61"]],
  ["126 bytes", Buffer.alloc(126), { opcode: 2, fin: true }, ["827e007e", "00".repeat(126)]],
  ["65,536 bytes", Buffer.alloc(65_536), { opcode: 2, fin: true }, ["827f0000000000010000", "00".repeat(65_536)]],
  [
    "masked bytes",
    Buffer.from("abc"),
    { opcode: 2, fin: true, mask: true, generateMask: () => {}, maskBuffer: Buffer.of(1, 2, 3, 4) },
    ["828301020304", "606060"],
  ],
  [
    "masked bytes that must not change",
    Buffer.from("abc"),
    { opcode: 2, fin: true, mask: true, readOnly: true, generateMask: (mask) => mask.set([1, 2, 3, 4]) },
    ["828301020304606060"],
  ],
  [
    "bytes masked with zeros",
    Buffer.from("abc"),
    { opcode: 2, fin: true, mask: true, readOnly: true, generateMask: (mask) => mask.fill(0) },
    ["828300000000", "616263"],
  ],
  [
    "no bytes, masked",
    Buffer.alloc(0),
    { opcode: 2, fin: true, mask: true, generateMask: (mask) => mask.fill(9) },
    ["828009090909"],
  ],
];

describe.each(both)("a sender of %s", (_name, exports) => {
  const { Sender } = exports;

  test.each(frames)("makes a frame of %s", (_title, data, options, list) => {
    const own = typeof data === "string" ? data : Buffer.from(data); // It may be masked where it lies.
    expect(Sender.frame(own, options).map(show)).toEqual(list);
  });

  test("masks with a fresh key each time, and leaves bytes alone that are read-only", () => {
    const data = Buffer.from("the payload");
    const options = { opcode: 2, fin: true, mask: true, readOnly: true };
    const keys = Array.from({ length: 20 }, () => show((Sender.frame(data, options) as [Buffer])[0].subarray(2, 6)));
    expect(new Set(keys).size).toBe(20);
    expect(`${data}`).toBe("the payload");
  });

  test("writes what it is given, in order, and calls back", async () => {
    const { sender, socket } = senderOf(exports);
    const done: string[] = [];
    const note = (name: string) => () => done.push(name);
    sender.send("hi", { fin: true }, note("text"));
    sender.send(Uint8Array.of(1, 2), { fin: true, binary: true }, note("bytes"));
    sender.send(Uint8Array.of(3).buffer, { fin: true, binary: true });
    sender.send(new DataView(Uint8Array.of(4).buffer), { fin: true, binary: true });
    sender.send([5], { fin: true, binary: true });
    sender.send("a", { fin: false });
    sender.ping("p", false);
    sender.send("b", { fin: true });
    sender.pong(Uint8Array.of(6), false);
    await sent((callback) => sender.close(1000, "bye", false, callback));
    expect(socket.pieces.join(" ")).toBe(
      '8102 "hi" 8202 0102 8201 03 8201 04 8201 05 0101 "a" 8901 "p" 8001 "b" 8a01 06 8805 03e8627965',
    );
    expect(done).toEqual(["text", "bytes"]);
  });

  test("has what is sent wait behind what is being compressed", async () => {
    const { sender, socket } = senderOf(exports);
    sender.send("foo", { compress: true, fin: true });
    sender.ping("hi", false);
    expect(sender._bufferedBytes).toBe(5);
    await sent((callback) => sender.close(undefined, undefined, false, callback));
    expect(socket.pieces).toEqual(["c105", "4acbcf0700", "8902", '"hi"', "8800"]);
    expect(sender._bufferedBytes).toBe(0);
  });

  test("compresses all fragments of a message, or none, as the first decides", async () => {
    for (const [first, second, firstBytes] of [
      ["123", "12", ["41", "80"]],
      ["12", "123", ["01", "80"]],
    ] as const) {
      const { sender, socket } = senderOf(exports, { ...noTakeover }, 3);
      sender.send(first, { compress: true, fin: false });
      await sent((callback) => sender.send(second, { compress: true, fin: true }, callback));
      expect([0, 2].map((index) => socket.pieces[index]!.slice(0, 2))).toEqual(firstBytes);
    }
  });

  test("compresses short messages too where the window goes on", async () => {
    const { sender, socket } = senderOf(exports, {}, 1024);
    await sent((callback) => sender.send("hi", { compress: true, fin: true }, callback));
    expect(socket.pieces[0]).toBe("c104");
  });

  test("compresses no bytes, first or last", async () => {
    const { sender, socket } = senderOf(exports, { ...noTakeover });
    sender.send(Buffer.alloc(0), { compress: true, fin: false });
    sender.send("data", { compress: true, fin: true });
    sender.send("data", { compress: true, fin: false });
    await sent((callback) => sender.send(Buffer.alloc(0), { compress: true, fin: true }, callback));
    const { length } = socket.pieces;
    expect(socket.pieces.filter((_, index) => index % 2 === 0)).toEqual(["4105", "8006", "410a", "8001"]);
    expect(length).toBe(8);
  });

  test("reads Blobs, in order", async () => {
    const { sender, socket } = senderOf(exports);
    sender.ping(new Blob(["hi"]), false);
    sender.send(new Blob(["there"]), { fin: true, binary: true });
    await sent((callback) => sender.send("end", { fin: true }, callback));
    expect(socket.pieces).toEqual(["8902", "6869", "8205", "7468657265", "8103", '"end"']);
  });

  test("fills its masking keys as it is told", async () => {
    const socket = new Written();
    const sender = new Sender(socket, {}, (mask) => mask.set([1, 2, 3, 4]));
    await sent((callback) => sender.send("abc", { fin: true, mask: true }, callback));
    expect(socket.pieces.join("")).toBe("818301020304606060");
  });

  test("writes frames that were made before", async () => {
    const { sender, socket } = senderOf(exports);
    await sent((callback) => sender.sendFrame(Sender.frame(Buffer.from("abc"), { opcode: 1, fin: true }), callback));
    await sent((callback) => sender.sendFrame(Sender.frame(Buffer.alloc(0), { opcode: 1, fin: true }), callback));
    expect(socket.pieces).toEqual(["8103", "616263", "8100"]);
  });

  test.each([
    [
      "a code of another type",
      (sender: InstanceType<typeof Sender>) => sender.close("1000" as never),
      "TypeError: First argument must be a valid error code number",
    ],
    [
      "a code that must not be sent",
      (sender: InstanceType<typeof Sender>) => sender.close(1004),
      "TypeError: First argument must be a valid error code number",
    ],
    [
      "a reason of 124 bytes",
      (sender: InstanceType<typeof Sender>) => sender.close(1000, "é".repeat(62)),
      "RangeError: The message must not be greater than 123 bytes",
    ],
    [
      "a reason of another type",
      (sender: InstanceType<typeof Sender>) => sender.close(1000, [1] as never),
      /^TypeError/,
    ],
    [
      "a ping of 126 bytes",
      (sender: InstanceType<typeof Sender>) => sender.ping("é".repeat(63)),
      "RangeError: The data size must not be greater than 125 bytes",
    ],
    [
      "a pong of 126 bytes",
      (sender: InstanceType<typeof Sender>) => sender.pong(Buffer.alloc(126)),
      "RangeError: The data size must not be greater than 125 bytes",
    ],
    ["what is no data", (sender: InstanceType<typeof Sender>) => sender.send(undefined, { fin: true }), /^TypeError/],
  ])("throws for %s, and writes nothing", (_title, call, message) => {
    const { sender, socket } = senderOf(exports);
    let thrown = "";
    try {
      call(sender);
    } catch (error) {
      thrown = String(error);
    }
    expect(thrown).toEqual(typeof message === "string" ? message : expect.stringMatching(message));
    expect(socket.pieces).toEqual([]);
  });

  test.each([
    [
      "compressed",
      (sender: InstanceType<typeof Sender>, note: (error?: Error | null) => void) =>
        sender.send("a", { compress: true, fin: true }, note),
      "The socket was closed while data was being compressed",
    ],
    [
      "read",
      (sender: InstanceType<typeof Sender>, note: (error?: Error | null) => void) =>
        sender.send(new Blob(["a"]), { fin: true }, note),
      "The socket was closed while the blob was being read",
    ],
  ])("gives up what waits when the socket is gone while data is being %s", async (_what, send, message) => {
    const { sender, socket } = senderOf(exports);
    const notes: string[] = [];
    const note = (name: string) => (error?: Error | null) => notes.push(`${name}: ${error?.message}`);
    send(sender, note("first"));
    await new Promise<void>((resolve) => {
      sender.ping("b", false, note("second"));
      sender.send("c", { fin: true }, () => resolve());
      socket.destroy();
    });
    expect(notes).toEqual([`first: ${message}`, `second: ${message}`]);
    expect(socket.pieces).toEqual([]);
  });

  test("tells its owner of a Blob that cannot be read", async () => {
    const { sender } = senderOf(exports);
    const blob = new Blob(["a"]);
    blob.arrayBuffer = () => Promise.reject(new Error("Gone"));
    const told = new Promise<Error>((resolve) => {
      sender.onerror = resolve;
    });
    const called = new Promise<unknown>((resolve) => sender.send(blob, { fin: true }, resolve));
    expect(await called).toEqual(new Error("Gone"));
    expect(await told).toEqual(new Error("Gone"));
  });
});

test("goes on with what is sent after data that could not be compressed", async () => {
  const { sender, socket, deflate } = senderOf(ours);
  const failed = new Promise<unknown>((resolve) => sender.send("a", { compress: true, fin: true }, resolve));
  const told: Error[] = [];
  sender.onerror = (error) => told.push(error);
  deflate.cleanup();
  expect(String(await failed)).toContain("The deflate stream was closed while data was being processed");
  expect(told).toHaveLength(1);
  await sent((callback) => sender.send("b", { fin: true }, callback));
  expect(socket.pieces).toEqual(["8101", '"b"']);
});

test("a callback that sends again is neither forgotten nor called at once without end", async () => {
  const { sender, socket } = senderOf(ours);
  let calls = 0;
  const again = (): void => {
    if (++calls < 1000) sender.send("a", { compress: true, fin: true }, again);
  };
  sender.send("a", { compress: true, fin: true }, again);
  socket.destroy();
  // A compressor of the thread pool takes as long as it takes.
  while (calls < 3) await nextTurn();
});

test("memory that was given is written as it is, and frames of the list share it", () => {
  const data = Buffer.from("abc");
  const [, payload] = ours.Sender.frame(data, { opcode: 2, fin: true }) as FrameList;
  expect(payload).toBe(data);
});

test("masks no memory of the caller, also not that of a SharedArrayBuffer", async () => {
  const { sender, socket } = senderOf(ours);
  const shared = new SharedArrayBuffer(3);
  await sent((callback) => sender.send(shared, { fin: true, binary: true, mask: true }, callback));
  expect([...new Uint8Array(shared)]).toEqual([0, 0, 0]);
  expect(socket.pieces.join("")).toMatch(/^8283(.{8}).{6}$/);
});
