import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, createServer, type ListenOptions, Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect as connectTls, TLSSocket } from "node:tls";
import { afterEach, describe, expect, test } from "vitest";
import {
  canWriteDirectly,
  type DirectWriter,
  directWriteError,
  waitingBelow,
  waitingIn,
  writeDirectly,
} from "../../../src/transport/streams/direct-writes.ts";
import { makeCertificates } from "../../support/certificates.ts";
import { connectionPair, until } from "../../support/connection-pair.ts";
import { nextTurn } from "../../support/held-duplex.ts";

const opened: Socket[] = [];

afterEach(() => {
  for (const socket of opened.splice(0)) socket.destroy();
});

/** An accepted socket and the other end of it, which reads nothing yet. */
async function accepted(where: ListenOptions = { host: "127.0.0.1", port: 0 }) {
  const server = createServer({ allowHalfOpen: true }).listen(where);
  await once(server, "listening");
  const address = server.address();
  const far = typeof address === "string" ? connect(address) : connect(address!.port, "127.0.0.1");
  const [near] = (await once(server, "connection")) as [Socket];
  server.close();
  opened.push(near, far);
  far.pause();
  return { near, far };
}

/** Hears no write complete. */
const unheard: DirectWriter = { writeCompleted: () => expect.unreachable() };

/** Hears the status of one write that waited. */
class Heard implements DirectWriter {
  readonly status: Promise<number>;
  writeCompleted!: (status: number) => void;

  constructor() {
    this.status = new Promise((resolve) => {
      this.writeCompleted = resolve;
    });
  }
}

/** Writes until the system takes no more; the bytes written. */
function fill(socket: Socket, writer: DirectWriter = new Heard()): Buffer {
  const written: Buffer[] = [];
  for (let outcome = "left"; outcome === "left"; ) {
    const bytes = Buffer.alloc(100_000, 0x61 + (written.length % 26));
    outcome = writeDirectly(socket, bytes, writer);
    expect(outcome).not.toBe("refused");
    written.push(bytes);
  }
  expect(waitingIn(socket)).toBeGreaterThan(0);
  return Buffer.concat(written);
}

async function readAll(socket: Socket, length: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let read = 0;
  socket.on("data", (chunk: Buffer) => {
    chunks.push(chunk);
    read += chunk.length;
  });
  socket.resume();
  await until(() => read >= length);
  return Buffer.concat(chunks);
}

describe("a direct write", () => {
  test("leaves at once, in order with what the stream writes, and counts as the socket's", async () => {
    const { near, far } = await accepted();
    expect(canWriteDirectly(near)).toBe(true);
    expect(writeDirectly(near, Buffer.from("one "), unheard)).toBe("left");
    near.write("two ");
    await until(() => near.writableLength === 0);
    expect(writeDirectly(near, new Uint8Array(Buffer.from("three")), unheard)).toBe("left");
    expect(near.bytesWritten).toBe(13);
    near.end(" four");
    expect(String(await readAll(far, 18))).toBe("one two three four");
  });

  test("of several pieces leaves whole and in order, what waits of them too", async () => {
    const { near, far } = await accepted();
    const pieces = Array.from({ length: 3000 }, (_, index) => Buffer.alloc(5000, index));
    expect(writeDirectly(near, pieces.slice(0, 2), unheard)).toBe("left");
    const heard = new Heard();
    expect(writeDirectly(near, pieces.slice(2), heard)).toBe("waits");
    const read = await readAll(far, 15_000_000);
    expect(read.equals(Buffer.concat(pieces))).toBe(true);
    expect(await heard.status).toBe(0);
    expect([near.bytesWritten, waitingIn(near)]).toEqual([15_000_000, 0]);
  });

  // The system takes so many pieces in two calls: nothing waits, but a request is used up, and ends the process if used again.
  test("that the system takes in two parts, on one socket after the other", async () => {
    const pieces = Array.from({ length: 1500 }, (_, index) => Buffer.alloc(20, index));
    const ends = [await accepted(), await accepted()];
    for (const { near } of ends) expect(writeDirectly(near, pieces, unheard)).toBe("left");
    const written = ends.map(({ near }) => fill(near));
    for (const [index, { far }] of ends.entries()) {
      const all = Buffer.concat([...pieces, written[index]!]);
      expect((await readAll(far, all.length)).equals(all)).toBe(true);
    }
  });

  test("over a Unix socket as well", async () => {
    const folder = mkdtempSync(join(tmpdir(), "direct-writes-"));
    const { near, far } = await accepted({ path: join(folder, "socket") });
    expect(canWriteDirectly(near)).toBe(true);
    expect(writeDirectly(near, Buffer.from("unix"), unheard)).toBe("left");
    expect(String(await readAll(far, 4))).toBe("unix");
    rmSync(folder, { recursive: true });
  });

  test("of which the socket takes a part waits; its writer hears of it, and nothing is lost or out of order", async () => {
    const { near, far } = await accepted();
    const heard = new Heard();
    const written = fill(near, heard);
    // The stream's own end stands in line behind it.
    near.write("and this");
    near.end();
    const all = Buffer.concat([written, Buffer.from("and this")]);
    const read = await readAll(far, all.length);
    expect(read.equals(all)).toBe(true);
    expect(await heard.status).toBe(0);
    expect(waitingIn(near)).toBe(0);
  });

  test("that waits ends with the socket, as canceled", async () => {
    const { near } = await accepted();
    const heard = new Heard();
    fill(near, heard);
    near.destroy();
    await once(near, "close");
    expect(waitingIn(near)).toBeUndefined();
    expect(writeDirectly(near, Buffer.from("late"), unheard)).toBe("refused");
    expect(directWriteError(await heard.status)).toMatchObject({ code: "ECANCELED", syscall: "write" });
  });

  test("that waits for a peer that resets fails", async () => {
    const { near, far } = await accepted();
    const heard = new Heard();
    fill(near, heard);
    // What is read or what is written notices first; then the rest is canceled.
    near.on("error", () => {});
    far.resetAndDestroy();
    expect(directWriteError(await heard.status)).toMatchObject({
      code: expect.stringMatching(/^(ECONNRESET|EPIPE|ECANCELED)$/),
      message: expect.stringMatching(/^write E/),
    });
  });

  test("that fails at once is the stream's to report", async () => {
    const { near, far } = await accepted();
    near.pause();
    far.resetAndDestroy();
    await once(far, "close");
    await until(() => writeDirectly(near, Buffer.from("x"), new Heard()) === "refused");
    const failed = once(near, "error");
    near.write("x");
    expect((await failed)[0]).toMatchObject({ syscall: "write" });
  });

  test("that fails behind one that waits uses its request up, and others' writes go on", async () => {
    const [ended, other] = [await accepted(), await accepted()];
    expect(writeDirectly(other.near, Buffer.from("x"), unheard)).toBe("left");
    fill(ended.near);
    ended.near.end();
    await nextTurn();
    // Where handles make requests of their own, newer ones take it; others say EPIPE after the request was used.
    writeDirectly(ended.near, Buffer.from("late"), new Heard());
    const written = fill(other.near);
    expect(String(await readAll(other.far, 1 + written.length)) === `x${written}`).toBe(true);
  });

  test("is not for sockets whose stream does more than write", async () => {
    const { near } = await accepted();
    expect(canWriteDirectly(new TLSSocket(near))).toBe(false);
    class Counting extends Socket {}
    expect(canWriteDirectly(new Counting())).toBe(false);
    expect(canWriteDirectly(new Socket())).toBe(false);
  });
});

