/**
 * Faults of a transport at a chosen byte of a whole conversation, struck by a raw peer of either role, and what a
 * connection that lived through it must have seen and reported. Built without the code under test.
 */
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import type { Socket } from "node:net";
import { Duplex } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import { TLSSocket, connect as tlsConnect } from "node:tls";
import { deflateRawSync } from "node:zlib";
import { afterAll, expect, vi } from "vitest";
import type { CloseReport } from "../../src/index.ts";
import type { Role } from "../../src/protocol/frames/frame.ts";
import { type Certificates, makeCertificates } from "./certificates.ts";
import { watchUncaught } from "./leaves-nothing.ts";
import { closeFrame } from "./raw-peer.ts";
import { leftovers, noteResources, type Resources } from "./resources.ts";
import { frameFrom } from "./wire.ts";

/** What a raw peer does after the last byte it sends. */
export type Strike =
  /** Ends both directions, FIN, without another byte. */
  | "cut"
  /** RST. */
  | "reset"
  /** Nothing, ever; the other side must have a deadline. */
  | "stall"
  /** Ends its own direction and reads on. */
  | "halfClose";

export const strikes: readonly Strike[] = ["cut", "reset", "stall", "halfClose"];

/** A raw peer's end: the TCP socket that strikes, and the stream of WebSocket bytes, which may be TLS over it. */
export interface RawEnd {
  readonly tcp: Socket;
  readonly stream: Duplex;
}

/** Strikes. */
export function strike({ tcp, stream }: RawEnd, kind: Strike): void {
  if (kind === "cut") tcp.destroy();
  if (kind === "reset") tcp.resetAndDestroy();
  if (kind === "halfClose") stream.end();
}

/** TLS over a TCP socket that stays free to be reset under it. */
export function tlsOver(tcp: Socket, role: Role, options: { ca: string } | { key: string; cert: string }): TLSSocket {
  const socket = Duplex.from({ readable: tcp, writable: tcp });
  const secure =
    role === "client"
      ? tlsConnect({ ...options, socket, host: "127.0.0.1", servername: "localhost" })
      : new TLSSocket(socket, { ...options, isServer: true });
  // The strike breaks it in every way there is.
  for (const stream of [tcp, socket, secure]) stream.on("error", () => {});
  return secure;
}

/** What a raw peer sends after the opening handshake, and what the other side gets of it. */
export interface Conversation {
  readonly bytes: Buffer;
  /** Each message with the index behind its first byte and behind its last. */
  readonly messages: readonly { readonly data: string | Uint8Array; readonly begun: number; readonly whole: number }[];
  /** How many of the bytes come before the Close frame. */
  readonly beforeClose: number;
}

const compressedText = "compressed, compressed, compressed";

/** Plain, fragmented (a Ping between the fragments) and compressed messages, and a Close with 1000. */
export function conversation(peer: Role): Conversation {
  const plain = "plain";
  const long = new Uint8Array(126).fill(0x6c);
  const deflated = deflateRawSync(compressedText, { finishFlush: 2 }).subarray(0, -4);
  const parts: { data?: string | Uint8Array; frames: Buffer[] }[] = [
    { data: plain, frames: [frameFrom(peer, { opcode: 1, payload: plain })] },
    { data: long, frames: [frameFrom(peer, { opcode: 2, payload: long })] },
    {
      data: "fragments",
      frames: [
        frameFrom(peer, { opcode: 1, fin: false, payload: "frag" }),
        frameFrom(peer, { opcode: 9, payload: "?" }),
        frameFrom(peer, { opcode: 0, fin: false, payload: "ments" }),
        frameFrom(peer, { opcode: 0 }),
      ],
    },
    { data: compressedText, frames: [frameFrom(peer, { opcode: 1, rsv: 4, payload: deflated })] },
    { frames: [frameFrom(peer, closeFrame(1000, "bye"))] },
  ];
  const messages: { data: string | Uint8Array; begun: number; whole: number }[] = [];
  let beforeClose = 0;
  let length = 0;
  for (const { data, frames } of parts) {
    const whole = length + Buffer.concat(frames).length;
    if (data === undefined) beforeClose = length;
    else messages.push({ data, begun: length + 1, whole });
    length = whole;
  }
  return { bytes: Buffer.concat(parts.flatMap(({ frames }) => frames)), messages, beforeClose };
}

