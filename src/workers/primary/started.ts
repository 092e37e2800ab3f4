/**
 * A worker that was started, as a process or as a thread.
 */

import cluster from "node:cluster";
import { MessageChannel, Worker as Thread } from "node:worker_threads";
import { thrownName, workerVariable } from "../seat/process-seat.ts";
import { portChannel, portName } from "../seat/thread-seat.ts";
import type { Channel } from "../wire/control.ts";

/** How a worker ended, in words. */
export interface Ended {
  /** Such as "with exit code 1". */
  readonly how: string;
  /** What it did not catch. */
  readonly error: Error | undefined;
}

/** See the head of this file. */
export interface Started {
  readonly channel: Channel;
  /** Resolves when it is gone. */
  readonly ended: Promise<Ended>;
  /** Ends it at once. */
  kill(): void;
}

/** How a process ends that has not caught what was thrown. */
const afterException = "with exit code 1";

/** Starts a process; the settings of `node:cluster` are for such ones from then on. */
export function startProcess(entry: string): Started {
  cluster.setupPrimary({ exec: entry, args: process.argv.slice(2) });
  const worker = cluster.fork({ [workerVariable]: String(process.pid) });
  const ended = new Promise<Ended>((resolve) => {
    let thrown: Error | undefined;
    worker.on("message", (message: unknown) => {
      const { [thrownName]: text } = Object(message) as { [thrownName]?: string };
      if (text !== undefined) thrown = new Error(text);
    });
    const exited = new Promise<string>((tell) => {
      worker.once("exit", (code, signal) => tell(signal ? `by ${signal}` : `with exit code ${code}`));
    });
    // What it has said last comes before the channel ends, and may come behind its exit.
    const heard = new Promise<void>((tell) => void worker.once("disconnect", tell));
    void Promise.all([exited, heard]).then(([how]) => {
      const error = how === afterException ? thrown : undefined;
      resolve({ how: error ? `by an exception: ${error.message}` : how, error });
    });
    worker.on("error", (failure: Error) => {
      // Where there is a process, its end says more than what could not be sent to it.
      if (worker.process.pid === undefined) resolve({ how: `before it began: ${failure.message}`, error: failure });
    });
  });
  return {
    ended,
    kill: () => void worker.process.kill("SIGKILL"),
    channel: {
      // What cannot be sent goes to a process that has ended.
      post: (message) => void (worker.isConnected() && worker.send(message, () => {})),
      listen: (heard, lost) => {
        worker.on("message", heard);
        worker.once("disconnect", lost);
      },
      hold: () => {},
    },
  };
}

/** Starts a thread. */
export function startThread(entry: string): Started {
  const { port1, port2 } = new MessageChannel();
  const argv = process.argv.slice(2);
  const thread = new Thread(entry, { argv, workerData: { [portName]: port2 }, transferList: [port2] });
  const ended = new Promise<Ended>((resolve) => {
    let error: Error | undefined;
    thread.once("error", (thrown) => {
      error = thrown instanceof Error ? thrown : new Error(String(thrown));
    });
    thread.once("exit", (code) => {
      resolve({ how: error ? `by an exception: ${error.message}` : `with exit code ${code}`, error });
    });
  });
  return { ended, kill: () => void thread.terminate(), channel: portChannel(port1) };
}
