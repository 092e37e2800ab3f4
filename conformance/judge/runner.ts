/**
 * Runs many cases against one peer, several at a time, and gives each a result with its trace.
 *
 * A case that ran out of time, or whose peer died meanwhile, is run again by itself with a longer deadline, so
 * that neither a busy machine nor a neighbour's fault is taken for a fault of the peer.
 */
import type { Socket } from "node:net";
import type { Case } from "../case.ts";
import type { Role } from "./observation.ts";
import { runCase } from "./run-case.ts";
import { Session } from "./session.ts";
import { type Judgement, judge } from "./verdict.ts";

/** The result of one case for one peer. */
export interface Result extends Judgement {
  readonly id: string;
  readonly trace: readonly string[];
  /** Milliseconds it took; no part of the report. */
  readonly duration?: number;
}

/** Where connections to the peer come from. */
export interface Source {
  readonly role: Role;
  /** The URL of the server under test. */
  readonly url: URL | undefined;
  /** A connection to or from the peer; rejects when there is none to be had. */
  next(): Promise<Socket>;
  /** How the peer's process came to its end while the case ran, if it did. */
  deathDuring(session: Session): string | undefined;
  /** Waits until what the peer does after a case can no longer touch the next. */
  settled(session: Session): Promise<void>;
}

/** How to run. */
export interface RunOptions {
  readonly concurrency: number;
  /** Milliseconds for one awaited event. */
  readonly deadline: number;
  readonly onResult?: (result: Result, done: number, total: number) => void;
}

/** Runs the cases; results come in the order of the cases. */
export async function runCases(cases: readonly Case[], source: Source, options: RunOptions): Promise<Result[]> {
  const results = new Map<string, Result>();
  const again: Case[] = [];
  let done = 0;
  const short = cases.filter(({ long }) => !long);
  const long = cases.filter((test) => test.long);
  const runAll = (list: readonly Case[], concurrency: number): Promise<void> =>
    inParallel(list, concurrency, async (test) => {
      const { result, doubtful } = await runOne(test, source, options.deadline);
      results.set(test.id, result);
      if (doubtful) again.push(test);
      options.onResult?.(result, ++done, cases.length);
    });
  await runAll(short, options.concurrency);
  await runAll(long, Math.min(2, options.concurrency));
  const few = again.length <= 40 ? 1 : 4;
  await inParallel(again, few, async (test) => {
    results.set(test.id, (await runOne(test, source, options.deadline * 2)).result);
  });
  return cases.map(({ id }) => results.get(id)!);
}

async function inParallel(cases: readonly Case[], width: number, run: (test: Case) => Promise<void>): Promise<void> {
  const queue = [...cases];
  const lane = async (): Promise<void> => {
    for (let test = queue.shift(); test !== undefined; test = queue.shift()) await run(test);
  };
  await Promise.all(Array.from({ length: Math.min(width, cases.length) }, lane));
}

async function runOne(test: Case, source: Source, deadline: number): Promise<{ result: Result; doubtful: boolean }> {
  let socket: Socket;
  const start = performance.now();
  try {
    socket = await source.next();
  } catch (error) {
    const seen = `no connection: ${(error as Error).message}`;
    return { result: { id: test.id, verdict: "fail", seen, trace: [] }, doubtful: true };
  }
  const session = new Session(socket, source.role, test.id, test.long ? deadline * 10 : deadline);
  try {
    await runCase(test, session, source.url);
  } catch (error) {
    session.seen.violations.push((error as Error).message);
  }
  session.destroy();
  await source.settled(session);
  const death = source.deathDuring(session);
  if (death !== undefined) session.seen.violations.push(death);
  const judgement = judge(test, session.seen);
  const doubtful = judgement.verdict !== "skip" && (session.seen.missed !== undefined || death !== undefined);
  return {
    result: { id: test.id, ...judgement, trace: session.trace.lines(), duration: performance.now() - start },
    doubtful,
  };
}
