/**
 * The comparison view: watch three bills grow, choose, start another, take the table away.
 */
import type { VNode } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import type { Mode } from "../../server/messages.ts";
import { MODES } from "../../server/messages.ts";
import runCode from "../../server/polling/comparison-run.ts?cut=open,poll&code";
import routeCode from "../../server/routes.ts?cut=followRoute&code";
import type { ChartSeries } from "../parts/chart.tsx";
import { Chart } from "../parts/chart.tsx";
import { BothEnds } from "../parts/code.tsx";
import { bytes, count, milliseconds } from "../parts/format.ts";
import { LineMark } from "../parts/marks.tsx";
import { type Standing, StandingLine, useSocket } from "../parts/standing.tsx";
import type { Progress, Settings } from "./comparison.ts";
import { compare, NOTHING } from "./comparison.ts";
import { Control } from "./control.ts";
import readersCode from "./readers.ts?cut=follow,longPoll,shortPoll&code";
import { ResultTable } from "./result-table.tsx";
import { MODE_NAMES, percentile } from "./statistics.ts";

const HOW: Readonly<Record<Mode, string>> = {
  short: "Ask again and again whether something is new.",
  long: "Ask, let the server hold the question until something is new, ask again.",
  socket: "Connect once; be told.",
};

const LOOKS: Readonly<Record<Mode, ChartSeries>> = {
  short: { color: "--short", dash: true, shape: "triangle" },
  long: { color: "--long", shape: "square" },
  socket: { color: "--socket", shape: "circle" },
};
const LINES: readonly ChartSeries[] = MODES.map((mode) => LOOKS[mode]);
const DOTS: readonly ChartSeries[] = LINES.map((line) => ({ ...line, dots: true }));

/** What the view begins with: short, and enough to see the difference. */
const FIRST: Settings = { rate: 10, seconds: 2, polls: 1, order: "after" };

const BROWSER = {
  file: "demo/page/polling/readers.ts",
  text: readersCode,
};
const SERVER = {
  file: "demo/server/routes.ts and polling/comparison-run.ts",
  text: `${routeCode}\n\n${runCode}`,
};

interface Comparisons {
  readonly settings: Settings;
  readonly progress: Progress;
  readonly problem: string;
  readonly busy: boolean;
  readonly standing: Standing;
  choose(settings: Settings): void;
  start(): void;
  stop(): void;
  reset(): void;
  retry(): void;
}

/** One comparison after another: the first by itself, and anew each that was cut off when the server went away. */
function useComparisons(): Comparisons {
  const [settings, setSettings] = useState<Settings>(FIRST);
  const [progress, setProgress] = useState<Progress>(NOTHING);
  const [problem, setProblem] = useState("");
  const [busy, setBusy] = useState(false);
  const running = useRef<AbortController | undefined>(undefined);
  const control = useRef<Control | undefined>(undefined);
  const interrupted = useRef<Settings | undefined>(FIRST);

  const stop = (): void => running.current?.abort();
  const start = async (chosen: Settings): Promise<void> => {
    if (control.current === undefined) return;
    stop();
    const controller = new AbortController();
    running.current = controller;
    interrupted.current = undefined;
    const isCurrent = (): boolean => running.current === controller;
    setProblem("");
    setBusy(true);
    try {
      const show = (next: Progress): void => {
        if (isCurrent()) setProgress(next);
      };
      await compare(control.current, { settings: chosen, signal: controller.signal, show });
    } catch (error) {
      if (isCurrent() && !controller.signal.aborted) {
        setProblem(error instanceof Error ? error.message : String(error));
        interrupted.current = chosen;
      }
    }
    if (isCurrent()) setBusy(false);
  };
  const { socket, standing } = useSocket(() => {
    const made = new Control();
    control.current = made;
    made.socket.addEventListener("open", () => {
      if (interrupted.current !== undefined) void start(interrupted.current);
    });
    return made.socket;
  });
  useEffect(() => stop, []);
  const choose = (chosen: Settings): void => {
    setSettings(chosen);
    stop();
    interrupted.current = undefined;
  };
  return {
    settings,
    progress,
    problem,
    busy,
    standing,
    choose,
    stop,
    start: () => void start(settings),
    reset: () => setProgress(NOTHING),
    retry: () => socket.current?.reconnect(),
  };
}