/** Where a strike came: after how many bytes of the opening handshake and of what follows it. */
export interface Place {
  readonly kind: Strike;
  /** Which side sends the first Close frame; the side under test does when it has got all messages. */
  readonly closer: "peer" | "tested";
  /** Bytes of the conversation that were sent. */
  readonly sent: number;
}

/** The messages that have come whole by then. */
export function messagesBy({ messages }: Conversation, sent: number): (string | Uint8Array)[] {
  return messages.filter(({ whole }) => whole <= sent).map(({ data }) => data);
}

const lost = /ECONNRESET|EPIPE|The peer ended the stream without a Close frame/;

/** Holds a report to what happened; `exact` when the tested side had read every byte before the strike. */
export function checkReport(report: CloseReport, script: Conversation, place: Place, exact: boolean): void {
  const { kind, closer, sent } = place;
  const told = `${JSON.stringify(place)}: ${JSON.stringify(report)} ${report.error ?? ""}`;
  const local = closer === "tested" && sent >= script.beforeClose;
  if (sent === script.bytes.length && (exact || report.wasClean)) {
    expect(report, told).toMatchObject({ code: 1000, reason: "bye", wasClean: true, phase: "closing" });
    expect(report.initiator, told).toBe(local ? "local" : "peer");
    return;
  }
  expect(report, told).toMatchObject({ code: 1006, reason: "", wasClean: false });
  expect(report.received, told).toBeUndefined();
  if (kind === "stall") return checkStall(report, script, place, told);
  // Without waiting, the tested side may not have come as far as to close.
  if (exact) expect(report.initiator, told).toBe(local ? "local" : "transport");
  else expect([local ? "local" : "transport", "transport"], told).toContain(report.initiator);
  expect(report.phase, told).toBe(report.sent ? "closing" : "open");
  expect(report.violation, told).toBeUndefined();
  if (exact && kind === "halfClose") {
    expect(report.error?.message, told).toBe("The peer ended the stream without a Close frame");
  } else {
    expect(String(report.error), told).toMatch(lost);
  }
}

function checkStall(report: CloseReport, script: Conversation, { closer, sent }: Place, told: string): void {
  if (closer === "tested" && sent >= script.beforeClose) {
    expect(report, told).toMatchObject({ initiator: "local", phase: "closing" });
    expect(report.error?.message, told).toMatch(/^The closing handshake was cut off: the peer took more than \d+ ms$/);
  } else if (sent > script.beforeClose || script.messages.some(({ begun, whole }) => begun <= sent && sent < whole)) {
    expect(report, told).toMatchObject({ initiator: "local", violation: "message-too-slow", sent: { code: 1008 } });
  } else {
    expect(report, told).toMatchObject({ initiator: "transport", phase: "open" });
    expect(report.error?.message, told).toMatch(/^The connection was given up: the peer was silent for \d+ ms/);
  }
}

/** The sockets of this process, whoever opened them, by the two ports of their connection. */
export interface SocketRegister {
  /** The accepted end of the connection between these ports. */
  accepted(server: number, client: number): Socket | undefined;
  /** Ports are used again: to be called when a connection is over. */
  forget(server: number, client: number): void;
  /** The connecting end of the connection between these ports. */
  connecting(server: number, client: number): Socket | undefined;
  stop(): void;
}

/** Notes sockets from now on. */
function registerSockets(): SocketRegister {
  /** By both ports: the system gives one port to several connections, if they go to different servers. */
  const accepted = new Map<string, Socket>();
  const keyOf = (local: number, remote: number) => `${local} ${remote}`;
  const dialled = new Set<Socket>();
  const onAccepted = (message: unknown) => {
    const { socket } = message as { socket: Socket };
    accepted.set(keyOf(socket.localPort!, socket.remotePort!), socket);
  };
  const onDialled = (message: unknown) => {
    const { socket } = message as { socket: Socket };
    dialled.add(socket);
    socket.on("close", () => setImmediate(() => dialled.delete(socket)));
  };
  subscribe("net.server.socket", onAccepted);
  subscribe("net.client.socket", onDialled);
  return {
    accepted: (server, client) => accepted.get(keyOf(server, client)),
    forget: (server, client) => void accepted.delete(keyOf(server, client)),
    connecting: (server, client) =>
      [...dialled].find(({ localPort, remotePort }) => localPort === client && remotePort === server),
    stop: () => {
      unsubscribe("net.server.socket", onAccepted);
      unsubscribe("net.client.socket", onDialled);
    },
  };
}

