/** Rows A: memory and CPU exhausted by frames. What an attack writes is bounded in bytes and in time. */
import { Op } from "../../conformance/wire/frame.ts";
import { atMost, growsLess, is, MIB, noteP99, notes, sees } from "../judge.ts";
import { cpuTime } from "../proc.ts";
import type { Arena, Row, Seen } from "../row.ts";
import { type Attacker, frame, repeated, sleep, turn } from "../wire.ts";

const TINY = Buffer.from("x");

/** The lengths of A01: what a frame's header may claim. */
const CLAIMS = [2n ** 31n, 2n ** 32n, 2n ** 53n, 2n ** 63n - 1n, 2n ** 63n, 2n ** 64n - 1n];

async function hugeLengths(arena: Arena): Promise<Seen> {
  const seen: Record<string, string | number> = {};
  let delivered = 0;
  for (const length of CLAIMS) {
    const connections = await arena.openMany(10);
    for (const connection of connections) {
      connection.send({ opcode: Op.Binary, payload: Buffer.alloc(64, 1), declaredLength: length, lengthForm: 64 });
    }
    await Promise.all(connections.map((connection) => connection.failed(500)));
    delivered += connections.filter(({ messages }) => messages.length > 0).length;
    seen[`2^${length.toString(2).length - 1}${length % 2n === 1n ? "…" : ""}`] = endOf(connections[0]!);
  }
  return { ...seen, delivered };
}

async function bigMessages(arena: Arena): Promise<Seen> {
  const connections = await arena.openMany(48);
  const part = Buffer.alloc(MIB, 7);
  const flood = async (connection: Attacker, i: number): Promise<number> => {
    // 15 MiB and 1023 KiB of 16 MiB: in one frame, or in fragments of 1 MiB of which the last is missing.
    const inOne = i % 2 === 0;
    if (inOne) connection.write(frame({ opcode: Op.Binary, payload: part, declaredLength: 16n * BigInt(MIB) }));
    else connection.send({ opcode: Op.Binary, payload: part, fin: false });
    const next = inOne ? part : frame({ opcode: Op.Continuation, payload: part, fin: false });
    return (await connection.flood(next, { ms: 6000, bytes: 14 * next.length })) + MIB;
  };
  const offered = (await Promise.all(connections.map(flood))).reduce((sum, bytes) => sum + bytes, 0);
  await sleep(500);
  const closed = connections.filter(({ end, closeCode }) => end !== "open" || closeCode !== 0);
  return { offeredMiB: offered / MIB, closed: closed.length, codes: codesOf(closed) };
}

async function pingFlood(arena: Arena): Promise<Seen> {
  const connection = await arena.open();
  connection.socket.pause();
  const taken = await connection.flood(repeated({ opcode: Op.Ping, payload: Buffer.alloc(125) }), {
    ms: 4000,
    bytes: 150 * MIB,
  });
  await sleep(500);
  return { takenMiB: taken / MIB, end: endOf(connection) };
}

async function tinyFrames(arena: Arena): Promise<Seen> {
  const connection = await arena.open();
  connection.keep("nothing");
  const taken = await connection.flood(repeated({ opcode: Op.Text, payload: TINY }), { ms: 3000 });
  return { messagesPerSecond: Math.round(taken / 7 / 3), end: endOf(connection) };
}

async function controlStorm(arena: Arena): Promise<Seen> {
  const connection = await arena.open();
  const pongs = await connection.flood(repeated({ opcode: Op.Pong }), { ms: 2000, bytes: 6 * MIB });
  let connects = 0;
  for (let i = 0; i < 20; i++) {
    const sockets = await Promise.all(Array.from({ length: 25 }, () => arena.tcp()));
    for (const socket of sockets) socket.reset();
    connects += sockets.length;
  }
  return { pongs: pongs / 6, connects, end: endOf(connection) };
}

