import { expect, test } from "vitest";
import { drawStorms } from "../../../bench/storm/picture.ts";
import { stormMarkdown, targetsOf } from "../../../bench/storm/report.ts";
import { mostInASecond, perTenth, type Storm } from "../../../bench/storm/storm.ts";

const met: Storm = {
  away: 5000,
  jitter: true,
  clients: 10_000,
  gone: 5200,
  most: 15_000,
  all: 39_000,
  due: [100, 0, 400],
  back: [0, 5000, 5000],
  begun: 10_000,
  lost: 0,
  peak: 2000,
  failed: { ECONNREFUSED: 5000 },
  delay: { p50: 10, p99: 99, max: 400 },
  waited: 0.02,
};
const machine = { cpu: "x", cores: 2, memory: 8, system: "Linux", node: "20", loadBefore: 0, loadAfter: 0 };

function pageOf(...storms: Storm[]): string {
  return stormMarkdown({ date: "2026-01-01", command: "npm run bench", commit: undefined, machine, storms });
}

test("times are counted in tenths of a second, and the busiest second may begin in any of them", () => {
  expect(perTenth([950, 1000, 1099, 1100, 1350], 1000)).toEqual([3, 1, 0, 1]);
  expect(mostInASecond([1, 0, 0, 0, 0, 5, 0, 0, 0, 0, 5, 1])).toBe(11);
});

test("each target is met at its bound and missed beyond it, by clients that never came back too", () => {
  expect(targetsOf(met).map((target) => target.met)).toEqual([true, true, true, true]);
  const missed: Storm = { ...met, most: 20_001, all: undefined, lost: 1, delay: { ...met.delay, p99: 101 } };
  expect(targetsOf(missed).map((target) => target.met)).toEqual([false, false, false, false]);
  expect(targetsOf({ ...met, away: 0 }).map((target) => target.met)).toEqual([false, true, true, true]);
  expect(targetsOf({ ...met, jitter: false })).toEqual([]);
});

test("the page has a line for each storm, and says what was missed", () => {
  const page = pageOf(met, { ...met, jitter: false, all: undefined });
  expect(page).toContain("| 5.2 s | **openline** | 15.0 s | 39.0 s | 400 | 2,000 | 1.5 | 0 of 10,000 |");
  expect(page).toContain("| 5.2 s | without jitter | 15.0 s | never |");
  expect(page).not.toContain("**no**");
  expect(pageOf({ ...met, lost: 3 })).toContain("| begun handshakes that failed | 0 | 3 | **no** |");
});

test("the picture has a column for each absence, on one scale, and a curve that ends at all clients", () => {
  const svg = drawStorms([{ ...met, away: 0 }, { ...met, jitter: false, away: 0, due: [4000] }, met]);
  expect(svg.match(/away for \d s/g)).toEqual(["away for 0 s", "away for 5 s"]);
  expect([...svg.matchAll(/<polyline points="[^"]* [\d.]+,([\d.]+)"/g)].map(([, y]) => y)).toEqual([
    "280",
    "280",
    "280",
  ]);
  expect(svg.match(/>4,000</g)).toHaveLength(2);
});
