/**
 * The rows: what each one does, whom it measures, and the figures that are to be reached.
 */
import type { Job } from "../servers/job.ts";
import { clients, engines, nodes, type Peer, servers, watched } from "./peers.ts";

/** How the load drives a server, and what a message is. */
export interface Load {
  readonly mode: "echo" | "rate" | "publish" | "handshake" | "storm" | "idle" | "resume";
  readonly connections: number;
  /** Messages a second in the mode `rate`; a part below 1 is of what the same peer did just before, one in flight. */
  readonly rate?: number;
  /** Messages a second that one more connection sends and gets back while there are publications to the others. */
  readonly bystander?: number;
  /** Connections that come after the warm-up and read nothing of what is published. */
  readonly slow?: number;
  /** Whether it goes over TLS; not in the mode `storm`. */
  readonly secure?: boolean;
  /** Whether the opening handshake has the fields that a browser sends. */
  readonly browserHead?: boolean;
  /** Whether a row of nodes has only one, and no broker. */
  readonly alone?: boolean;
  /** Messages under way on each connection. Default 1. */
  readonly inflight?: number;
  /** Bytes of payload of a message from the client; none when it sends nothing. */
  readonly size?: number;
  /** How long it runs before it is measured, in milliseconds. Default what the run says. */
  readonly warmup?: number;
  /** How long it is measured, in milliseconds. Default what the run says. */
  readonly duration?: number;
}

/** A figure to be reached: `subject` at most `bound`, or at most `bound` times the best of some peers. */
export interface Target {
  readonly level: "must" | "aim";
  /** The id of a peer. Default `openline`. */
  readonly subject?: string;
  readonly bound: number;
  readonly of?: readonly string[];
}

/** One row of the table. */
export interface Row {
  readonly id: string;
  readonly title: string;
  /**
   * What is measured: a server or a client under load, memory of idle connections, the peak while one message comes, or one of
   * two nodes over a broker, see `alone`.
   */
  readonly kind: "server" | "client" | "idle memory" | "peak memory" | "nodes";
  readonly job: Job;
  readonly load: Load;
  readonly peers: readonly Peer[];
  /** What of a load is the figure: CPU time for each message unless said otherwise, latencies in µs, the whole time in ms. */
  readonly figure?: "p99" | "slowest" | "time" | "longest pause";
  /** Whether the least of the rounds counts, not their median: of a short latency, other programs' part is the most. */
  readonly leastCounts?: boolean;
  readonly unit: string;
  /** Messages of a turn in the mode `publish`. Default 1. */
  readonly publications?: number;
  /** Bytes of what is published. Default 64. */
  readonly publicationSize?: number;
  /** How often it is measured where the command does not say. Default 5. */
  readonly rounds?: number;
  readonly targets: readonly Target[];
}

const { openline, attached, upgrading, borrowing, facade, ws, bun, floorData, floorOnread, floorHandshake, bare } =
  servers;
const { plainWs, gorilla } = servers;
const all = [openline, ws, bun, floorData, floorOnread, bare, plainWs, gorilla];
const withoutFloors = [openline, ws, bun, plainWs, gorilla];
const withOneFloor = [openline, ws, bun, floorData, bare, plainWs, gorilla];
const perMessage = "CPU µs per message";
const perDelivery = "CPU µs per delivery";
const perConnection = "KiB per connection";
const MiB = 1024 * 1024;

function must(bound: number, ...of: Peer[]): Target {
  return { level: "must", bound, of: of.map(({ id }) => id) };
}

function aim(bound: number, ...of: Peer[]): Target {
  return { level: "aim", bound, of: of.map(({ id }) => id) };
}

/** An echo of binary messages. */
export function echoRow(id: string, title: string, load: Omit<Load, "mode">, targets: readonly Target[] = []): Row {
  const fullLoad: Load = { mode: "echo", ...load };
  return { id, title, kind: "server", job: "echo", load: fullLoad, peers: all, unit: perMessage, targets };
}

/** A message, or many in one turn, to all subscribers. */
export function publishRow(
  id: string,
  title: string,
  { connections, publications }: { connections: number; publications: number },
  targets: readonly Target[] = [],
): Row {
  const load: Load = { mode: "publish", connections, size: 64 };
  const peers = withOneFloor;
  return { id, title, kind: "server", job: "publish", publications, load, peers, unit: perDelivery, targets };
}

