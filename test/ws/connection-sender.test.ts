/** What leaves by the calls of `send`, frame by frame: fragments, compressed or not, Blobs and callbacks; `ws` is the control. */

import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { once } from "node:events";
import type { AddressInfo, Socket } from "node:net";
import { createServer } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import type { ClientOptions, Sender, WebSocket } from "../../src/ws/index.ts";
import { until } from "../support/connection-pair.ts";
import { type ReadFrame, readFrames } from "../support/wire.ts";
import { both, type Exports, ours } from "./implementations.ts";
import { dial, openPair, socketOf } from "./pairs.ts";

const ends: (() => void)[] = [];
afterEach(() => {
  for (const end of ends.splice(0)) end();
});

/** A client whose frames a bare server gathers. */
async function openToBareServer(exports: Exports, extensions: string, options: ClientOptions = {}) {
  let bytes = Buffer.alloc(0);
  const listener = createServer((socket: Socket) => {
    ends.push(() => socket.destroy());
    socket.on("error", () => {});
    socket.once("data", (head) => {
      const key = /sec-websocket-key: (.*)\r/i.exec(String(head))![1]!;
      const accept = createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
      const lines = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade"];
      const agreed = extensions ? `Sec-WebSocket-Extensions: ${extensions}\r\n` : "";
      socket.write(`${lines.join("\r\n")}\r\nSec-WebSocket-Accept: ${accept}\r\n${agreed}\r\n`);
      socket.on("data", (chunk) => {
        bytes = Buffer.concat([bytes, chunk]);
      });
    });
  });
  ends.push(() => listener.close());
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  const client = dial(exports, `ws://127.0.0.1:${(listener.address() as AddressInfo).port}`, options);
  await once(client, "open");
  const frames = async (count: number): Promise<readonly ReadFrame[]> => {
    let seen: readonly ReadFrame[] = [];
    await until(() => {
      seen = wholeFrames(bytes);
      return seen.length >= count;
    });
    return seen;
  };
  return { client, frames };
}

/** The frames, once the last of them is whole. */
function wholeFrames(bytes: Buffer): readonly ReadFrame[] {
  try {
    return readFrames(bytes);
  } catch {
    return [];
  }
}

function shapes(frames: readonly ReadFrame[]): unknown[] {
  return frames.map(({ opcode, rsv, fin }) => [opcode, rsv, fin]);
}

async function nextMessage(socket: WebSocket): Promise<[string, boolean]> {
  const [data, isBinary] = (await once(socket, "message")) as [Buffer, boolean];
  return [data.toString(), isBinary];
}

describe.each(both)("the messages that %s sends", (_, exports) => {
  test.each(["", "client_no_context_takeover", "server_no_context_takeover"])(
    "are compressed as a whole when they leave in fragments: %s [R7692-6.1-1]",
    async (parameter) => {
      const perMessageDeflate = { threshold: 0, ...(parameter && { [camel(parameter)]: true }) };
      const { client, server } = await openPair(exports, { perMessageDeflate }, { perMessageDeflate });
      for (const [self, peer] of [
        [client, server],
        [server, client],
      ] as const) {
        for (const text of ["zwölf Boxkämpfer ", "x".repeat(50_000), ""]) {
          const received = nextMessage(peer);
          // A program that waits for each fragment to leave goes on all the same.
          await new Promise<unknown>((resolve) => self.send(text, { fin: false }, resolve));
          self.ping();
          self.send(Buffer.from("jagen "), { fin: false });
          self.send(new Blob(["Viktor"]), { fin: false });
          self.send(text, { fin: true });
          expect(await received).toEqual([`${text}jagen Viktor${text}`, false]);
          const whole = nextMessage(peer);
          self.send(`${text}again`);
          expect(await whole).toEqual([`${text}again`, false]);
        }
      }
    },
  );

  test("have RSV1 on their first fragment alone", async () => {
    const { client, frames } = await openToBareServer(exports, "permessage-deflate");
    client.send("a", { fin: false });
    client.send("b", { fin: false });
    client.send("c");
    client.send("plain", { fin: false, compress: false });
    client.send("plain", { compress: true });
    expect(shapes(await frames(5))).toEqual([
      [1, 4, false],
      [0, 0, false],
      [0, 0, true],
      [1, 0, false],
      [0, 0, true],
    ]);
  });

  test("are left alone while they are short, also where compression is asked for", async () => {
    const parameters = "permessage-deflate; client_no_context_takeover";
    const { client, frames } = await openToBareServer(exports, parameters);
    client.send("short", { compress: true });
    client.send("short", { compress: true, fin: false });
    client.send("x".repeat(5000));
    client.send("x".repeat(5000));
    expect(shapes(await frames(4))).toEqual([
      [1, 0, true],
      [1, 0, false],
      [0, 0, true],
      [1, 4, true],
    ]);
  });

  test("go on behind a Blob that is one of their fragments", async () => {
    const { client, frames } = await openToBareServer(exports, "");
    client.send(new Blob(["a"]), { fin: false });
    client.send("b");
    client.send("c");
    const seen = await frames(3);
    expect(seen.map(({ payload }) => payload.toString())).toEqual(["a", "b", "c"]);
    expect(shapes(seen)).toEqual([
      [2, 0, false],
      [0, 0, true],
      [1, 0, true],
    ]);
  });

  test("have the masking keys that a program makes", async () => {
    const generateMask = (mask: Buffer) => void mask.fill(7);
    const { client, frames } = await openToBareServer(exports, "", { generateMask });
    client.send("text");
    client.send(Buffer.alloc(70_000, 1));
    client.ping("ping");
    client.close();
    const seen = await frames(4);
    expect(seen.map(({ key }) => key)).toEqual(Array(4).fill([7, 7, 7, 7]));
    expect(String(seen[0]?.payload)).toBe("text");
  });

  test("leave with whatever stands in the place of a callback", async () => {
    const { client, server } = await openPair(exports);
    const received: string[] = [];
    server.on("message", (data) => received.push(String(data)));
    client.send("a", null as never);
    client.send("b", {}, null as never);
    client.ping("c", true, null as never);
    client.send("d");
    await until(() => received.length === 3);
    expect(received).toEqual(["a", "b", "d"]);
    client.close();
    client.send("late", null as never);
    client.ping(null, true, null as never);
    await once(client, "close");
  });
});

