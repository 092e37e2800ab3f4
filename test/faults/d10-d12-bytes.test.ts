/** D10 to D12: bytes that nobody meant to send, keys that somebody can guess, and payloads that change on the way. */
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { afterEach, describe, expect, test, vi } from "vitest";
import type { Connection } from "../../src/connection/connection.ts";
import { connect, PreparedMessage } from "../../src/index.ts";
import type { Role } from "../../src/protocol/frames/frame.ts";
import { createMaskingKey } from "../../src/protocol/frames/mask.ts";
import { connectionPair, until } from "../support/connection-pair.ts";
import { closeFrame, openRaw, RawPeer } from "../support/raw-peer.ts";
import { acceptance, rawServer } from "../support/raw-server.ts";
import { afterwards, oldServing } from "../support/serving.ts";
import { frameFrom } from "../support/wire.ts";

afterEach(() => void vi.restoreAllMocks());

const roles: readonly Role[] = ["server", "client"];
const poison = 0x53;

/** From now on memory that nobody has written holds what another connection's secret would be. */
function poisonMemory(): void {
  vi.spyOn(Buffer, "allocUnsafe").mockImplementation((length) => Buffer.alloc(length, poison));
  vi.spyOn(Buffer, "allocUnsafeSlow").mockImplementation((length) => Buffer.alloc(length, poison));
}

/** A value of each kind, and its bytes if it has any; undefined for what has to be refused. */
const values: [string, unknown, Uint8Array | undefined][] = [
  ["a number", 20, undefined],
  ["zero", 0, undefined],
  ["true", true, undefined],
  ["null", null, undefined],
  ["undefined", undefined, undefined],
  ["a symbol", Symbol("s"), undefined],
  ["a bigint", 20n, undefined],
  ["a function", () => "x", undefined],
  ["an object", {}, undefined],
  ["an object with a length", { length: 20 }, undefined],
  ["an object with a byteLength", { byteLength: 20, byteOffset: 0, buffer: new ArrayBuffer(20) }, undefined],
  ["an array", [1, 2, 3], undefined],
  ["a String", Object("text"), undefined],
  ["a Date", new Date(0), undefined],
  ["a Map", new Map(), undefined],
  ["what inherits from a Uint8Array", Object.create(Uint8Array.prototype), undefined],
  ["text", "text", Buffer.from("text")],
  ["empty text", "", Buffer.alloc(0)],
  ["a lone surrogate", "\ud800", Buffer.from("\ufffd")],
  ["a Buffer", Buffer.from([1, 2, 3]), Buffer.from([1, 2, 3])],
  ["a Uint8Array", Uint8Array.of(1, 2, 3), Buffer.from([1, 2, 3])],
  ["a Float32Array", new Float32Array(20), Buffer.alloc(80)],
  ["a Uint16Array", Uint16Array.of(1, 2), Buffer.from([1, 0, 2, 0])],
  ["a DataView", new DataView(new ArrayBuffer(9), 2, 3), Buffer.alloc(3)],
  ["an ArrayBuffer", new ArrayBuffer(5), Buffer.alloc(5)],
  ["a Blob", new Blob(["blob"]), Buffer.from("blob")],
];

const isText = (value: unknown) => typeof value === "string";
const isView = (value: unknown) => ArrayBuffer.isView(value) || value instanceof ArrayBuffer;
const isBytes = (value: unknown) => ArrayBuffer.isView(value) && value instanceof Uint8Array;
const isBlob = (value: unknown) => value instanceof Blob;

/** Each way of an application to put a value on the wire, and the values that it takes. */
const ways: [string, (connection: Connection, value: never) => unknown, (value: unknown) => boolean][] = [
  ["send", (connection, value) => connection.send(value), (value) => isText(value) || isView(value) || isBlob(value)],
  [
    "send of a PreparedMessage",
    (connection, value) => connection.send(new PreparedMessage(value)),
    (value) => isText(value) || isBytes(value),
  ],
  [
    "sendFragments",
    (connection, value) => connection.sendFragments([value], { text: false }),
    (value) => isText(value) || isView(value),
  ],
  ["ping", (connection, value) => connection.ping(value), (value) => isBytes(value) || value === undefined],
  ["pong", (connection, value) => connection.pong(value), (value) => isBytes(value) || value === undefined],
  ["close with a code", (connection, value) => connection.close(value), (value) => value === undefined],
  [
    "close with a reason",
    (connection, value) => connection.close(1000, value),
    (value) => isText(value) || value === undefined,
  ],
];

