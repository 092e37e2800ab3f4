/**
 * What peers do that mean harm or are broken, as bytes over sockets; each act says what the server must answer.
 *
 * Built on the tests' frames and handshakes, without the library.
 */
import { randomInt } from "node:crypto";
import type { Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { deflateRawSync } from "node:zlib";
import { closeStatus, openRaw, type RawPeer, requestText, sendRaw } from "../test/support/raw-peer.ts";
import { buildFrame, frameFrom, readFrames, testKey } from "../test/support/wire.ts";

/** Where to do harm, and until when. */
export interface Abuse {
  readonly port: number;
  readonly topic: number;
  readonly signal: AbortSignal;
}

/** An act; resolves with what the server did wrong, undefined for nothing. */
export type Act = (abuse: Abuse) => Promise<string | undefined>;

/** How long a peer may hold a connection that the server has not ended, in milliseconds. */
const longest = 60_000;
/** Within what time a wrong frame or half a request must have been answered, in milliseconds, however busy the machine. */
const patience = 300_000;

const wrongFrames: readonly (readonly [code: number, bytes: Buffer])[] = [
  [1002, frameFrom("client", { opcode: 3, payload: "reserved" })],
  [1002, frameFrom("client", { opcode: 2, rsv: 2, payload: "rsv2" })],
  [1002, buildFrame({ opcode: 1, payload: "not masked" })],
  [1002, frameFrom("client", { opcode: 9, fin: false, payload: "a fragment of a Ping" })],
  [1002, frameFrom("client", { opcode: 0, payload: "goes on with nothing" })],
  [1002, frameFrom("client", { opcode: 8, payload: Buffer.from([3, 237]) })],
  [1007, frameFrom("client", { opcode: 1, payload: Buffer.from([0xc3, 0x28]) })],
  [1007, frameFrom("client", { opcode: 2, rsv: 4, payload: Buffer.from([7, 7, 7, 7]) })],
];
const tooLong = buildFrame({ opcode: 2, announced: 64n * 2n ** 20n, payload: "", key: testKey });
const bomb = frameFrom("client", { opcode: 2, rsv: 4, payload: deflateRawSync(Buffer.alloc(20 << 20)) });

/** Every act, with how often it is done. */
const acts: readonly (readonly [weight: number, act: Act])[] = [
  [30, (abuse) => breakRule(abuse, wrongFrames[randomInt(wrongFrames.length)]!)],
  [14, (abuse) => breakRule(abuse, [1009, tooLong])],
  [1, (abuse) => breakRule(abuse, [1009, bomb])],
  [25, resetMidway],
  [10, halfHandshake],
  [10, floodPings],
  [10, neverRead],
];
const lots = acts.flatMap(([weight, act]) => Array<Act>(weight).fill(act));

/** One act by chance; resolves with what the server did wrong, undefined for nothing. */
export async function abuseOnce(abuse: Abuse): Promise<string | undefined> {
  try {
    return await lots[randomInt(lots.length)]!(abuse);
  } catch (error) {
    return abuse.signal.aborted ? undefined : String(error);
  }
}

async function breakRule(abuse: Abuse, [code, bytes]: readonly [number, Buffer]): Promise<string | undefined> {
  const peer = await open(abuse);
  peer.socket.write(bytes);
  const inTime = await endsWithin(peer, patience);
  if (abuse.signal.aborted) return undefined;
  if (!inTime) return `Nothing came of a frame that deserves ${code}`;
  const status = closeStatus(readFrames(peer.received).at(-1));
  return status?.code === code ? undefined : `A frame that deserves ${code} got ${status?.code} ${status?.reason}`;
}

async function resetMidway(abuse: Abuse): Promise<undefined> {
  const peer = await open(abuse);
  const frame = frameFrom("client", { opcode: 2, payload: Buffer.alloc(1000) });
  peer.socket.write(frame.subarray(0, randomInt(1, frame.length)));
  await delay(randomInt(500), undefined, { signal: abuse.signal });
  peer.reset();
  await peer.closed;
}

async function halfHandshake({ port, topic, signal }: Abuse): Promise<string | undefined> {
  const request = requestText({ path: `/abuse/${topic}` });
  const peer = await sendRaw(port, request.slice(0, randomInt(1, request.length - 4)));
  destroyOn(signal, peer.socket);
  await endsWithin(peer, patience);
  if (signal.aborted) return undefined;
  const answer = peer.received.toString("latin1", 0, 12);
  return answer === "HTTP/1.1 408" ? undefined : `Half a request was answered by "${answer}"`;
}

/** Pings as fast as they are taken, up to 1 MiB a second, and reads nothing. */
async function floodPings(abuse: Abuse): Promise<undefined> {
  const peer = await open(abuse);
  peer.socket.pause();
  const pings = Buffer.concat(Array<Buffer>(128).fill(frameFrom("client", { opcode: 9, payload: Buffer.alloc(125) })));
  const timer = setInterval(() => {
    if (peer.socket.writableLength === 0) peer.socket.write(pings);
  }, 16);
  await endsWithin(peer, longest);
  clearInterval(timer);
}

/** Is subscribed, and reads nothing. */
async function neverRead(abuse: Abuse): Promise<undefined> {
  const peer = await open(abuse);
  peer.socket.pause();
  await endsWithin(peer, longest);
}

async function open({ port, topic, signal }: Abuse): Promise<RawPeer> {
  const extensions = { "Sec-WebSocket-Extensions": "permessage-deflate; client_no_context_takeover" };
  const peer = await openRaw(port, { path: `/abuse/${topic}`, headers: extensions });
  destroyOn(signal, peer.socket);
  return peer;
}

/** Waits until the server has ended the stream, then ends it as well; false when that took too long. */
async function endsWithin(peer: RawPeer, milliseconds: number): Promise<boolean> {
  let inTime = true;
  const timer = setTimeout(() => {
    inTime = false;
    peer.socket.destroy();
  }, milliseconds);
  await peer.until(() => false);
  clearTimeout(timer);
  peer.socket.destroy();
  await peer.closed;
  return inTime;
}

function destroyOn(signal: AbortSignal, socket: Socket): void {
  const destroy = () => socket.destroy();
  signal.addEventListener("abort", destroy);
  socket.once("close", () => signal.removeEventListener("abort", destroy));
}
