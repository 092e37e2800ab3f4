/**
 * A zlib stream that takes the pieces of messages one after another and gives back what each becomes.
 */

import { constants, type DeflateRaw, type InflateRaw } from "node:zlib";
import { receiverError } from "./receiver-error.ts";

/** Called once for each piece, with what it became or why it failed. */
export type PieceCallback = (error: Error | null, output?: Buffer) => void;

interface Job {
  readonly inputs: readonly (Uint8Array | string)[];
  readonly callback: PieceCallback;
}

/** One direction of a connection. After an error and an end it begins with a new stream. */
export class ZlibPieces<Stream extends DeflateRaw | InflateRaw> {
  /** The stream; undefined before the first piece. */
  stream: Stream | undefined;
  readonly #create: () => Stream;
  readonly #most: number;
  #parts: Buffer[] = [];
  #length = 0;
  /** The piece that is worked on, and those that wait. */
  #jobs: Job[] = [];

  /** Takes what makes a stream of zlib, and how many bytes one piece may become; 0 for any number. */
  constructor(create: () => Stream, most = 0) {
    this.#create = create;
    this.#most = most;
  }

  /** Works on the inputs as one piece, after those that were given before. */
  feed(inputs: Job["inputs"], callback: PieceCallback): void {
    this.#jobs.push({ inputs, callback });
    if (this.#jobs.length === 1) this.#work();
  }

  /** Frees the stream; pieces that are under way fail with the error. */
  close(error: Error): void {
    const jobs = this.#jobs;
    this.#jobs = [];
    this.restart();
    for (const { callback } of jobs) callback(error);
  }

  /** Has the next piece begin with a new stream. */
  restart(): void {
    this.stream?.close();
    this.stream = undefined;
    this.#parts = [];
    this.#length = 0;
  }

  #work(): void {
    const [job] = this.#jobs as [Job];
    this.stream ??= this.#open();
    for (const input of job.inputs) this.stream.write(input);
    this.stream.flush(constants.Z_SYNC_FLUSH, () => {
      if (this.#jobs[0] === job) this.#finish(job);
    });
  }

  #finish(job: Job): void {
    const output = Buffer.concat(this.#parts, this.#length);
    this.#parts = [];
    this.#length = 0;
    this.#jobs.shift();
    const next = this.#jobs[0];
    try {
      job.callback(null, output);
    } finally {
      if (next !== undefined && this.#jobs[0] === next) this.#work();
    }
  }

  #open(): Stream {
    const stream = this.#create();
    stream.on("data", (part: Buffer) => {
      if (stream === this.stream) this.#add(part);
    });
    stream.on("error", (error) => {
      if (stream === this.stream) this.close(error);
    });
    return stream;
  }

  #add(part: Buffer): void {
    this.#length += part.length;
    this.#parts.push(part);
    if (this.#most > 0 && this.#length > this.#most) this.close(receiverError("WS_ERR_UNSUPPORTED_MESSAGE_LENGTH"));
  }
}
