/** Rows D: the life of a connection. Two of them end with a count of the process's open files. */
import { Op } from "../../conformance/wire/frame.ts";
import { atMost, filesReturn, growsLess, MIB, noteP99, notes, sees } from "../judge.ts";
import { type Arena, NotApplicable, type Row, type Seen } from "../row.ts";
import { Attacker, frame, repeated, sleep, upgradeRequest } from "../wire.ts";
import { endOf } from "./frames.ts";

async function ignoredClose(arena: Arena): Promise<Seen> {
  const [polite, broken] = [await arena.openMany(100), await arena.openMany(100)];
  for (const connection of polite) connection.send({ opcode: Op.Close, payload: Buffer.of(3, 232) });
  for (const connection of broken) connection.send({ opcode: 3 });
  const slowest = async (connections: readonly Attacker[]): Promise<string> => {
    const times = await Promise.all(connections.map((connection) => connection.gone(6500)));
    return times.includes(undefined) ? "open after 6.5 s" : `${(Math.max(...times.map(Number)) / 1000).toFixed(1)} s`;
  };
  const [afterClose, afterFailure] = await Promise.all([slowest(polite), slowest(broken)]);
  return { afterClose, afterFailure, answer: endOf(polite[0]!) };
}

async function slowReader(arena: Arena): Promise<Seen> {
  const connection = await arena.open();
  connection.socket.pause();
  const taken = await connection.flood(repeated({ opcode: Op.Binary, payload: Buffer.alloc(16_384) }, MIB), {
    ms: 4000,
    bytes: 256 * MIB,
  });
  await sleep(500);
  return { takenMiB: taken / MIB, ...(await reads(connection)) };
}

/** What a connection that read nothing until now still gets, in a second. */
async function reads(connection: Attacker): Promise<Seen> {
  connection.keep("control");
  connection.socket.resume();
  await connection.failed(1000);
  return { thenReadMiB: Number((connection.received / MIB).toFixed(1)), end: endOf(connection) };
}

async function zeroWindow(arena: Arena): Promise<Seen> {
  const connections = await arena.openMany(10);
  const chunk = repeated({ opcode: Op.Binary, payload: Buffer.alloc(1000) }, 256 * 1024);
  for (const connection of connections) connection.socket.pause();
  await Promise.all(connections.map((connection) => connection.flood(chunk, { ms: 1000, bytes: 4 * MIB })));
  await sleep(4000);
  // A stalled socket shows its end only to a write.
  for (const connection of connections) connection.write(Buffer.of(0));
  await sleep(100);
  return { openAfter5s: connections.filter(({ end }) => end === "open").length };
}

async function hotConnection(arena: Arena): Promise<Seen> {
  const connection = await arena.open();
  connection.keep("control");
  const taken = await connection.flood(repeated({ opcode: Op.Binary, payload: Buffer.alloc(65_536) }, MIB), {
    ms: 3000,
  });
  return {
    echoedMiBPerSecond: Math.round(connection.received / MIB / 3),
    takenMiB: taken / MIB,
    end: endOf(connection),
  };
}

const ENDS: readonly ((attacker: Attacker) => void)[] = [
  (attacker) => attacker.reset(),
  (attacker) => attacker.socket.end(),
  (attacker) => attacker.send({ opcode: Op.Close, payload: Buffer.of(3, 232) }),
  (attacker) => attacker.send({ opcode: 3 }),
  (attacker) => attacker.write(frame({ opcode: Op.Text, payload: "never whole" }).subarray(0, 8)),
  (attacker) => attacker.destroy(),
];

async function everyEnd(arena: Arena): Promise<Seen> {
  if (arena.files() === undefined) throw new NotApplicable("the server's process is not known (--pid)");
  let connections = 0;
  for (let round = 0; round < 20; round++) {
    const batch = await Attacker.many(arena.url, 50);
    batch.forEach((attacker, i) => {
      ENDS[i % ENDS.length]?.(attacker);
    });
    connections += batch.length;
    await sleep(20);
    for (const attacker of batch) attacker.destroy();
  }
  return { connections };
}

async function noFiles(arena: Arena): Promise<Seen> {
  const attempts = await Promise.allSettled(Array.from({ length: 400 }, () => arena.tcp()));
  const sockets = attempts.flatMap((attempt) => (attempt.status === "fulfilled" ? [attempt.value] : []));
  for (const socket of sockets) socket.write(upgradeRequest(arena.url));
  await sleep(1500);
  const open = sockets.filter(({ status }) => status === 101).length;
  const refused = sockets.filter(({ status }) => status > 101).length;
  for (const socket of sockets) socket.destroy();
  await sleep(500);
  return { sockets: sockets.length, open, refused };
}

/** Rows D01 to D20, as far as a client can drive them. */
export const LIFE_ROWS: readonly Row[] = [
  {
    id: "D01",
    name: "Close that is ignored",
    does: "Sends a Close on 100 connections and breaks a rule on 100 more, and ends TCP on none",
    fresh: true,
    attack: ignoredClose,
    statements: [
      growsLess(8 * MIB),
      notes(
        "afterClose",
        (text) => !String(text).startsWith("open"),
        "after a Close the socket is let go within 6.5 s",
      ),
      notes(
        "afterFailure",
        (text) => !String(text).startsWith("open"),
        "after a failure the socket is let go within 6.5 s",
      ),
    ],
  },
  {
    id: "D04",
    name: "Reader that stalls",
    does: "Sends messages of 16 KiB for 4 s, 256 MiB at most, and reads none of the echoes",
    fresh: true,
    attack: slowReader,
    statements: [growsLess(32 * MIB)],
  },
  {
    id: "D05",
    name: "Zero window",
    does: "Fills the buffers of ten connections and leaves them for 5 s; only reported",
    attack: zeroWindow,
    statements: [],
  },
  {
    id: "D07",
    name: "One hot connection",
    does: "Echoes messages of 64 KiB as fast as it goes for 3 s",
    fresh: true,
    attack: hotConnection,
    statements: [noteP99(50)],
  },
  {
    id: "D09",
    name: "Exceptions in callbacks",
    does: "Nothing: what a handler throws cannot be brought about from outside",
    attack: () => Promise.reject(new NotApplicable("it takes a handler that throws")),
    statements: [],
  },
  {
    id: "D16",
    name: "Sockets kept after their end",
    does: "Ends 1000 connections in six ways: RST, FIN, Close, broken rule, inside a frame, all at once",
    fresh: true,
    attack: everyEnd,
    statements: [filesReturn, growsLess(16 * MIB)],
  },
  {
    id: "D20",
    name: "No more open files",
    does: "Starts the server with 200 open files at most and connects 400 times",
    maxFiles: 200,
    alone: true,
    attack: noFiles,
    statements: [sees("open", (count) => !atMost(0)(count), "as many as there is room for are served"), filesReturn],
  },
];
