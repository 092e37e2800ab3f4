/**
 * Which port each server of a worker listens on: the same in all workers, also where the first one asked for any.
 */

import { createServer } from "node:http";
import { type AddressInfo, createServer as createTcpServer, type ListenOptions, type Server } from "node:net";
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

/** The users of what `node:cluster`, which is one for the whole process, knows by port 0: one at a time. */
let usersOfZero: ReadonlySet<unknown> = new Set();

/** Whether these may ask for port 0. Those of another `serveOnCores` would get the same port, and its connections. */
function takeZero(users: ReadonlySet<unknown>): boolean {
  if (usersOfZero.size > 0) return false;
  usersOfZero = users;
  return true;
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
      const first: Place<Worker> = { by: worker, port: deferred(), users: new Set([worker]), asked: port };
      this.#places.set(number, first);
      if (port > 0) await freePort(port, host);
      else if (!this.#hasReusePort && !takeZero(first.users)) first.asked = await freePort(0, host);
      return { ...(first.asked !== port && { port: first.asked }), ...reuse };
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
 * The port, or any free one for 0. Rejects where something listens on it already: with `reusePort` the system would not
 * say so of a program of the same user that has it, too, such as this one, started a second time; and `node:cluster` would
 * not of another `serveOnCores` of this process.
 */
async function freePort(port: number, host: string | undefined): Promise<number> {
  const server = createServer();
  await listen(server, { port, ...(host !== undefined && { host }), listenOptions: { exclusive: true } }, () => {});
  const found = (server.address() as AddressInfo).port;
  await closed(server);
  return found;
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
