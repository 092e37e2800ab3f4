/**
 * A flame graph as SVG text: from a sampled CPU profile, how much of the time each function had, callers below callees.
 *
 * Functions of the same name, file and caller are one box. What V8 calls idle is the time in libuv outside of JavaScript:
 * in a process that is never without work, its reads and its looks for what can be read.
 */
import { escaped } from "./svg.ts";

/** What is used of a `.cpuprofile` file, as V8 writes it; times in µs. */
export interface CpuProfile {
  readonly nodes: readonly ProfileNode[];
  /** The id of the node on top of the stack, sample after sample. */
  readonly samples: readonly number[];
  /** What passed before each sample. */
  readonly timeDeltas: readonly number[];
}

interface ProfileNode {
  readonly id: number;
  readonly callFrame: { readonly functionName: string; readonly url: string };
  readonly children?: readonly number[];
}

/** A function called by the one below it, with the µs of itself and all that it calls. */
export interface Flame {
  readonly name: string;
  /** Whose code it is: the library's under measurement, Node's in JavaScript, native, or the garbage collector. */
  readonly kind: "library" | "node" | "native" | "garbage";
  time: number;
  readonly callees: Map<string, Flame>;
}

/** What is drawn. */
export interface FlameGraph {
  readonly title: string;
  readonly root: Flame;
  /** What the whole width stands for, such as CPU µs per message. */
  readonly total: number;
  readonly unit: string;
}

const fills: Readonly<Record<Flame["kind"], string>> = {
  library: "#6cb2f7",
  node: "#e9c46a",
  native: "#aab4be",
  garbage: "#e98a7b",
};
const legends: Readonly<Record<Flame["kind"], string>> = {
  library: "the library and its handler",
  node: "Node in JavaScript",
  native: "native code and system calls",
  garbage: "garbage collection",
};
const [width, rowHeight, top, letter] = [1000, 18, 76, 6.3];
/** Boxes narrower than this many pixels are left out. */
const narrowest = 1;

/** Adds up the samples of the last `window` µs before the last one in JavaScript. */
export function flamesOf({ nodes, samples, timeDeltas }: CpuProfile, window: number): Flame {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const parents = new Map(nodes.flatMap(({ id, children = [] }) => children.map((child) => [child, id] as const)));
  const stackOf = (id: number | undefined): ProfileNode[] => {
    const node = id === undefined ? undefined : byId.get(id);
    return node === undefined ? [] : [...stackOf(parents.get(node.id)), node];
  };
  const root: Flame = { name: "all", kind: "native", time: 0, callees: new Map() };
  let passed = 0;
  for (let index = samples.length - 1; index >= 0 && passed < window; index--) {
    const stack = stackOf(samples[index]).slice(1);
    if (passed === 0 && stack[0]?.callFrame.functionName === "(idle)") continue;
    passed += timeDeltas[index]!;
    add(root, stack, timeDeltas[index]!);
  }
  return root;
}

function add(root: Flame, stack: readonly ProfileNode[], time: number): void {
  let flame = root;
  flame.time += time;
  for (const { callFrame } of stack) {
    const name = nameOf(callFrame);
    const callee = flame.callees.get(name) ?? { name, kind: kindOf(callFrame), time: 0, callees: new Map() };
    flame.callees.set(name, callee);
    callee.time += time;
    flame = callee;
  }
}

function nameOf({ functionName, url }: ProfileNode["callFrame"]): string {
  if (functionName === "(idle)") return "libuv: read, epoll_wait";
  const file = url.replace(/^.*\/(?:dist|node_modules)\//, "").replace(/^file:.*\//, "");
  return `${functionName || "(anonymous)"}${file === "" ? "" : ` ${file}`}`;
}

function kindOf({ functionName, url }: ProfileNode["callFrame"]): Flame["kind"] {
  if (functionName === "(garbage collector)") return "garbage";
  if (url.startsWith("node:")) return "node";
  return url.startsWith("file:") ? "library" : "native";
}

/** The graph as a whole SVG document; the share of a box is in its tooltip. */
export function drawFlameGraph({ title, root, total, unit }: FlameGraph): string {
  const boxes: string[] = [];
  const depth = draw(root, { x: 0, level: 0 }, { perPixel: root.time / width, boxes, describe });
  const height = top + depth * rowHeight + 8;
  function describe(flame: Flame): string {
    const share = flame.time / root.time;
    return `${flame.name}: ${(share * 100).toFixed(1)} %, ${(share * total).toPrecision(2)} ${unit}`;
  }
  const kinds = Object.keys(fills) as Flame["kind"][];
  const legend = kinds.map((kind, index) => {
    const x = 8 + index * 230;
    return `<rect x="${x}" y="34" width="12" height="12" fill="${fills[kind]}"/><text x="${x + 18}" y="44" class="ink">${legends[kind]}</text>`;
  });
  // The rows grow upwards: what is drawn at level 0 belongs at the bottom.
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" ` +
    `role="img" font-family="ui-monospace, monospace" font-size="10.5">\n<title>${escaped(title)}</title>\n` +
    "<style>.page{fill:#ffffff}.ink{fill:#1f2328}@media(prefers-color-scheme:dark){.page{fill:#0d1117}.ink{fill:#f0f6fc}}</style>\n" +
    `<rect width="${width}" height="${height}" class="page"/>\n` +
    `<text x="8" y="22" class="ink" font-size="14">${escaped(title)}</text>\n${legend.join("\n")}\n` +
    `<g transform="translate(0 ${height - 8 - rowHeight})">\n${boxes.join("\n")}\n</g>\n</svg>\n`
  );
}

interface Drawing {
  readonly perPixel: number;
  readonly boxes: string[];
  describe(flame: Flame): string;
}

/** Draws the flame and what it calls; returns how many levels they take. */
function draw(flame: Flame, { x, level }: { x: number; level: number }, drawing: Drawing): number {
  const wide = flame.time / drawing.perPixel;
  const y = -level * rowHeight;
  const letters = Math.floor((wide - 6) / letter);
  const shown = letters < 3 ? "" : flame.name.length <= letters ? flame.name : `${flame.name.slice(0, letters - 1)}…`;
  const box = `x="${x.toFixed(1)}" y="${y}" width="${Math.max(0.5, wide - 0.5).toFixed(1)}" height="${rowHeight - 1}"`;
  const label =
    shown === "" ? "" : `<text x="${(x + 3).toFixed(1)}" y="${y + 12.5}" fill="#1f2328">${escaped(shown)}</text>`;
  drawing.boxes.push(
    `<g><title>${escaped(drawing.describe(flame))}</title><rect ${box} fill="${fills[flame.kind]}"/>${label}</g>`,
  );
  let depth = 1;
  let from = x;
  for (const callee of [...flame.callees.values()].sort((a, b) => b.time - a.time)) {
    if (callee.time / drawing.perPixel < narrowest) continue;
    depth = Math.max(depth, 1 + draw(callee, { x: from, level: level + 1 }, drawing));
    from += callee.time / drawing.perPixel;
  }
  return depth;
}