/** Waits until the condition holds; throws, with what was waited for, after twelve seconds. */
export async function eventually(condition: () => boolean, what: () => string): Promise<void> {
  for (let turns = 0; turns < 200; turns++) {
    if (condition()) return;
    await new Promise((resolve) => setImmediate(resolve));
  }
  for (let waited = 0; !condition(); waited += 5) {
    if (waited > 12_000) throw new Error(`Waited in vain for ${what()}`);
    await delay(5);
  }
}

/** Runs the cases, so many at a time. */
export async function inParallel<Case>(
  cases: readonly Case[],
  together: number,
  run: (one: Case) => Promise<void>,
): Promise<void> {
  let at = 0;
  const worker = async () => {
    while (at < cases.length) await run(cases[at++]!);
  };
  await Promise.all(Array.from({ length: Math.min(together, cases.length) }, worker));
}

/** What a strike comes to: no connection, a broken one, or one that was closed before it. */
export type Outcome = "refused" | "broken" | "clean";

/** Strikes in every case; returns how many came to what. */
export async function countOutcomes<Case>(
  cases: readonly Case[],
  kind: Strike,
  check: (one: Case) => Promise<Outcome>,
): Promise<Record<Outcome, number>> {
  const counts = { refused: 0, broken: 0, clean: 0 };
  await inParallel(cases, togetherFor(kind), async (one) => void counts[await check(one)]++);
  return counts;
}

/** The same, where the cases are such that each outcome must be among theirs. */
export async function expectAllOutcomes<Case>(...args: Parameters<typeof countOutcomes<Case>>): Promise<void> {
  const counts = await countOutcomes(...args);
  expect(Object.entries(counts).filter(([, count]) => count === 0)).toEqual([]);
}

/** How many strikes go on at once: those that end by a deadline cost time, the others work. */
export function togetherFor(kind: Strike): number {
  return kind === "stall" ? 1000 : 32;
}

/** How closely a conversation is struck: at some of its bytes by the everyday tests, at every one by the slow ones. */
export const densities = [
  ["some bytes", 13, {}],
  ["every byte", 1, { tags: "slow" }],
] as const;

/** Every `step`th number from `from` to `to`, and `to`. */
export function places(from: number, to: number, step = 1): number[] {
  const all: number[] = [];
  for (let at = from; at < to; at += step) all.push(at);
  return [...all, to];
}

/** What the tests of a file strike with, and the state of the process that each is to leave behind as it was. */
export interface Surroundings {
  readonly certificates: Certificates;
  readonly sockets: SocketRegister;
  /** Notes what is open, and what is listened to on the process and others. */
  noteState(...others: readonly NodeJS.EventEmitter[]): Promise<void>;
  /** Expects that nothing more is open or listened to than was noted, and nothing was uncaught or complained of. */
  expectUntouched(): Promise<void>;
}

/** Makes them; they are put away when the file's tests are done. */
export function surroundings(): Surroundings {
  const certificates = makeCertificates();
  const sockets = registerSockets();
  const uncaught = watchUncaught();
  const stderr = vi.spyOn(console, "error");
  let emitters: readonly NodeJS.EventEmitter[] = [];
  let open: Resources = {};
  let listeners: unknown;
  afterAll(() => {
    sockets.stop();
    uncaught.stop();
    certificates.remove();
  });
  return {
    certificates,
    sockets,
    noteState: async (...others) => {
      emitters = [process, ...others];
      open = await noteResources();
      listeners = emitters.map(listenersOf);
    },
    expectUntouched: async () => {
      expect(await leftovers(open)).toEqual({});
      expect(emitters.map(listenersOf)).toEqual(listeners);
      expect(uncaught.caught).toEqual([]);
      expect(stderr.mock.calls).toEqual([]);
    },
  };
}

/** How many listeners each event of the emitter has. */
function listenersOf(emitter: NodeJS.EventEmitter): Record<string, number> {
  return Object.fromEntries(emitter.eventNames().map((name) => [String(name), emitter.listenerCount(name)]));
}
