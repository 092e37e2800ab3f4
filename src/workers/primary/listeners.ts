/**
 * Which port each server of a worker listens on: the same in all workers, also where the first one asked for any.
 */

import { createServer } from "node:http";
import { createServer as createTcpServer, type ListenOptions, type Server } from "node:net";
import { type Deferred, deferred } from "../../connection/event-loop/deferred.ts";
import { listen } from "../../server/listening/listener.ts";
import type { GivenListener, WantedListener } from "../wire/calls.ts";

/** What is known of the servers of one number. */
interface Place<Worker> {
  /** Who is to find the port, or has. */
  readonly by: Worker;
  /** Gives undefined when that worker is gone before. */
  readonly port: Deferred<number | undefined>;
  /** Who was told how to listen, and is there. */
  readonly users: Set<Worker>;
  /** What they ask the system for: 0 as long as `node:cluster` knows the port of the first one by that. */
  asked: number;
}

/** See the head of this file. */
export class Listeners<Worker> {
  readonly #hasReusePort: boolean;
  readonly #places = new Map<number, Place<Worker>>();

  constructor(hasReusePort: boolean) {
    this.#hasReusePort = hasReusePort;
  }

  /** How the worker's server is to listen. Rejects as `listen` does where the port is taken by a stranger. */
  async give(worker: Worker, { number, port, host, isOnPort }: WantedListener): Promise<GivenListener> {
    if (!isOnPort) return {};
    const reuse = this.#hasReusePort ? ({ reusePort: true } as const) : {};
    const place = await this.#known(number);
    if (place === undefined) {
      this.#places.set(number, { by: worker, port: deferred(), users: new Set([worker]), asked: port });
      if (port > 0 && this.#hasReusePort) await checkFree(port, host);
      return reuse;
    }
    if (this.#hasReusePort || place.users.size === 0) place.asked = (await place.port.promise)!;
    place.users.add(worker);
    return { ...(port === 0 && { port: place.asked }), ...reuse };
  }

  /** The worker's server listens there. */
  serving({ number, port }: { readonly number: number; readonly port: number }): void {
    this.#places.get(number)?.port.resolve(port);
  }

  /** The worker is gone, or could not listen: another one may. */
  gone(worker: Worker): void {
    for (const { by, port, users } of this.#places.values()) {
      users.delete(worker);
      if (by === worker) port.resolve(undefined);
    }
  }

  /** What another worker has found; undefined for the first one, which is to find it. */
  async #known(number: number): Promise<Place<Worker> | undefined> {
    for (;;) {
      const place = this.#places.get(number);
      if (place === undefined || (await place.port.promise) !== undefined) return place;
      if (this.#places.get(number) === place) this.#places.delete(number);
    }
  }
}

/**
 * Rejects where something listens on the port already. With `reusePort` the system would not say so of a program of the
 * same user that has it, too: such as this one, started a second time.
 */
async function checkFree(port: number, host: string | undefined): Promise<void> {
  const server = createServer();
  await listen(server, { port, ...(host !== undefined && { host }), listenOptions: { exclusive: true } }, () => {});
  await closed(server);
}

/** Whether two listeners of this system share a port, and the kernel spreads connections over them. */
export async function findReusePort(): Promise<boolean> {
  const first = await tryListen(0);
  const address = first?.address();
  const second = first && typeof address === "object" && address ? await tryListen(address.port) : undefined;
  await Promise.all([first, second].map((server) => server && closed(server)));
  return second !== undefined;
}

function tryListen(port: number): Promise<Server | undefined> {
  const options: ListenOptions & { readonly reusePort: true } = {
    port,
    host: "127.0.0.1",
    reusePort: true,
    exclusive: true,
  };
  return new Promise((resolve) => {
    const server = createTcpServer();
    server.once("error", () => resolve(undefined));
    server.listen(options, () => resolve(server));
  });
}

function closed(server: Server): Promise<void> {
  return new Promise((resolve) => void server.close(() => resolve()));
}
