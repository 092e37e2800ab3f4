/**
 * Turns what an application sends into frames, in order, also when one message must wait for a Blob's bytes or a
 * compressor: while one is under way, everything behind it stands in line.
 */

import { isArrayBuffer } from "../../protocol/bytes.ts";
import type { Endpoint } from "../../protocol/endpoint/endpoint.ts";
import type { FragmentPosition } from "../../protocol/endpoint/sending.ts";
import { joinBytes } from "../../protocol/runtime/memory.ts";
import type { MessageDeflate } from "../compression/message-deflate.ts";
import { removedTail } from "../compression/zlib-one-shot.ts";
import { poolJobBegins, poolJobEnds } from "../process-wide/pool-jobs.ts";
import type { Outbox } from "./outbox.ts";
import { PreparedMessage } from "./prepared-message.ts";
import type { SendOptions } from "./send-options.ts";
import { type Outgoing, sizeOf } from "./sendable.ts";

/** A message that is sent over a while. */
export interface LongSend {
  run(): Promise<void>;
  /** The connection is over. */
  stop(): void;
}

/** What is sent, where it is not simply a message of the type that its data says. */
export interface Kind {
  /** Whether bytes are the UTF-8 of a text message. */
  readonly text: boolean;
  /** Where it stands in its message, of which it is only a fragment; undefined where it is a whole message. */
  readonly fragment?: FragmentPosition | undefined;
}

/** The options of one send, as they were at the call. */
type Asked = { readonly [Option in "compress" | "copy"]: SendOptions[Option] | undefined } & Kind;

const uncompressed: Asked = { compress: false, copy: undefined, text: false };

/** What a sender asks and tells the connection it belongs to. */
export interface SendQueueOwner {
  /** Whether messages are compressed whose send does not say. */
  readonly compress: boolean;
  /** A message could not be sent: its Blob could not be read, or it could not be compressed. */
  sendingFailed(error: unknown): void;
}

/** Something to do in its turn; false when the endpoint did not take it any more. */
type Step = () => unknown;

/** The load of a step: bytes of payload, and whole messages. */
export interface Load {
  readonly size: number;
  readonly messages: number;
}

/** A step that stands in line. */
interface Waiting extends Load {
  readonly step: Step;
  /** Whether it has to be told that the connection is over. */
  readonly long: boolean;
}

/** Memory of a step that stands in line, without its bytes: itself, and the objects that hold them. */
const stepCost = 128;
/** Memory of a step that sends over a while: it cannot be known, so it is that of a usual stream. */
const longSendCost = 16 * 1024;

const readBlob = Blob.prototype.arrayBuffer;

/** The way from `send` to the endpoint. */
export class SendQueue {
  readonly #endpoint: Endpoint;
  readonly #outbox: Outbox;
  readonly #deflate: MessageDeflate | undefined;
  readonly #owner: SendQueueOwner;
  /** Steps that wait for the send under way; undefined while none is. */
  #line: Waiting[] | undefined;
  /** How many steps at its head have had their turn. */
  #next = 0;
  /** Whether a send is under way, and not only its line. */
  #underWay = false;
  #longSend: LongSend | undefined;
  #unsent = 0;
  #stopped = false;

  constructor(endpoint: Endpoint, outbox: Outbox, deflate: MessageDeflate | undefined, owner: SendQueueOwner) {
    this.#endpoint = endpoint;
    this.#outbox = outbox;
    this.#deflate = deflate;
    this.#owner = owner;
  }

  /** Whether a send is under way that others wait for. */
  get busy(): boolean {
    return this.#line !== undefined;
  }

  /** Messages that stand in line, are under way, or came too late for the endpoint to take them. */
  get unsentMessages(): number {
    return this.#unsent;
  }

