/**
 * Puts rows to a server, one after the other: warm it up, note where it stands, attack, look again, judge.
 *
 * Every row has an end: what it awaits is bounded, and the whole of it by `LONGEST`. The figures before and after are
 * taken at rest, the peak while the attack runs.
 */
import { Op } from "../conformance/wire/frame.ts";
import { filesReturn, HEAP_NOISE, judge, notApplicable, type Verdict } from "./judge.ts";
import { cpuTime, openFiles, residentBytes } from "./proc.ts";
import { type Arena, type Facts, NotApplicable, type ProcessFigures, type Row, type Seen } from "./row.ts";
import type { Target } from "./target.ts";
import { Watcher } from "./watcher.ts";
import { Attacker, repeated, sleep } from "./wire.ts";

const CLIENTS = 100;
const LONGEST = 40_000;

/** A row's verdict with the facts behind it. */
export interface Result extends Verdict {
  readonly id: string;
  readonly facts?: Facts;
  readonly seconds: number;
}

/** Puts `rows` to `target`; `onResult` hears of each as it is done. */
export async function runRows(
  rows: readonly Row[],
  target: Target,
  onResult: (row: Row, result: Result) => void = () => undefined,
): Promise<Result[]> {
  const watcher = new Watcher();
  const results: Result[] = [];
  try {
    for (const row of rows) {
      const startedAt = performance.now();
      const outcome = await runRow(row, target, watcher).catch(notCarriedOut);
      const result = { id: row.id, ...outcome, seconds: (performance.now() - startedAt) / 1000 };
      results.push(result);
      onResult(row, result);
    }
  } finally {
    watcher.stop();
    target.stop();
  }
  return results;
}

type Outcome = Omit<Result, "id" | "seconds">;

/** The server could not be started, or the others could not connect before anything was done to it. */
function notCarriedOut(error: Error): Outcome {
  return { verdict: "failed", reasons: [`the attack can be carried out: ${error.message}`], notes: [] };
}

async function runRow(row: Row, target: Target, watcher: Watcher): Promise<Outcome> {
  if (row.maxFiles !== undefined && !target.own) return notApplicable("the server is not one that this tool starts");
  const { url, pid } = await target.ready(row.fresh ?? false, row.maxFiles);
  if (row.fresh) await warmUp(url);
  await watcher.begin(url, row.alone ? 0 : CLIENTS, pid);
  if (row.fresh) await sleep(300);
  const before = pid === undefined ? undefined : snapshot(pid);
  const { arena, letGo } = makeArena(url, pid);
  let seen: Seen;
  try {
    seen = await bounded(row.attack(arena), LONGEST);
  } catch (error) {
    if (error instanceof NotApplicable) {
      await watcher.end();
      return notApplicable(error.message);
    }
    seen = { broke: (error as Error).message };
  } finally {
    letGo();
  }
  const { bystanders, rssPeak } = await watcher.end();
  const alive = await isAlive(url);
  if (!alive && target.own) await deathKnown(target);
  const figures =
    pid === undefined || before === undefined
      ? undefined
      : await look(pid, before, rssPeak, row.statements.includes(filesReturn));
  const death = target.death;
  const facts: Facts = {
    alive,
    ...(death === undefined ? {} : { death }),
    ...(figures === undefined ? {} : { process: figures }),
    bystanders,
    seen,
  };
  return { ...judge(row, facts), facts };
}

function makeArena(url: URL, pid: number | undefined): { arena: Arena; letGo: () => void } {
  const all: Attacker[] = [];
  const own = <T extends Attacker | Attacker[]>(made: T): T => {
    all.push(...[made].flat());
    return made;
  };
  const arena: Arena = {
    url,
    pid,
    open: async (lines = []) => own(await Attacker.open(url, lines)),
    openMany: async (count, lines = []) => own(await Attacker.many(url, count, lines)),
    tcp: async () => own(await Attacker.tcp(url)),
    files: () => (pid === undefined ? undefined : openFiles(pid)),
  };
  const letGo = (): void => {
    for (const attacker of all) attacker.destroy();
  };
  return { arena, letGo };
}

interface Snapshot {
  readonly rss: number;
  readonly cpu: number;
  readonly files: number;
}

function snapshot(pid: number): Snapshot | undefined {
  const [rss, cpu, files] = [residentBytes(pid), cpuTime(pid), openFiles(pid)];
  return rss === undefined || cpu === undefined || files === undefined ? undefined : { rss, cpu, files };
}

async function look(
  pid: number,
  before: Snapshot,
  rssPeak: number,
  settle: boolean,
): Promise<ProcessFigures | undefined> {
  const startedAt = performance.now();
  let after = snapshot(pid);
  const cpu = (after?.cpu ?? before.cpu) - before.cpu;
  // The attacker's sockets are gone; the server may take a moment to notice.
  while (settle && after !== undefined && after.files > before.files && performance.now() - startedAt < 5000) {
    await sleep(100);
    after = snapshot(pid);
  }
  const filesAfter = after?.files ?? 0;
  return { rssBefore: before.rss, rssPeak: Math.max(rssPeak, before.rss), cpu, filesBefore: before.files, filesAfter };
}

/** Lets the server's heap and code reach the state that ordinary traffic gives them, so that growth is the attack's. */
async function warmUp(url: URL): Promise<void> {
  const connections = await Attacker.many(url, 16);
  const chunk = repeated({ opcode: Op.Binary, payload: Buffer.alloc(100) });
  for (const connection of connections) connection.keep("nothing");
  await Promise.all(connections.map((connection) => connection.flood(chunk, { ms: 500, bytes: HEAP_NOISE / 64 })));
  for (const connection of connections) connection.destroy();
}

async function isAlive(url: URL): Promise<boolean> {
  try {
    const connection = await Attacker.open(url);
    connection.send({ opcode: Op.Text, payload: "still there" });
    await connection.echoed(1, 5000);
    connection.destroy();
    return connection.messages[0] === "still there";
  } catch {
    return false;
  }
}

/** A process that dies is heard of after its connections, on a busy machine a while after; one that hangs never. */
async function deathKnown(target: Target): Promise<void> {
  for (let waited = 0; target.death === undefined && waited < 2000; waited += 20) await sleep(20);
}

async function bounded<T>(work: Promise<T>, ms: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`the attack took longer than ${ms / 1000} s`)), ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
