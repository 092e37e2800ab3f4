/**
 * The slow-reader view: four readers of one feed, what waits in the server for each, and what the limit does to the one
 * that does not keep up.
 */
import { ReconnectingWebSocket } from "openline/browser";
import type { VNode } from "preact";
import { useMemo, useRef, useState } from "preact/hooks";
import type { ReaderName, ReaderState, ReadersMessage, ReadersRequest } from "../../server/messages.ts";
import { PACES, QUEUE_LIMIT, READERS, VALUE_SIZE, VALUES_PER_SECOND } from "../../server/messages.ts";
import routeCode from "../../server/routes.ts?cut=readerRoute&code";
import trialCode from "../../server/slow/trial.ts?cut=make,sendLatest&code";
import type { ChartSeries } from "../parts/chart.tsx";
import { Chart } from "../parts/chart.tsx";
import { BothEnds } from "../parts/code.tsx";
import { count, mebibytes, socketUrl } from "../parts/format.ts";
import { LineMark } from "../parts/marks.tsx";
import { COME_BACK, StandingLine, useSocket } from "../parts/standing.tsx";
import ownCode from "./slow.tsx?cut=readAll,askFor&code";

/** The page as a reader of all values: it counts them, and is fast enough. */
function readAll(trial: string, counted: () => void) {
  const socket = new WebSocket(socketUrl(`/readers/${trial}/page`));
  socket.onmessage = () => counted();
  return socket;
}

const BROWSER = { file: "demo/page/slow/slow.tsx", text: ownCode };
const SERVER = {
  file: "demo/server/routes.ts and slow/trial.ts",
  text: `${routeCode}\n\n${trialCode}`,
};

const LOOKS: Readonly<Record<ReaderName, ChartSeries>> = {
  page: { color: "--muted" },
  fast: { color: "--socket", shape: "circle" },
  slow: { color: "--short", dash: true, shape: "triangle" },
  latest: { color: "--long", shape: "square" },
};
const LIMIT: ChartSeries = { color: "--ink" };

const NAMES: Readonly<Record<ReaderName, string>> = {
  page: "This page",
  fast: "Fast reader",
  slow: "Slow reader",
  latest: "Slow, latest value",
};

interface Trial {
  readonly seconds: readonly number[];
  readonly queued: Readonly<Record<ReaderName, readonly number[]>>;
  readonly now: readonly ReaderState[];
  readonly pageRead: number;
  readonly over: boolean;
  readonly problem: string;
}

const BEGINNING: Trial = {
  seconds: [],
  queued: { page: [], fast: [], slow: [], latest: [] },
  now: [],
  pageRead: 0,
  over: false,
  problem: "",
};

/** The view; a trial begins with it, with each other pace, and when the server is back. */
export function SlowView(): VNode {
  const [pace, setPace] = useState(5);
  const [trial, setTrial] = useState<Trial>(BEGINNING);
  const asked = useRef(pace);
  const page = useRef<WebSocket | undefined>(undefined);
  const take = (message: ReadersMessage): void => {
    if (message.is === "started") {
      page.current?.close();
      setTrial(BEGINNING);
      page.current = readAll(message.trial, () => setTrial((before) => ({ ...before, pageRead: before.pageRead + 1 })));
    } else setTrial((before) => grown(before, message));
  };
  const { socket, standing } = useSocket(() => askFor(asked, take));
  const start = (perSecond: number): void => {
    setPace(perSecond);
    asked.current = perSecond;
    socket.current?.send(JSON.stringify({ do: "start", perSecond } satisfies ReadersRequest));
  };
  return (
    <>
      <div class="panel slow-choices">
        <label>
          <span>The slow readers read</span>
          <select name="pace" value={String(pace)} onChange={(event) => start(Number(event.currentTarget.value))}>
            {PACES.map((perSecond) => (
              <option key={perSecond} value={String(perSecond)}>
                {perSecond === VALUES_PER_SECOND ? "as fast as they are sent" : `${perSecond} values a second`}
              </option>
            ))}
          </select>
        </label>
        <button type="button" class="primary" disabled={standing.state !== "open"} onClick={() => start(pace)}>
          Start again
        </button>
        <StandingLine standing={standing} retry={() => socket.current?.reconnect()}>
          {trial.over ? "The minute is over." : ""}
        </StandingLine>
      </div>
      {trial.problem !== "" && <p class="bad">{trial.problem}.</p>}
      <QueueChart trial={trial} />
      <div class="readers">
        {READERS.map((name) => (
          <ReaderCard key={name} name={name} pace={pace} trial={trial} />
        ))}
      </div>
      <BothEnds browser={BROWSER} server={SERVER} />
    </>
  );
}

