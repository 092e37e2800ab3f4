/**
 * A server of one page, at a path of its own on the demo's listener: it can be drained, and then the next one takes its
 * place, as when a process is replaced by a newer version.
 */
import { randomUUID } from "node:crypto";
import type { Server as HttpServer } from "node:http";
import { route, type Server, serve } from "openline";
import type { DrainMessage } from "../messages.ts";
import { DRAIN_OVER } from "../messages.ts";

const DRAIN_DEADLINE = 8000;

/** One server after another at one path. */
export class Shift {
  readonly path: string = `/drain/${randomUUID()}`;
  readonly #http: HttpServer;
  readonly #tell: (message: DrainMessage) => void;
  #server: Promise<Server>;
  #generation = 0;
  #draining = false;
  #left = false;

  /** The first server; `tell` hears of each that serves, and of each drain. */
  constructor(http: HttpServer, tell: (message: DrainMessage) => void) {
    this.#http = http;
    this.#tell = tell;
    this.#server = this.#serveNext();
  }

  /** Sends all clients away, one after another, and lets the next server take the path. */
  async drain(): Promise<void> {
    if (this.#draining || this.#left) return;
    this.#draining = true;
    const server = await this.#server;
    this.#tell({ is: "draining" });
    await server.drain({ over: DRAIN_OVER, deadline: DRAIN_DEADLINE });
    if (!this.#left) this.#server = this.#serveNext();
    this.#draining = false;
  }

  /** The same routes again; each connection is told which server it has come to. */
  async #serveNext(): Promise<Server> {
    this.#generation += 1;
    const generation = this.#generation;
    const clients = route({
      open: (connection) => {
        connection.send(`${generation}`);
      },
    });
    const server = await serve({ server: this.#http, routes: { [`${this.path}/:client`]: clients } });
    this.#tell({ is: "serving", path: this.path, generation });
    return server;
  }

  /** The page has gone. */
  async close(): Promise<void> {
    this.#left = true;
    await (await this.#server).close();
  }
}
