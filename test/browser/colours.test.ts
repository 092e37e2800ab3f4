/**
 * The colours of the three modes stay apart for eyes that see fewer of them, in both themes.
 *
 * What such eyes see is worked out with the matrices of Machado, Oliveira and Fernandes (2009) for full dichromacy, in
 * linear light; the distance is that of OKLab, in which 0.02 is about the least that can be told apart side by side.
 */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";

const css = readFileSync(new URL("../../demo/page/base.css", import.meta.url), "utf8");

type Triple = readonly [number, number, number];

const SIGHT: Readonly<Record<string, readonly [Triple, Triple, Triple]>> = {
  "all colours": [
    [1, 0, 0],
    [0, 1, 0],
    [0, 0, 1],
  ],
  protanopia: [
    [0.152286, 1.052583, -0.204868],
    [0.114503, 0.786281, 0.099216],
    [-0.003882, -0.048116, 1.051998],
  ],
  deuteranopia: [
    [0.367322, 0.860646, -0.227968],
    [0.280085, 0.672501, 0.047413],
    [-0.01182, 0.04294, 0.968881],
  ],
  tritanopia: [
    [1.255528, -0.076749, -0.178779],
    [-0.078411, 0.930809, 0.147602],
    [0.004733, 0.691367, 0.3039],
  ],
};

const themes = ["light", "dark"] as const;
const least = 0.12;

test.each(Object.keys(SIGHT).flatMap((sight) => themes.map((theme) => [sight, theme] as const)))(
  "the modes' colours differ for %s, %s",
  (sight, theme) => {
    const matrix = SIGHT[sight]!;
    const [short, long, socket] = ["short", "long", "socket"].map((name) => seen(colour(name, theme), matrix));
    expect(distance(short!, long!)).toBeGreaterThan(least);
    expect(distance(short!, socket!)).toBeGreaterThan(least);
    expect(distance(long!, socket!)).toBeGreaterThan(least);
  },
);

test("the measure tells near colours from far ones", () => {
  const matrix = SIGHT.deuteranopia!;
  expect(distance(seen("#b3471d", matrix), seen("#85600a", matrix))).toBeLessThan(least);
  expect(distance(seen("#000000", matrix), seen("#ffffff", matrix))).toBeCloseTo(1, 2);
});

function colour(name: string, theme: (typeof themes)[number]): string {
  const values = new RegExp(`--${name}: light-dark\\((#[0-9a-f]{6}), (#[0-9a-f]{6})\\);`).exec(css);
  const value = values?.[1 + themes.indexOf(theme)];
  if (value === undefined) throw new Error(`The page has no colour --${name}`);
  return value;
}

function seen(hex: string, matrix: readonly Triple[]): Triple {
  const [red, green, blue] = [1, 3, 5].map((at) => linear(Number.parseInt(hex.slice(at, at + 2), 16) / 255));
  const [r, g, b] = matrix.map(([x, y, z]) => Math.min(1, Math.max(0, x * red! + y * green! + z * blue!)));
  return toOklab([r!, g!, b!]);
}

function linear(value: number): number {
  return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
}

function toOklab([r, g, b]: Triple): Triple {
  const l = Math.cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b);
  const m = Math.cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b);
  const s = Math.cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b);
  return [
    0.2104542553 * l + 0.793617785 * m - 0.0040720468 * s,
    1.9779984951 * l - 2.428592205 * m + 0.4505937099 * s,
    0.0259040371 * l + 0.7827717662 * m - 0.808675766 * s,
  ];
}

function distance(one: Triple, other: Triple): number {
  return Math.hypot(...one.map((value, index) => value - other[index]!));
}