/** Asks for a trial, now and after each return, at the pace that is chosen then. */
function askFor(pace: { readonly current: number }, take: (message: ReadersMessage) => void) {
  const options = { reconnect: COME_BACK, queue: false } as const;
  const socket = new ReconnectingWebSocket(socketUrl("/readers"), [], options);
  socket.onopen = () => {
    const request: ReadersRequest = { do: "start", perSecond: pace.current };
    socket.send(JSON.stringify(request));
  };
  socket.onmessage = ({ data }) => take(JSON.parse(data));
  return socket;
}

function grown(before: Trial, message: Exclude<ReadersMessage, { is: "started" }>): Trial {
  if (message.is === "refused") return { ...before, problem: message.why };
  if (message.is === "over") return { ...before, over: true };
  const queued = Object.fromEntries(
    message.readers.map((reader) => [reader.name, [...before.queued[reader.name], reader.queued]]),
  ) as unknown as Trial["queued"];
  return { ...before, now: message.readers, seconds: [...before.seconds, message.seconds], queued };
}

const DRAWN: readonly ReaderName[] = ["fast", "slow", "latest"];

function QueueChart({ trial }: { readonly trial: Trial }): VNode {
  const { seconds, queued } = trial;
  const end = Math.max(15, seconds.at(-1) ?? 0);
  const data = useMemo(
    (): [number[], ...(number | null)[][]] => [
      [0, ...seconds, end],
      ...DRAWN.map((name) => [null, ...queued[name].map((bytes) => bytes / 1024 / 1024), null]),
      [0, ...seconds, end].map(() => QUEUE_LIMIT / 1024 / 1024),
    ],
    [seconds, queued, end],
  );
  return (
    <figure class="panel">
      <figcaption>
        <h2>What waits in the server</h2>
        <ul class="legend">
          {DRAWN.map((name) => (
            <li key={name}>
              <LineMark series={LOOKS[name]} /> {NAMES[name]}
            </li>
          ))}
          <li>
            <LineMark series={LIMIT} /> the limit, {mebibytes(QUEUE_LIMIT)}
          </li>
        </ul>
      </figcaption>
      <Chart
        label="MiB that wait in the server for each reader, over the seconds of the trial; the cards below have the numbers"
        series={[...DRAWN.map((name) => LOOKS[name]), LIMIT]}
        data={data}
        height={{ wide: 220, narrow: 150 }}
        atLeast={4.2}
        xRange={[0, end]}
        formatY={(value) => `${value} MiB`}
      />
    </figure>
  );
}

interface ReaderCardProps {
  readonly name: ReaderName;
  readonly pace: number;
  readonly trial: Trial;
}

function ReaderCard({ name, pace, trial }: ReaderCardProps): VNode {
  const state = trial.now.find((one) => one.name === name);
  const queued = state?.queued ?? 0;
  const sent = state?.sent ?? 0;
  const read = state?.read ?? trial.pageRead;
  const ended = state?.gone !== undefined || state?.closing !== undefined;
  const how: Readonly<Record<ReaderName, string>> = {
    page: "Reads all values, in this browser.",
    fast: "Reads all values, on the network beside the slow ones.",
    slow: `Is sent all values, and reads ${pace} a second.`,
    latest: `Reads ${pace} a second, and is sent the latest when it has read the one before.`,
  };
  return (
    <section class="panel reader" aria-labelledby={`reader-${name}`} data-reader={name}>
      <h2 id={`reader-${name}`}>
        <LineMark series={LOOKS[name]} /> {NAMES[name]}
      </h2>
      <p class="note">{how[name]}</p>
      <p class="now">
        <span data-fact="queued">{mebibytes(queued)}</span> <span class="unit">waiting</span>
      </p>
      <div class="bar" aria-hidden="true">
        <div
          style={{ width: `${Math.min(100, (100 * queued) / QUEUE_LIMIT)}%`, background: `var(${LOOKS[name].color})` }}
        />
      </div>
      <dl class="facts">
        <div>
          <dt>Sent</dt>
          <dd>{count(sent)}</dd>
        </div>
        <div>
          <dt>Read</dt>
          <dd data-fact="read">{count(read)}</dd>
        </div>
        <div>
          <dt>Behind</dt>
          <dd>{ended ? "–" : count(Math.max(0, sent - read))}</dd>
        </div>
      </dl>
      <p class={ended && !trial.over ? "fate bad" : "fate note"} data-fact="fate">
        {fate(state, trial.over)}
      </p>
    </section>
  );
}

function fate(state: ReaderState | undefined, over: boolean): string {
  if (state === undefined) return "Connecting…";
  const { gone, closing } = state;
  if (gone !== undefined && gone.code !== 1000) {
    return `Let go after ${(closing ?? gone.seconds).toFixed(1)} s, with ${gone.code}: ${gone.why}.`;
  }
  if (over) return "Left when the trial was over.";
  if (closing === undefined) return "Connected.";
  return `Let go after ${closing.toFixed(1)} s: the limit was reached. Its Close is on the way, behind what the network still holds.`;
}

/** In words, for the lead of the view. */
export const FEED: string = `${VALUES_PER_SECOND} values of ${VALUE_SIZE / 1024} KiB a second`;
