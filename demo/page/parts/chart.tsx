/**
 * One live chart: uPlot, drawn in the page's own colours and redrawn in the other theme's when that changes.
 * The picture is one image to assistive technology; what it shows is said in text beside it.
 */
import type { VNode } from "preact";
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { useTheme } from "./theme.ts";

/** A line of a chart; `color` is one of the page's colour variables. */
export interface ChartSeries {
  readonly color: "--socket" | "--long" | "--short" | "--accent" | "--second" | "--muted" | "--ink";
  readonly dash?: boolean;
  readonly fill?: boolean;
  /** The shape of its points: some on a line, all of them with `dots`, which has no line. */
  readonly shape?: PointShape;
  readonly dots?: boolean;
}

/** What a point looks like. */
export type PointShape = "circle" | "square" | "triangle";

/** The dashes and gaps of a dashed line, in pixels. */
export const DASH: readonly [number, number] = [5, 3];

/** What a chart shows. */
export interface ChartProps {
  readonly label: string;
  readonly series: readonly ChartSeries[];
  /** The x values, then one array for each series. */
  readonly data: uPlot.AlignedData;
  /** In pixels; narrow windows have another. */
  readonly height: number | { readonly wide: number; readonly narrow: number };
  /** Whether x is time in seconds since the epoch; else plain numbers. */
  readonly time?: boolean;
  /** The least top of the y axis, so that small noise does not look like a storm. */
  readonly atLeast?: number;
  readonly xRange?: readonly [number, number];
  readonly formatY?: (value: number) => string;
}

/** Draws `data` and follows it. */
export function Chart(props: ChartProps): VNode {
  const holder = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | undefined>(undefined);
  const latest = useRef(props);
  latest.current = props;
  const theme = useTheme();

  useEffect(() => {
    const element = holder.current;
    if (element === null) return;
    const made = new uPlot(options(latest, element), latest.current.data, element);
    plot.current = made;
    const observer = new ResizeObserver(() =>
      made.setSize({ width: element.clientWidth, height: heightOf(latest.current) }),
    );
    observer.observe(element);
    return () => {
      observer.disconnect();
      made.destroy();
      plot.current = undefined;
    };
  }, [theme]);

  useEffect(() => {
    plot.current?.setData(props.data);
  }, [props.data]);

  return <div class="chart" role="img" aria-label={props.label} data-points={props.data[0].length} ref={holder} />;
}

function options(latest: { readonly current: ChartProps }, element: HTMLElement): uPlot.Options {
  const { series, time = false, atLeast = 1, formatY = String } = latest.current;
  const font = `11px ${getComputedStyle(element).fontFamily}`;
  const axis: uPlot.Axis = {
    font,
    stroke: color("--muted", element),
    grid: { stroke: color("--rule", element), width: 1 },
    ticks: { show: false },
  };
  return {
    width: element.clientWidth,
    height: heightOf(latest.current),
    legend: { show: false },
    cursor: { show: false },
    padding: [8, 14, 0, 0],
    scales: {
      x: {
        time,
        range: (_plot, low, high) => {
          const [from, to] = latest.current.xRange ?? [low, high];
          return [from, to > from ? to : from + 1];
        },
      },
      y: { range: (_plot, _low, high) => [0, Math.max(high ?? 0, atLeast) * 1.08] },
    },
    axes: [
      { ...axis, grid: { show: false }, size: 24, space: 70, ...(time ? { values: timeOfDay } : {}) },
      { ...axis, size: (_plot, labels) => labelWidth(labels), space: 32, values: (_plot, ticks) => ticks.map(formatY) },
    ],
    series: [
      {},
      ...series.map(({ color: name, dash = false, fill = false, shape, dots = false }): uPlot.Series => {
        const stroke = color(name, element);
        return {
          stroke,
          width: 1.75,
          spanGaps: true,
          ...(dash ? { dash: [...DASH] } : {}),
          ...(fill ? { fill: color(`${name}-soft`, element) } : {}),
          points: pointsOf(shape, dots, stroke),
          ...(dots ? { paths: () => null } : {}),
        };
      }),
    ],
  };
}

function heightOf({ height }: ChartProps): number {
  if (typeof height === "number") return height;
  return matchMedia("(max-width: 40rem)").matches ? height.narrow : height.wide;
}

const POINT_RADIUS = 3;

/** About how many points mark a line. */
const MARKS = 8;

function pointsOf(shape: PointShape | undefined, all: boolean, fill: string): uPlot.Series.Points {
  if (shape === undefined) return { show: false };
  const points = { show: true, fill, width: 0, paths: shaped(shape) };
  return all ? points : { ...points, filter: (plot, index) => marksOf(plot.data[index] ?? []) };
}

/** The places of some values, evenly among those that are there. */
function marksOf(values: ArrayLike<number | null | undefined>): number[] {
  const there = Array.from(values, (value, at) => (value === null || value === undefined ? -1 : at)).filter(
    (at) => at >= 0,
  );
  const step = Math.ceil(there.length / MARKS);
  return there.filter((_, nth) => nth % step === step - 1);
}

/** Draws points of a series in its shape: those at `chosen` places, else all from `from` to `to`. */
function shaped(shape: PointShape): uPlot.Series.Points.PathBuilder {
  return (plot, index, from, to, chosen) => {
    const fill = new Path2D();
    const radius = POINT_RADIUS * devicePixelRatio;
    const values = plot.data[index];
    for (const at of chosen ?? Array.from({ length: to - from + 1 }, (_, nth) => from + nth)) {
      const value = values?.[at];
      if (value === null || value === undefined) continue;
      const x = plot.valToPos(plot.data[0][at] ?? 0, "x", true);
      const y = plot.valToPos(value, "y", true);
      if (shape === "square") fill.rect(x - radius, y - radius, 2 * radius, 2 * radius);
      else if (shape === "triangle") {
        fill.moveTo(x, y - 1.25 * radius);
        fill.lineTo(x + 1.2 * radius, y + radius);
        fill.lineTo(x - 1.2 * radius, y + radius);
      } else {
        fill.moveTo(x + radius, y);
        fill.arc(x, y, radius, 0, 2 * Math.PI);
      }
      fill.closePath();
    }
    return { stroke: null, fill, clip: null, flags: 1 };
  };
}

/** Room for the widest label of the y axis, at 11 px. */
function labelWidth(labels: readonly string[] | null): number {
  return 14 + 6.5 * Math.max(0, ...(labels ?? []).map((label) => label.length));
}

function timeOfDay(_plot: uPlot, ticks: number[]): string[] {
  return ticks.map((seconds) =>
    new Date(seconds * 1000).toLocaleTimeString([], { minute: "2-digit", second: "2-digit" }),
  );
}

/** A canvas needs a colour's value; the browser works it out for an element that wears it. */
function color(variable: string, element: HTMLElement): string {
  const probe = document.createElement("span");
  probe.style.color = `var(${variable})`;
  element.append(probe);
  const value = getComputedStyle(probe).color;
  probe.remove();
  return value;
}