/** Whether the call threw, or its promise rejected within the turn. */
async function isRefused(act: () => unknown): Promise<boolean> {
  try {
    await Promise.race([act(), new Promise((resolve) => setImmediate(resolve))]);
    return false;
  } catch {
    return true;
  }
}

describe.each(roles)("D10 values of every kind: as %s", (role) => {
  describe.each(ways)("D10 %s", (way, act, takes) => {
    test.each(values)("D10: %s is sent as its bytes or refused, and nothing else with it", async (_, value, bytes) => {
      poisonMemory();
      const { connection, peer } = await connectionPair(role, { handlers: { error: () => {} } });
      expect(await isRefused(() => act(connection, value as never))).toBe(!takes(value));
      connection.send("mark");
      connection.close();
      const payloads: Buffer[] = [];
      for (let frame = await peer.nextFrame(); frame; frame = await peer.nextFrame()) {
        expect(frame.payload.includes(Buffer.alloc(2, poison))).toBe(false);
        if (frame.opcode === 8) {
          const reason = frame.payload.subarray(2);
          if (way === "close with a reason") expect(reason).toEqual(takes(value) ? (bytes ?? Buffer.alloc(0)) : reason);
          break;
        }
        payloads.push(frame.payload);
      }
      // A Close comes before the mark, and a message that failed ends the connection.
      const marked = payloads.at(-1)?.toString() === "mark";
      expect(marked).toBe(takes(value) ? !way.startsWith("close") : way !== "sendFragments");
      const wire = Buffer.concat(marked ? payloads.slice(0, -1) : payloads);
      const own = value === undefined && way === "ping" ? wire : undefined;
      expect(wire).toEqual(own ?? (takes(value) && !way.startsWith("close") ? bytes : undefined) ?? Buffer.alloc(0));
      connection.terminate();
    });
  });
});

test("D10 control: ws 8.17.0 sends memory that nobody wrote as the reason of a Close", async () => {
  const { port } = await oldServing((socket) => {
    poisonMemory();
    socket.close(1000, new Float32Array(20) as never);
  });
  const peer = await openRaw(port);
  const frame = await peer.nextFrame();
  expect(frame?.opcode).toBe(8);
  expect(frame?.payload.subarray(2).filter((byte) => byte === poison)).toHaveLength(60);
  peer.socket.destroy();
});

/** What is wrong with a run of keys, if anything: more repetitions than chance gives, a bit or a step that is not even. */
function weakness(keys: Int32Array): string | undefined {
  const sorted = keys.slice().sort();
  let repeated = 0;
  for (let i = 1; i < sorted.length; i++) if (sorted[i] === sorted[i - 1]) repeated++;
  const pairs = (keys.length * (keys.length - 1)) / 2 / 2 ** 32;
  if (repeated > pairs + 6 * Math.sqrt(pairs) + 6) return `${repeated} repeated`;
  // Six standard deviations of a fair coin: once in a billion runs for one of these bits.
  const far = 3 * Math.sqrt(keys.length);
  for (let bit = 0; bit < 32; bit++) {
    let set = 0;
    let same = 0;
    for (let i = 0; i < keys.length; i++) {
      set += (keys[i]! >>> bit) & 1;
      if (i > 0) same += (~(keys[i]! ^ keys[i - 1]!) >>> bit) & 1;
    }
    if (Math.abs(set - keys.length / 2) > far) return `bit ${bit} is set ${set} times`;
    if (Math.abs(same - keys.length / 2) > far) return `bit ${bit} is as before ${same} times`;
  }
  return undefined;
}

