/** A TCP proxy that at a word passes nothing on any more, on the connections that it has, and tells neither side. */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

/** A proxy in front of a server of this machine. */
export interface SwallowingProxy {
  readonly port: number;
  /** Swallows what comes on the connections that there are; new ones are passed on. Returns when, as `Date.now()`. */
  swallow(): number;
  /** Destroys what is open. */
  close(): Promise<void>;
}

/** Starts a proxy for the server at the port. */
export async function swallowingProxy(target: number): Promise<SwallowingProxy> {
  const pairs = new Set<readonly [Socket, Socket]>();
  const swallowed: Socket[] = [];
  const server = createServer((near) => {
    const pair = [near, connect(target, "127.0.0.1")] as const;
    pairs.add(pair);
    for (const [from, to] of [pair, pair.toReversed() as [Socket, Socket]]) {
      from.on("data", (chunk) => to.write(chunk));
      from.on("error", () => {});
      from.on("close", () => {
        to.destroy();
        pairs.delete(pair);
      });
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    swallow() {
      swallowed.push(...[...pairs].flat());
      pairs.clear();
      for (const socket of swallowed) socket.removeAllListeners("data").removeAllListeners("close").resume();
      return Date.now();
    },
    async close() {
      for (const socket of [...[...pairs].flat(), ...swallowed]) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}
