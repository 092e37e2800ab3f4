/**
 * The push view: what the server says about itself and its machine, unasked: four pictures of two lines each, and what
 * needs no picture as numbers.
 */
import { ReconnectingWebSocket } from "openline/browser";
import type { VNode } from "preact";
import { useMemo, useState } from "preact/hooks";
import type { PushMessage, Sample } from "../../server/messages.ts";
import { SAMPLES_KEPT } from "../../server/messages.ts";
import feedCode from "../../server/push.ts?cut=add,tell&code";
import routeCode from "../../server/routes.ts?cut=pushRoute&code";
import type { ChartSeries } from "../parts/chart.tsx";
import { Chart } from "../parts/chart.tsx";
import { BothEnds } from "../parts/code.tsx";
import { count, socketUrl } from "../parts/format.ts";
import { LineMark } from "../parts/marks.tsx";
import { COME_BACK, StandingLine, useSocket } from "../parts/standing.tsx";
import ownCode from "./push.tsx?cut=followFeed&code";

/** Connects to the feed, and asks for nothing: what the server says goes to `take`. */
function followFeed(take: (message: PushMessage) => void) {
  const url = socketUrl("/push");
  const socket = new ReconnectingWebSocket(url, [], { reconnect: COME_BACK });
  socket.onmessage = ({ data }) => take(JSON.parse(data));
  return socket;
}

const BROWSER = { file: "demo/page/push/push.tsx", text: ownCode };
const SERVER = {
  file: "demo/server/routes.ts and push.ts",
  text: `${routeCode}\n\n${feedCode}`,
};

interface Line {
  readonly key: keyof Sample;
  readonly name: string;
}

interface Picture {
  readonly name: string;
  readonly unit: string;
  readonly lines: readonly [Line, Line];
  readonly atLeast: number;
  readonly digits: number;
}

const PICTURES: readonly Picture[] = [
  {
    name: "CPU",
    unit: "%",
    lines: [
      { key: "machineCpu", name: "machine, of all cores" },
      { key: "processCpu", name: "this process, of one core" },
    ],
    atLeast: 100,
    digits: 0,
  },
  {
    name: "Event-loop delay",
    unit: "ms",
    lines: [
      { key: "delayP99", name: "99th percentile" },
      { key: "delayMedian", name: "median" },
    ],
    atLeast: 2,
    digits: 2,
  },
  {
    name: "Messages",
    unit: "/s",
    lines: [
      { key: "sent", name: "sent" },
      { key: "received", name: "received" },
    ],
    atLeast: 5,
    digits: 1,
  },
  {
    name: "Bytes",
    unit: "KiB/s",
    lines: [
      { key: "bytesSent", name: "sent" },
      { key: "bytesReceived", name: "received" },
    ],
    atLeast: 1,
    digits: 1,
  },
];

const LINES: readonly [ChartSeries, ChartSeries] = [
  { color: "--accent", fill: true },
  { color: "--second", dash: true },
];

/** The view. */
export function PushView(): VNode {
  const [feed, setFeed] = useState<Feed>({ samples: [], machine: "", told: 0 });
  const { socket, standing } = useSocket(() => followFeed((message) => setFeed((before) => take(before, message))));
  const { samples, machine, told } = feed;
  const times = useMemo(() => samples.map((sample) => sample.at / 1000), [samples]);
  return (
    <>
      <StandingLine standing={standing} retry={() => socket.current?.reconnect()}>
        {machine === "" ? "" : `The server’s machine: ${machine}.`}
      </StandingLine>
      <p class="tally">
        <strong data-fact="told">{count(told)}</strong> messages have come since you opened this view;{" "}
        <strong>0</strong> were asked for.
      </p>
      <div class="pictures">
        {PICTURES.map((picture) => (
          <PictureOf key={picture.name} picture={picture} samples={samples} times={times} />
        ))}
      </div>
      <Numbers last={samples.at(-1)} />
      <BothEnds browser={BROWSER} server={SERVER} />
    </>
  );
}

interface PictureProps {
  readonly picture: Picture;
  readonly samples: readonly Sample[];
  readonly times: readonly number[];
}

function PictureOf({ picture, samples, times }: PictureProps): VNode {
  const { name, unit, lines, atLeast, digits } = picture;
  const data = useMemo(
    (): [number[], ...number[][]] => [[...times], ...lines.map(({ key }) => samples.map((sample) => sample[key]))],
    [lines, samples, times],
  );
  const last = samples.at(-1);
  const now = (key: keyof Sample): string => `${last === undefined ? "–" : last[key].toFixed(digits)} ${unit}`;
  return (
    <figure class="panel">
      <figcaption>
        <h2>{name}</h2>
        <ul class="legend">
          {lines.map((line, index) => (
            <li key={line.key}>
              <LineMark series={LINES[index] ?? LINES[0]} /> {line.name}{" "}
              <strong data-fact={line.key}>{now(line.key)}</strong>
            </li>
          ))}
        </ul>
      </figcaption>
      <Chart
        label={`${name} over the last minute, now ${lines.map((line) => `${line.name} ${now(line.key)}`).join(", ")}`}
        series={LINES}
        data={data}
        height={{ wide: 220, narrow: 110 }}
        time
        atLeast={atLeast}
      />
    </figure>
  );
}

function Numbers({ last }: { readonly last: Sample | undefined }): VNode {
  const numbers: readonly (readonly [string, string, keyof Sample | undefined])[] = [
    ["WebSockets open", last === undefined ? "–" : count(last.connections), "connections"],
    ["Load average", last?.load.toFixed(2) ?? "–", undefined],
    ["Memory of the process", last === undefined ? "–" : `${last.processMemory.toFixed(1)} MiB`, undefined],
    ["Memory of the machine", last === undefined ? "–" : `${count(last.machineMemory)} MiB`, undefined],
    ["Waiting to be sent", last === undefined ? "–" : `${last.buffered.toFixed(1)} KiB`, undefined],
    ["Handshakes refused", last === undefined ? "–" : count(last.refused), undefined],
  ];
  return (
    <dl class="facts numbers panel">
      {numbers.map(([name, value, fact]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd data-fact={fact}>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

interface Feed {
  readonly samples: readonly Sample[];
  readonly machine: string;
  readonly told: number;
}

function take(before: Feed, message: PushMessage): Feed {
  const told = before.told + 1;
  if (message.is === "history") return { ...before, told, samples: message.samples, machine: message.machine };
  return { ...before, told, samples: [...before.samples, message.sample].slice(-SAMPLES_KEPT) };
}