async function tinySegments(arena: Arena): Promise<Seen> {
  const connections = await arena.openMany(64);
  const [first, one] = [frame({ opcode: Op.Binary, payload: TINY, declaredLength: BigInt(MIB) }), Buffer.of(1)];
  for (const connection of connections) connection.write(first);
  const deadline = performance.now() + 8000;
  let written = 0;
  while (written < 400_000 && performance.now() < deadline) {
    for (const connection of connections) connection.write(one);
    written += connections.length;
    await turn();
  }
  await sleep(200);
  return { segments: written, open: connections.filter(({ end }) => end === "open").length };
}

async function fragmentFlood(arena: Arena): Promise<Seen> {
  const [tiny, empty] = [await arena.open(), await arena.open()];
  const start = { opcode: Op.Binary, payload: TINY, fin: false };
  tiny.send(start);
  empty.send(start);
  const limits = { ms: 4000, bytes: 16 * MIB };
  const [tinyBytes, emptyBytes] = await Promise.all([
    tiny.flood(repeated({ opcode: Op.Continuation, payload: TINY, fin: false }), limits),
    empty.flood(repeated({ opcode: Op.Continuation, fin: false }), limits),
  ]);
  await sleep(200);
  return {
    tinyFragments: Math.round(tinyBytes / 7),
    tinyEnd: endOf(tiny),
    emptyFragments: Math.round(emptyBytes / 6),
    emptyEnd: endOf(empty),
  };
}

async function reassembly(arena: Arena): Promise<Seen> {
  const n = 100_000;
  // The server's own time where it is known: a busy machine takes the other from both alike, and hides the difference.
  const now = () => (arena.pid === undefined ? undefined : cpuTime(arena.pid)) ?? performance.now();
  const time = async (count: number): Promise<number | undefined> => {
    const connection = await arena.open();
    const middle = repeated({ opcode: Op.Continuation, payload: TINY, fin: false }, (count - 2) * 7);
    const startedAt = now();
    connection.send({ opcode: Op.Binary, payload: TINY, fin: false });
    connection.write(middle);
    connection.send({ opcode: Op.Continuation, payload: TINY });
    await connection.echoed(1, 30_000);
    if (connection.end !== "open" || connection.closeCode !== 0) return undefined;
    return now() - startedAt;
  };
  const times: [number[], number[]] = [[], []];
  for (let round = 0; round < 4; round++) {
    const [once, twice] = [await time(n), await time(2 * n)];
    if (once === undefined || twice === undefined) return { fragments: `not more than ${n} taken` };
    // The first round warms up, which is nothing where it takes seconds; then it is enough.
    if (round > 0 || twice > 1000) {
      times[0].push(once);
      times[1].push(twice);
    }
    if (twice > 1000) break;
  }
  const [once, twice] = times.map((list) => Math.min(...list)) as [number, number];
  // Below 50 ms it is the machine that is timed; what is quadratic takes seconds.
  const ratio = Number((twice / Math.max(once, 50)).toFixed(2));
  return { msForN: Math.round(once), msFor2N: Math.round(twice), ratio };
}

async function workAfterFailure(arena: Arena): Promise<Seen> {
  const connections = await arena.openMany(2);
  const junk = Buffer.alloc(256 * 1024, 1);
  const endings = await Promise.all(
    connections.map(async (connection) => {
      const startedAt = performance.now();
      connection.send({ opcode: 3, payload: "reserved" });
      const taken = await connection.flood(junk, { ms: 5000 });
      return { taken, ms: connection.end === "reset" ? connection.endedAt! - startedAt : Number.POSITIVE_INFINITY };
    }),
  );
  const taken = endings.reduce((sum, ending) => sum + ending.taken, 0);
  const slowest = Math.max(...endings.map(({ ms }) => ms));
  return {
    goneAfterMs: Number.isFinite(slowest) ? Math.round(slowest) : "still there after 5000",
    takenMiB: taken / MIB,
    end: endOf(connections[0]!),
  };
}

async function slowMessage(arena: Arena): Promise<Seen> {
  const connections = await arena.openMany(50);
  const first = frame({ opcode: Op.Binary, payload: TINY, declaredLength: 16n * BigInt(MIB) });
  for (const connection of connections) connection.write(first);
  for (let i = 0; i < 60; i++) {
    for (const connection of connections) connection.write(TINY);
    await sleep(50);
  }
  return { drips: 60 * connections.length, open: connections.filter(({ end }) => end === "open").length };
}

