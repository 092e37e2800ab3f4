/**
 * One run of a row with two nodes and a broker, or with one node alone: what is measured is the node with the subscribers, which
 * has a CPU to itself.
 */
import { neutralBroker, nodesLoad, type Peer } from "./peers.ts";
import { LoadProcess, loadCpu, ServerProcess, serverCpu } from "./processes.ts";
import type { Row } from "./rows.ts";
import { type LoadResult, type RunSettings, type Sample, sampleOf, withOptions } from "./run.ts";

interface NodesResult extends LoadResult {
  readonly published: number;
  readonly publisherCpu: number;
  readonly brokerCpu: number;
  /** Topics that could not be resumed, of which clients were told; where they resume. */
  readonly lost?: number;
}

/** Measures the row once with the peer. */
export async function runNodes(row: Row, peer: Peer, settings: RunSettings): Promise<Sample> {
  const running: ServerProcess[] = [];
  const start = async (...[command, environment, cpu]: Parameters<typeof ServerProcess.start>) => {
    const started = await ServerProcess.start(command, environment, cpu);
    running.push(started);
    return started;
  };
  try {
    const { mode, connections, alone, rate = 0, warmup = settings.warmup, duration = settings.duration } = row.load;
    const broker = alone ? undefined : await start(neutralBroker, {}, loadCpu);
    const environment = { ...peer.environment, ...(broker && { BENCH_REDIS: String(broker.port) }) };
    const others = broker ? [await start(peer.command, environment, loadCpu), broker] : [];
    const subscriber = await start(peer.command, environment, serverCpu);
    const options = {
      mode,
      dialect: peer.dialect!,
      publisher: (others[0] ?? subscriber).port,
      subscriber: subscriber.port,
      pids: [subscriber, ...others].map(measuredPid).join(),
      connections,
      rate,
      warmup,
      duration,
    };
    const load = new LoadProcess(withOptions(nodesLoad, options), loadCpu);
    const result = await load.finish<NodesResult>(longestRun);
    if (alone) return sampleOf(result, 1, "");
    const { published, lost = 0 } = result;
    const micro = (seconds: number): string => ((seconds * 1e6) / published).toFixed(1);
    const ofBroker = `broker ${micro(result.brokerCpu)}`;
    const remark =
      mode === "resume"
        ? `CPU µs a topic: node ${micro(result.serverCpu)}, ${ofBroker}; ${lost} of ${published} told that they lost something`
        : `CPU µs a publish: its node ${micro(result.publisherCpu)}, ${ofBroker}`;
    const sample = sampleOf(result, 1, remark);
    if (row.figure === undefined) return sample;
    if (row.figure === "longest pause") throw new Error("Nodes do not tell of pauses");
    return { ...sample, figure: row.figure === "time" ? result.seconds * 1000 : (result[row.figure] ?? 0) };
  } finally {
    for (const process of running.reverse()) await process.stop();
  }
}

/** How long a load may take, in milliseconds. */
const longestRun = 120_000;

/** A program that is not ours says its pid behind its port. */
function measuredPid({ pid, remark }: ServerProcess): number {
  return remark === "" ? pid : Number(remark);
}
