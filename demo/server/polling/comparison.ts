/**
 * The desk of the comparison: a page holds one control connection, asks its questions there, and has one run at a time.
 * Polls and WebSockets of a run are told apart by their path, `/compare/<run>/<mode>`; the control connection's own
 * bytes belong to no mode.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { CompareAnswer, CompareQuestion, Sample } from "../messages.ts";
import { RATE, SECONDS } from "../messages.ts";
import type { ByteMeter } from "./byte-meter.ts";
import { ComparisonRun, serverTime } from "./comparison-run.ts";

const POLL_PATH = /^\/compare\/([0-9a-f-]{36})\/(short|long)\?after=(\d{1,9})$/;

/** All runs under way, found by their id or by the control connection they belong to. */
export class Comparison {
  readonly #runs = new Map<string, ComparisonRun>();
  readonly #byController = new Map<object, ComparisonRun>();
  readonly #meter: ByteMeter;
  readonly #sample: () => Sample | undefined;

  constructor(meter: ByteMeter, sample: () => Sample | undefined) {
    this.#meter = meter;
    this.#sample = sample;
  }

  /** The answer to one question of `controller`. */
  answer(controller: object, question: CompareQuestion): CompareAnswer {
    if (question.do === "clock") return { is: "clock", at: serverTime() };
    if (question.do === "start") {
      const { rate, seconds } = question;
      if (!within(rate, RATE) || !within(seconds, SECONDS)) {
        return { is: "refused", why: "Cannot start: the rate or the duration is out of range" };
      }
      this.leave(controller);
      const run = new ComparisonRun(rate, seconds, this.#meter, this.#sample);
      this.#runs.set(run.id, run);
      this.#byController.set(controller, run);
      return { is: "started", run: run.id, total: run.total };
    }
    const run = this.#byController.get(controller);
    if (run === undefined) return { is: "refused", why: "Cannot read the figures: no run has been started" };
    const figures = run.figures();
    if (question.do === "stop") this.leave(controller);
    return { is: "figures", figures };
  }

  /** The control connection has gone or begins anew: its run ends. */
  leave(controller: object): void {
    const run = this.#byController.get(controller);
    if (run === undefined) return;
    run.end();
    this.#runs.delete(run.id);
    this.#byController.delete(controller);
  }

  run(id: string): ComparisonRun | undefined {
    return this.#runs.get(id);
  }

  /** Answers a poll; false when the request is not one. */
  request(request: IncomingMessage, response: ServerResponse): boolean {
    const match = POLL_PATH.exec(request.url ?? "");
    if (match === null || request.method !== "GET") return false;
    const [, id = "", mode, after] = match;
    const run = this.#runs.get(id);
    if (run === undefined) response.writeHead(404, { "content-type": "text/plain" }).end("No such run\n");
    else run.poll(mode === "short" ? "short" : "long", Number(after), response);
    return true;
  }

  close(): void {
    for (const controller of [...this.#byController.keys()]) this.leave(controller);
  }
}

function within(value: unknown, bounds: { min: number; max: number }): boolean {
  return typeof value === "number" && value >= bounds.min && value <= bounds.max;
}
