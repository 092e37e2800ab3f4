/**
 * A worker's place in `serveOnCores`, as the worker sees it: how it reaches its primary and the other workers, what its
 * servers listen on, and how they leave.
 */

import type { DrainOptions } from "../../server/drain.ts";
import type { HostedServer, Listener } from "../../server/serve-options.ts";
import type { FramePort } from "../links/frame-port.ts";
import type { GivenListener, PrimaryCalls, WorkerCalls, WorkerNumbers } from "../wire/calls.ts";
import { type Channel, Control } from "../wire/control.ts";

/** The counts of the links of this worker. */
export type LinkCounts = Omit<WorkerNumbers, "servers" | "accepts">;

/** What is different between processes and threads. */
export interface SeatForm {
  readonly channel: Channel;
  /** Joins the others, by the answers of the primary. */
  join(
    control: Control<PrimaryCalls, WorkerCalls>,
    linked: (port: FramePort) => void,
  ): Promise<DrainOptions | undefined>;
  /** Makes no more links. */
  part(): void;
  /** The primary has asked for a link to this other one. */
  peer(port: Parameters<WorkerCalls["peer"]>[0], linked: (port: FramePort) => void): void;
  /** Signals that end a worker; none where they are the primary's. */
  readonly signals: readonly NodeJS.Signals[];
}

interface Hosted {
  readonly server: HostedServer;
  /** Whether it listens by itself, and not on a server that it shares. */
  readonly isOwn: boolean;
}

/** See the head of this file. */
export class Seat {
  readonly #form: SeatForm;
  readonly #control: Control<PrimaryCalls, WorkerCalls>;
  readonly #hosted = new Set<Hosted>();
  #listeners = 0;
  #linked: (port: FramePort) => void = (port) => port.close();
  #counts: () => LinkCounts = () => ({ relayed: 0, relayDropped: 0 });
  #leaving: Promise<WorkerNumbers> | undefined;

  constructor(form: SeatForm) {
    this.#form = form;
    this.#control = new Control<PrimaryCalls, WorkerCalls>(form.channel, {
      peer: (port) => form.peer(port, (link) => this.#linked(link)),
      numbers: () => this.#numbers(),
      drain: (options) => this.#leave((hosted) => drain(hosted, options)),
      close: () => this.#leave(({ server }) => server.close()),
      exit: () => process.exit(0),
    });
  }

  /** Joins the others; see `Joining`. */
  async join(linked: (port: FramePort) => void): Promise<void> {
    this.#linked = linked;
    const options = await this.#form.join(this.#control, linked);
    if (options === undefined) return;
    for (const signal of this.#form.signals) process.on(signal, () => void this.#leaveAlone(options));
  }

  /** No more links are made. */
  part(): void {
    this.#form.part();
  }

  /** Tells the primary these counts with the numbers of the servers. */
  countBy(counts: () => LinkCounts): void {
    this.#counts = counts;
  }

  /** Lets a server listen as the primary says, and tells it. */
  async host(server: HostedServer, { options, listen }: Listener): Promise<void> {
    const number = ++this.#listeners;
    try {
      await listen(options === undefined ? {} : await this.#askToListen(number, options));
    } catch (error) {
      const { message, code } = error as NodeJS.ErrnoException;
      this.#control.ask("failed", { message, code }).catch(nothing);
      throw error;
    }
    this.#hosted.add({ server, isOwn: options !== undefined });
    // One that closes its servers itself is still there, with its counts, until it is told to go.
    this.#control.stay();
    this.#control.ask("serving", { number, port: server.port }).catch(nothing);
  }

  #askToListen(number: number, options: NonNullable<Listener["options"]>): Promise<GivenListener> {
    const { port = 0, host, listenOptions = {} } = options;
    const { port: otherPort = port, host: otherHost = host, path, exclusive, reusePort } = listenOptions;
    const isOnPort = path === undefined && !("fd" in listenOptions) && !exclusive && !reusePort;
    return this.#control.ask("listen", { number, port: otherPort, host: otherHost, isOnPort });
  }

  #numbers(): WorkerNumbers {
    const servers = [...this.#hosted].map(({ server }) => server);
    const accepts = servers.some(({ accepting }) => accepting);
    return { servers: servers.map((server) => server.metrics()), accepts, ...this.#counts() };
  }

  #leave(by: (hosted: Hosted) => Promise<void>): Promise<WorkerNumbers> {
    this.#control.stay();
    this.#leaving ??= Promise.all([...this.#hosted].map(by)).then(() => this.#numbers());
    return this.#leaving;
  }

  async #leaveAlone(options: DrainOptions): Promise<void> {
    const isFirst = this.#leaving === undefined;
    const numbers = await this.#leave((hosted) => drain(hosted, { ...options, stopListening: true }));
    if (!isFirst) return;
    await this.#control.ask("left", numbers).catch(nothing);
    process.exit(0);
  }
}

function drain({ server, isOwn }: Hosted, options: DrainOptions): Promise<void> {
  return server.drain({ ...options, stopListening: isOwn && options.stopListening === true });
}

/** The primary is gone, and with it, in a moment, this worker. */
function nothing(): void {}
