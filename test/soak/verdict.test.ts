/** The verdict of a soak: each thing that must hold fails it alone. */
import { describe, expect, it, test } from "vitest";
import { drawPanels } from "../../soak/picture.ts";
import { reached } from "../../soak/report.ts";
import { fitLine, type Sample, toCsv } from "../../soak/series.ts";
import { judge, moreHandles, type Outcome, slopeBound, slopes, warmUp } from "../../soak/verdict.ts";

const MiB = 2 ** 20;

/** A minute's samples for an hour; the server's memory grows by so many MiB in ten minutes. */
function samples(growth: Partial<Record<"rss" | "heap" | "external", number>> = {}): Sample[] {
  return Array.from({ length: 61 }, (_, minute) => {
    // While it warms up, memory grows as it likes.
    const grown = (base: number, name: "rss" | "heap" | "external") =>
      (base + (minute < 20 ? minute * 5 : 100 + ((growth[name] ?? 0) * minute) / 10)) * MiB;
    return {
      time: minute * 60,
      rss: grown(200, "rss"),
      heap: grown(30, "heap"),
      external: grown(20, "external"),
      collected: minute % 2 === 0,
      descriptors: 1020,
      connections: 1000,
      received: minute * 60_000,
      answered: minute * 60_000,
      delivered: minute * 6000,
      opened: 1000 + minute,
      errors: 0,
      lag: 3.25,
      worstLag: 10,
      loadRss: 300 * MiB,
    };
  });
}

const load = {
  ...{ open: 0, opened: 1060, sent: 3_600_100, answered: 3_600_000, delivered: 360_000, cut: 100, abused: 5 },
  ...{ errors: 0, firstErrors: [], rss: 300 * MiB },
};
const counts = {
  ...{ port: 1, connections: 0, received: 3_600_000, sent: 3_600_000, published: 9, errors: 0, firstErrors: [] },
  ...{ rss: 1, heap: 1, external: 1, lag: 1, worstLag: 1, handles: { PipeWrap: 2, TCPServerWrap: 1 } },
};
const state = { counts, descriptors: 20 };
const good: Outcome = {
  ...{ minutes: 60, samples: samples(), load, before: state, after: state, exitCode: 0, stderr: "" },
};

function failed(outcome: Partial<Outcome>): string[] {
  return judge({ ...good, ...outcome })
    .filter(({ ok }) => !ok)
    .map(({ title }) => title);
}

describe("the verdict", () => {
  it("is good when all holds", () => {
    expect(failed({})).toEqual([]);
    expect(failed({ samples: samples({ rss: 0.9, heap: 0.9 }) })).toEqual([]);
    expect(failed({ samples: samples({ rss: -20, heap: -20 }) })).toEqual([]);
  });

  test.each<[string, string, Partial<Outcome>]>([
    ["an error of a client", "nothing lost, reordered or damaged", { load: { ...load, errors: 1 } }],
    [
      "an error of the server",
      "nothing lost, reordered or damaged",
      { after: { ...state, counts: { ...counts, errors: 1 } } },
    ],
    ["an answer too few", "every message answered", { load: { ...load, answered: load.answered - 1 } }],
    ["an answer too many", "every message answered", { load: { ...load, answered: load.answered + 1 } }],
    ["growing memory", "resident memory steady", { samples: samples({ rss: 1.1 }) }],
    ["a growing heap", "heap steady", { samples: samples({ heap: 1.1 }) }],
    ["growing memory outside the heap", "heap steady", { samples: samples({ external: 1.1 }) }],
    ["a descriptor left", "descriptors back", { after: { ...state, descriptors: 21 } }],
    [
      "a handle left",
      "handles back",
      { after: { ...state, counts: { ...counts, handles: { PipeWrap: 2, Timeout: 1 } } } },
    ],
    ["a failed end", "the server ended by itself, in silence", { exitCode: 1 }],
    ["a killed server", "the server ended by itself, in silence", { exitCode: null }],
    ["a word on stderr", "the server ended by itself, in silence", { stderr: "Warning" }],
  ])("%s fails: %s", (_, title, outcome) => {
    expect(failed(outcome)).toEqual([title]);
  });

  it("judges memory after the warm-up, after garbage was collected, and before the load ends", () => {
    const spiky = samples().map((sample) => ({ ...sample, rss: sample.collected ? sample.rss : 900 * MiB }));
    const ended = { ...spiky[60]!, time: 3700, collected: true, rss: 9000 * MiB };
    expect(slopes({ samples: [...spiky, ended], minutes: 60 })).toEqual({
      rss: expect.closeTo(0, 6),
      heap: expect.closeTo(0, 6),
    });
  });

  it("is as strict as the time allows: 1 MiB in ten minutes from an hour on", () => {
    expect([3, 60, 90].map(warmUp)).toEqual([60, 1200, 1800]);
    expect([1, 3, 60, 600].map(slopeBound).map(Math.round)).toEqual([Number.POSITIVE_INFINITY, 121, 1, 1]);
    expect(slopeBound(60)).toBe(1);
  });

  it("names the handles that are too many", () => {
    expect(moreHandles({ PipeWrap: 2 }, { PipeWrap: 3, Timeout: 1 })).toBe(
      "PipeWrap: 2 before, 3 after; Timeout: 0 before, 1 after",
    );
  });
});

