/**
 * One message of ours that is sent fragment by fragment while an iterable gives them; RFC 6455 section 5.4.
 *
 * Each fragment leaves as it comes, so the message ends with an empty one; control frames go between them. Text is
 * UTF-8 as a whole (section 5.6): fragments may be cut within a character, of bytes or of surrogates.
 */

import { Buffer } from "node:buffer";
import { types } from "node:util";
import type { Endpoint } from "../../protocol/endpoint/endpoint.ts";
import { Utf8Validator } from "../../protocol/messages/utf8.ts";
import { setImmediate } from "../../transport/scheduling.ts";
import type { MessageLayer } from "../handlers/message-layer.ts";
import { ignorable } from "./pings.ts";
import type { LongSend } from "./send-queue.ts";
import { checkSendable } from "./sendable.ts";

/** A piece of a message: a string stands for its UTF-8. */
export type Fragment = string | ArrayBuffer | ArrayBufferView;

/** An iterable of the fragments of one message. */
export type Fragments = Iterable<Fragment> | AsyncIterable<Fragment>;

/** The options of `sendFragments`. */
export interface SendFragmentsOptions {
  /** Whether to send a text message. Default: when the first fragment is a string. */
  readonly text?: boolean;
}

/** The connection of a message in fragments. */
export interface FragmentsWay {
  readonly endpoint: Endpoint;
  /** Undefined where messages are sent as the application gives them. */
  readonly layer: MessageLayer | undefined;
  /** A fragment is in the output; resolves when the next one may come. */
  sent(): Promise<void> | undefined;
  /** The iterable threw or gave what cannot be sent: the message stays unfinished. */
  failed(error: unknown): void;
}

/** The connection ended before the message did: no error of the application's. */
export class CutOff extends Error {
  constructor() {
    super("Cannot send: the connection is closing or closed");
  }
}

/** The outcome of a step when the connection is over: a value that no iterator can give. */
const stopped = Symbol("stopped");

/** After this many fragments other connections have a turn: an iterable that never waits would give them none. */
const fragmentsPerTurn = 256;

/** One message on its way. */
export class FragmentSender implements LongSend {
  readonly #iterator: Iterator<Fragment> | AsyncIterator<Fragment>;
  readonly #way: FragmentsWay;
  #text: boolean | undefined;
  readonly #utf8 = new Utf8Validator();
  /** A high surrogate at the end of the last string, whose low one may come with the next. */
  #held = "";
  #first = true;
  #stop: () => void = () => {};
  #stopped = false;

  /** Throws a TypeError for what is not an iterable of fragments. */
  constructor(fragments: Fragments, options: SendFragmentsOptions, way: FragmentsWay) {
    this.#iterator = iteratorOf(fragments);
    this.#text = options.text;
    this.#way = way;
  }

  /** Sends the message; rejects with `CutOff` when the connection ends first, else with what the iterable threw. */
  async run(): Promise<void> {
    try {
      const whole = (await this.#sendFragments()) && this.#sendLast();
      if (!whole) throw new CutOff();
    } catch (error) {
      this.abandon();
      if (!(error instanceof CutOff)) this.#way.failed(error);
      throw error;
    }
  }

  /** Whether the iterable has ended before the connection did. */
  async #sendFragments(): Promise<boolean> {
    for (let asked = 1; this.#goesOn(); asked++) {
      if (asked % fragmentsPerTurn === 0) {
        await this.#orStopped(nextTurn);
        continue;
      }
      const next: unknown = await this.#next();
      if (next === stopped) break;
      if (!isResult(next)) throw new TypeError("Cannot send: the iterator gave no object with `done` and `value`");
      if (next.done) return true;
      const payload = this.#encode(next.value);
      if (payload.length === 0) continue;
      if (!this.#send(payload, false)) break;
      const room = this.#way.sent();
      if (room !== undefined) await this.#orStopped(() => room);
    }
    return false;
  }

  /**
   * Whether a fragment would still be sent: where our Close has left, by a failure for one, the iterable is asked no
   * more.
   */
  #goesOn(): boolean {
    const { state } = this.#way.endpoint;
    return !this.#stopped && (state === "open" || state === "peerClosing");
  }

