/**
 * The servers of the drain view: one for each control connection, and only so many at once.
 */
import type { Server as HttpServer } from "node:http";
import type { DrainMessage } from "../messages.ts";
import { Shift } from "./shift.ts";

const MOST_SHIFTS = 32;

/** Servers by the control connection they belong to. */
export class Shifts {
  readonly #byController = new Map<object, Shift>();
  readonly #http: HttpServer;

  constructor(http: HttpServer) {
    this.#http = http;
  }

  /** Starts a server for a control connection; false when there are as many as there may be. */
  open(controller: object, tell: (message: DrainMessage) => void): boolean {
    if (this.#byController.size >= MOST_SHIFTS) return false;
    this.#byController.set(controller, new Shift(this.#http, tell));
    return true;
  }

  async drain(controller: object): Promise<void> {
    await this.#byController.get(controller)?.drain();
  }

  /** The control connection has gone: its server is closed. */
  async leave(controller: object): Promise<void> {
    const shift = this.#byController.get(controller);
    this.#byController.delete(controller);
    await shift?.close();
  }

  async close(): Promise<void> {
    await Promise.all([...this.#byController.keys()].map((controller) => this.leave(controller)));
  }
}