/** How a connection stands: its Close code, or how the stream ended. */
export function endOf({ closeCode, end }: Attacker): string {
  if (closeCode !== 0) return `Close ${closeCode}`;
  return end === "open" ? "open" : `${end}, no Close`;
}

/** The Close codes of several connections, each with its count. */
export function codesOf(connections: readonly Attacker[]): string {
  const counts = new Map<string, number>();
  for (const connection of connections) counts.set(endOf(connection), (counts.get(endOf(connection)) ?? 0) + 1);
  return [...counts].map(([end, count]) => `${count} × ${end}`).join(", ") || "none";
}

/** Rows A01 to A11, as far as a client can drive them. */
export const FRAME_ROWS: readonly Row[] = [
  {
    id: "A01",
    name: "Huge declared length",
    does: "Sends headers that claim 2^31 to 2^64-1 bytes, ten connections each, with 64 bytes behind them",
    fresh: true,
    attack: hugeLengths,
    statements: [
      growsLess(MIB),
      sees("delivered", is(0), "no message comes of a header that lies"),
      ...["2^31", "2^32", "2^53", "2^62…", "2^63", "2^63…"].map((claim) =>
        notes(
          claim,
          (end) => end === "Close 1009" || end === "Close 1002",
          `a claim of ${claim} bytes is refused at once`,
        ),
      ),
    ],
  },
  {
    id: "A02",
    name: "Big messages that never end",
    does: "Holds 48 messages of 15 MiB unfinished, half of them in one frame and half in fragments",
    fresh: true,
    attack: bigMessages,
    statements: [growsLess(308 * MIB, 64 * MIB)],
  },
  {
    id: "A03",
    name: "Ping flood with unread pongs",
    does: "Sends pings of 125 bytes for 4 s, 150 MiB at most, and reads nothing",
    fresh: true,
    attack: pingFlood,
    statements: [growsLess(8 * MIB)],
  },
  {
    id: "A04",
    name: "Flood of tiny messages",
    does: "Sends messages of one byte for 3 s and reads the echoes",
    fresh: true,
    attack: tinyFrames,
    statements: [noteP99(20)],
  },
  {
    id: "A05",
    name: "Storm of control frames and of connects",
    does: "Sends a million pongs nobody asked for, then connects and resets 500 times",
    fresh: true,
    attack: controlStorm,
    statements: [growsLess(8 * MIB), noteP99(20)],
  },
  {
    id: "A06",
    name: "Tiny segments",
    does: "Drips frames of 1 MiB byte by byte on 64 connections, up to 400,000 segments",
    fresh: true,
    attack: tinySegments,
    statements: [growsLess(2 * MIB)],
  },
  {
    id: "A07",
    name: "Flood of fragments",
    does: "Sends fragments of one byte, and empty ones beside them, without end: 16 MiB of each or 4 s",
    fresh: true,
    attack: fragmentFlood,
    statements: [growsLess(4 * MIB), notes("emptyEnd", (end) => end !== "open", "empty fragments in a row are ended")],
  },
  {
    id: "A08",
    name: "Reassembly that costs more and more",
    does: "Takes the CPU time of a message of 100,000 fragments and of one of 200,000, the best of three, 50 ms at least",
    fresh: true,
    attack: reassembly,
    statements: [sees("ratio", atMost(3), "twice the fragments cost at most 3 times as long")],
  },
  {
    id: "A09",
    name: "Work after a failure",
    does: "Breaks a rule and goes on sending for 5 s",
    attack: workAfterFailure,
    statements: [sees("goneAfterMs", atMost(2500), "the socket is gone within 2500 ms of the broken rule")],
  },
  {
    id: "A11",
    name: "Message that drips",
    does: "Sends 60 bytes of a message of 16 MiB in 3 s, on 50 connections",
    fresh: true,
    attack: slowMessage,
    statements: [growsLess(4 * MIB)],
  },
];
