/**
 * The push view: what the server says about itself and its machine, unasked, as small charts.
 */
import type { VNode } from "preact";
import { useEffect, useMemo, useState } from "preact/hooks";
import type { PushMessage, Sample } from "../../server/messages.ts";
import { SAMPLES_KEPT } from "../../server/messages.ts";
import type { ChartSeries } from "../parts/chart.tsx";
import { Chart } from "../parts/chart.tsx";
import { count, socketUrl } from "../parts/format.ts";

const RECONNECT_AFTER = 1000;

interface Panel {
  readonly name: string;
  readonly unit: string;
  readonly keys: readonly (keyof Sample)[];
  readonly names?: readonly string[];
  readonly atLeast: number;
  readonly digits: number;
  readonly note: (sample: Sample) => string;
}

const PANELS: readonly Panel[] = [
  {
    name: "Machine load",
    unit: "%",
    keys: ["machineCpu"],
    atLeast: 100,
    digits: 0,
    note: (sample) => `of all cores; load average ${sample.load.toFixed(2)}`,
  },
  {
    name: "Memory",
    unit: "MiB",
    keys: ["processMemory"],
    atLeast: 50,
    digits: 1,
    note: (sample) => `of this process; machine ${count(sample.machineMemory)} MiB`,
  },
  {
    name: "Event-loop delay",
    unit: "ms",
    keys: ["delayP99", "delayMedian"],
    names: ["99th percentile", "median"],
    atLeast: 2,
    digits: 2,
    note: (sample) => `99th percentile; median ${sample.delayMedian.toFixed(2)} ms`,
  },
  {
    name: "Process CPU",
    unit: "%",
    keys: ["processCpu"],
    atLeast: 5,
    digits: 1,
    note: () => "of one core",
  },
  {
    name: "Connections",
    unit: "",
    keys: ["connections"],
    atLeast: 4,
    digits: 0,
    note: () => "WebSockets open on this server",
  },
  {
    name: "Messages",
    unit: "/s",
    keys: ["sent", "received"],
    names: ["sent", "received"],
    atLeast: 5,
    digits: 1,
    note: (sample) => `sent; received ${sample.received.toFixed(1)} /s`,
  },
  {
    name: "Bytes",
    unit: "KiB/s",
    keys: ["bytesSent", "bytesReceived"],
    names: ["sent", "received"],
    atLeast: 1,
    digits: 1,
    note: (sample) => `sent; received ${sample.bytesReceived.toFixed(1)} KiB/s`,
  },
  {
    name: "Waiting output",
    unit: "KiB",
    keys: ["buffered"],
    atLeast: 1,
    digits: 1,
    note: () => "sent and not yet on the network",
  },
  {
    name: "Refused",
    unit: "",
    keys: ["refused"],
    atLeast: 4,
    digits: 0,
    note: () => "opening handshakes since the start",
  },
];

const ONE_LINE: readonly ChartSeries[] = [{ color: "--accent", fill: true }];
const TWO_LINES: readonly ChartSeries[] = [{ color: "--accent", fill: true }, { color: "--second" }];

/** The view. */
export function PushView(): VNode {
  const { samples, machine, told, connected } = useFeed();
  const times = useMemo(() => samples.map((sample) => sample.at / 1000), [samples]);
  const last = samples.at(-1);
  return (
    <>
      <p class="status" role="status">
        <span class={connected ? "lamp on" : "lamp"} aria-hidden="true" />
        {connected ? "Connected" : "Not connected; trying again every second"}
        {machine !== "" && `. The server’s machine: ${machine}.`}
      </p>
      <p class="tally">
        <strong data-fact="told">{count(told)}</strong> messages have come since you opened this view;{" "}
        <strong>0</strong> were asked for.
      </p>
      <div class="panels">
        {PANELS.map((panel) => (
          <PanelChart key={panel.name} panel={panel} samples={samples} times={times} last={last} />
        ))}
      </div>
    </>
  );
}

interface PanelChartProps {
  readonly panel: Panel;
  readonly samples: readonly Sample[];
  readonly times: readonly number[];
  readonly last: Sample | undefined;
}

function PanelChart({ panel, samples, times, last }: PanelChartProps): VNode {
  const data = useMemo(
    (): [number[], ...number[][]] => [[...times], ...panel.keys.map((key) => samples.map((sample) => sample[key]))],
    [panel, samples, times],
  );
  const [key = "at"] = panel.keys;
  const value = last === undefined ? "–" : last[key].toFixed(panel.digits);
  const kinds = panel.names === undefined ? "" : ` (${panel.names.join(" and ")})`;
  return (
    <figure class="panel">
      <figcaption>
        <h2>{panel.name}</h2>
        <p class="now">
          <span data-fact={key}>{value}</span> <span class="unit">{panel.unit}</span>
        </p>
        <p class="note">{last === undefined ? "waiting for the first sample" : panel.note(last)}</p>
      </figcaption>
      <Chart
        label={`${panel.name}${kinds} over the last minute, now ${value} ${panel.unit}`}
        series={panel.keys.length === 1 ? ONE_LINE : TWO_LINES}
        data={data}
        height={130}
        time
        atLeast={panel.atLeast}
      />
    </figure>
  );
}

interface Feed {
  readonly samples: readonly Sample[];
  readonly machine: string;
  readonly told: number;
  readonly connected: boolean;
}

/** Follows `/push` as long as the view is there, and comes back when the connection is lost. */
function useFeed(): Feed {
  const [feed, setFeed] = useState<Feed>({ samples: [], machine: "", told: 0, connected: false });
  useEffect(() => {
    let socket: WebSocket | undefined;
    let timer: ReturnType<typeof setTimeout> | undefined;
    let left = false;
    const start = (): void => {
      socket = new WebSocket(socketUrl("/push"));
      socket.onopen = () => setFeed((before) => ({ ...before, connected: true }));
      socket.onmessage = (event: MessageEvent<string>) => {
        const message = JSON.parse(event.data) as PushMessage;
        setFeed((before) => take(before, message));
      };
      socket.onclose = () => {
        if (left) return;
        setFeed((before) => ({ ...before, connected: false }));
        timer = setTimeout(start, RECONNECT_AFTER);
      };
    };
    start();
    return () => {
      left = true;
      clearTimeout(timer);
      socket?.close();
    };
  }, []);
  return feed;
}

function take(before: Feed, message: PushMessage): Feed {
  const told = before.told + 1;
  if (message.is === "history") return { ...before, told, samples: message.samples, machine: message.machine };
  return { ...before, told, samples: [...before.samples, message.sample].slice(-SAMPLES_KEPT) };
}