  #sendLast(): boolean {
    const rest = Buffer.from(this.#held);
    this.#judge(rest);
    if (!this.#utf8.complete) throw new TypeError("Cannot send text: it ends within a character");
    const sent = this.#send(rest, true);
    void this.#way.sent();
    return sent;
  }

  /** The connection is over: nothing more is asked of the iterable. */
  stop(): void {
    this.#stopped = true;
    this.#stop();
  }

  /** The iterator's next result; `stopped` when the connection is over before it comes. */
  #next(): Promise<unknown> {
    return this.#orStopped(() => Promise.resolve(this.#iterator.next()));
  }

  /** The outcome of a step; `stopped` when the connection is over before. */
  #orStopped(step: () => Promise<unknown>): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#stop = () => resolve(stopped);
      step().then(resolve, reject);
    });
  }

  #send(payload: Uint8Array, last: boolean): boolean {
    const sent = this.#way.endpoint.sendFragment(this.#text ?? false, payload, { first: this.#first, last });
    this.#first = false;
    return sent;
  }

  #encode(fragment: Fragment): Uint8Array {
    // It is refused below; its own rejection, unhandled, would end the process as well.
    if (types.isPromise(fragment)) ignorable(fragment);
    const data = checkSendable(fragment);
    if (typeof data !== "string" && !(data instanceof Uint8Array)) {
      throw new TypeError("Cannot send: a fragment must be a string, an ArrayBuffer or a view of one");
    }
    this.#text ??= typeof data === "string";
    let payload: Uint8Array;
    if (typeof data === "string") {
      const joined = this.#held + data;
      const whole = /[\ud800-\udbff]$/.test(joined) ? joined.length - 1 : joined.length;
      this.#held = joined.slice(whole);
      payload = Buffer.from(joined.slice(0, whole));
    } else {
      payload = this.#held === "" ? data : Buffer.concat([Buffer.from(this.#held), data]);
      this.#held = "";
    }
    this.#judge(payload);
    return this.#throughLayer(payload);
  }

  /** A layer looks at the first character of a text; it is one that takes a single byte where the layer changes it. */
  #throughLayer(payload: Uint8Array): Uint8Array {
    const { layer } = this.#way;
    if (layer === undefined || !this.#text || !this.#first || payload.length === 0 || payload[0]! > 127) return payload;
    const start = layer.sent(String.fromCharCode(payload[0]!));
    return start.length === 1 ? payload : Buffer.concat([Buffer.from(start), payload.subarray(1)]);
  }

  #judge(payload: Uint8Array): void {
    if (this.#text && !this.#utf8.write(payload, 0, payload.length)) {
      throw new TypeError("Cannot send text: the fragments are not UTF-8");
    }
  }

  /** Lets the iterable clean up; the message will not be sent. */
  abandon(): void {
    try {
      Promise.resolve(this.#iterator.return?.()).catch(() => {});
    } catch {
      // The connection is over: there is no caller left to throw to.
    }
  }
}

function iteratorOf(fragments: Fragments): Iterator<Fragment> | AsyncIterator<Fragment> {
  if (typeof fragments === "object" && fragments !== null) {
    if (Symbol.asyncIterator in fragments) return checkIterator(fragments[Symbol.asyncIterator]());
    if (Symbol.iterator in fragments && !ArrayBuffer.isView(fragments)) {
      return checkIterator(fragments[Symbol.iterator]());
    }
  }
  throw new TypeError("Cannot send: the fragments must be an iterable of strings or bytes");
}

function checkIterator<It extends Iterator<Fragment> | AsyncIterator<Fragment>>(iterator: It): It {
  if (typeof (iterator as Partial<It> | undefined)?.next === "function") return iterator;
  throw new TypeError("Cannot send: the iterator of the fragments has no method `next`");
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}

function isResult(value: unknown): value is IteratorResult<Fragment> {
  return (typeof value === "object" && value !== null) || typeof value === "function";
}
