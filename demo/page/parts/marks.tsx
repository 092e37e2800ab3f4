/**
 * The mark of a line beside its name: the same colour, dash and shape as in the picture, so that colour is never the only
 * difference.
 */
import type { VNode } from "preact";
import type { ChartSeries } from "./chart.tsx";
import { DASH } from "./chart.tsx";

/** The mark of one line of a chart. */
export function LineMark({ series }: { readonly series: ChartSeries }): VNode {
  const { color, dash = false, shape } = series;
  const paint = `var(${color})`;
  return (
    <svg class="line-mark" viewBox="0 0 28 12" width="28" height="12" aria-hidden="true">
      <line
        x1="1"
        x2="27"
        y1="6"
        y2="6"
        stroke={paint}
        stroke-width="2"
        stroke-dasharray={dash ? DASH.join(" ") : "none"}
      />
      {shape === "circle" && <circle cx="14" cy="6" r="4" fill={paint} />}
      {shape === "square" && <rect x="10" y="2" width="8" height="8" fill={paint} />}
      {shape === "triangle" && <path d="M14 1 L19 10.5 H9 Z" fill={paint} />}
    </svg>
  );
}
