/**
 * The bytes of a row: what the load sends and what must come back, written once into files that the load reads.
 */
import { Buffer } from "node:buffer";
import { mkdirSync, writeFileSync } from "node:fs";
import { constants, deflateRawSync, inflateRawSync } from "node:zlib";
import { type Job, publicationsOf } from "../servers/job.ts";
import { clientFrame, type FrameKind, serverFrame } from "./frames.ts";
import { workFolder } from "./peers.ts";

/** What is sent. */
export interface Payload {
  readonly job: Job;
  /** Bytes of one message before compression. */
  readonly size: number;
  readonly publications: number;
  /** Bytes of each of them. */
  readonly publicationSize: number;
  /** The server sends back the very bytes that it gets. */
  readonly raw: boolean;
}

/** Options of the load that name the files; without `expect` it learns the replies, see `checkLearned`. */
export interface PayloadFiles {
  readonly send: string;
  readonly expect?: string;
  readonly frames: number;
}

const written = new Map<string, PayloadFiles>();
const tail = Buffer.from([0, 0, 0xff, 0xff]);

/** Writes the files, unless they are there from an earlier run of this process. */
export function writePayload(payload: Payload): PayloadFiles {
  const { job, size, publications, publicationSize, raw } = payload;
  const name = `${job.replace(" ", "-")}-${size}-${publications}-${publicationSize}${raw ? "-raw" : ""}`;
  const known = written.get(name) ?? write(payload, `${workFolder}${name}`);
  written.set(name, known);
  return known;
}

function write({ job, size, publications, publicationSize, raw }: Payload, path: string): PayloadFiles {
  const kind: FrameKind = job === "deflate" ? "deflated text" : job === "echo" || job === "sink" ? "binary" : "text";
  const messages = job === "deflate" ? [deflate(json(size))] : distinctMessages(size);
  const frames = messages.map((message) => clientFrame(kind, message));
  const send = `${path}.send`;
  mkdirSync(workFolder, { recursive: true });
  writeFileSync(send, Buffer.concat(frames));
  if (job === "deflate" || job === "publish deflated") return { send, frames: frames.length };
  const expect = `${path}.expect`;
  const published = (): Buffer[] =>
    publicationsOf(publications, publicationSize).map((text) => serverFrame("text", Buffer.from(text)));
  const expected = {
    echo: () => (raw ? frames : messages.map((message) => serverFrame("binary", message))),
    text: () => messages.map((message) => serverFrame("text", message)),
    sink: () => messages.map(() => serverFrame("text", Buffer.from("ok"))),
    publish: published,
    topics: published,
  };
  writeFileSync(expect, Buffer.concat(expected[job]()));
  return { send, expect, frames: frames.length };
}

/** As many messages as fit in 64 KiB, 16 at most; no two alike, so that a reply out of order is seen. */
function distinctMessages(size: number): Buffer[] {
  const count = Math.max(1, Math.min(16, Math.floor(65536 / size)));
  return Array.from({ length: count }, (_, index) => {
    const bytes = Buffer.alloc(size);
    for (let i = 0; i < size; i++) bytes[i] = 0x20 + ((i * 7 + index * 13) % 95);
    return bytes;
  });
}

/** About `size` bytes of JSON as programs send it: the same names in each record, other values. */
function json(size: number): Buffer {
  const records: object[] = [];
  for (let i = 0; JSON.stringify(records).length < size - 60; i++) {
    const price = ((i * 7919) % 90_000) / 100;
    records.push({ id: 10_000 + i * 37, name: `item-${(i * 31) % 97}`, price, available: i % 3 !== 0 });
  }
  return Buffer.from(JSON.stringify(records));
}

/** RFC 7692 section 7.2.1. */
function deflate(bytes: Buffer): Buffer {
  return deflateRawSync(bytes, { finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, -tail.length);
}

/**
 * Throws unless each of the frames, in hexadecimal, is the message that the job makes of `size` bytes, compressed; there must
 * be one.
 *
 * A compressor may find other bytes for the same message later on, so the load tells them all.
 */
export function checkLearned(frames: readonly string[], job: Job, size: number): void {
  const wanted = job === "deflate" ? json(size) : Buffer.from(publicationsOf(1, size)[0]!);
  if (frames.length === 0 || !frames.every((frame) => isCompressed(wanted, Buffer.from(frame, "hex")))) {
    throw new Error("A reply is not the compressed message that was to come");
  }
}

function isCompressed(wanted: Buffer, frame: Buffer): boolean {
  const payload = frame.subarray((frame[1] ?? 0) < 126 ? 2 : 4);
  const options = { finishFlush: constants.Z_SYNC_FLUSH };
  return frame[0] === 0xc1 && inflateRawSync(Buffer.concat([payload, tail]), options).equals(wanted);
}