/** Idle connections, before any message or after one each way. */
export function idleRow(
  id: string,
  title: string,
  { connections, size }: { connections: number; size?: number },
  targets: readonly Target[] = [],
): Row {
  const load: Load = { mode: "idle", connections, ...(size !== undefined && { size }) };
  const job = size === undefined ? "echo" : "deflate";
  const peers =
    size === undefined
      ? [openline, upgrading, attached, ws, bun, floorData, bare, gorilla]
      : [openline, ws, bun, gorilla];
  return { id, title, kind: "idle memory", job, load, peers, unit: perConnection, rounds: 3, targets };
}

/** A row with `openline/ws` in the place of `ws`, whose programs it runs. */
function facadeRow(id: string, row: Row, bound: number): Row {
  const title = `${row.title}, by a program for ws`;
  return { ...row, id, title, peers: [openline, facade, ws], targets: [{ ...must(bound, ws), subject: facade.id }] };
}

/** One node of socket.io, on the `ws` of its engine and on `openline/ws`. */
function engineRow(id: string, title: string, load: Load): Row {
  const peers = [engines.facade, engines.ws];
  const targets = [{ ...must(1, engines.ws), subject: engines.facade.id }];
  const unit = load.mode === "echo" ? perMessage : perDelivery;
  return { id, title, kind: "nodes", job: "publish", load: { alone: true, ...load }, peers, unit, rounds: 3, targets };
}

/** A row over TLS; the floor is a server of `node:tls`. */
function secureRow(id: string, row: Row, peers: readonly Peer[]): Row {
  const load = { ...row.load, secure: true };
  return { ...row, id, title: `${row.title}, over TLS`, load, peers, targets: [aim(1, ws), aim(1.1, bun)] };
}

/** An echo at a fixed rate, whether replies come or not; the figure is the latency that one of a hundred exceeds. */
function rateRow(name: string, title: string, rate: number): Row {
  const load: Load = { mode: "rate", connections: 100, size: 64, rate };
  const peers = [openline, ws, bun, floorData, bare];
  const targets = [must(1, ws), aim(1.1, bun)];
  const figure = { figure: "p99", leastCounts: true, unit: "µs" } as const;
  return { id: `L1@${name}`, title, kind: "server", job: "echo", load, peers, ...figure, targets };
}

/** How long a message of so many a second takes from one node's client to those of another; 99 % of them within. */
function nodesRateRow(rate: number, duration: number): Row {
  return {
    id: `K2@${rate}`,
    title: `${rate} publishes a second on one node, to 10 subscribers of another, 99 % within`,
    kind: "nodes",
    job: "publish",
    load: { mode: "rate", connections: 10, rate, warmup: 1000, duration },
    peers: Object.values(nodes),
    figure: "p99",
    unit: "µs",
    rounds: 3,
    targets: [],
  };
}