describe("D11 masking keys", () => {
  const count = 1_000_000;

  test("D11: a million keys of the client repeat no more than chance, and no bit tells the next", () => {
    expect(weakness(Int32Array.from({ length: count }, createMaskingKey))).toBeUndefined();
  });

  test("D11: they do not come from Math.random, and no frame has that of the one before", async () => {
    const random = vi.spyOn(Math, "random");
    const keys = new Set<string>();
    const server = await rawServer((request, socket) => {
      socket.write(acceptance(request));
      const peer = new RawPeer(socket, "server");
      void (async () => {
        for (let frame = await peer.nextFrame(); frame?.key; frame = await peer.nextFrame()) {
          keys.add(frame.key.join());
        }
      })();
      return undefined;
    });
    afterwards(() => server.close());
    const connection = await connect(`ws://127.0.0.1:${server.port}/`, { compression: false });
    random.mockClear();
    for (let sent = 0; sent < 1000; sent++) connection.send("the same text");
    await until(() => keys.size >= 1000);
    expect(random).not.toHaveBeenCalled();
    connection.terminate();
  });

  const weak: [string, (index: number) => number][] = [
    ["one key for all", () => 0x12345678],
    ["a counter", (index) => index],
    [
      "a 16-bit source",
      (index) =>
        createHash("sha1")
          .update(String(index % 65_536))
          .digest()
          .readInt32BE(0),
    ],
    ["a linear generator", (index) => Math.imul(index, 1_664_525) + 1_013_904_223],
  ];
  test.each(weak)("D11 control: %s is found out", (_, key) => {
    expect(weakness(Int32Array.from({ length: 200_000 }, (_unused, index) => key(index)))).toBeDefined();
  });
});

describe.each(roles)("D12 a payload that changes once it was sent: as %s", (role) => {
  const sizes = [1, 125, 126, 1000, 60_000, 65_536, 300_000];

  /** What arrives of bytes that are overwritten right after the call. */
  async function arriving(
    size: number,
    send: (connection: Connection, bytes: Uint8Array<ArrayBuffer>) => unknown,
  ): Promise<Buffer> {
    const { connection, peer } = await connectionPair(role);
    const bytes = new Uint8Array(size).fill(1);
    send(connection, bytes);
    bytes.fill(2);
    const frame = await peer.nextFrame();
    connection.terminate();
    return frame!.payload;
  }

  test.each(sizes)("D12: %i bytes arrive as they were", async (size) => {
    const before = Buffer.alloc(size, 1);
    const sends: ((connection: Connection, bytes: Uint8Array<ArrayBuffer>) => unknown)[] = [
      (connection, bytes) => connection.send(bytes),
      (connection, bytes) => connection.send(bytes, { copy: true }),
      (connection, bytes) => connection.send(bytes.buffer),
      (connection, bytes) => connection.send(new PreparedMessage(bytes)),
    ];
    if (size <= 125)
      sends.push(
        (connection, bytes) => connection.ping(bytes),
        (connection, bytes) => connection.pong(bytes),
      );
    for (const send of sends) expect((await arriving(size, send)).equals(before)).toBe(true);
  });

  test("D12: what was delivered stays as it was while more is read", async () => {
    const kept: Uint8Array[] = [];
    const message = (_: unknown, data: string | Uint8Array) => void kept.push(data as Uint8Array);
    const { connection, peer } = await connectionPair(role, { handlers: { message } });
    for (let index = 0; index < 200; index++) {
      peer.socket.write(frameFrom(peer.role, { opcode: 2, payload: new Uint8Array(500).fill(index) }));
      await new Promise((resolve) => setImmediate(resolve));
    }
    peer.send(closeFrame(1000));
    await until(() => kept.length === 200);
    for (const [index, data] of kept.entries()) expect(data.every((byte) => byte === (index & 255))).toBe(true);
    connection.terminate();
  });

  if (role === "server") {
    test("D12 control: in a handler, more than 64 KiB that are not copied arrive as they were changed to", async () => {
      const message = (connection: Connection) => {
        const bytes = new Uint8Array(300_000).fill(1);
        connection.send(bytes);
        bytes.fill(2);
      };
      const { connection, peer } = await connectionPair(role, { handlers: { message } });
      peer.text("go");
      expect((await peer.nextFrame())?.payload.includes(2)).toBe(true);
      connection.terminate();
    });
  }
});