describe("what waits below a socket", () => {
  test.each([0, 1, 2])("falls as bytes of one write leave, below %i layers of TLS", async (layers) => {
    const certificates = makeCertificates();
    let { near, far }: { near: Socket; far: Socket } = await accepted();
    for (let layer = 0; layer < layers; layer++) {
      const server = new TLSSocket(far, { ...certificates.server, isServer: true }).resume();
      const client = connectTls({ socket: near, ca: certificates.ca, servername: "localhost" });
      await once(client, "secureConnect");
      for (const end of [client, server]) opened.push(end.on("error", () => {}));
      [near, far] = [client, server];
    }
    certificates.remove();
    far.pause();
    const size = 30_000_000;
    near.write(Buffer.alloc(size));
    let read = 0;
    far.on("data", (chunk: Buffer) => {
      read += chunk.length;
    });
    await until(() => waitingBelow(near) >= size / 2);
    const before = waitingBelow(near);
    far.resume();
    await until(() => waitingBelow(near) < before);
    expect(read).toBeLessThan(size);
  });
});

describe.each(["client", "server"] as const)("a %s that writes directly", (role) => {
  test("D04: counts what waits, goes on when the peer reads, and loses nothing", async () => {
    const drained: number[] = [];
    const { peer, connection } = await connectionPair(role, {
      handlers: { drain: ({ bufferedAmount }) => void drained.push(bufferedAmount) },
    });
    peer.socket.pause();
    let count = 0;
    while (connection.send(Buffer.alloc(60_000, count))) {
      count++;
      await nextTurn();
    }
    count++;
    expect(connection.bufferedAmount).toBeGreaterThanOrEqual(1024 * 1024);
    peer.socket.resume();
    const frames = await peer.nextFrames(count);
    expect(frames.every(({ payload }, index) => payload.length === 60_000 && payload[0] === index % 256)).toBe(true);
    await until(() => connection.bufferedAmount === 0);
    expect(drained).toHaveLength(1);
    connection.send("more");
    expect((await peer.nextFrame())?.payload.toString()).toBe("more");
  });

  test("sends what one turn gathered in order, also where long messages are not copied", async () => {
    const { peer, connection } = await connectionPair(role);
    const messages = ["short", "long".repeat(50_000), "short again"];
    for (const message of messages) connection.send(Buffer.from(message));
    const frames = await peer.nextFrames(3);
    expect(frames.map(({ payload }) => payload.toString())).toEqual(messages);
    await until(() => connection.bufferedAmount === 0);
  });
});
