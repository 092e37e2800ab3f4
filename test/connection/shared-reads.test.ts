import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { shareReads } from "../../src/connection/shared-reads.ts";
import { until } from "../support/connection-pair.ts";
import { HeldDuplex } from "../support/held-duplex.ts";

const opened: Socket[] = [];

afterEach(() => {
  for (const socket of opened.splice(0)) socket.destroy();
});

/** An accepted socket, the other end of it, and the server that accepted it. */
async function accepted(): Promise<{ near: Socket; far: Socket; server: Server }> {
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const far = connect({ port: (server.address() as { port: number }).port, host: "127.0.0.1" });
  const [near] = (await once(server, "connection")) as [Socket];
  opened.push(near, far);
  return { near, far, server };
}

describe("shareReads", () => {
  test("gives the handle to a socket that reads into one buffer, and all else works as before", async () => {
    const { near, far, server } = await accepted();
    const chunks: Buffer[] = [];
    const memories = new Set<ArrayBufferLike>();
    const sharing = shareReads(near, (buffer, length) => {
      memories.add(buffer.buffer);
      chunks.push(Buffer.from(buffer.subarray(0, length)));
    });
    opened.push(sharing);
    expect(sharing).not.toBe(near);
    sharing.resume();
    far.write("one");
    await until(() => chunks.length === 1);
    far.write("two");
    await until(() => chunks.length === 2);
    expect(Buffer.concat(chunks).toString()).toBe("onetwo");
    expect(memories.size).toBe(1);
    expect(sharing.remoteAddress).toBe("127.0.0.1");
    sharing.write("answer");
    expect(String((await once(far, "data"))[0])).toBe("answer");
    sharing.pause();
    far.write("three");
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(chunks).toHaveLength(2);
    sharing.resume();
    await until(() => chunks.length === 3);
    // The server counts it out when it closes.
    const closed = once(server.close(), "close");
    sharing.destroy();
    await closed;
  });

  test("tells the end of the stream", async () => {
    const { near, far, server } = await accepted();
    server.close();
    const sharing = shareReads(near, () => {});
    opened.push(sharing);
    sharing.resume();
    far.end();
    await once(sharing, "end");
    sharing.end();
    await once(sharing, "close");
  });

  test("leaves alone what is no plain socket, is gone, or has bytes of its own", async () => {
    const stream = new HeldDuplex() as unknown as Socket;
    expect(shareReads(stream, () => {})).toBe(stream);
    const gone = await accepted();
    gone.server.close();
    gone.near.destroy();
    expect(shareReads(gone.near, () => {})).toBe(gone.near);
    const busy = await accepted();
    busy.server.close();
    busy.near.unshift(Buffer.from("unread"));
    expect(shareReads(busy.near, () => {})).toBe(busy.near);
  });
});
