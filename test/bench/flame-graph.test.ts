import { describe, expect, test } from "vitest";
import { type CpuProfile, drawFlameGraph, type Flame, flamesOf } from "../../bench/harness/flame-graph.ts";

function frame(functionName: string, url = ""): { functionName: string; url: string } {
  return { functionName, url };
}

/** `write` below `flush`, which is called from two lines of `read`, so that V8 has two nodes for it. */
const profile: CpuProfile = {
  nodes: [
    { id: 1, callFrame: frame("(root)"), children: [2, 3, 6, 7] },
    { id: 2, callFrame: frame("(idle)") },
    { id: 3, callFrame: frame("read", "node:net"), children: [4, 5] },
    { id: 4, callFrame: frame("flush", "file:///a/b/dist/connection/outbox.js"), children: [8] },
    { id: 5, callFrame: frame("flush", "file:///a/b/dist/connection/outbox.js") },
    { id: 6, callFrame: frame("(garbage collector)") },
    { id: 7, callFrame: frame("", "file:///a/b/node_modules/ws/lib/sender.js") },
    { id: 8, callFrame: frame("writeBuffer") },
  ],
  samples: [7, 3, 4, 2, 8, 5, 6, 2],
  timeDeltas: [1000, 1, 2, 3, 4, 5, 6, 500],
};

function shape({ name, kind, time, callees }: Flame): unknown {
  return [name, kind, time, [...callees.values()].map(shape)];
}

describe("flamesOf", () => {
  test("adds up the samples of the window; a function's lines are one box", () => {
    expect(shape(flamesOf(profile, 21))).toEqual([
      "all",
      "native",
      21,
      [
        ["(garbage collector)", "garbage", 6, []],
        [
          "read node:net",
          "node",
          12,
          [["flush connection/outbox.js", "library", 11, [["writeBuffer", "native", 4, []]]]],
        ],
        ["libuv: read, epoll_wait", "native", 3, []],
      ],
    ]);
  });

  test("does not begin before work ends, and goes back no further than the window", () => {
    expect(flamesOf(profile, 6).time).toBe(6);
    expect([...flamesOf(profile, 1021).callees.keys()]).toContain("(anonymous) ws/lib/sender.js");
    expect([...flamesOf(profile, 21).callees.keys()]).not.toContain("(anonymous) ws/lib/sender.js");
  });
});

describe("drawFlameGraph", () => {
  const svg = drawFlameGraph({ title: "a < b & c", root: flamesOf(profile, 21), total: 0.5, unit: "µs per message" });

  test("a box is as wide as its share of the time, and says it", () => {
    expect(svg).toContain("<title>read node:net: 57.1 %, 0.29 µs per message</title>");
    const widths = [...svg.matchAll(/<title>(\S+)[^<]*<\/title><rect x="([\d.]+)" y="(\S+)" width="([\d.]+)"/g)];
    const boxes = new Map(widths.map(([, name, x, y, width]) => [name, { x: Number(x), y: Number(y), width }]));
    expect(boxes.get("all:")).toEqual({ x: 0, y: 0, width: "999.5" });
    expect(boxes.get("read")).toEqual({ x: 0, y: -18, width: "570.9" });
    expect(boxes.get("flush")).toEqual({ x: 0, y: -36, width: "523.3" });
    expect(boxes.get("(garbage")!.x).toBeCloseTo((12 / 21) * 1000, 0);
  });

  test("is well-formed text for either colour scheme", () => {
    expect(svg).toContain("a &lt; b &amp; c");
    expect(svg).toContain("prefers-color-scheme:dark");
    expect(svg.match(/<g>/g)!.length).toBe(svg.match(/<rect x="[^"]+" y="-?\d+" /g)!.length - 4);
  });
});
