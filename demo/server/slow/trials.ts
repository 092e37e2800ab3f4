/**
 * The trials under way: one for each control connection, and only so many at once.
 */
import type { ReadersMessage, ReadersRequest } from "../messages.ts";
import { PACES } from "../messages.ts";
import type { Publisher } from "../traffic.ts";
import { Trial } from "./trial.ts";

const MOST_TRIALS = 8;

/** Trials by their id, and by the control connection they belong to. */
export class Trials {
  readonly #byId = new Map<string, Trial>();
  readonly #byController = new Map<object, Trial>();
  readonly #url: () => string;
  #publisher: Publisher | undefined;

  /** `url` gives the address of this server's WebSockets, once it listens. */
  constructor(url: () => string) {
    this.#url = url;
  }

  attach(publisher: Publisher): void {
    this.#publisher = publisher;
  }

  /** Starts a trial for `controller` in place of the one it had; `tell` hears all about it. */
  start(controller: object, request: ReadersRequest, tell: (message: ReadersMessage) => void): void {
    this.leave(controller);
    if (!PACES.includes(request.perSecond)) {
      tell({ is: "refused", why: "Cannot start: there is no such pace" });
    } else if (this.#running() >= MOST_TRIALS || this.#publisher === undefined) {
      tell({ is: "refused", why: "Cannot start: too many trials are running" });
    } else {
      const trial = new Trial({
        perSecond: request.perSecond,
        url: this.#url(),
        publisher: this.#publisher,
        tell,
      });
      this.#byId.set(trial.id, trial);
      this.#byController.set(controller, trial);
      tell({ is: "started", trial: trial.id });
    }
  }

  /** The control connection has gone or begins anew: its trial ends. */
  leave(controller: object): void {
    const trial = this.#byController.get(controller);
    if (trial === undefined) return;
    this.#byController.delete(controller);
    this.#byId.delete(trial.id);
    trial.end();
  }

  find(id: string): Trial | undefined {
    return this.#byId.get(id);
  }

  #running(): number {
    return [...this.#byId.values()].filter(({ over }) => !over).length;
  }

  close(): void {
    for (const controller of [...this.#byController.keys()]) this.leave(controller);
  }
}
