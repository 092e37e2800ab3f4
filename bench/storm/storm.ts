/**
 * One storm: many clients lose their server in one moment, and come back to another on the same port.
 *
 * The server has one CPU, the processes of the clients share the other. Times are in milliseconds from the moment on at
 * which the new server listens.
 */
import { once } from "node:events";
import { createServer } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { type Command, LoadProcess, loadCpu, ServerProcess, serverCpu } from "../harness/processes.ts";
import type { ClientReport } from "./client.ts";
import type { ServerReport } from "./server.ts";

/** What is done. */
export interface StormSettings {
  readonly server: Command;
  readonly client: Command;
  readonly clients: number;
  /** Over how many processes the clients are spread. */
  readonly processes: number;
  /** How long all are open before, in milliseconds. */
  readonly calm: number;
  /** How long there is no server; it takes some time besides to start. */
  readonly away: number;
  /** False for the control. */
  readonly jitter: boolean;
}

/** What came of it. */
export interface Storm {
  readonly away: number;
  readonly jitter: boolean;
  readonly clients: number;
  /** From the kill of the one server until the other listened. */
  readonly gone: number;
  /** When 99 % and when all of the clients were open again; undefined where they were not. */
  readonly most: number | undefined;
  readonly all: number | undefined;
  /** Attempts that were due, and clients that were open again, in each tenth of a second from the kill on. */
  readonly due: readonly number[];
  readonly back: readonly number[];
  /** Handshakes that the new server began, and those of them that are no open connection in the end. */
  readonly begun: number;
  readonly lost: number;
  /** The most that it began in one second. */
  readonly peak: number;
  /** Attempts that failed, by what failed: most found no server. */
  readonly failed: Readonly<Record<string, number>>;
  readonly delay: ServerReport["delay"];
  /** The part of the time that the server was ready to run and others had its CPU. */
  readonly waited: number;
}

/** How long the clients may take to come back. */
const patience = 120_000;
/** How long they may take to open at first. */
const openingTime = 120_000;

/** How long the server is away, in milliseconds. */
const absences = [0, 5000];

/** The storms of each absence, each with its control; `say` is told what begins. */
export async function allStorms(
  settings: Omit<StormSettings, "away" | "jitter">,
  say: (line: string) => void,
): Promise<Storm[]> {
  const storms: Storm[] = [];
  for (const away of absences) {
    for (const jitter of [true, false]) {
      say(`The server is away for ${away / 1000} s${jitter ? "" : ", and nothing is random"}`);
      storms.push(await storm({ ...settings, away, jitter }));
    }
  }
  return storms;
}

/** Makes one storm; every process that it starts has ended when it settles. */
export async function storm(settings: StormSettings): Promise<Storm> {
  const { clients, processes, calm, away, jitter } = settings;
  const port = String(await freePort());
  const start = (): Promise<ServerProcess> => ServerProcess.start(settings.server, { BENCH_PORT: port }, serverCpu);
  const [program, ...rest] = settings.client;
  let server = await start();
  const loads = Array.from({ length: processes }, (_, index) => {
    const share = Math.floor((clients + index) / processes);
    const options = ["--port", port, "--clients", String(share), "--jitter", jitter ? "1" : "0"];
    return new LoadProcess([program, ...rest, ...options], loadCpu);
  });
  try {
    await Promise.all(loads.map((load) => load.ready(openingTime)));
    await delay(calm);
    const killedAt = Date.now();
    await server.kill();
    await delay(killedAt + away - Date.now());
    server = await start();
    const returnedAt = Date.now();
    const ofServer = await allBack(server, clients, returnedAt);
    const ofClients = await Promise.all(loads.map((load) => load.finish<ClientReport>()));
    return { away, jitter, clients, ...figures({ killedAt, returnedAt, ofServer, ofClients, clients }) };
  } finally {
    await Promise.all([server, ...loads].map((one) => one.stop()));
  }
}

/** Resolves with the server's report when all are back, or have had their time. */
async function allBack(server: ServerProcess, clients: number, returnedAt: number): Promise<ServerReport> {
  for (;;) {
    const report = await server.report<ServerReport>();
    if (report.open >= clients || Date.now() - returnedAt > patience) return report;
    await delay(250);
  }
}

interface Told {
  readonly killedAt: number;
  readonly returnedAt: number;
  readonly ofServer: ServerReport;
  readonly ofClients: readonly ClientReport[];
  readonly clients: number;
}

function figures({ killedAt, returnedAt, ofServer, ofClients, clients }: Told): Omit<Storm, keyof StormSettings> {
  const back = ofClients.flatMap(({ backAt }) => backAt).sort((one, other) => one - other);
  const after = (count: number): number | undefined => {
    const at = back[count - 1];
    return at === undefined ? undefined : Math.max(0, at - returnedAt);
  };
  const failed: Record<string, number> = {};
  for (const [kind, count] of ofClients.flatMap((report) => Object.entries(report.failed))) {
    failed[kind] = (failed[kind] ?? 0) + count;
  }
  const begun = ofServer.begun.reduce((sum, count) => sum + count, 0);
  return {
    gone: returnedAt - killedAt,
    most: after(Math.ceil(clients * 0.99)),
    all: after(clients),
    due: perTenth(
      ofClients.flatMap(({ dueAt }) => dueAt),
      killedAt,
    ),
    back: perTenth(back, killedAt),
    begun,
    lost: begun - ofServer.open,
    peak: mostInASecond(ofServer.begun),
    failed,
    delay: ofServer.delay,
    waited: ofServer.waited / Math.max(1, (back.at(-1) ?? Date.now()) - returnedAt),
  };
}

/** How many of the times lie in each tenth of a second from the beginning on. */
export function perTenth(times: readonly number[], beginning: number): number[] {
  const counts: number[] = [];
  for (const time of times) {
    const tenth = Math.max(0, Math.floor((time - beginning) / 100));
    while (counts.length <= tenth) counts.push(0);
    counts[tenth]!++;
  }
  return counts;
}

/** The most in ten tenths that follow one another. */
export function mostInASecond(tenths: readonly number[]): number {
  let sum = 0;
  let most = 0;
  for (const [index, count] of tenths.entries()) {
    sum += count - (tenths[index - 10] ?? 0);
    most = Math.max(most, sum);
  }
  return most;
}

/** A free port below those that systems give to clients: one of those could take it while there is no server. */
async function freePort(): Promise<number> {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 12_000);
    const server = createServer().listen(port, "127.0.0.1");
    const isFree = await once(server, "listening").then(
      () => true,
      () => false,
    );
    if (!isFree) continue;
    server.close();
    await once(server, "close");
    return port;
  }
}