  /** Sends a message or a fragment now, or after the one under way. */
  send(data: Outgoing, options: SendOptions | undefined, kind?: Kind): void {
    const asked = this.#asked(options, kind);
    if (this.#line === undefined) return void this.#sendNow(data, asked);
    const kept = data instanceof Uint8Array ? new Uint8Array(data) : data;
    this.afterwards(() => this.#sendNow(kept, asked), { size: sizeOf(kept), messages: messagesIn(asked) });
  }

  /** The options as they are at the call, so that a getter that throws throws to its caller. */
  #asked(options: SendOptions | undefined, kind: Kind | undefined): Asked | undefined {
    const { compress } = this.#owner;
    if (options === undefined && kind === undefined) return compress ? undefined : uncompressed;
    const { text = false, fragment } = kind ?? {};
    return { compress: options?.compress ?? (compress ? undefined : false), copy: options?.copy, text, fragment };
  }

  /** Runs a send that takes a while, alone; settles as its `run` does. */
  sendLong(longSend: LongSend): Promise<void> {
    return new Promise((resolve, reject) => {
      const step = () => {
        this.#longSend = longSend;
        if (this.#stopped) {
          longSend.stop();
          longSend.run().then(resolve, reject);
          return;
        }
        this.#hold(() => {
          const sending = longSend.run();
          sending.then(resolve, reject);
          return sending.then(
            () => true,
            () => false,
          );
        });
      };
      this.#enter({ step, size: 0, messages: 1, long: true });
    });
  }

  /** The connection is over: nothing more is sent, and nothing waits. */
  stop(): void {
    this.#stopped = true;
    this.#longSend?.stop();
    for (const { long, step } of this.#line?.splice(this.#next) ?? []) if (long) step();
    this.#outbox.waiting = this.#outbox.lineCost = 0;
  }

  /** Does something when all that was sent before is in the output; without a load, it is no message. */
  afterwards(step: Step, load: Load = { size: 0, messages: 0 }): void {
    this.#enter({ step, ...load, long: false });
  }

  #enter(waiting: Waiting): void {
    if (this.#line === undefined) return void waiting.step();
    this.#unsent += waiting.messages;
    this.#outbox.waiting += waiting.size;
    this.#outbox.lineCost += costOf(waiting);
    this.#line.push(waiting);
    this.#outbox.lineGrew();
  }

  /** Takes a step out of the line. */
  #leave(waiting: Waiting): void {
    const { step, size, messages } = waiting;
    this.#settled(size);
    if (!this.#stopped) this.#outbox.lineCost -= costOf(waiting);
    try {
      if (step() !== false) this.#unsent -= messages;
    } catch (error) {
      this.#owner.sendingFailed(error);
    }
  }

  /** Takes bytes off those that wait; when the connection is over, none do. */
  #settled(size: number): void {
    if (!this.#stopped) this.#outbox.waiting -= size;
  }

  /** Whether a message would still be sent: if not, it need not be compressed either. */
  #sends(): boolean {
    const { state } = this.#endpoint;
    return !this.#stopped && (state === "open" || state === "peerClosing");
  }

  #sendNow(data: Outgoing, options: Asked | undefined): boolean | undefined {
    if (!this.#sends()) return false;
    if (data instanceof Blob) return this.#hold(() => this.#sendBlob(data, options), messagesIn(options));
    const sending = this.#encode(data, options);
    return typeof sending === "boolean" ? sending : this.#hold(() => sending, messagesIn(options));
  }

  async #sendBlob(data: Blob, options: Asked | undefined): Promise<boolean> {
    const size = sizeOf(data);
    this.#outbox.waiting += size;
    let bytes: unknown;
    // A method of the application's own may never end, and is no work of another thread's.
    const inPool = data.arrayBuffer === readBlob;
    if (inPool) poolJobBegins();
    try {
      bytes = await data.arrayBuffer();
    } finally {
      this.#settled(size);
      if (inPool) poolJobEnds();
    }
    if (!isArrayBuffer(bytes)) throw new TypeError("Cannot send: what the Blob gave is no ArrayBuffer");
    return this.#encode(new Uint8Array(bytes), options);
  }

  /**
   * Lets later sends wait until what it begins has settled, which says whether its message was sent. To begin runs code
   * of the application's, which may send: that stands in line already. `messages` is how many whole ones it sends.
   */
  #hold(begin: () => Promise<boolean>, messages = 1): undefined {
    this.#unsent += messages;
    this.#line ??= [];
    this.#underWay = true;
    void begin()
      .then(
        (sent) => {
          if (sent) this.#unsent -= messages;
        },
        (error) => {
          // Once the connection is over nothing can be sent, which is no error.
          if (!this.#stopped) this.#owner.sendingFailed(error);
        },
      )
      .then(() => {
        this.#underWay = false;
        this.#longSend = undefined;
        this.#moveOn();
      });
  }

  /**
   * Takes its turn to each step of the line, up to one that takes time itself; what is sent meanwhile is the last of
   * them.
   */
  #moveOn(): void {
    const line = this.#line!;
    while (this.#next < line.length && !this.#underWay) this.#leave(line[this.#next++]!);
    line.splice(0, this.#next);
    this.#next = 0;
    if (!this.#underWay) this.#line = undefined;
  }

  /**
   * Puts a message into the output, and says whether it was taken; a promise when it has to be compressed elsewhere
   * first.
   */
  #encode(data: string | Uint8Array | PreparedMessage, options: Asked | undefined): Promise<boolean> | boolean {
    if (!this.#sends()) return false;
    const deflate = this.#deflate;
    if (deflate && options?.compress !== false && (options?.compress || sizeOf(data) >= deflate.threshold)) {
      return this.#encodeCompressed(deflate, data, options);
    }
    let sent: boolean;
    if (options?.fragment !== undefined)
      sent = this.#endpoint.sendFragment(options.text, data as Uint8Array, options.fragment);
    else if (!(data instanceof PreparedMessage))
      sent = this.#endpoint.sendMessage(data, options?.copy === true, options?.text);
    else if (this.#endpoint.role === "server") sent = this.#endpoint.sendEncoded(data.frame);
    else sent = this.#endpoint.sendMessage(data.data);
    this.#outbox.changed();
    return sent;
  }

  #encodeCompressed(
    deflate: MessageDeflate,
    data: string | Uint8Array | PreparedMessage,
    { text: bytesAreText = false, fragment }: Partial<Kind> = {},
  ): Promise<boolean> | boolean {
    const message = data instanceof PreparedMessage ? data.data : data;
    const isString = typeof message === "string";
    const sendDeflated = (payload: Uint8Array) => {
      const sent =
        fragment === undefined
          ? this.#endpoint.sendCompressed(isString || bytesAreText, payload)
          : this.#sendCompressedFragment(bytesAreText, payload, fragment);
      this.#outbox.changed();
      return sent;
    };
    // A copy, whatever its length: a compressor may read it for a while.
    const deflated = deflate.deflate(isString ? Buffer.from(message) : new Uint8Array(message));
    if (!(deflated instanceof Promise)) return sendDeflated(deflated);
    const size = sizeOf(data);
    this.#outbox.waiting += size;
    return deflated.then((payload) => {
      this.#settled(size);
      return sendDeflated(payload);
    });
  }

  /** The tail is missing only where the message ends (RFC 7692 section 7.2.1). */
  #sendCompressedFragment(text: boolean, payload: Uint8Array, fragment: FragmentPosition): boolean {
    const part = fragment.last ? payload : joinBytes([payload, removedTail]);
    return this.#endpoint.sendFragment(text, part, fragment);
  }
}

/** How many messages are sent with this: a fragment ends one or none. */
function messagesIn(asked: Asked | undefined): number {
  return asked?.fragment?.last === false ? 0 : 1;
}

function costOf({ long }: Waiting): number {
  return long ? longSendCost : stepCost;
}