const own: readonly Row[] = [
  echoRow("E1", "echo of 64 B, 100 connections, 1 in flight", { connections: 100, size: 64 }, [
    must(0.68, ws),
    aim(1.05, floorData, floorOnread),
  ]),
  echoRow("E2", "echo of 64 B, 100 connections, 16 in flight", { connections: 100, inflight: 16, size: 64 }, [
    must(0.1, ws),
    aim(1, bun),
  ]),
  {
    ...echoRow("E3", "echo of 16 KiB, 100 connections, 1 in flight", { connections: 100, size: 16 * 1024 }),
    peers: [openline, borrowing, ...all.slice(1)],
    // A message with memory of its own is one that no cache holds: what only raw sockets without any take is 0.75 × ws.
    targets: [must(1, ws), { ...must(0.74, ws), subject: borrowing.id }, { ...aim(1, bun), subject: borrowing.id }],
  },
  echoRow("E4", "echo of 1 MiB, 8 connections, 1 in flight", { connections: 8, size: MiB }, [
    must(0.8, ws),
    aim(1, bun),
  ]),
  {
    id: "T2",
    title: "echo of 64 B of text as a string, 100 connections, 16 in flight",
    kind: "server",
    job: "text",
    load: { mode: "echo", connections: 100, inflight: 16, size: 64 },
    peers: withoutFloors,
    unit: perMessage,
    targets: [must(0.15, ws), aim(1, bun)],
  },
  publishRow("B1", "64 B of text to 1000 subscribers, one publish a turn", { connections: 1000, publications: 1 }, [
    must(0.88, ws),
    aim(1.05, floorData),
  ]),
  publishRow("B2", "64 B of text to 1000 subscribers, 100 publishes a turn", { connections: 1000, publications: 100 }, [
    must(0.04, ws),
    aim(0.5, bun),
  ]),
  {
    id: "Z1",
    title: "echo of 1 KiB of JSON, compressed both ways, 100 connections, 4 in flight",
    kind: "server",
    job: "deflate",
    load: { mode: "echo", connections: 100, inflight: 4, size: 1024 },
    peers: withoutFloors,
    unit: perMessage,
    targets: [must(0.3, ws), aim(1, bun)],
  },
  {
    id: "C1",
    title: "a client's 64 B there and back, 100 connections, 16 in flight",
    kind: "client",
    job: "echo",
    load: { mode: "echo", connections: 100, inflight: 16 },
    peers: Object.values(clients),
    unit: perMessage,
    // What the standard makes of each message, an ArrayBuffer and an Event, takes 0.6 µs of Node's own: half of the bound.
    targets: [
      { ...must(0.2, clients.ws), subject: clients.connect.id },
      { ...must(0.15, clients.undici), subject: clients.connect.id },
      { ...must(0.5, clients.ws), subject: clients.websocket.id },
      { ...must(0.35, clients.undici), subject: clients.websocket.id },
    ],
  },
  {
    id: "H1",
    title: "connect, opening and closing handshake, 16 at a time",
    kind: "server",
    job: "echo",
    // A handshake does as much as a hundred messages, in code that runs a hundredth as often: it takes long to be compiled.
    load: { mode: "handshake", connections: 16, warmup: 3000 },
    peers: [openline, attached, ws, bun, floorHandshake, bare, gorilla],
    unit: "CPU µs per connection",
    targets: [must(0.8, ws), aim(1.2, floorHandshake)],
  },
  {
    id: "H2",
    title: "the same with the head that Chrome sends, openline on a route with `upgrade`",
    kind: "server",
    job: "echo",
    load: { mode: "handshake", connections: 16, warmup: 3000, browserHead: true },
    peers: [openline, upgrading, ws, bun, floorHandshake, bare],
    unit: "CPU µs per connection",
    targets: [{ ...must(0.9, ws), subject: upgrading.id }],
  },
  {
    id: "O1",
    title: "E2 while somebody watches, or nobody can",
    kind: "server",
    job: "echo",
    load: { mode: "echo", connections: 100, inflight: 16, size: 64 },
    peers: [openline, ...Object.values(watched)],
    unit: perMessage,
    targets: [
      must(1.05, watched.unchecked),
      { ...aim(1.05, openline), subject: watched.log.id },
      { ...aim(1.05, openline), subject: watched.metrics.id },
      { ...aim(1.3, openline), subject: watched.channels.id },
    ],
  },
  idleRow("M1", "8000 idle connections", { connections: 8000 }, [
    { level: "must", subject: upgrading.id, bound: 3.3 },
    { level: "must", subject: attached.id, bound: 5.5 },
    { level: "aim", bound: 3 },
  ]),
  idleRow("M2", "the same after 1 KiB of compressed JSON each way", { connections: 8000, size: 1024 }, [
    { level: "must", bound: 8 },
    { level: "aim", bound: 4 },
  ]),
  {
    id: "M3",
    title: "one binary message of 16 MiB received in chunks of 64 KiB, peak over idle",
    kind: "peak memory",
    job: "sink",
    load: { mode: "idle", connections: 1, size: 16 * MiB },
    peers: withoutFloors,
    unit: "MiB",
    targets: [
      { level: "must", bound: 40 },
      { level: "aim", bound: 20 },
    ],
  },
  {
    ...publishRow("B3", "1 KiB of JSON, compressed, to 1000 subscribers", { connections: 1000, publications: 1 }, [
      must(0.9, ws),
      aim(1.1, bun),
    ]),
    job: "publish deflated",
    publicationSize: 1024,
    peers: withoutFloors,
  },
  {
    ...publishRow("B4", "64 B of text to each of 10,000 topics with three subscribers, in one turn", {
      connections: 3000,
      publications: 10,
    }),
    job: "topics",
    targets: [must(0.9, ws), aim(1.1, bun)],
  },
  rateRow("10%", "64 B back from 100 connections at a tenth of the peer's own rate, 99 % within", 0.1),
  rateRow("50%", "the same at a half", 0.5),
  rateRow("80%", "the same at four fifths", 0.8),
  rateRow("100k", "the same at 100,000 a second", 100_000),
  {
    ...publishRow("L2", "64 B back while 64 B are published to 10,000 again and again, 99 % within", {
      connections: 10_000,
      publications: 1,
    }),
    load: { mode: "publish", connections: 10_000, size: 64, bystander: 500, warmup: 2000 },
    figure: "p99",
    unit: "µs",
    targets: [must(1.1, floorData)],
  },
  {
    ...echoRow("L3", "the longest pause for collections, 16 KiB echoed, 100 connections", {
      connections: 100,
      size: 16 * 1024,
    }),
    peers: [openline, borrowing, ws, floorData],
    figure: "longest pause",
    unit: "ms",
    targets: [must(1, ws)],
  },
  {
    id: "S1",
    title: "10,000 clients at once, until all are in",
    kind: "server",
    job: "echo",
    load: { mode: "storm", connections: 10_000 },
    peers: [openline, attached, ws, bun, floorHandshake],
    figure: "time",
    unit: "ms",
    targets: [must(1, ws)],
  },
  {
    ...publishRow("S2", "16 KiB to 100 subscribers of which one does not read: 99 % of the others within", {
      connections: 100,
      publications: 1,
    }),
    // Cold, the compiler's threads have the CPU when the last ones are written to.
    load: { mode: "publish", connections: 100, size: 64, slow: 1, warmup: 3000 },
    publicationSize: 16 * 1024,
    figure: "p99",
    unit: "µs",
    targets: [must(1.1, ws)],
  },
  {
    id: "K1",
    title: "64 B of text published on one node, to 1000 subscribers of another",
    kind: "nodes",
    job: "publish",
    load: { mode: "publish", connections: 1000, warmup: 2000, duration: 3000 },
    peers: Object.values(nodes),
    unit: "CPU µs per delivery, of the node with the subscribers",
    rounds: 3,
    targets: [],
  },
  nodesRateRow(10, 5000),
  nodesRateRow(100, 5000),
  nodesRateRow(1000, 3000),
  {
    id: "K3",
    title: "100 clients come back at once to another node, each to 100 topics of which it missed a message",
    kind: "nodes",
    job: "publish",
    load: { mode: "resume", connections: 100, warmup: 0 },
    peers: [nodes.history, nodes.streams, nodes.centrifugo],
    figure: "time",
    unit: "ms until all have all",
    rounds: 3,
    targets: [],
  },
];

const rowOf = (id: string): Row => own.find((row) => row.id === id)!;

/** All rows, in the order of the table. */
export const rows: readonly Row[] = [
  ...own,
  facadeRow("W1", rowOf("E1"), 0.75),
  facadeRow("W2", rowOf("E2"), 0.2),
  facadeRow("W3", rowOf("E3"), 0.95),
  facadeRow("W4", rowOf("E4"), 0.85),
  facadeRow("W5", rowOf("B1"), 0.85),
  facadeRow("W6", rowOf("Z1"), 0.35),
  facadeRow("W7", rowOf("M1"), 1),
  engineRow("W8", "echo of 64 B by socket.io, 100 connections, 1 in flight", {
    mode: "echo",
    connections: 100,
    warmup: 2000,
    duration: 2000,
  }),
  engineRow("W9", "64 B of text broadcast by socket.io to 1000 clients", {
    mode: "publish",
    connections: 1000,
    warmup: 2000,
    duration: 2000,
  }),
  secureRow("X1", rowOf("E1"), [openline, ws, bun, floorData]),
  secureRow("X2", rowOf("E3"), [openline, borrowing, ws, bun, floorData]),
  secureRow("X3", rowOf("H1"), [openline, ws, bun, floorHandshake]),
];
