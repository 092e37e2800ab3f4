/**
 * A listener whose queue is full and who accepts nobody: whoever connects to it waits, until it accepts again. Linux drops
 * the first segment of a connection then, and sends it again after a second.
 */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { Worker } from "node:worker_threads";

/** See the head of this file. */
export interface FullListener {
  readonly host: string;
  readonly port: number;
  /** Accepts from now on. */
  accept(): void;
  close(): Promise<void>;
}

const code = `
const { createServer } = require("node:net");
const { parentPort, workerData } = require("node:worker_threads");
const server = createServer((socket) => socket.on("error", () => {}).resume());
server.listen({ host: workerData.host, port: workerData.port, backlog: 1 }, () => {
  parentPort.postMessage(server.address().port);
  Atomics.wait(workerData.gate, 0, 0);
});
`;

/** Starts a listener in a thread of its own, and fills its queue. */
export async function fullListener(host: string, port = 0): Promise<FullListener> {
  const gate = new Int32Array(new SharedArrayBuffer(4));
  const worker = new Worker(code, { eval: true, workerData: { host, port, gate } });
  const [chosen] = (await once(worker, "message")) as [number];
  const fillers: Socket[] = [];
  // A queue of 1 holds two.
  for (let i = 0; i < 2; i++) {
    const filler = connect(chosen, host).on("error", () => {});
    await once(filler, "connect");
    fillers.push(filler);
  }
  const accept = () => {
    Atomics.store(gate, 0, 1);
    Atomics.notify(gate, 0);
  };
  return {
    host,
    port: chosen,
    accept,
    close: async () => {
      accept();
      for (const filler of fillers) filler.destroy();
      await worker.terminate();
    },
  };
}