/** The view. */
export function PollingView(): VNode {
  const { settings, progress, problem, busy, standing, choose, start, stop, reset, retry } = useComparisons();
  const reachable = standing.state === "open";
  return (
    <>
      <Choices settings={settings} choose={choose}>
        <button type="button" class="primary" disabled={!busy && !reachable} onClick={busy ? stop : start}>
          {busy ? "Stop" : "Start"}
        </button>
        <button type="button" disabled={busy} onClick={reset}>
          Reset
        </button>
      </Choices>
      {(!reachable || standing.lost !== undefined) && <StandingLine standing={standing} retry={retry} />}
      <p class="status progress" role="status">
        <Status progress={progress} busy={busy} problem={problem} reachable={reachable} />
      </p>
      <div class="modes">
        {MODES.map((mode) => (
          <ModeCard key={mode} mode={mode} progress={progress} />
        ))}
      </div>
      <Charts progress={progress} settings={settings} />
      <ResultTable results={progress.results} complete={!busy} />
      <Method progress={progress} />
      <BothEnds browser={BROWSER} server={SERVER} />
    </>
  );
}

interface ChoicesProps {
  readonly settings: Settings;
  readonly choose: (settings: Settings) => void;
  readonly children: VNode[];
}

function Choices({ settings, choose, children }: ChoicesProps): VNode {
  const number = (
    name: "rate" | "seconds" | "polls",
    label: string,
    options: readonly (readonly [number, string])[],
  ) => (
    <label>
      <span>{label}</span>
      <select
        name={name}
        value={String(settings[name])}
        onChange={(event) => choose({ ...settings, [name]: Number(event.currentTarget.value) })}
      >
        {options.map(([value, text]) => (
          <option key={value} value={String(value)}>
            {text}
          </option>
        ))}
      </select>
    </label>
  );
  return (
    <fieldset class="choices panel">
      <legend class="hidden">What to compare</legend>
      {number(
        "rate",
        "Changes a second",
        [1, 2, 5, 10, 20, 50].map((rate) => [rate, String(rate)] as const),
      )}
      {number(
        "seconds",
        "Duration",
        [2, 5, 10, 30, 60].map((seconds) => [seconds, `${seconds} s`] as const),
      )}
      {number("polls", "Short polls", [
        [0.5, "one for two changes"],
        [1, "one for each change"],
        [2, "two for each change"],
        [5, "five for each change"],
      ])}
      <label>
        <span>Order</span>
        <select
          name="order"
          value={settings.order}
          onChange={(event) => choose({ ...settings, order: event.currentTarget.value === "once" ? "once" : "after" })}
        >
          <option value="after">one after another</option>
          <option value="once">all at once</option>
        </select>
      </label>
      <div class="actions">{children}</div>
    </fieldset>
  );
}

interface StatusProps {
  readonly progress: Progress;
  readonly busy: boolean;
  readonly problem: string;
  readonly reachable: boolean;
}

function Status({ progress, busy, problem, reachable }: StatusProps): VNode {
  if (problem !== "" && !reachable) return <>The comparison was cut off. It begins anew when the server is back.</>;
  if (problem !== "") return <span class="bad">{problem}.</span>;
  if (busy && progress.running.length === 0) return <>Warming up, then measuring the clocks and the idle server…</>;
  if (busy) return <>Running: {progress.running.map((mode) => MODE_NAMES[mode]).join(", ")}…</>;
  if (Object.keys(progress.results).length === 0) return <>Ready.</>;
  if (progress.hidden)
    return <span class="bad">Done, but this page was hidden meanwhile: do not trust the latencies.</span>;
  return <>Done.</>;
}

function ModeCard({ mode, progress }: { readonly mode: Mode; readonly progress: Progress }): VNode {
  const result = progress.results[mode];
  const total = (one: Mode): number => {
    const tally = progress.results[one]?.tally;
    return tally === undefined ? 0 : tally.bytesIn + tally.bytesOut;
  };
  const most = Math.max(1, ...MODES.map(total));
  const last = progress.last[mode];
  const active = progress.running.includes(mode);
  return (
    <section class={`panel mode ${mode}${active ? " active" : ""}`} aria-labelledby={`mode-${mode}`} data-mode={mode}>
      <h2 id={`mode-${mode}`}>
        <LineMark series={LOOKS[mode]} /> {MODE_NAMES[mode]}
      </h2>
      <p class="note">{HOW[mode]}</p>
      <p class="now">
        <span>{bytes(total(mode))}</span> <span class="unit">on the wire</span>
      </p>
      <div class="bar" aria-hidden="true">
        <div style={{ width: `${(100 * total(mode)) / most}%` }} />
      </div>
      <dl class="facts">
        <Fact name="Requests" value={count(result?.tally.requests ?? 0)} />
        <Fact name="Up" value={bytes(result?.tally.bytesIn ?? 0)} />
        <Fact name="Down" value={bytes(result?.tally.bytesOut ?? 0)} />
        <Fact name="Latency p50" value={milliseconds(percentile(result?.latencies ?? [], 0.5))} />
        <Fact name="Latency p99" value={milliseconds(percentile(result?.latencies ?? [], 0.99))} />
        <Fact name="Server CPU" value={milliseconds(result?.cpu)} />
      </dl>
      <p class="note latest">
        {last === undefined
          ? "No change seen yet"
          : `Change ${last.seq}: machine load ${last.machineCpu.toFixed(0)} %, process ${last.processMemory.toFixed(1)} MiB`}
      </p>
    </section>
  );
}