test("frames that are made already leave as they are, and once for all connections [R6455-5.1-3]", async () => {
  const { client, server } = await openPair(ours);
  const list = (ours.Sender as typeof Sender).frame(Buffer.from("made"), { opcode: 2, fin: true, rsv1: false });
  const received = nextMessage(client);
  const left = new Promise<unknown>((resolve) => senderOf(server).sendFrame(list, resolve));
  expect(await received).toEqual(["made", true]);
  expect(await left).toBeNull();
});

describe.each(both)("frames that a client of %s makes by hand", (_, exports) => {
  const made = (socket: WebSocket, opcode: number, payload: Buffer) =>
    senderOf(socket).constructor.frame(payload, { opcode, fin: true, rsv1: false, mask: true, readOnly: false });

  test.each([{}, { perMessageDeflate: { threshold: 0 } }])("leave behind what was sent: %j", async (options) => {
    const { client, server } = await openPair(exports, options, options);
    const received: string[] = [];
    server.on("message", (data) => received.push(String(data)));
    client.send("first");
    const left = new Promise<unknown>((resolve) => {
      senderOf(client).sendFrame(made(client, 1, Buffer.from("made")), resolve);
    });
    expect((await left) ?? undefined).toBeUndefined();
    client.send("last");
    await until(() => received.length === 3);
    expect(received.sort()).toEqual(["first", "last", "made"]);
    server.send("answer");
    expect(await nextMessage(client)).toEqual(["answer", false]);
  });

  test("may break rules, as proxies have it that pass faults on", async () => {
    const { client, server } = await openPair(exports);
    const failed = once(server, "error") as Promise<[NodeJS.ErrnoException]>;
    senderOf(client).sendFrame(made(client, 8, Buffer.of(0, 0)), () => socketOf(client).end());
    expect((await failed)[0]).toMatchObject({ code: "WS_ERR_INVALID_CLOSE_CODE" });
    client.on("error", () => {});
    client.terminate();
  });
});

test.each(both)(
  "callbacks of %s come in the order of the calls, in a tick of their own, whatever left at once",
  async (_, exports) => {
    const { client, server } = await openPair(exports);
    client.on("message", () => {});
    const list = (exports.Sender as typeof Sender).frame(Buffer.from("made"), {
      opcode: 2,
      fin: true,
      rsv1: false,
      mask: false,
      readOnly: true,
    } as never);
    const told: string[] = [];
    const note = (name: string) => () => void told.push(name);
    senderOf(server).sendFrame(list, note("frame"));
    senderOf(server).sendFrame(list, note("again"));
    server.send("text", note("text"));
    senderOf(server).sendFrame(list, note("behind"));
    expect(told).toEqual([]);
    await until(() => told.length === 4);
    expect(told).toEqual(["frame", "again", "text", "behind"]);
  },
);

function senderOf(socket: WebSocket): {
  constructor: { frame: typeof Sender.frame };
  sendFrame(list: readonly unknown[], callback?: (error?: Error) => void): void;
} {
  return (socket as unknown as { readonly _sender: ReturnType<typeof senderOf> })._sender;
}

function camel(name: string): string {
  return name.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase());
}
