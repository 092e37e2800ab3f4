import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { shareReads, unshareReads } from "../../../src/transport/streams/shared-reads.ts";
import { until } from "../../support/connection-pair.ts";
import { HeldDuplex } from "../../support/held-duplex.ts";

const opened: Socket[] = [];

afterEach(() => {
  for (const socket of opened.splice(0)) socket.destroy();
});

/** An accepted socket, the other end of it, and the server that accepted it. */
async function accepted(): Promise<{ near: Socket; far: Socket; server: Server }> {
  const server = createServer({ allowHalfOpen: true }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const far = connect({ port: (server.address() as { port: number }).port, host: "127.0.0.1" });
  const [near] = (await once(server, "connection")) as [Socket];
  opened.push(near, far);
  return { near, far, server };
}

describe("shareReads", () => {
  test("an accepted socket reads into one buffer, and all else works as before", async () => {
    const { near, far, server } = await accepted();
    const chunks: Buffer[] = [];
    const memories = new Set<ArrayBufferLike>();
    near.on("data", () => expect.unreachable("read by itself"));
    const shared = shareReads(near, function (length, buffer) {
      expect(this).toBe(near);
      memories.add(buffer.buffer);
      chunks.push(Buffer.from(buffer.subarray(0, length)));
      return true;
    });
    expect(shared).toBe(true);
    far.write("one");
    await until(() => chunks.length === 1);
    far.write("two");
    await until(() => chunks.length === 2);
    expect(Buffer.concat(chunks).toString()).toBe("onetwo");
    expect(memories.size).toBe(1);
    near.write("answer");
    expect(String((await once(far, "data"))[0])).toBe("answer");
    near.pause();
    far.write("three");
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(chunks).toHaveLength(2);
    near.resume();
    await until(() => chunks.length === 3);
    // The server counts it out when it closes.
    const closed = once(server.close(), "close");
    near.destroy();
    await closed;
  });

  test("a socket that has been read by itself goes on in the shared buffer", async () => {
    const { near, far, server } = await accepted();
    server.close();
    far.write("by itself");
    expect(String((await once(near, "data"))[0])).toBe("by itself");
    const chunks: string[] = [];
    const receive = (length: number, buffer: Buffer): boolean => chunks.push(buffer.toString("latin1", 0, length)) > 0;
    expect(shareReads(near, receive)).toBe(true);
    near.resume();
    far.write("shared");
    await until(() => chunks.length === 1);
    expect(chunks).toEqual(["shared"]);
  });

  test("tells the end of the stream", async () => {
    const { near, far, server } = await accepted();
    server.close();
    expect(shareReads(near, () => true)).toBe(true);
    near.resume();
    far.end();
    await once(near, "end");
    near.end();
    await once(near, "close");
  });

  test("leaves alone what is no plain socket, is gone, or has bytes of its own", async () => {
    expect(shareReads(new HeldDuplex() as unknown as Socket, () => true)).toBe(false);
    const gone = await accepted();
    gone.server.close();
    gone.near.destroy();
    expect(shareReads(gone.near, () => true)).toBe(false);
    const busy = await accepted();
    busy.server.close();
    busy.near.unshift(Buffer.from("unread"));
    expect(shareReads(busy.near, () => true)).toBe(false);
  });
});

describe("unshareReads", () => {
  /** A socket that shares its reads, of which one was made. */
  async function shared(): Promise<{ near: Socket; far: Socket }> {
    const { near, far, server } = await accepted();
    server.close();
    let read = 0;
    shareReads(near, (length) => {
      read += length;
      return true;
    });
    near.resume();
    far.write("shared");
    await until(() => read === 6);
    return { near, far };
  }

  test.each(["flowing", "paused"])("makes it an ordinary stream again while it is %s", async (state) => {
    const { near, far } = await shared();
    if (state === "paused") near.pause();
    expect(unshareReads(near)).toBe(true);
    expect(unshareReads(near)).toBe(false);
    const chunks: Buffer[] = [];
    near.on("data", (chunk) => void chunks.push(chunk));
    near.resume();
    for (const text of ["one", "two"]) {
      const before = chunks.length;
      far.write(text);
      await until(() => chunks.length > before);
    }
    expect(Buffer.concat(chunks).toString()).toBe("onetwo");
  });

  test("whose reader asks for chunks, and is not given more than it takes", async () => {
    const { near, far } = await shared();
    near.pause();
    unshareReads(near);
    const size = 20_000_000;
    far.end(Buffer.alloc(size, "x"));
    let length = 0;
    for await (const chunk of near) {
      expect(near.readableLength).toBeLessThan(1024 * 1024);
      length += (chunk as Buffer).length;
    }
    expect(length).toBe(size);
  });

  test("leaves alone what shares nothing", async () => {
    const { near, server } = await accepted();
    server.close();
    expect(unshareReads(near)).toBe(false);
  });
});