function Fact({ name, value }: { readonly name: string; readonly value: string }): VNode {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}

function Charts({ progress, settings }: { readonly progress: Progress; readonly settings: Settings }): VNode {
  const { curves, results } = progress;
  const grown = useMemo(
    (): [number[], ...(number | null)[][]] => [[...curves.seconds], ...MODES.map((mode) => [...curves.bytes[mode]])],
    [curves],
  );
  const latencies = useMemo((): [number[], ...(number | null)[][]] => {
    const all = MODES.map((mode) => results[mode]?.latencies ?? []);
    const longest = Math.max(0, ...all.map((one) => one.length));
    const numbers = Array.from({ length: longest }, (_, index) => index + 1);
    return [numbers, ...all.map((one) => numbers.map((_, index) => one[index] ?? null))];
  }, [results]);
  return (
    <div class="pair">
      <figure class="panel">
        <figcaption>
          <h2>Bytes on the wire</h2>
          <p class="note">Both directions, over the seconds of each run.</p>
        </figcaption>
        <Legend />
        <Chart
          label="Bytes on the wire over time, for the three modes; the table below has the final figures"
          series={LINES}
          data={grown}
          height={200}
          atLeast={1000}
          xRange={[0, curves.seconds.at(-1) ?? settings.seconds]}
          formatY={bytes}
        />
      </figure>
      <figure class="panel">
        <figcaption>
          <h2>From change to screen</h2>
          <p class="note">Each change’s latency, in the order they came.</p>
        </figcaption>
        <Legend />
        <Chart
          label="Latency of each change, for the three modes; the table below has median and 99th percentile"
          series={DOTS}
          data={latencies}
          height={200}
          atLeast={20}
          xRange={[0, settings.rate * settings.seconds]}
          formatY={(value) => `${value} ms`}
        />
      </figure>
    </div>
  );
}

function Legend(): VNode {
  return (
    <ul class="legend">
      {MODES.map((mode) => (
        <li key={mode}>
          <LineMark series={LOOKS[mode]} /> {MODE_NAMES[mode]}
        </li>
      ))}
    </ul>
  );
}

function Method({ progress }: { readonly progress: Progress }): VNode {
  const { clock, idleCpu } = progress;
  return (
    <details class="method">
      <summary>How this is measured</summary>
      <ul>
        <li>
          Bytes are what the server’s sockets read and wrote for each mode: request and response headers, the opening
          handshake, frames. TCP and IP headers come on top. Headers are the browser’s and Node’s own; the answers carry
          as few as HTTP allows, and an empty one is a 204.
        </li>
        <li>
          Latency runs from the server’s clock when the change is made to the page’s clock after the frame that shows
          it.{" "}
          {clock === undefined
            ? "The clocks’ distance is measured at the start and taken off."
            : `The server’s clock was ${clock.offset.toFixed(2)} ms from the page’s, known to ± ${(clock.roundTrip / 2).toFixed(2)} ms; that is taken off.`}
        </li>
        <li>
          The modes run one after another, because a process’s CPU time cannot be divided between modes that run at
          once; when they do, the column stays empty.{" "}
          {idleCpu !== undefined &&
            `Idle, this server uses ${idleCpu.toFixed(1)} ms of CPU a second, included in every mode.`}{" "}
          All modes first run for a second that is not counted, so that none pays for the program’s start.
        </li>
        <li>
          Changes come at the same irregular moments in every run, so that polling can neither fall in step with them
          nor always just miss them.
        </li>
      </ul>
    </details>
  );
}
