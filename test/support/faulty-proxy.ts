/**
 * A TCP proxy that does to bytes what networks do: passes them late, slowly or one at a time, stops passing them, ends one
 * direction, or resets the connection, at a byte of either direction. It does not look into the bytes, so TLS goes through.
 */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";

/** What happens to the bytes of one direction. */
export type Fault =
  /** Each chunk is passed so many milliseconds late. */
  | { readonly kind: "delay"; readonly ms: number }
  /** At most so many bytes are passed at a time, so many milliseconds apart; with 0, one turn apart. */
  | { readonly kind: "throttle"; readonly bytes: number; readonly ms: number }
  /** After so many bytes nothing is passed any more, the end neither. */
  | { readonly kind: "stall"; readonly at: number }
  /** After so many bytes the receiver is told that the stream has ended; the rest is thrown away. */
  | { readonly kind: "halfClose"; readonly at: number }
  /** After so many bytes both sides are sent a reset. */
  | { readonly kind: "reset"; readonly at: number };

/** The faults of each connection, by where the bytes go. */
export interface Faults {
  readonly toServer?: Fault;
  readonly toClient?: Fault;
}

/** A proxy in front of a server. */
export interface FaultyProxy {
  readonly port: number;
  /** How many bytes have been passed on, all connections together. */
  readonly passed: { toServer: number; toClient: number };
  /** Destroys what is open. */
  close(): Promise<void>;
}

/** Starts a proxy for the server at the port. */
export async function faultyProxy(target: number, faults: Faults = {}): Promise<FaultyProxy> {
  const sockets = new Set<Socket>();
  const passed = { toServer: 0, toClient: 0 };
  const keep = (socket: Socket) => {
    sockets.add(socket);
    socket.setNoDelay(true);
    // Errors are what this is for; whoever has one closes.
    socket.on("error", () => {}).on("close", () => sockets.delete(socket));
  };
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, async (near) => {
    keep(near);
    const far = connect({ port: target, host: "127.0.0.1", allowHalfOpen: true });
    keep(far);
    near.on("close", () => far.destroy());
    far.on("close", () => near.destroy());
    if (!(await arrives(far))) return;
    void pass(near, far, "toServer", faults.toServer);
    void pass(far, near, "toClient", faults.toClient);
  });

  async function pass(from: Socket, to: Socket, direction: keyof Faults, fault: Fault | undefined): Promise<void> {
    const at = fault && "at" in fault ? fault.at : Number.POSITIVE_INFINITY;
    let count = 0;
    if (count >= at) return strike(from, to, fault!);
    try {
      for await (const chunk of from.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
        if (fault?.kind === "delay") await delay(fault.ms);
        const size = fault?.kind === "throttle" ? fault.bytes : chunk.length;
        for (let start = 0; start < chunk.length; start += size) {
          const piece = chunk.subarray(start, Math.min(start + size, chunk.length, start + at - count));
          await write(to, piece);
          count += piece.length;
          passed[direction] += piece.length;
          if (count >= at) return strike(from, to, fault!);
          if (fault?.kind === "throttle") await (fault.ms > 0 ? delay(fault.ms) : new Promise(setImmediate));
        }
      }
      to.end();
    } catch {
      // One side broke: `close` has told the other.
    }
  }

  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    passed,
    close: async () => {
      server.close();
      for (const socket of sockets) socket.destroy();
      await once(server, "close");
    },
  };
}

/** What comes after is read, so that its sender notices nothing, and goes nowhere. */
function strike(from: Socket, to: Socket, fault: Fault): void {
  if (fault.kind === "reset") {
    from.resetAndDestroy();
    to.resetAndDestroy();
    return;
  }
  if (fault.kind === "halfClose") to.end();
  from.resume();
}

async function arrives(socket: Socket): Promise<boolean> {
  return once(socket, "connect").then(
    () => true,
    () => false,
  );
}

function write(socket: Socket, bytes: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.write(bytes, (error) => (error ? reject(error) : resolve()));
  });
}