it("what was reached is counted from the end of the warm-up on", () => {
  expect(reached({ samples: samples(), minutes: 60 })).toEqual({ rate: 1000, delivered: 100, connections: 1000 });
  expect(reached({ samples: [], minutes: 60 })).toEqual({ rate: 0, delivered: 0, connections: 0 });
});

describe("the series", () => {
  it("has a line of titles, and a row a sample with as many columns", () => {
    const [titles, ...rows] = toCsv(samples()).trimEnd().split("\n");
    expect(titles!.split(",").slice(0, 2)).toEqual(["time_s", "rss_bytes"]);
    expect(rows).toHaveLength(61);
    expect(new Set(rows.map((row) => row.split(",").length))).toEqual(new Set([titles!.split(",").length]));
    expect(rows[1]!.split(",").slice(0, 2)).toEqual(["60", String(205 * MiB)]);
  });

  test.each([
    [[], 0, 0],
    [[[3, 5]], 0, 5],
    [
      [
        [0, 1],
        [1, 3],
        [2, 5],
      ],
      2,
      7,
    ],
    [
      [
        [0, 0],
        [1, 1],
        [2, 0],
      ],
      0,
      1 / 3,
    ],
  ] as const)("%j: the line that fits best", (points, slope, atThree) => {
    const line = fitLine(points);
    expect([line.slope, line.at(3)]).toEqual([expect.closeTo(slope, 9), expect.closeTo(atThree, 9)]);
  });
});

test.each(["light", "dark"] as const)("the picture, %s, has a line for each series and nothing outside", (theme) => {
  const line = { title: "one & two", points: [0, 600, 1200].map((time) => [time, time / 3] as const) };
  const panels = [
    { title: "A <panel>", lines: [line, { ...line, dashed: true }] },
    { title: "empty", lines: [] },
  ];
  const svg = drawPanels("All", panels, theme);
  expect(svg.match(/<polyline /g)).toHaveLength(2);
  expect(svg.match(/stroke-dasharray/g)).toHaveLength(1);
  expect(svg).toContain("A &lt;panel>");
  expect(svg).toContain("one &amp; two");
  const [, width = 0, height = 0] = (/viewBox="0 0 (\d+) (\d+)"/.exec(svg) ?? []).map(Number);
  const places = [...svg.matchAll(/(-?[\d.]+),(-?[\d.]+)/g)].map(([, x, y]) => [Number(x), Number(y)] as const);
  expect(places).toHaveLength(6);
  for (const [x, y] of places) {
    expect(x >= 0 && x <= width && y >= 0 && y <= height).toBe(true);
  }
  expect(svg).not.toMatch(/NaN|Infinity|undefined/);
});
