/**
 * What one peer was seen to do on one connection, and the rules it broke on its own account.
 *
 * Every frame of the peer passes through `observe`, which keeps messages, pongs and the Close, and writes
 * down each breach of RFC 6455 or RFC 7692 that the peer commits as a sender, whatever the case is about.
 */
import { isUtf8 } from "node:buffer";
import { type Frame, Op, opName, shortestForm } from "../wire/frame.ts";
import type { Head } from "../wire/head.ts";
import { inflateMessage } from "../wire/inflate.ts";

/** The side under test. */
export type Role = "server" | "client";

/** permessage-deflate as agreed, seen from the judge: `peer` is the side under test as a sender. */
export interface Agreement {
  readonly peerNoContextTakeover: boolean;
  readonly peerWindowBits: number;
  readonly ownNoContextTakeover: boolean;
  readonly ownWindowBits: number;
}

/** A whole message of the peer. */
export interface Message {
  readonly text: boolean;
  readonly payload: Buffer;
  readonly compressed: boolean;
}

/** The peer's first Close frame. */
export interface CloseSeen {
  readonly code: number | undefined;
  readonly reason: string;
}

/** Everything seen of the peer on one connection. */
export class Observation {
  readonly role: Role;
  head: Head | undefined;
  readonly messages: Message[] = [];
  readonly pongs: Buffer[] = [];
  readonly pings: Buffer[] = [];
  readonly maskingKeys: Buffer[] = [];
  readonly order: ("message" | "ping" | "pong" | "marker" | "close" | "end")[] = [];
  readonly violations: string[] = [];
  close: CloseSeen | undefined;
  end: "fin" | "reset" | undefined;
  /** Markers answered so far. */
  markers = 0;
  /** What the judge still waited for when the deadline passed. */
  missed: string | undefined;
  /** Why the case does not apply to this peer. */
  skipped: string | undefined;
  /** What came behind the head in the same segment, and all that came behind a refusal. */
  early: Buffer = Buffer.alloc(0);
  agreement: Agreement | undefined;
  #fragments: Buffer[] = [];
  #first: Frame | undefined;
  #history: Buffer = Buffer.alloc(0);

  constructor(role: Role) {
    this.role = role;
  }

  /** Whether the connection can bring nothing more. */
  get over(): boolean {
    return this.close !== undefined || this.end !== undefined;
  }

  /** Takes a frame of the peer; `isMarker` knows the judge's own pings. */
  observe(frame: Frame, isMarker: (payload: Buffer) => boolean): void {
    this.#checkHeader(frame);
    if (frame.maskingKey !== undefined) this.maskingKeys.push(frame.maskingKey);
    if (this.close !== undefined) this.#breach(`${opName(frame.opcode)} after its Close`, "5.5.1");
    else if (frame.opcode === Op.Close) this.#observeClose(frame.payload);
    else if (frame.opcode === Op.Ping) this.#observePing(frame.payload);
    else if (frame.opcode === Op.Pong) this.#observePong(frame.payload, isMarker);
    else this.#observeData(frame);
  }

  /** Notes the end of the byte stream. */
  ended(how: "fin" | "reset"): void {
    if (this.end !== undefined) return;
    this.end = how;
    this.order.push("end");
  }

  #breach(what: string, section: string): void {
    const text = `${what} (section ${section})`;
    if (!this.violations.includes(text)) this.violations.push(text);
  }

  #checkHeader(frame: Frame): void {
    const { opcode, rsv, payload } = frame;
    const masked = frame.maskingKey !== undefined;
    if (this.role === "client" && !masked) this.#breach("a client's frame without a mask", "5.1");
    if (this.role === "server" && masked) this.#breach("a server's frame with a mask", "5.1");
    if (frame.lengthForm !== shortestForm(BigInt(payload.length)))
      this.#breach("a length not in its shortest form", "5.2");
    if (![0, 1, 2, 8, 9, 10].includes(opcode)) this.#breach(`reserved opcode 0x${opcode.toString(16)}`, "5.2");
    if (opcode >= 8 && !frame.fin) this.#breach("a fragmented control frame", "5.5");
    if (opcode >= 8 && payload.length > 125) this.#breach("a control frame over 125 bytes", "5.5");
    const rsv1Legal = this.agreement !== undefined && (opcode === Op.Text || opcode === Op.Binary);
    if (rsv !== 0 && !(rsv === 4 && rsv1Legal))
      this.#breach(`RSV bits 0b${rsv.toString(2)} where none are agreed`, "5.2");
  }

  #observeClose(payload: Buffer): void {
    const code = payload.length >= 2 ? payload.readUInt16BE(0) : undefined;
    if (payload.length === 1) this.#breach("a Close with one byte of payload", "5.5.1");
    if (code !== undefined && !isSendableCode(code)) this.#breach(`close code ${code} on the wire`, "7.4");
    if (!isUtf8(payload.subarray(2))) this.#breach("a close reason that is not UTF-8", "5.5.1");
    this.close = { code, reason: payload.toString("utf8", 2) };
    this.order.push("close");
  }

  #observePing(payload: Buffer): void {
    this.pings.push(payload);
    this.order.push("ping");
  }

  #observePong(payload: Buffer, isMarker: (payload: Buffer) => boolean): void {
    const marker = isMarker(payload);
    if (marker) this.markers++;
    else this.pongs.push(payload);
    this.order.push(marker ? "marker" : "pong");
  }

  #observeData(frame: Frame): void {
    if (frame.opcode === Op.Continuation && this.#first === undefined)
      return this.#breach("a continuation of nothing", "5.4");
    if (frame.opcode !== Op.Continuation && this.#first !== undefined)
      return this.#breach("a message inside a message", "5.4");
    this.#first ??= frame;
    this.#fragments.push(frame.payload);
    if (!frame.fin) return;
    const whole = this.#fragments.length === 1 ? frame.payload : Buffer.concat(this.#fragments);
    const compressed = this.#first.rsv === 4 && this.agreement !== undefined;
    const text = this.#first.opcode === Op.Text;
    this.#first = undefined;
    this.#fragments = [];
    const payload = compressed ? this.#inflate(whole) : whole;
    if (text && !isUtf8(payload)) this.#breach("a text message that is not UTF-8", "8.1");
    this.messages.push({ text, payload, compressed });
    this.order.push("message");
  }

  #inflate(whole: Buffer): Buffer {
    const { peerNoContextTakeover, peerWindowBits } = this.agreement!;
    try {
      const { data, furthestMatch } = inflateMessage(whole, this.#history);
      if (furthestMatch > 1 << peerWindowBits) {
        this.#breach(`a match ${furthestMatch} bytes back in a window of ${1 << peerWindowBits}`, "7.2.1 of RFC 7692");
      }
      this.#history = peerNoContextTakeover ? Buffer.alloc(0) : Buffer.concat([this.#history, data]).subarray(-32768);
      return data;
    } catch (error) {
      this.#breach(`a compressed message that does not inflate: ${(error as Error).message}`, "7.2.1 of RFC 7692");
      return Buffer.alloc(0);
    }
  }
}

/** Whether a close code may stand on the wire, RFC 6455 section 7.4 and the IANA registry; 5000 and up are undefined. */
export function isSendableCode(code: number): boolean {
  return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || code >= 3000;
}
