/**
 * The example metrics: what Prometheus reads, and a dashboard that shows all of it.
 *
 * @module-tag slow
 */
import { readFileSync } from "node:fs";
import { afterEach, expect, test } from "vitest";
import { freePort } from "../support/program.ts";
import { root, startExample, stopExamples } from "./example-process.ts";

interface Panel {
  readonly id: number;
  readonly title: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets: readonly { readonly refId: string; readonly expr: string; readonly legendFormat: string }[];
}

const { panels } = JSON.parse(readFileSync(`${root}examples/metrics/dashboard.json`, "utf8")) as { panels: Panel[] };
const targets = panels.flatMap((panel) => panel.targets);

afterEach(stopExamples);

async function figures(port: number): Promise<string> {
  const response = await fetch(`http://localhost:${port}/metrics`);
  expect(response.headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
  return await response.text();
}

test("the dashboard shows every series that the server has, and no other, by the labels that it has", async () => {
  const port = await startExample("metrics").port();
  const client = startExample("metrics", { script: "client", env: { PORT: String(port) } });
  // A figure with a label has a sample only when something has happened.
  const happened = [/closed_total\{/, /refused_total\{/, /messages_total\{direction="sent"\} [1-9]/];
  let text = "";
  while (!happened.every((sample) => sample.test(text))) {
    if (/messages_total\{direction="sent"\} [1-9]/.test(text)) void client.stop();
    text = await figures(port);
  }
  const series = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => ({ name, type }));
  const shown = targets.map((target) => ({ ...target, name: /openline_\w+/.exec(target.expr)?.[0] }));
  expect(shown.map(({ name }) => name).toSorted()).toEqual(series.map(({ name }) => name).toSorted());
  for (const { name, type } of series) {
    const { expr, legendFormat } = shown.find((target) => target.name === name)!;
    expect(expr.includes("rate("), expr).toBe(type === "counter");
    const label = new RegExp(`^${name}\\{(\\w+)=`, "m").exec(text)?.[1] ?? "instance";
    expect(legendFormat.match(/\{\{(\w+)\}\}/)?.[1] ?? label, expr).toBe(label);
    if (legendFormat.includes("{{")) expect(expr).toContain(`sum by (${label})`);
  }
  expect((await client.ended).code).toBe(0);
});

test("the dashboard's panels have ids and places of their own", () => {
  expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
  const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
    Array.from({ length: w * h }, (_, at) => `${x + (at % w)} ${y + Math.floor(at / w)}`),
  );
  expect(new Set(cells).size).toBe(cells.length);
  expect(Math.max(...panels.map(({ gridPos: { x, w } }) => x + w))).toBe(24);
  for (const { title, targets } of panels) {
    expect(new Set(targets.map(({ refId }) => refId)).size, title).toBe(targets.length);
  }
});

test("without a server the client says what to start", async () => {
  const port = await freePort();
  const { code, output } = await startExample("metrics", { script: "client", env: { PORT: String(port) } }).ended;
  expect([code, output]).toEqual([1, expect.stringMatching(/nothing listens.*\nStart the server first: npm start\n$/)]);
});
